"""Messages as servers that speak Anthropic's protocol really send them, and as Anthropic would have sent them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from anthropic import DefaultAsyncHttpxClient
from httpx2 import Request, Response

from atomic_agents.providers.replies import readable

_PATH = "/messages"
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class AnthropicClient(DefaultAsyncHttpxClient):
    """A client whose messages are readable whatever the server."""

    async def send(self, request: Request, **options: object) -> Response:
        """Send a request; the body of a message is read by `AnthropicReply`."""
        response = await super().send(request, **options)  # type: ignore[arg-type]
        answers = request.method == "POST" and request.url.path.endswith(_PATH) and response.is_success
        return readable(response, AnthropicReply()) if answers else response


class AnthropicReply:
    """Reads one message; whether it is whole shows by its `stop_reason`, which the caller looks for."""

    def __init__(self) -> None:
        self.begun = False

    def read(self, name: str, data: Mapping[str, object]) -> Iterable[bytes]:
        """Take an event."""
        kind = data.get("type") if isinstance(data.get("type"), str) else name
        self.begun = self.begun or kind == "content_block_delta"
        message = data.get("message")
        if isinstance(message, Mapping):
            data = {**data, "message": {**message, "usage": _usage(message.get("usage"))}}
        elif "usage" in data:
            data = {**data, "usage": _usage(data["usage"], "output_tokens")}
        yield _event(str(kind), data)

    def read_whole(self, data: Mapping[str, object]) -> Iterable[bytes] | None:
        """Take a message that was not streamed."""
        content = data.get("content")
        if not isinstance(content, Sequence) or isinstance(content, str):
            return None
        return self._read_whole(data, content)

    def done(self) -> None:
        """Take an end mark, which Anthropic itself does not send."""

    def finish(self) -> Iterable[bytes]:
        """Give nothing: the stream passed as it came."""
        return ()

    def _read_whole(self, data: Mapping[str, object], content: Sequence[object]) -> Iterator[bytes]:
        usage = _usage(data.get("usage"))
        start = {**data, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        yield _event("message_start", {"type": "message_start", "message": start})
        for at, block in enumerate(each for each in content if isinstance(each, Mapping)):
            yield from _block(at, block)
        delta = {"stop_reason": data.get("stop_reason") or "end_turn", "stop_details": data.get("stop_details")}
        yield _event("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
        yield _event("message_stop", {"type": "message_stop"})


def _block(at: int, block: Mapping[str, object]) -> Iterator[bytes]:
    """The events of one block of a message."""
    start, deltas = dict(block), list[Mapping[str, object]]()
    match block.get("type"):
        case "text":
            start["text"] = ""
            deltas.append({"type": "text_delta", "text": str(block.get("text") or "")})
        case "thinking":
            start |= {"thinking": "", "signature": ""}
            deltas.append({"type": "thinking_delta", "thinking": str(block.get("thinking") or "")})
            deltas.append({"type": "signature_delta", "signature": str(block.get("signature") or "")})
        case "tool_use":
            start["input"] = {}
            deltas.append({"type": "input_json_delta", "partial_json": json.dumps(block.get("input") or {})})
        case _:
            pass
    yield _event("content_block_start", {"type": "content_block_start", "index": at, "content_block": start})
    for delta in deltas:
        yield _event("content_block_delta", {"type": "content_block_delta", "index": at, "delta": delta})
    yield _event("content_block_stop", {"type": "content_block_stop", "index": at})


def _usage(usage: object, *least: str) -> dict[str, object]:
    """The usage with nothing but counts of tokens; what is none counts as not stated."""
    stated = usage if isinstance(usage, Mapping) else {}
    counts = {key: stated[key] for key in _COUNTS if _is_count(stated.get(key))}
    others = {key: value for key, value in stated.items() if key not in _COUNTS}
    return {**others, **dict.fromkeys(least or ("input_tokens", "output_tokens"), 0), **counts}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
