"""What a caller may take: bytes, requests, runs, connections and time."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from atomic_agents.web import refusals
from atomic_agents.web.refusals import Refused

HEAD_SECONDS = 10.0
"""For the head of a request, from when the connection is made or the answer before it is out."""
BODY_SECONDS = 20.0
SEND_SECONDS = 30.0
"""For each piece of an answer to be taken."""
CONNECTIONS = 512
REQUESTS = 256
_CALLERS = 1024
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b'Content-Length: 73\r\n\r\n{"error": {"code": "too-many-connections", "message": "come back later"}}'
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator may set: bytes of a body, requests a second for each caller, runs at once, seconds to drain."""

    body: int = 1_048_576
    rate: float = 100.0
    runs: int = 64
    drain: float = 30.0


class Rates:
    """Requests of each caller as a bucket that fills at `rate` a second and holds two seconds' worth."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(rate * 2, 1.0)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count a request.

        Raises:
            Refused: there were too many; carries the seconds to wait.
        """
        now = time.monotonic()
        left, at = self._left.pop(caller, (self._most, now))
        left = min(self._most, left + (now - at) * self._rate)
        self._left[caller] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) / self._rate))
            raise Refused(429, "too-many-requests", "too many requests", headers={"retry-after": str(wait)})


async def body(request: Request, most: int) -> bytes:
    """The whole body.

    Raises:
        Refused: it is too long, or comes too slowly, or its sender has gone.
    """
    stated = request.headers.get("content-length", "0")
    read = bytearray()
    if not stated.isdecimal() or int(stated) <= most:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    read += chunk
                    if len(read) > most:
                        break
                else:
                    return bytes(read)
        except TimeoutError:
            raise Refused(408, "too-slow", "the body came too slowly", headers={"connection": "close"}) from None
        except ClientDisconnect:
            raise Refused(400, "gone", "the body broke off") from None
    raise Refused(413, "too-large", f"a body may have {most:,} bytes", headers={"connection": "close"})


class Bounded:
    """An application that answers so many requests at once, and gives up on who does not take the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it politely."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self.open >= REQUESTS:
            refused = Refused(503, "too-many-requests", "too many requests at once", headers={"retry-after": "2"})
            await refusals.plain(refused)(scope, receive, send)
            return

        async def patient(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        self.open += 1
        try:
            await self._app(scope, receive, patient)
        except (TimeoutError, ClientDisconnect):
            return  # nobody takes the answer: the server closes what is left open
        finally:
            self.open -= 1


class Protocol(H11Protocol):
    """HTTP/1.1 for so many connections, each with so long for the head of its next request."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the class above does
        """Take a connection, or turn it away at once."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.write(_FULL)
            transport.close()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._enough()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next request may come."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        self._enough()
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _enough(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr] # None at first
            self.transport.close()
