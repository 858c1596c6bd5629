from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from atomic_agents.core.change import ABSENT, Append, ChangeSet, Delete, Put, revision
from atomic_agents.core.errors import Conflict, PathRefused, VaultTooNew
from atomic_agents.core.store import Store
from atomic_agents.stores.files import FolderStore
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.stores.wrappers import OverlayStore, ReadOnlyStore
from atomic_agents.testing.contracts import StoreContract
from atomic_agents.testing.deeds import apply, documents


class TestOverlayOverMemory(StoreContract):
    @contextmanager
    def open_empty(self) -> Iterator[Store]:
        yield OverlayStore(MemoryStore())


class TestOverlayOverFiles(StoreContract):
    examples = 10

    @contextmanager
    def open_empty(self) -> Iterator[Store]:
        with TemporaryDirectory() as folder:
            yield OverlayStore(FolderStore(folder))


@pytest.fixture(params=["files", "memory"])
def under(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store: Store = MemoryStore() if request.param == "memory" else FolderStore(tmp_path)
    apply(store, Put("a", b"one"), Put("b/c", b"two"), Put("d", b"three"), Append("log", "x"))
    return store


def test_what_is_written_to_an_overlay_does_not_reach_the_store_below(under: Store) -> None:
    before = documents(under)
    overlay = OverlayStore(under)

    apply(overlay, Put("a", b"changed"), Delete("b/c"), Put("new", b"x"), Append("log", "y"))

    assert before == documents(under)
    assert documents(overlay) == {"a": b"changed", "d": b"three", "log": b"x\ny\n", "new": b"x"}


def test_the_changes_of_an_overlay_bring_the_store_below_to_the_same_state(under: Store) -> None:
    overlay = OverlayStore(under)
    apply(overlay, Put("a", b"changed"), Delete("b/c"), Put("b", b"x"), Append("log", "y"))
    apply(overlay, Put("gone", b"x"))
    apply(overlay, Delete("gone"), Put("d", b"changed"))
    apply(overlay, Put("d", b"three"))

    changes = overlay.changes("all of it")
    under.apply(changes)

    assert documents(overlay) == documents(under)
    assert changes.paths == ("a", "b", "b/c", "log")
    assert changes.reason == "all of it"


def test_the_changes_of_an_overlay_expect_what_it_found(under: Store) -> None:
    overlay = OverlayStore(under)
    apply(overlay, Put("a", b"changed"), Put("new", b"x"))
    apply(under, Put("a", b"somebody else's"))

    changes = overlay.changes()

    assert [revision(b"one"), ABSENT] == [change.expect for change in changes if isinstance(change, Put)]
    with pytest.raises(Conflict):
        under.apply(changes)


def test_an_overlay_refuses_what_the_store_below_would_refuse(under: Store) -> None:
    overlay = OverlayStore(under)

    for path in ("a/x", "b"):
        with pytest.raises(PathRefused):
            apply(overlay, Put("other", b"x"), Put(path, b"x"))

    assert len(overlay.changes()) == 0


def test_a_read_only_store_reads_and_says_why_it_does_not_write(under: Store) -> None:
    reason = VaultTooNew("the vault is newer than this package")
    store = ReadOnlyStore(under, reason)

    with pytest.raises(VaultTooNew):
        apply(store, Put("a", b"x"))
    with pytest.raises(VaultTooNew):
        store.lock("agent", wait=0)

    assert documents(under) == documents(store)
    assert len(store.apply(ChangeSet("nothing"))) == 0
    assert not store.traits.writable
