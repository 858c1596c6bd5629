"""Where runs are carried out: each in a thread and a workspace of its own."""

import contextlib
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from atomic_agents.core.errors import AtomicAgentsError, InternalError, RunInterrupted
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Result

STOPPING = 5.0
"""Seconds that runs get to end once they are stopped."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a run says while it goes on: a piece of its answer, or a warning."""

    text: str
    notice: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The last that is heard of a run: what it came to, or what kept it from that."""

    result: Result | None = None
    error: AtomicAgentsError | None = None


Tell = Callable[[Piece | Ended], None]
"""Takes what a run says, in whatever thread it is said."""


@dataclass
class Post:
    """A run's line to whoever asked for it."""

    run_id: str
    streams: bool
    """Whether somebody takes the pieces."""
    tell: Tell
    _stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Let the run end at the next word of its model; one that has not begun never does."""
        self._stopped.set()

    def check(self) -> None:
        """Go no further where it is stopped.

        Raises:
            RunInterrupted: nobody waits for the answer.
        """
        if self._stopped.is_set():
            raise stopped()

    def hear(self, text: str) -> None:
        """Pass a piece of the answer on."""
        self.check()
        if self.streams:
            self.tell(Piece(text))

    def warn(self, text: str) -> None:
        """Pass a warning on."""
        if self.streams:
            self.tell(Piece(text, notice=True))

    def rest(self, seconds: float) -> None:
        """Wait before a model is asked again."""
        self._stopped.wait(seconds)
        self.check()


def stopped() -> RunInterrupted:
    """What ends a run that is stopped."""
    return RunInterrupted("nobody waits for the answer any more")


Work = Callable[[Workspace, Post], Result]
"""Whatever ends with a run's result; it can be pickled, so that another process can do it."""


class Crew(Protocol):
    """Those who carry out runs."""

    def start(self, run_id: str, work: Work, tell: Tell, *, streams: bool) -> None:
        """Begin at once; the last thing told is an `Ended`, whatever happens."""

    def stop(self, run_id: str) -> None:
        """Let a run end; where it has ended, nothing is done."""

    def close(self) -> None:
        """End; what still goes on is not waited for."""


class Workspaces:
    """Workspaces that are lent, each to one thread at a time; `open_workspace` is called where none is free."""

    def __init__(self, open_workspace: Callable[[], Workspace]) -> None:
        self._open = open_workspace
        self._free: queue.LifoQueue[Workspace] = queue.LifoQueue()

    @contextlib.contextmanager
    def lend(self) -> Iterator[Workspace]:
        """A workspace that nobody else works in meanwhile."""
        try:
            workspace = self._free.get_nowait()
        except queue.Empty:
            workspace = self._open()
        workspace.look_again()
        try:
            yield workspace
        finally:
            self._free.put(workspace)

    def close(self) -> None:
        """Close those that nobody has."""
        while not self._free.empty():
            self._free.get().close()


class Threads:
    """A thread of this process for each run."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._posts: dict[str, tuple[Post, threading.Thread]] = {}

    def start(self, run_id: str, work: Work, tell: Tell, *, streams: bool) -> None:
        """Begin at once."""
        post = Post(run_id, streams, tell)
        # As a daemon, so that a model that does not answer keeps no process from ending.
        thread = threading.Thread(target=self._carry_out, args=(post, work), name=run_id, daemon=True)
        self._posts[run_id] = (post, thread)
        thread.start()

    def stop(self, run_id: str) -> None:
        """Let a run end at the next word of its model."""
        if found := self._posts.get(run_id):
            found[0].stop()

    def close(self) -> None:
        """Leave what goes on to its threads; whoever lent the workspaces closes them."""

    def end(self, seconds: float) -> None:
        """Stop every run and wait for them, that long at most."""
        going, until = list(self._posts.values()), time.monotonic() + seconds
        for post, _ in going:
            post.stop()
        for _, thread in going:
            thread.join(max(until - time.monotonic(), 0))

    def _carry_out(self, post: Post, work: Work) -> None:
        try:
            ended = Ended(self._do(post, work))
        except AtomicAgentsError as error:
            ended = Ended(error=error)
        except BaseException as error:  # noqa: BLE001 - one bad run never ends the server; the log has all of it
            traceback.print_exc()
            ended = Ended(error=InternalError(f"{type(error).__name__}: {error}"))
        if ended.result is not None and isinstance(ended.result.failure, InternalError):
            traceback.print_exception(ended.result.failure)
        del self._posts[post.run_id]
        post.tell(ended)

    def _do(self, post: Post, work: Work) -> Result:
        post.check()
        with self._workspaces.lend() as workspace:
            before, workspace.sleep = workspace.sleep, post.rest
            try:
                return work(workspace, post)
            finally:
                workspace.sleep = before
