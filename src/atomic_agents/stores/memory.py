"""Documents in memory: the same promises within one process, for tests and for what must not be written."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Final

from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import Busy
from atomic_agents.core.store import Blob, Entry, Traits
from atomic_agents.stores.fold import Step, fold, undo
from atomic_agents.stores.names import check_no_clash, check_readable, is_listed
from atomic_agents.stores.walk import check_prefix

_NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})


class MemoryStore:
    """Documents in a dictionary, shared by the threads of one process."""

    def __init__(self, documents: Mapping[str, bytes] = _NOTHING) -> None:
        self._written = 0
        self._held = {path: self._hold(data, None) for path, data in documents.items()}
        self._applying = threading.RLock()
        self._locks = ThreadLocks()

    @property
    def traits(self) -> Traits:
        """Nobody else sees these documents."""
        return Traits(name="memory", shared=False)

    def read(self, path: str) -> Blob | None:
        """The document's bytes, or None; raises PathRefused for what is not a document's path."""
        held = self._held.get(check_readable(path))
        return held and held[0]

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every document whose path starts with `prefix`, in order of path."""
        check_prefix(prefix)
        held = self._held
        for path in sorted(held):
            if path.startswith(prefix) and is_listed(path):
                blob, stamp, modified = held[path]
                yield Entry(path, len(blob.data), stamp, modified)

    def paths(self, prefix: str = "") -> Iterator[str]:
        """The paths of `list`."""
        return (entry.path for entry in self.list(prefix))

    def apply(self, changes: ChangeSet) -> ChangeSet:
        """Apply all of it or nothing; return the change set that undoes it. Raises Conflict and PathRefused."""
        with self._applying:
            steps = tuple(fold(changes, self.read))
            held = dict(self._held)
            for step in steps:
                if step.after is None:
                    del held[step.path]
                else:
                    held[step.path] = self._hold(step.after, mode_after(step))
            check_no_clash((step.path for step in steps if step.creates), held)
            self._held = held
        return undo(changes, steps)

    def lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:
        """Hold `name` exclusively in this process, waiting at most `wait` seconds; raises Busy."""
        return self._locks.hold(name, wait=wait)

    def _hold(self, data: bytes, mode: int | None) -> tuple[Blob, str, float]:
        self._written += 1
        return Blob(data, mode), str(self._written), time.time()


class ThreadLocks:
    """Named locks within one process."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._making = threading.Lock()

    @contextlib.contextmanager
    def hold(self, name: str, *, wait: float) -> Iterator[None]:
        """Hold `name` exclusively, waiting at most `wait` seconds; raises Busy."""
        with self._making:
            lock = self._locks.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=min(max(wait, 0.0), threading.TIMEOUT_MAX)):
            raise Busy(f"{name} is in use", hint="run the command again", context={"lock": name})
        try:
            yield
        finally:
            lock.release()


def mode_after(step: Step) -> int | None:
    """A document keeps its mode; a new one has what was asked for."""
    return step.mode if step.before is None else step.before.mode
