"""Stores around a store: one whose writes stay in memory, and one that refuses to write."""

import heapq
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Delete, Put, Revision
from atomic_agents.core.errors import AtomicAgentsError, PathRefused
from atomic_agents.core.store import Blob, Entry, Store, Traits
from atomic_agents.stores.fold import Step, fold, undo
from atomic_agents.stores.memory import ThreadLocks, mode_after
from atomic_agents.stores.names import check_readable, clash, folders_above, is_listed
from atomic_agents.stores.walk import check_prefix


class OverlayStore:
    """Reads fall through to `under`, writes stay here; for dry runs."""

    def __init__(self, under: Store) -> None:
        self._under = under
        self._over: dict[str, Blob | None] = {}
        self._found: dict[str, Revision] = {}
        self._stamps: dict[str, tuple[str, float]] = {}
        self._written = 0
        self._applying = threading.Lock()
        self._locks = ThreadLocks()

    @property
    def traits(self) -> Traits:
        """Nobody else sees what is written here."""
        return Traits(name="overlay", shared=False)

    def read(self, path: str) -> Blob | None:
        """The document as written here, else as it is below."""
        if path in self._over:
            return self._over[check_readable(path)]
        return self._under.read(path)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """The documents of both, in order of path."""
        check_prefix(prefix)
        over = dict(self._over)
        below = (entry for entry in self._under.list(prefix) if entry.path not in over)
        here = (
            Entry(path, len(blob.data), *self._stamps[path])
            for path, blob in sorted(over.items(), key=lambda item: item[0])
            if blob is not None and path.startswith(prefix) and is_listed(path)
        )
        return heapq.merge(below, here, key=lambda entry: entry.path)

    def paths(self, prefix: str = "") -> Iterator[str]:
        """The paths of `list`."""
        return (entry.path for entry in self.list(prefix))

    def apply(self, changes: ChangeSet) -> ChangeSet:
        """Apply all of it or nothing, here only; raises what `under` would raise."""
        with self._applying:
            steps = tuple(fold(changes, self._read_or_folder))
            old = dict(self._over)
            for step in steps:
                self._over[step.path] = _blob_after(step)
                self._written += 1
                self._stamps[step.path] = (f"overlay-{self._written}", time.time())
            try:
                for step in steps:
                    if step.creates:
                        self._check_room(step.path)
            except AtomicAgentsError:
                self._over = old
                raise
            for step in steps:
                self._found.setdefault(step.path, ABSENT if step.before is None else step.before.revision)
        return undo(changes, steps)

    def lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:
        """Hold `name` in this process: what is written here concerns nobody else."""
        return self._locks.hold(name, wait=wait)

    def changes(self, reason: str = "") -> ChangeSet:
        """What would have to be applied to `under`, which must still be as it was found, to have what is here."""
        found: list[Change] = []
        for path in sorted(self._over):
            blob, expect = self._over[path], self._found[path]
            if blob is None and expect != ABSENT:
                found.append(Delete(path, expect=expect))
            elif blob is not None and blob.revision != expect:
                found.append(Put(path, blob.data, expect=expect, mode=blob.mode))
        return ChangeSet(reason, tuple(found))

    def _read_or_folder(self, path: str) -> Blob | None:
        """As `read`, but a folder is no document rather than an error, as it may be about to go."""
        try:
            return self.read(path)
        except PathRefused as error:
            if error.context.get("folder"):
                return None
            raise

    def _check_room(self, path: str) -> None:
        """Refuse `a` beside `a/b`."""
        below = next(self.list(path + "/"), None)
        if below is not None:
            raise clash(path, below.path)
        for folder in folders_above(path):
            first = next(self.list(folder), None)
            if first is not None and first.path == folder:
                raise clash(path, folder)


class ReadOnlyStore:
    """`under` for reading; whoever wants to write is told `reason`."""

    def __init__(self, under: Store, reason: AtomicAgentsError) -> None:
        self._under = under
        self._reason = reason

    @property
    def traits(self) -> Traits:
        """As below, but not writable."""
        return replace(self._under.traits, writable=False)

    def read(self, path: str) -> Blob | None:
        """The document as it is below."""
        return self._under.read(path)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """The documents below."""
        return self._under.list(prefix)

    def paths(self, prefix: str = "") -> Iterator[str]:
        """The paths of the documents below."""
        return self._under.paths(prefix)

    def apply(self, changes: ChangeSet) -> ChangeSet:
        """Raises the reason, unless there is nothing to apply."""
        if changes.changes:
            raise self._reason
        return undo(changes, ())

    def lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:
        """Raises the reason: a lock is for those who write."""
        del name, wait
        raise self._reason


def _blob_after(step: Step) -> Blob | None:
    return None if step.after is None else Blob(step.after, mode_after(step))
