"""Work in processes of its own: a long run keeps no other agent waiting, and what ends one process ends no other."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from atomic_agents.core.errors import AtomicAgentsError, RunInterrupted
from atomic_agents.operations.jobs import FAILED, NOTICE, Event
from atomic_agents.operations.workspace import Workspace

Opener = Callable[[], Workspace]
"""Opens the vault; it is taken along into another process."""

Act = Callable[[Workspace, str], Iterator[Event]]
GRACE = 10.0
"""Seconds that a process gets to end when it is told to."""


@dataclass
class Children:
    """The processes that are at work, by what they were started for.

    Where the system can, a process begins as a copy of this one, which has everything loaded: a run begins at once.
    """

    open_workspace: Opener
    _running: dict[tuple[str, str], tuple[BaseProcess, Connection]] = field(default_factory=dict)

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What is going on, as job and agent."""
        return list(self._running)

    def start(self, key: tuple[str, str], act: Act) -> None:
        """Begin with it."""
        # A copy of a process with threads may hold their locks for ever, and macOS forbids what copies do.
        copies = sys.platform == "linux" and threading.active_count() == 1
        context = multiprocessing.get_context("fork") if copies else multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        sys.stdout.flush()
        copied = [ours, *(pipe for _, pipe in self._running.values())] if copies else []
        process = context.Process(target=_work, args=(theirs, copied, self.open_workspace, act, key[1]))
        process.start()
        theirs.close()
        self._running[key] = (process, ours)

    def heard(self, seconds: float) -> Iterator[tuple[tuple[str, str], Event | None]]:
        """What they say within that time, None where one has ended; comes back as soon as one says something."""
        if not self._running:
            time.sleep(max(seconds, 0))
            return
        ready = wait([pipe for _, pipe in self._running.values()], max(seconds, 0))
        for key, (process, pipe) in list(self._running.items()):
            if pipe not in ready:
                continue
            try:
                while pipe.poll():
                    yield key, pipe.recv()
            except (EOFError, OSError):
                process.join()
                pipe.close()
                del self._running[key]
                if process.exitcode:
                    words = f"{key[1] or key[0]}: its process ended with {process.exitcode}"
                    yield key, Event(FAILED, key[1], words, failed=True, facts={"code": "agent-failed"})
                yield key, None

    def ask(self) -> None:
        """Have each end once it is through with what it is at."""
        for _, pipe in self._running.values():
            with contextlib.suppress(OSError):
                pipe.send(None)

    def end(self) -> Iterator[tuple[tuple[str, str], Event | None]]:
        """End them: each records what it was at as interrupted; one that does not end is killed."""
        for process, _ in self._running.values():
            process.terminate()
        until = time.monotonic() + GRACE
        while self._running and (left := until - time.monotonic()) > 0:
            yield from self.heard(left)
        for process, _ in self._running.values():
            process.kill()
        while self._running:
            yield from self.heard(GRACE)


def _work(pipe: Connection, copied: list[Connection], open_workspace: Opener, act: Act, agent: str) -> None:
    """What a process does, until it is through or told to end; `copied` are the pipes of the process above."""
    settle_in()
    for each in copied:
        each.close()
    try:
        workspace = open_workspace()
        try:
            for event in act(workspace, agent):
                pipe.send(event)
                if pipe.poll():
                    break
        finally:
            for words in workspace.notices():
                pipe.send(Event(NOTICE, agent, words))
            workspace.close()
    except (KeyboardInterrupt, RunInterrupted):
        pipe.send(Event("interrupted", agent, f"{agent}: what was going on is recorded as interrupted"))
    except AtomicAgentsError as error:
        facts = {"code": error.code, "hint": error.hint}
        pipe.send(Event(FAILED, agent, f"{agent}: {error.message}", failed=True, facts=facts))
    except OSError:  # who would hear it is gone; what is settled is in the vault
        pass
    except Exception as error:  # noqa: BLE001 - a bug of one agent's run ends no other's
        facts = {"code": "internal", "hint": "atomic-agents bug-report"}
        words = f"{agent}: a bug: {type(error).__name__}: {error}"
        pipe.send(Event(FAILED, agent, words, failed=True, facts=facts))


def settle_in() -> None:
    """Away from the terminal, whose Ctrl-C is for the process above, and from its standard output, which is data."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):
            os.setsid()
    with open(os.devnull, encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
