"""Chat completions as servers that speak OpenAI's protocol really send them, and as OpenAI would have sent them."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from httpx2 import Request, Response
from openai import DefaultAsyncHttpxClient

from atomic_agents.providers.replies import readable
from atomic_agents.providers.reply_errors import ReplyCutOff
from atomic_agents.providers.tool_calls import ToolCalls

_PATH = "/chat/completions"
_DONE = b"data: [DONE]\n\n"
_REASONING = ("reasoning_content", "reasoning", "thinking")
_FINISHES: Mapping[str, str] = {
    **dict.fromkeys(("length", "max_tokens", "model_length", "max_output_tokens", "limit", "token_limit"), "length"),
    **dict.fromkeys(("model_context_window_exceeded", "context_length", "incomplete"), "length"),
    **dict.fromkeys(("content_filter", "content-filter", "contentfilter", "refusal", "safety", "recitation"), "filter"),
    **dict.fromkeys(("blocklist", "prohibited_content", "spii", "image_safety", "sensitive", "moderation"), "filter"),
    **dict.fromkeys(("guardrail_intervened", "content_filtered", "error_toxic", "model_armor", "blocked"), "filter"),
    **dict.fromkeys(("error", "abort", "aborted", "cancelled", "network_error", "server_error"), "error"),
    **dict.fromkeys(("insufficient_system_resource", "malformed_function_call", "error_limit"), "error"),
}
"""What providers and gateways call the end of an answer, in four kinds; every other word is an ordinary end."""
_CACHE_READS = ("cached_tokens", "cache_read_input_tokens", "cache_read_tokens", "prompt_cache_hit_tokens")
_CACHE_WRITES = ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens")


class OpenAIClient(DefaultAsyncHttpxClient):
    """A client whose chat completions are readable whatever the server."""

    async def send(self, request: Request, **options: object) -> Response:
        """Send a request; the body of a chat completion is read by `OpenAIReply`."""
        response = await super().send(request, **options)  # type: ignore[arg-type]
        answers = request.method == "POST" and request.url.path.endswith(_PATH) and response.is_success
        return readable(response, OpenAIReply()) if answers else response


class OpenAIReply:
    """Reads one chat completion.

    Text and reasoning pass at once. Calls, the reason for the end and the usage come when the answer is whole: each
    call with an id and an index of its own, the usage once, as it stood last.
    """

    def __init__(self) -> None:
        self.begun = False
        self._head: dict[str, object] = {"id": "reply", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._calls = ToolCalls()
        self._usage: dict[str, object] | None = None
        self._finish = ""
        self._refusal = ""
        self._filters: list[str] = []
        self._is_whole = False

    def read(self, name: str, data: Mapping[str, object]) -> Iterable[bytes]:
        """Take a chunk."""
        del name
        self._note_head(data)
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, Sequence) and choices else None
        has_usage = self._note_usage(data, choice)
        if not isinstance(choice, Mapping):
            self._is_whole = self._is_whole or has_usage
            return
        delta = choice.get("delta")
        if delta is None and not self.begun:
            delta = choice.get("message")
        yield from self._read_delta(delta if isinstance(delta, Mapping) else {"content": choice.get("text")})
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            self._finish, self._is_whole = finish.lower(), True
            self._filters += _filtered(choice.get("content_filter_results"))

    def read_whole(self, data: Mapping[str, object]) -> Iterable[bytes] | None:
        """Take a completion that was not streamed."""
        if not isinstance(data.get("choices"), Sequence):
            return None
        return self._read_whole(data)

    def done(self) -> None:
        """Take the end mark."""
        self._is_whole = True

    def finish(self) -> Iterable[bytes]:
        """Give the calls, the refusal, the reason for the end, the usage and the end mark.

        Raises:
            ReplyCutOff: there was neither a reason for the end, nor an end mark, nor the usage that comes last.
        """
        kind = _FINISHES.get(self._finish, "")
        if not self._is_whole:
            raise ReplyCutOff(begun=self.begun)
        if kind == "error":
            raise ReplyCutOff(f"the server stopped with: {self._finish}", begun=self.begun)
        finish = {"filter": "content_filter", "length": "length"}.get(kind, "tool_calls" if self._calls else "stop")
        if self._calls:
            yield self._chunk({"tool_calls": self._calls.finished()})
        yield self._chunk({}, finish)
        refusal = self._refusal or (
            f"filtered: {', '.join(self._filters)}" if self._filters and kind == "filter" else ""
        )
        if refusal:
            yield self._chunk({"refusal": refusal})
        if self._usage is not None:
            yield _line({**self._head, "choices": [], "usage": self._usage})
        yield _DONE

    def _read_whole(self, data: Mapping[str, object]) -> Iterator[bytes]:
        yield from self.read("", data)
        self._is_whole = True
        yield from self.finish()

    def _read_delta(self, delta: Mapping[str, object]) -> Iterator[bytes]:
        text, reasoning = _content(delta.get("content"))
        reasoning = next((found for key in _REASONING if (found := _string(delta.get(key)))), reasoning)
        self._calls.add(delta.get("tool_calls"))
        if isinstance(call := delta.get("function_call"), Mapping):
            self._calls.add([{"index": 0, "function": call}])
        self._refusal += _string(delta.get("refusal"))
        self.begun = self.begun or bool(text or reasoning or self._calls or self._refusal)
        if reasoning:
            yield self._chunk({"reasoning_content": reasoning})
        for piece in _pieces(text):
            yield self._chunk({"content": piece})

    def _note_head(self, data: Mapping[str, object]) -> None:
        for key in ("id", "model"):
            if isinstance(value := data.get(key), str) and value:
                self._head[key] = value
        if isinstance(created := data.get("created"), int) and 0 < created < 1 << 35:
            self._head["created"] = created

    def _note_usage(self, data: Mapping[str, object], choice: object) -> bool:
        """Whether the chunk has a usage that can be read; it takes the place of any before."""
        groq = data.get("x_groq")
        for holder in (data, choice, groq):
            usage = holder.get("usage") if isinstance(holder, Mapping) else None
            if (found := read_usage(usage)) is not None:
                self._usage = found
                return True
        return False

    def _chunk(self, delta: Mapping[str, object], finish: str | None = None) -> bytes:
        return _line({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def read_usage(usage: object) -> dict[str, object] | None:
    """A usage as OpenAI has it, out of any provider's form; None where a figure in it is no count of tokens."""
    if not isinstance(usage, Mapping):
        return None
    asked = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    answered = _count(usage.get("completion_tokens", usage.get("output_tokens")))
    if asked is None or answered is None:
        return None
    details = usage.get("prompt_tokens_details", usage.get("input_tokens_details"))
    read, written = _cached(usage, details, _CACHE_READS), _cached(usage, details, _CACHE_WRITES)
    if read + written > asked:  # a server that counts what it cached apart
        asked += read + written
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "prompt_cache_hit_tokens": read,
        "prompt_cache_miss_tokens": asked - read,
    }


def _cached(usage: Mapping[str, object], details: object, keys: Sequence[str]) -> int:
    holders = (details, usage)
    counts = (_count(holder.get(key)) for holder in holders if isinstance(holder, Mapping) for key in keys)
    return next((count for count in counts if count), 0)


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or value < 0 or value != int(value):
        return None
    return int(value)


def _content(value: object) -> tuple[str, str]:
    """Text and reasoning of a content, which some servers send as a list of parts."""
    if isinstance(value, str):
        return value, ""
    text, reasoning = "", ""
    for part in value if isinstance(value, Sequence) else ():
        if isinstance(part, str):
            text += part
        elif isinstance(part, Mapping):
            if "thinking" in part or part.get("type") in {"thinking", "reasoning"}:
                inner = part.get("thinking", part.get("text"))
                reasoning += inner if isinstance(inner, str) else _content(inner)[0]
            else:
                text += _string(part.get("text"))
    return text, reasoning


def _pieces(text: str) -> Iterable[str]:
    """The text in pieces of which none is exactly a tag of reasoning, which pydantic-ai would take out by itself."""
    if text.startswith("<") and text.endswith(">") and len(text) > 1:
        return text[:1], text[1:]
    return (text,) if text else ()


def _filtered(results: object) -> list[str]:
    """What Azure's filter objected to: `hate (high)`."""
    found = []
    for name, result in results.items() if isinstance(results, Mapping) else ():
        if isinstance(result, Mapping) and result.get("filtered"):
            severity = _string(result.get("severity"))
            found.append(f"{name} ({severity})" if severity else str(name))
    return found


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _line(data: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
