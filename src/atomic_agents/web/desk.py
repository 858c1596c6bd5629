"""Runs that callers have asked for: one agent's one after the other, several agents' side by side, by a crew.

Everything here belongs to the event loop's thread.
"""

import asyncio
import contextlib
import datetime
import traceback
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from atomic_agents.core.errors import AtomicAgentsError, InternalError
from atomic_agents.operations import approvals, runs
from atomic_agents.operations.approvals import Item
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import transcript
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order, Result
from atomic_agents.web.crew import STOPPING, Crew, Ended, Piece, Post, Threads, Work, Workspaces, stopped
from atomic_agents.web.limits import CALLER_KEY, Limits, share
from atomic_agents.web.metrics import Metrics
from atomic_agents.web.processes import Processes
from atomic_agents.web.refusals import Refused

P = ParamSpec("P")
T = TypeVar("T")

_REMEMBERED = 1000
_READS_EACH = 3
"""Readings of one caller that go on at once, about half of the threads there are on a small machine."""


@dataclass
class Going:
    """A run from when it was asked for; `result` or `error` is there once `ended` is set."""

    agent: str
    run_id: str
    crew: Crew
    caller: str = ""
    begun: bool = False
    stopped: bool = False
    result: Result | None = None
    error: AtomicAgentsError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    pieces: asyncio.Queue[Piece | None] = field(default_factory=asyncio.Queue)

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
        self.stopped = True
        self.crew.stop(self.run_id)


@dataclass
class _Reads:
    """The readings of one caller."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READS_EACH))
    waiting: int = 0


class Desk:
    """Takes runs in, which its crew carries out, and the reading of the vault."""

    def __init__(
        self, open_workspace: Callable[[], Workspace], limits: Limits, key_header: str, processes: int = 1
    ) -> None:
        self.limits = limits
        self.key_header = key_header
        """The header that carries idempotency keys."""
        self.metrics = Metrics()
        self.draining = False
        self._workspaces = Workspaces(open_workspace)
        self._crew: Crew = Processes(open_workspace, processes) if processes > 1 else Threads(self._workspaces)
        self._turns: dict[str, asyncio.Lock] = {}
        self._known: OrderedDict[str, Going] = OrderedDict()
        self._tasks: dict[asyncio.Task[None], Going] = {}
        self._reads: dict[str, _Reads] = {}
        self._checks = ThreadPoolExecutor(1, "checks")

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
        """What an operation returns, done in a thread; a caller who reads much waits for its own readings only."""
        key = CALLER_KEY.get()
        do = partial(self._do, work, *arguments, **further)
        if not key:
            return await asyncio.to_thread(do)
        reads = self._reads.setdefault(key, _Reads())
        reads.waiting += 1
        try:
            async with reads.turns:
                return await asyncio.to_thread(do)
        finally:
            reads.waiting -= 1
            if not reads.waiting:
                del self._reads[key]

    async def check(
        self, work: Callable[Concatenate[Workspace, P], T], *arguments: P.args, **further: P.kwargs
    ) -> T:  # fmt: skip
        """What a quick operation returns that the server itself needs: it waits for no caller's reading."""
        do = partial(self._do, work, *arguments, **further)
        return await asyncio.get_running_loop().run_in_executor(self._checks, do)

    def _do(self, work: Callable[Concatenate[Workspace, P], T], *arguments: P.args, **further: P.kwargs) -> T:
        with self._workspaces.lend() as workspace:
            return work(workspace, *arguments, **further)

    def ask(
        self, agent: str, order: Order, *, model_id: str | None = None, talk: Talk | None = None, streams: bool = False
    ) -> Going:
        """Take a run in; `agent` is the name of one that is there.

        Raises:
            Refused: too many are under way, or the server is about to end.
        """
        work = partial(_run, agent=agent, order=order, model_id=model_id, talk=talk)
        return self._take(agent, work, streams=streams)

    def go_on(self, item: Item) -> Going:
        """Take in the rest of a run whose question is answered.

        Raises:
            Refused: as with `ask`.
        """
        return self._take(item.agent, partial(_go_on, item=item), streams=False)

    def check_room(self) -> None:
        """Refuse what `ask` would refuse now.

        Raises:
            Refused: as with `ask`.
        """
        if self.draining:
            raise Refused(503, "draining", "the server is about to end", headers={"retry-after": "5"})
        each = share(self.limits.runs)
        if sum(going.caller == CALLER_KEY.get() for going in self._tasks.values()) >= each:
            words = f"one caller may have {each:,} runs at once"
            raise Refused(429, "too-many-runs", words, hint="ask again later", headers={"retry-after": "1"})
        if len(self._tasks) >= self.limits.runs:
            hint = "ask again later, or start the server with --max-runs N"
            raise Refused(429, "too-many-runs", "too many runs at once", hint=hint, headers={"retry-after": "1"})

    async def drain(self, seconds: float, stopping: float = STOPPING) -> int:
        """Let runs end, at most `seconds`, then stop them, which gets `stopping` seconds; how many would not."""
        self.draining = True
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=max(seconds, 0))
        for going in self._tasks.values():
            going.stop()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=stopping)
        self._crew.close()
        self._checks.shutdown(wait=False)
        self._workspaces.close()
        return len(self._tasks)

    def _take(self, agent: str, work: Work, *, streams: bool) -> Going:
        self.check_room()
        run_id = transcript.new_run_id(datetime.datetime.now().astimezone())
        going = Going(agent, run_id, self._crew, CALLER_KEY.get())
        self._known[going.run_id] = going
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        task = asyncio.create_task(self._carry_out(going, work, streams=streams))
        self._tasks[task] = going
        task.add_done_callback(self._tasks.pop)
        return going

    async def _carry_out(self, going: Going, work: Work, *, streams: bool) -> None:
        loop = asyncio.get_running_loop()

        def tell(said: Piece | Ended) -> None:
            with contextlib.suppress(RuntimeError):  # the server is gone, and the run is on its way out
                loop.call_soon_threadsafe(self._hear, going, said)

        # The wait for the agent costs no thread; the lock that other processes heed is taken by the run.
        async with self._turns.setdefault(going.agent, asyncio.Lock()):
            going.begun = True
            if going.stopped:
                self._hear(going, Ended(error=stopped()))
            else:
                try:
                    self._crew.start(going.run_id, work, tell, streams=streams)
                except Exception as error:  # noqa: BLE001 - the machine has no room for one more; who asked is told
                    traceback.print_exc()
                    self._hear(going, Ended(error=InternalError(f"{type(error).__name__}: {error}")))
            await going.ended.wait()

    def _hear(self, going: Going, said: Piece | Ended) -> None:
        if isinstance(said, Piece):
            going.pieces.put_nowait(said)
            return
        going.result, going.error = said.result, said.error
        if said.result is not None:
            self.metrics.count_run(said.result)
        going.ended.set()
        going.pieces.put_nowait(None)


def _run(
    workspace: Workspace, post: Post, *, agent: str, order: Order, model_id: str | None, talk: Talk | None
) -> Result:
    return runs.run(
        workspace, agent, order, model_id=model_id, on_text=post.hear, on_notice=post.warn, talk=talk,
        run_id=post.run_id,
    )  # fmt: skip


def _go_on(workspace: Workspace, post: Post, *, item: Item) -> Result:
    return approvals.go_on(workspace, item, on_text=post.hear, on_notice=post.warn, run_id=post.run_id)
