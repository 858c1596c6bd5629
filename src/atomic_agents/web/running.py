"""How callers get what a run says: whole, as server-sent events while it goes on, or later."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse

from atomic_agents.web.crew import Piece
from atomic_agents.web.desk import Going

_PULSE = 10.0  # seconds between signs of life, so that who has gone is noticed
_ALIVE = ": still going\n\n"

Tell = Callable[[Piece], Iterable[str]]
Close = Callable[[Going], Iterable[str]]


def location(run_id: str) -> str:
    """Where a run can be looked at."""
    return f"/api/runs/{run_id}"


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


async def begun(going: Going) -> Piece | None:
    """The first thing that a run says, once it has said or done anything; None where it ended or takes long."""
    try:
        async with asyncio.timeout(_PULSE):
            return await going.pieces.get()
    except TimeoutError:
        return None


def streamed(going: Going, first: Piece | None, tell: Tell, close: Close, *, stays: bool) -> StreamingResponse:
    """A run as server-sent events; `tell` and `close` say what is sent of a piece, and of the end."""

    async def events() -> AsyncIterator[str]:
        piece = first
        try:
            while not (piece is None and going.ended.is_set() and going.pieces.empty()):
                for text in tell(piece) if piece else (_ALIVE,):
                    yield text
                piece = await begun(going)
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
