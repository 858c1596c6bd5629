"""Model servers on loopback that speak the real wire formats and say what they are told to say."""

import http.server
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from atomic_agents.core.model import Finish, ToolCall, Usage
from atomic_agents.testing.loopback import Loopback

Json = dict[str, Any]

_PIECE = 7  # characters a streamed piece
_LAST = ('"finish_reason": "', '"finishReason": "')


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer.

    A `status` other than 200 answers with `text` as the error's message and `error_type` as its type. `breaks` cuts
    the connection after the pieces were sent, `silent` before any byte. `pause` is the seconds after each piece.
    `retry_after` is the header of that name of an error, which otherwise asks to be tried again at once.
    `thinking` precedes the text, signed, from Anthropic's server.
    """

    text: str = ""
    thinking: str = ""
    calls: Sequence[ToolCall] = ()
    usage: Usage | None = field(default_factory=lambda: Usage(input_tokens=1200, output_tokens=3))
    finish: Finish = "stop"
    status: int = 200
    error_type: str = "invalid_request_error"
    breaks: bool = False
    silent: bool = False
    pause: float = 0.0
    retry_after: str = ""


_GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL",
    503: "UNAVAILABLE",
}  # fmt: skip

Script = Sequence[Reply] | Callable[[Json], Reply]


class ModelServer(Loopback):
    """A server as a context manager; the last scripted reply repeats.

    `requests` has the JSON body of each question, `headers` its headers in lower case, in order of arrival;
    `connections` counts the connections that were made.
    """

    path: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(self, script: Script | str, *, models: Sequence[str] = ()) -> None:
        self.requests: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.models = models
        self._script: Script = [Reply(script)] if isinstance(script, str) else script
        super().__init__(_Listener(self))

    @property
    def url(self) -> str:
        """The base URL a client is given."""
        return f"{super().url}{self.prefix}"

    def question(self, path: str, body: Json) -> Json | None:
        """The body of a request for a streamed answer, with the model that is asked; None for any other request."""
        return body if path == self.path and body.get("stream") else None

    def next_reply(self, body: Json) -> Reply:
        """What the script says to the question `body`."""
        self.requests.append(body)
        if callable(self._script):
            return self._script(body)
        return self._script[min(len(self.requests), len(self._script)) - 1]

    def error(self, reply: Reply) -> Json:
        """The body of an error, in the server's dialect."""
        raise NotImplementedError

    def events(self, reply: Reply, body: Json) -> Iterator[tuple[str, Json | str]]:
        """The stream of an answer: names and data of its events."""
        raise NotImplementedError


class OpenAIServer(ModelServer):
    """Chat completions, streamed, and the list of models."""

    path = "/v1/chat/completions"
    prefix = "/v1"

    def error(self, reply: Reply) -> Json:
        """`{"error": {"message", "type", ...}}`."""
        return {"error": {"message": reply.text, "type": reply.error_type, "param": None, "code": reply.error_type}}

    def events(self, reply: Reply, body: Json) -> Iterator[tuple[str, Json | str]]:
        """Chunks, the usage where it was asked for, and the end mark."""

        def chunk(delta: Json, finish: str | None = None) -> Json:
            return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        head: Json = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        yield "", chunk({"role": "assistant", "content": ""})
        for piece in _pieces(reply.text):
            yield "", chunk({"content": piece})
        for at, call in enumerate(reply.calls):
            function = {"name": call.name, "arguments": ""}
            yield "", chunk({"tool_calls": [{"index": at, "id": call.id, "type": "function", "function": function}]})
            for piece in _pieces(call.arguments):
                yield "", chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
        finish = "tool_calls" if reply.calls else {"refused": "content_filter"}.get(reply.finish, reply.finish)
        yield "", chunk({}, finish)
        if reply.usage is not None and (body.get("stream_options") or {}).get("include_usage"):
            yield "", {**head, "choices": [], "usage": _openai_usage(reply.usage)}
        yield "", "[DONE]"


class AnthropicServer(ModelServer):
    """Messages, streamed."""

    path = "/v1/messages"
    prefix = ""

    def error(self, reply: Reply) -> Json:
        """`{"type": "error", "error": {"type", "message"}}`."""
        return {"type": "error", "error": {"type": reply.error_type, "message": reply.text}}

    def events(self, reply: Reply, body: Json) -> Iterator[tuple[str, Json | str]]:
        """`message_start`, the blocks, `message_delta`, `message_stop`."""
        usage = reply.usage or Usage()
        start = {"id": "m1", "type": "message", "role": "assistant", "model": body["model"], "content": []}
        yield _event("message_start", message=start | {"stop_reason": None, "usage": _anthropic_usage(usage)})
        yield _event("ping")
        for at, (block, deltas) in enumerate(_blocks(reply)):
            yield _event("content_block_start", index=at, content_block=block)
            for delta in deltas:
                yield _event("content_block_delta", index=at, delta=delta)
            yield _event("content_block_stop", index=at)
        stops = {"stop": "end_turn", "length": "max_tokens", "refused": "refusal", "tool_calls": "tool_use"}
        stop = "tool_use" if reply.calls else stops[reply.finish]
        yield _event("message_delta", delta={"stop_reason": stop}, usage={"output_tokens": usage.output_tokens})
        yield _event("message_stop")


class CompatibleServer(OpenAIServer):
    """The same from a server that imitates it: a short error body, no usage, no end mark."""

    def error(self, reply: Reply) -> Json:
        """`{"error": MESSAGE}`."""
        return {"error": reply.text}

    def events(self, reply: Reply, body: Json) -> Iterator[tuple[str, Json | str]]:
        """The chunks of an answer."""
        return (event for event in super().events(replace(reply, usage=None), body) if event[1] != "[DONE]")


class GeminiServer(ModelServer):
    """`streamGenerateContent`, as server-sent events."""

    path = "/v1beta/models/MODEL:streamGenerateContent"
    prefix = ""

    def question(self, path: str, body: Json) -> Json | None:
        """The body, with the model that stands in the path."""
        before, after = self.path.split("MODEL")
        asked = path.startswith(before) and path.endswith(after)
        return body | {"model": path.removeprefix(before).removesuffix(after)} if asked else None

    def error(self, reply: Reply) -> Json:
        """`{"error": {"code", "message", "status"}}`."""
        status = _GOOGLE_STATUS.get(reply.status, "UNKNOWN")
        return {"error": {"code": reply.status, "message": reply.text, "status": status}}

    def events(self, reply: Reply, body: Json) -> Iterator[tuple[str, Json | str]]:
        """A chunk for each piece and each call; the last has the reason for the end and the usage."""

        def chunk(part: Json, **more: object) -> tuple[str, Json]:
            candidate = {"content": {"role": "model", "parts": [part]}, "index": 0, **more}
            return "", {"candidates": [candidate], "modelVersion": body["model"], "responseId": "r1"}

        for piece in _pieces(reply.text):
            yield chunk({"text": piece})
        for call in reply.calls:
            yield chunk({"functionCall": {"id": call.id, "name": call.name, "args": json.loads(call.arguments)}})
        finish = {"length": "MAX_TOKENS", "refused": "SAFETY"}.get(reply.finish, "STOP")
        _, last = chunk({"text": ""}, finishReason=finish)
        yield "", last | ({"usageMetadata": _google_usage(reply.usage)} if reply.usage else {})


class _Listener(http.server.ThreadingHTTPServer):
    """The socket; closing it ends the connections that clients keep open."""

    def __init__(self, server: ModelServer) -> None:
        self.model_server = server
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        connection = request[1] if isinstance(request, tuple) else request
        self.model_server.connections += 1
        self._open.add(connection)
        super().process_request_thread(request, client_address)
        self._open.discard(connection)

    def server_close(self) -> None:
        super().server_close()
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was first


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer leaves in one segment: no wait for a delayed acknowledgement
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        """The list of models."""
        models = self.server.model_server.models
        found = self.path == "/v1/models"
        self._send(200 if found else 404, {"object": "list", "data": [{"id": name} for name in models]})

    def do_POST(self) -> None:
        """One question."""
        model = self.server.model_server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        question = model.question(self.path.partition("?")[0], body)
        if question is None:
            self._send(400, model.error(Reply(f"this server only streams answers to {model.path}", status=400)))
            return
        model.headers.append({name.lower(): value for name, value in self.headers.items()})
        reply = model.next_reply(question)
        if reply.silent:
            self.close_connection = True
        elif reply.status != http.HTTPStatus.OK:
            self._send(reply.status, model.error(reply), retry_after=reply.retry_after)
        else:
            self._stream(reply, model.events(reply, question))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def _stream(self, reply: Reply, events: Iterator[tuple[str, Json | str]]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for name, data in events:
            text = data if isinstance(data, str) else json.dumps(data)
            last = name == "message_delta" or any(mark in text for mark in _LAST)
            if reply.breaks and last:
                self.close_connection = True
                return
            raw = f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"
            encoded = raw.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(encoded), encoded))
            if reply.pause:
                self.wfile.flush()
                time.sleep(reply.pause)
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, body: Mapping[str, Any], *, retry_after: str = "") -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        if retry_after:
            self.send_header("retry-after", retry_after)
        elif status >= 400:
            self.send_header("retry-after-ms", "1")  # clients try again at once
        self.end_headers()
        self.wfile.write(raw)


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))


def _blocks(reply: Reply) -> Iterator[tuple[Json, list[Json]]]:
    """Anthropic's content blocks: how each starts, and what is added to it."""
    if reply.thinking:
        thought = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(reply.thinking)]
        signed = {"type": "signature_delta", "signature": "signed"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*thought, signed]
    if reply.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(reply.text)]
    for call in reply.calls:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(call.arguments)]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, pieces


def _event(kind: str, **fields: object) -> tuple[str, Json]:
    return kind, {"type": kind, **fields}


def _openai_usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
    }


def _google_usage(usage: Usage) -> Json:
    return {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
    }


def _anthropic_usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "output_tokens": 1,
    }
