"""Connections: how many there are, how long each may keep the server waiting, and which gives way to a new one."""

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from uvicorn.protocols.http.h11_impl import H11Protocol

from atomic_agents.web.limits import CONNECTIONS
from atomic_agents.web.refusals import SAFE_HEADERS

HEAD_SECONDS = 10.0
"""For the head of a request, from when the connection is made or the answer before it is out."""
SEND_SECONDS = 30.0
"""For an answer that waits to be taken to be taken a little further."""
_SPARE_FILES = 256
"""Files that a server has open besides its connections, at most."""


def protocol(most: int = CONNECTIONS) -> Callable[..., asyncio.Protocol]:
    """What makes the protocol of each connection of one server."""
    return partial(Protocol, _Waiting(), most)


def allow_files() -> int:
    """Let this process open a file for each connection; how many connections there can be."""
    try:
        import resource  # noqa: PLC0415 - Windows has none, and no such limit
    except ImportError:
        return CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(CONNECTIONS, soft - _SPARE_FILES))


class _Waiting:
    """Connections that wait for a request, those of each address in the order in which they began to."""

    def __init__(self) -> None:
        self._of: dict[str, OrderedDict[Protocol, None]] = {}

    def add(self, connection: "Protocol") -> None:
        self._of.setdefault(connection.address, OrderedDict())[connection] = None

    def discard(self, connection: "Protocol") -> None:
        same = self._of.get(connection.address)
        if same is not None:
            same.pop(connection, None)
            if not same:
                del self._of[connection.address]

    def longest(self) -> "Protocol | None":
        """The one that waits longest, of the address that has most of them."""
        most = max(self._of.values(), key=len, default=None)
        return next(iter(most)) if most else None


class Protocol(H11Protocol):
    """HTTP/1.1 for at most `most` connections.

    One more takes the place of a connection that waits for a request, so that whoever opens many only loses their own,
    and a request that has come is always answered. Slow heads and answers that nobody takes end the connection.
    """

    def __init__(self, waiting: _Waiting, most: int, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type] # uvicorn gives what its class takes
        self._waiting = waiting
        self._most = most
        self._patience: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        self.address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the class above does
        """Take a connection, and let another go where there are too many."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._waiting.add(self)
        self._wait(HEAD_SECONDS)
        if len(self.connections) > self._most and (least := self._waiting.longest()):
            least.give_way()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        for timer in (self._patience, self._sending):
            if timer is not None:
                timer.cancel()
        self._waiting.discard(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has come; whoever has sent the head of a request keeps the connection."""
        super().handle_events()
        if self._is_answering:
            self._waiting.discard(self)

    def on_response_complete(self) -> None:
        """The next request may come."""
        super().on_response_complete()
        if not self._is_answering:
            self._waiting.add(self)
        self._wait(SEND_SECONDS if self.transport.is_closing() else HEAD_SECONDS)

    def pause_writing(self) -> None:
        """Begin to wait for whoever takes the answer."""
        super().pause_writing()
        self._sending = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        if self._sending is not None:
            self._sending.cancel()

    def give_way(self) -> None:
        """Close a connection that waits for a request, with a word where nothing was answered on it yet."""
        self._waiting.discard(self)
        if self.cycle is None:  # as long as nothing came
            self.transport.write(_response(503, "too-many-connections", "come back later", b"Retry-After: 5\r\n"))
            self.transport.close()
        else:
            self._end()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the shape of every other refusal."""
        self.transport.write(_response(400, "not-http", msg))
        self.transport.close()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr] # None at first

    def _wait(self, seconds: float) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        """End a connection on which no request came."""
        if not self._is_answering:
            self._end()

    def _end(self) -> None:
        """Close the connection; an answer that nobody took until now is lost, since closing would wait for it."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


def _response(status: int, code: str, message: str, more: bytes = b"") -> bytes:
    """A whole refusal, for a connection on which there is no request to answer."""
    phrase = {400: b"Bad Request", 503: b"Service Unavailable"}[status]
    content = json.dumps({"error": {"code": code, "message": message, "hint": ""}}).encode()
    safe = b"".join(f"{name}: {value}\r\n".encode() for name, value in SAFE_HEADERS.items())
    head = b"HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n" % (status, phrase)
    return b"%s%s%sContent-Length: %d\r\n\r\n%s" % (head, more, safe, len(content), content)
