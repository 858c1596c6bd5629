"""What a caller may take: bytes, requests a second, and how much at once."""

import asyncio
import math
import time
from collections import Counter, OrderedDict
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from atomic_agents.web.refusals import Refused

BODY_SECONDS = 20.0
CONNECTIONS = 512
"""More than requests and streams together, so that there is always one that waits and can give way."""
REQUESTS = 256
"""Requests that are answered at once, without streams of events."""
STREAMS = 192
STREAMS_EACH = 64
"""Streams of events that stay open, of all callers and of one."""
_LATER = 5.0  # seconds until whoever has too much at once may try again
_CALLERS = 1024
"""Callers whose rates are remembered."""

CALLER_KEY: ContextVar[str] = ContextVar("caller_key", default="")
"""Whose request is being answered, "" for the server's own work; tasks that a request starts inherit it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator may set: bytes of a body, requests a second for each caller, runs at once, seconds to drain."""

    body: int = 1_048_576
    rate: float = 100.0
    runs: int = 64
    drain: float = 30.0


def share(most: int) -> int:
    """How many of `most` one caller may hold: an eighth stays for others, where there are so many."""
    return most - most // 8


class RateLimit:
    """A bucket for each key, which fills at `rate` a second and holds `burst`; the least used keys are forgotten."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one, and return 0; or return the seconds to wait where none is left."""
        now = time.monotonic()
        left, at = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        self._left[key] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def put_back(self, key: str) -> None:
        """Undo a `take`."""
        if key in self._left:
            left, at = self._left[key]
            self._left[key] = (min(self._burst, left + 1), at)


class Slots:
    """So many of something at once, of which no caller holds more than `each`."""

    def __init__(self, most: int, each: int, what: str) -> None:
        self._most = most
        self._each = each
        self._what = what
        self._held: Counter[str] = Counter()

    def take(self, key: str) -> None:
        """Hold one, until `give_back`.

        Raises:
            Refused: the caller holds its share (429), or all are held (503).
        """
        if self._held.get(key, 0) >= self._each:
            words = f"one caller may have {self._each:,} {self._what} at once"
            raise Refused(429, f"too-many-{self._what}", words, headers=_later(_LATER))
        if self._held.total() >= self._most:
            raise Refused(503, f"too-many-{self._what}", f"too many {self._what} at once", headers=_later(_LATER))
        self._held[key] += 1

    def give_back(self, key: str) -> None:
        """Hold one less."""
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]


def _later(seconds: float) -> dict[str, str]:
    """The headers of a request that is to be sent again; its connection goes to somebody else meanwhile."""
    return {"retry-after": str(math.ceil(seconds)), "connection": "close"}


def too_fast(wait: float, words: str = "too many requests") -> Refused:
    """A request that came too soon after others."""
    return Refused(429, "too-many-requests", words, headers={"retry-after": str(max(1, math.ceil(wait)))})


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
