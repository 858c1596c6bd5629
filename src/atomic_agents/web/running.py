"""How callers get what a run says: whole, as server-sent events while it goes on, or later."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse

from atomic_agents.web.crew import Piece
from atomic_agents.web.desk import Going

_SILENCE = 30.0  # seconds in which a stream may open with a first word, or with a failure
_PULSE = 10.0  # seconds between signs of life, so that who has gone is noticed
_ALIVE = ": still going\n\n"

Tell = Callable[[Piece], Iterable[str]]
Close = Callable[[Going], Iterable[str]]


def location(run_id: str) -> str:
    """Where a run can be looked at."""
    return f"/api/runs/{run_id}"


async def until_words(request: Request, going: Going, *, stays: bool) -> list[Piece]:
    """What a run says until its first word, so that one which fails before it is answered with a status of its own.

    After a while it is no longer waited for: those between here and the caller end what is silent for a minute. Who
    goes away stops the run, as with `until_ended`.

    Raises:
        ClientDisconnect: nobody is there to be answered.
    """
    said: list[Piece] = []

    async def collect() -> None:
        while not (going.ended.is_set() and going.pieces.empty()):
            piece = await going.pieces.get()
            if piece is not None:
                said.append(piece)
                if not piece.notice:
                    return

    left = asyncio.ensure_future(_left(request))
    collecting = asyncio.ensure_future(collect())
    try:
        await asyncio.wait((left, collecting), timeout=_SILENCE, return_when=asyncio.FIRST_COMPLETED)
        gone = left.done() and not collecting.done()
    except asyncio.CancelledError:
        gone = True
        raise
    finally:
        left.cancel()
        collecting.cancel()
        if gone and not stays:
            going.stop()
    if gone:
        raise ClientDisconnect
    return said


async def until_ended(request: Request, going: Going, *, stays: bool) -> None:
    """Wait for a run. Who goes away stops it, unless it `stays` because its answer can be asked for again.

    Raises:
        ClientDisconnect: nobody is there to be answered.
    """
    left = asyncio.ensure_future(_left(request))
    ended = asyncio.ensure_future(going.ended.wait())
    try:
        await asyncio.wait((left, ended), return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
        ended.cancel()
        if not going.ended.is_set() and not stays:
            going.stop()
    if not going.ended.is_set():
        raise ClientDisconnect


async def _next(going: Going) -> Piece | None:
    """The next thing that a run says; None where it ended or takes long."""
    try:
        async with asyncio.timeout(_PULSE):
            return await going.pieces.get()
    except TimeoutError:
        return None


def streamed(going: Going, first: Sequence[Piece], tell: Tell, close: Close, *, stays: bool) -> StreamingResponse:
    """A run as server-sent events, `first` before all; `tell` and `close` say what is sent of a piece, and last."""

    async def events() -> AsyncIterator[str]:
        try:
            for piece in first:
                for text in tell(piece):
                    yield text
            while not (going.ended.is_set() and going.pieces.empty()):
                said = await _next(going)
                for text in tell(said) if said else () if going.ended.is_set() else (_ALIVE,):
                    yield text
            for text in close(going):
                yield text
        finally:
            if not going.ended.is_set() and not stays:
                going.stop()

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events(), headers=headers, media_type="text/event-stream")


def event(value: object, name: str = "") -> str:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, ensure_ascii=False, default=str)}\n\n"


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
