"""Drive the schedules of a whole vault: a process for each agent that has something due, until nothing is."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from atomic_agents.operations import firing
from atomic_agents.operations.workspace import Workspace

AT_ONCE = 4
"""How many agents are run at the same time."""

_LOOK = 30.0
_POLL = 0.05
_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended: whose schedules it fired, what it printed, its exit code."""

    agent: str
    said: str
    code: int


@dataclass
class Drive:
    """One call of a driver. It goes on while agents run, so that a long run keeps no other agent's schedule waiting.

    `command` is what the process of an agent is started with.
    """

    workspace: Workspace
    command: Callable[[str], list[str]]
    _running: "dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]]" = field(default_factory=dict)

    def go(self) -> Iterator[Ended]:
        """Fire until nothing is due and no process runs."""
        waiting: list[str] = []
        look_at = 0.0
        with self._none_left():
            while True:
                if time.monotonic() >= look_at:
                    waiting, look_at = self._due(), time.monotonic() + _LOOK
                while waiting and len(self._running) < AT_ONCE:
                    self._start(waiting.pop(0))
                if not self._running:
                    return
                time.sleep(_POLL)
                yield from self._reap()

    def _due(self) -> list[str]:
        names = self.workspace.vault.survey().agents
        return [agent for agent in names if agent not in self._running and firing.is_due(self.workspace, agent)]

    def _start(self, agent: str) -> None:
        said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended; a pipe could fill up
        process = subprocess.Popen(
            [sys.executable, "-m", "atomic_agents", *self.command(agent)], stdin=subprocess.DEVNULL, stdout=said
        )
        self._running[agent] = (process, said)

    def _reap(self) -> Iterator[Ended]:
        for agent, (process, said) in list(self._running.items()):
            if process.poll() is not None:
                del self._running[agent]
                with said:
                    said.seek(0)
                    yield Ended(agent, said.read().decode(errors="replace"), process.returncode)

    @contextmanager
    def _none_left(self) -> Iterator[None]:
        """Whatever happens, no process is left behind: each is asked to end, and gets its time for that."""
        try:
            yield
        finally:
            for process, _ in self._running.values():
                process.terminate()
            for process, said in self._running.values():
                try:
                    process.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                said.close()
