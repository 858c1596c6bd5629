from collections.abc import Iterator
from contextlib import contextmanager

from atomic_agents.core.store import Store
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing import StoreContract
from atomic_agents.testing.deeds import documents


class TestMemoryStore(StoreContract):
    @contextmanager
    def open_empty(self) -> Iterator[Store]:
        yield MemoryStore()


def test_it_starts_with_the_documents_it_is_given() -> None:
    given = {"a/b.md": b"x", "c": b""}

    assert given == documents(MemoryStore(given))
