from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from atomic_agents.core.store import Store
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.contracts import StoreContract


class TestFolderStore(StoreContract):
    @contextmanager
    def open_empty(self) -> Iterator[Store]:
        with TemporaryDirectory() as folder:
            yield FolderStore(folder)

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, FolderStore)
        return FolderStore(store.root)
