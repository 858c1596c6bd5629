"""Text that another thread produces, handed to the caller piece by piece while the caller stays interruptible.

Network clients belong to the event loop they were made on. One loop for the process, on a thread of its own, keeps
them warm between calls whichever thread asks, and closes them when the process ends.
"""

import atexit
import contextlib
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
Pieces = queue.SimpleQueue[str | None]
Close = Callable[[], Coroutine[object, object, object]]

_WAKE_SECONDS = 0.5  # Windows notices Ctrl-C only between waits
_CLOSE_SECONDS = 2.0


def relay(work: "Future[T]", pieces: Pieces, on_text: Callable[[str], None], stop: Callable[[], object]) -> T:
    """Hand `pieces` to `on_text` in the calling thread until `work` is done, and return its result.

    Whatever stops the caller, Ctrl-C or an error in `on_text`, calls `stop` and passes through untouched.
    """
    work.add_done_callback(lambda _: pieces.put(None))
    try:
        while (piece := _next(pieces)) is not None:
            on_text(piece)
    except BaseException:
        stop()
        raise
    return work.result()


def _next(pieces: Pieces) -> str | None:
    while True:
        try:
            return pieces.get(timeout=_WAKE_SECONDS)
        except queue.Empty:
            continue


def background() -> "Background":
    """This process's loop, started at the first call; a forked child gets its own."""
    found = _BY_PROCESS.get(os.getpid())
    if found is None:
        with _STARTING:
            found = _BY_PROCESS.get(os.getpid()) or Background()
            _BY_PROCESS[os.getpid()] = found
    return found


class Background:
    """An event loop on a daemon thread, and the clients that live on it."""

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - 30 ms that only a model call needs

        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._keeping = threading.RLock()  # what is kept may be made of what is kept
        self._kept: dict[Hashable, object] = {}
        self._closers: list[Close] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="models", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def submit(self, work: Coroutine[object, object, T]) -> "Future[T]":
        """Start `work` on the loop; cancelling the future cancels it."""
        import asyncio  # noqa: PLC0415 - see __init__

        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def keep(self, key: Hashable, make: Callable[[], tuple[T, Close]]) -> T:
        """What `make` made for `key`, made once and closed with the process."""
        with self._keeping:
            if key not in self._kept:
                self._kept[key], close = make()
                self._closers.append(close)
            return cast("T", self._kept[key])

    def close(self) -> None:
        """Close every client, then the loop; asks a forked child nothing."""
        if self._pid != os.getpid() or self._loop.is_closed():
            return
        with contextlib.suppress(TimeoutError):
            self.submit(self._shut()).result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    async def _shut(self) -> None:
        import asyncio  # noqa: PLC0415 - see __init__

        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *(close() for close in self._closers), return_exceptions=True)
        await self._loop.shutdown_asyncgens()


_BY_PROCESS: dict[int, Background] = {}
_STARTING = threading.Lock()
