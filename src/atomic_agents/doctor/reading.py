"""The store that checks are given: each document is read once, and nothing can be written."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.store import Blob, Entry, Store, Traits


@dataclass
class ReadOnce:
    """A store over another that keeps what it has read; whatever would write is refused."""

    inner: Store
    _read: dict[str, Blob | None] = field(default_factory=dict)

    @property
    def traits(self) -> Traits:
        """Those of the store below, which is not written to."""
        return Traits(self.inner.traits.name, writable=False, shared=self.inner.traits.shared)

    def read(self, path: str) -> Blob | None:
        """The document's bytes as they were when they were asked for first."""
        if path not in self._read:
            self._read[path] = self.inner.read(path)
        return self._read[path]

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every document whose path starts with `prefix`."""
        return self.inner.list(prefix)

    def paths(self, prefix: str = "") -> Iterator[str]:
        """Their paths."""
        return self.inner.paths(prefix)

    def apply(self, changes: ChangeSet) -> ChangeSet:
        """Refuse."""
        raise StorageFailed(f"a check writes nothing: {changes.reason}")

    def lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:  # noqa: ARG002 - the protocol's
        """Refuse: a lock is a file."""
        raise StorageFailed(f"a check locks nothing: {name}")
