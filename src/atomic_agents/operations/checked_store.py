"""A store that asks before each change whether it may be made."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from atomic_agents.core.change import ChangeSet
from atomic_agents.core.store import Blob, Entry, Store, Traits


class CheckedStore:
    """`under`, with `check` called before anything is written; what `check` raises keeps the change from being made."""

    def __init__(self, under: Store, check: Callable[[ChangeSet], None]) -> None:
        self._under = under
        self._check = check

    @property
    def traits(self) -> Traits:
        """Those of the store below."""
        return self._under.traits

    def read(self, path: str) -> Blob | None:
        """As the store below."""
        return self._under.read(path)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """As the store below."""
        return self._under.list(prefix)

    def paths(self, prefix: str = "") -> Iterator[str]:
        """As the store below."""
        return self._under.paths(prefix)

    def apply(self, changes: ChangeSet) -> ChangeSet:
        """Apply all of it or nothing, where `check` lets it pass."""
        self._check(changes)
        return self._under.apply(changes)

    def lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:
        """As the store below."""
        return self._under.lock(name, wait=wait)
