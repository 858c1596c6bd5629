"""Runs in processes beside the server's, so that they have more than one processor; each process runs many."""

import asyncio
import contextlib
import multiprocessing
import pickle
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from atomic_agents.core.errors import InternalError, RunInterrupted
from atomic_agents.operations import children
from atomic_agents.operations.children import Opener
from atomic_agents.web.crew import STOPPING, Ended, Piece, Tell, Threads, Work, Workspaces

_LEAVING = 1.0  # seconds that a process gets to end once its runs had theirs


@dataclass(frozen=True, slots=True)
class _Start:
    run_id: str
    work: Work
    streams: bool


@dataclass(frozen=True, slots=True)
class _Stop:
    run_id: str


@dataclass
class _Hand:
    """One process; it belongs to the event loop's thread, and is begun anew where it has died."""

    open_workspace: Opener
    going: dict[str, Tell] = field(default_factory=dict)
    _process: BaseProcess | None = None
    _pipe: Connection | None = None

    def begin(self) -> Connection:
        """The pipe to the process."""
        if self._pipe is None:
            # A copy of a process with threads may hold their locks for ever.
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs, self.open_workspace), daemon=True)
            self._process.start()
            theirs.close()
            asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._listen, self._pipe)
        return self._pipe

    def start(self, order: _Start, tell: Tell) -> None:
        """Have a run begun."""
        data, pipe = pickle.dumps(order), self.begin()
        self.going[order.run_id] = tell
        with contextlib.suppress(OSError):  # it has died, which `_listen` is about to hear
            pipe.send_bytes(data)

    def stop(self, run_id: str) -> None:
        """Have a run stopped."""
        if self._pipe is not None and run_id in self.going:
            with contextlib.suppress(OSError):
                self._pipe.send(_Stop(run_id))

    def leave(self) -> None:
        """Have the process end; runs that go on are stopped."""
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()
            self._pipe = None

    def join(self, seconds: float) -> None:
        """Wait until the process has ended; then it is killed."""
        if self._process is not None:
            self._process.join(max(seconds, 0))
            self._process.kill()
            self._process.join()

    def _listen(self, pipe: Connection) -> None:
        try:
            while pipe.poll():
                run_id, said = pipe.recv()
                tell = self.going.pop(run_id) if isinstance(said, Ended) else self.going[run_id]
                tell(said)
        except (EOFError, OSError):
            self._bury()

    def _bury(self) -> None:
        """End the runs of a process that has died."""
        self.leave()
        self.join(_LEAVING)
        code = self._process.exitcode if self._process else None
        words = f"the process that ran it ended with {code}; what it had cost is written by the agent's next run"
        for tell in self.going.values():
            tell(Ended(error=RunInterrupted(words)))
        self.going.clear()


class Processes:
    """Some processes, each run in the one that has least to do. To be made and used in the event loop's thread."""

    def __init__(self, open_workspace: Opener, count: int) -> None:
        self._hands = [_Hand(open_workspace) for _ in range(count)]
        for hand in self._hands:
            hand.begin()

    def start(self, run_id: str, work: Work, tell: Tell, *, streams: bool) -> None:
        """Begin at once."""
        hand = min(self._hands, key=lambda each: len(each.going))
        hand.start(_Start(run_id, work, streams), tell)

    def stop(self, run_id: str) -> None:
        """Let a run end at the next word of its model."""
        for hand in self._hands:
            hand.stop(run_id)

    def close(self) -> None:
        """End the processes."""
        for hand in self._hands:
            hand.leave()
        until = time.monotonic() + _LEAVING
        for hand in self._hands:
            hand.join(until - time.monotonic())


def _work(pipe: Connection, open_workspace: Opener) -> None:
    """What a process does until the server ends it, or is gone."""
    children.settle_in()
    workspaces, lock = Workspaces(open_workspace), threading.Lock()
    threads = Threads(workspaces)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            order = pipe.recv()
            if isinstance(order, _Start):
                tell = partial(_tell, pipe, lock, order.run_id)
                threads.start(order.run_id, order.work, tell, streams=order.streams)
            else:
                threads.stop(order.run_id)
    threads.end(STOPPING)
    workspaces.close()


def _tell(pipe: Connection, lock: threading.Lock, run_id: str, said: Piece | Ended) -> None:
    try:
        data = pickle.dumps((run_id, said))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        data = pickle.dumps((run_id, Ended(error=InternalError(f"the outcome cannot be handed on: {error}"))))
    with lock, contextlib.suppress(OSError):  # the server is gone, and the run is on its way out
        pipe.send_bytes(data)
