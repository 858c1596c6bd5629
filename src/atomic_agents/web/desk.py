"""Runs that callers have asked for: one agent's one after the other, several agents' side by side, each in a thread.

Everything here belongs to the event loop's thread, but for what a run's own thread hands over with `_tell`.
"""

import asyncio
import contextlib
import datetime
import queue
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from atomic_agents.core.errors import AtomicAgentsError, InternalError, RunInterrupted
from atomic_agents.operations import runs
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import transcript
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.runner import Order, Result
from atomic_agents.web.limits import Limits
from atomic_agents.web.metrics import Metrics
from atomic_agents.web.refusals import Refused

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[[Workspace, "Going"], Result]

_REMEMBERED = 1000
_STOPPING = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Piece:
    """What a run says while it goes on: a piece of its answer, or a warning."""

    text: str
    notice: bool = False


@dataclass
class Going:
    """A run from when it was asked for; `result` or `error` is there once `ended` is set."""

    agent: str
    run_id: str
    streams: bool = False
    """Whether somebody takes the pieces."""
    begun: bool = False
    result: Result | None = None
    error: AtomicAgentsError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    pieces: asyncio.Queue[Piece | None] = field(default_factory=asyncio.Queue)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def status(self) -> str:
        """What it is now, in one word."""
        if self.result is not None:
            return self.result.ending
        return "refused" if self.error else "open" if self.begun else "queued"

    @property
    def failure(self) -> AtomicAgentsError | None:
        """What kept it from beginning, or ended it."""
        return self.error or (self.result.failure if self.result else None)

    def stop(self) -> None:
        """Let it end at the next word of its model; one that has not begun never does."""
        self._stop.set()

    def check(self) -> None:
        """Go no further where it is stopped.

        Raises:
            RunInterrupted: nobody waits for the answer.
        """
        if self._stop.is_set():
            raise RunInterrupted("nobody waits for the answer any more")

    def hear(self, text: str) -> None:
        """Take a piece of the answer, in the run's thread."""
        self.check()
        if self.streams:
            self._tell(Piece(text))

    def warn(self, text: str) -> None:
        """Take a warning, in the run's thread."""
        if self.streams:
            self._tell(Piece(text, notice=True))

    def rest(self, seconds: float) -> None:
        """Wait before a model is asked again, in the run's thread."""
        self._stop.wait(seconds)
        self.check()

    def _tell(self, piece: Piece) -> None:
        with contextlib.suppress(RuntimeError):  # the server is gone, and the run is on its way out
            self._loop.call_soon_threadsafe(self.pieces.put_nowait, piece)


class Desk:
    """Takes runs in, and the reading of the vault; `open_workspace` is called once for each that goes on at once."""

    def __init__(self, open_workspace: Callable[[], Workspace], limits: Limits, key_header: str) -> None:
        self.limits = limits
        self.key_header = key_header
        """The header that carries idempotency keys."""
        self.metrics = Metrics()
        self.draining = False
        self._open_workspace = open_workspace
        self._free: queue.LifoQueue[Workspace] = queue.LifoQueue()
        self._turns: dict[str, asyncio.Lock] = {}
        self._known: OrderedDict[str, Going] = OrderedDict()
        self._tasks: dict[asyncio.Task[None], Going] = {}

    @property
    def going(self) -> int:
        """How many runs are under way or wait."""
        return len(self._tasks)

    def find(self, run_id: str) -> Going | None:
        """A run that was asked for here, None where it was not or is forgotten: the record has it."""
        return self._known.get(run_id)

    async def read(
        self, work: Callable[Concatenate[Workspace, P], T], *arguments: P.args, **further: P.kwargs
    ) -> T:  # fmt: skip
        """What an operation returns, done in a thread."""

        def do() -> T:
            with self._workspace() as workspace:
                return work(workspace, *arguments, **further)

        return await asyncio.to_thread(do)

    def ask(
        self, agent: str, order: Order, *, model_id: str | None = None, talk: Talk | None = None, streams: bool = False
    ) -> Going:
        """Take a run in; `agent` is the name of one that is there.

        Raises:
            Refused: too many are under way, or the server is about to end.
        """

        def work(workspace: Workspace, going: Going) -> Result:
            return runs.run(
                workspace, agent, order, model_id=model_id, on_text=going.hear, on_notice=going.warn, talk=talk,
                run_id=going.run_id,
            )  # fmt: skip

        return self.take(agent, work, streams=streams)

    def check_room(self) -> None:
        """Refuse what `take` would refuse now.

        Raises:
            Refused: as with `ask`.
        """
        if self.draining:
            raise Refused(503, "draining", "the server is about to end", headers={"retry-after": "5"})
        if len(self._tasks) >= self.limits.runs:
            hint = "ask again later, or start the server with --max-runs N"
            raise Refused(429, "too-many-runs", "too many runs at once", hint=hint, headers={"retry-after": "1"})

    def take(self, agent: str, work: Work, *, streams: bool = False) -> Going:
        """Take in whatever ends with a run's result, as `ask` does."""
        self.check_room()
        going = Going(agent, transcript.new_run_id(datetime.datetime.now().astimezone()), streams)
        self._known[going.run_id] = going
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        task = asyncio.create_task(self._carry_out(going, work))
        self._tasks[task] = going
        task.add_done_callback(self._tasks.pop)
        return going

    async def drain(self, seconds: float, stopping: float = _STOPPING) -> int:
        """Let runs end, at most `seconds`, then stop them, which gets `stopping` seconds; how many would not."""
        self.draining = True
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=max(seconds, 0))
        for going in self._tasks.values():
            going.stop()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=stopping)
        while not self._free.empty():
            self._free.get().close()
        return len(self._tasks)

    async def _carry_out(self, going: Going, work: Work) -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def in_thread() -> None:
            try:
                going.result = self._do(going, work)
            except AtomicAgentsError as error:
                going.error = error
            except BaseException as error:  # noqa: BLE001 - one bad run never ends the server; the log has all of it
                traceback.print_exc()
                going.error = InternalError(f"{type(error).__name__}: {error}")
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)

        # The wait for the agent costs no thread; the lock that other processes heed is taken in it.
        async with self._turns.setdefault(going.agent, asyncio.Lock()):
            going.begun = True
            threading.Thread(target=in_thread, name=going.run_id, daemon=True).start()
            await done.wait()
        if going.result is not None:
            self.metrics.count_run(going.result)
            if isinstance(going.result.failure, InternalError):
                traceback.print_exception(going.result.failure)
        going.ended.set()
        going.pieces.put_nowait(None)

    def _do(self, going: Going, work: Work) -> Result:
        going.check()
        with self._workspace() as workspace:
            before, workspace.sleep = workspace.sleep, going.rest
            try:
                return work(workspace, going)
            finally:
                workspace.sleep = before

    @contextlib.contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        """A workspace that nobody else works in meanwhile."""
        try:
            workspace = self._free.get_nowait()
        except queue.Empty:
            workspace = self._open_workspace()
        try:
            yield workspace
        finally:
            self._free.put(workspace)
