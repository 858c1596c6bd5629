"""A model on loopback that answers at once: the smallest server that speaks OpenAI's chat protocol."""

import json
import socketserver
import statistics
import time

from atomic_agents.testing.loopback import Loopback

_USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
_TEXT = "It is in the ledger."
_CAPTURE = """

```atomic_capture
{{"type": "project", "name": "crate {0} of the ferry", "description": "where crate {0} stands",
  "body": "Crate {0} stands at the quay.", "confidence": "high"}}
```
"""


class InstantModel(Loopback):
    """A context manager; `handling` has the seconds that each question took here, from its last byte on.

    With `capturing` the first answer of each run asks for a note to be kept, as a fenced block; each answer takes
    `seconds`.
    """

    def __init__(self, *, capturing: bool = False, seconds: float = 0.0) -> None:
        self.handling: list[float] = []
        handling = self.handling

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                while (length := self._head()) >= 0:
                    body = json.loads(self.rfile.read(length))
                    time.sleep(seconds)
                    start = time.perf_counter()
                    captures = capturing and all(one["role"] != "assistant" for one in body["messages"])
                    text = _TEXT + _CAPTURE.format(len(handling)) if captures else _TEXT
                    self.wfile.write(_answer(body["model"], text, stream=bool(body.get("stream"))))
                    handling.append(time.perf_counter() - start)

            def _head(self) -> int:
                """The length of the next request's body; -1 where the client has gone."""
                length = 0
                while line := self.rfile.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                return length or -1

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)

    @property
    def url(self) -> str:
        """The base URL that a client is given."""
        return f"{super().url}/v1"

    @property
    def median(self) -> float:
        """Seconds, the median of `handling`."""
        return statistics.median(self.handling) if self.handling else 0.0


def _answer(model: str, said: str, *, stream: bool) -> bytes:
    head = {"id": "c1", "created": 1, "model": model}
    if not stream:
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
        return _response("application/json", json.dumps(whole))
    text = {"index": 0, "delta": {"role": "assistant", "content": said}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunks: list[dict[str, object]] = [{"choices": [text]}, {"choices": [end]}, {"choices": [], "usage": _USAGE}]
    events = [json.dumps({**head, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
    return _response("text/event-stream", "".join(f"data: {event}\n\n" for event in (*events, "[DONE]")))


def _response(kind: str, text: str) -> bytes:
    data = text.encode()
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
