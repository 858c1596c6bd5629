"""What every store promises about names and locks; part of `contracts.StoreContract`."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from atomic_agents.core.change import Append, Delete, Put
from atomic_agents.core.errors import Busy, PathRefused
from atomic_agents.core.store import Store
from atomic_agents.testing.deeds import apply, documents

ODD_PATHS = ("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", "a\0b")
"""Paths that name nothing in a vault."""

UNSHAREABLE_PATHS = ("a:b", "a.", "a /b", "a\nb", "a\\b", "a?", "x" * 256, "b/\x7f", "\udcff.md")
"""Paths that a new document must not have."""

FOREIGN_PATHS = (".git/config", "a/.git/HEAD", ".atomic/x", ".GIT/config", ".obsidian/app.json", ".git")
"""Paths that belong to others."""


class NamePromises:
    """Which names documents may have; a subclass has the fixture `store`."""

    @pytest.mark.parametrize("path", ODD_PATHS)
    def test_what_names_no_document_is_refused(self, store: Store, path: str) -> None:
        """By everything that takes a path."""
        for act in (store.read, *_writers(store)):
            with pytest.raises(PathRefused):
                act(path)

    @pytest.mark.parametrize("path", UNSHAREABLE_PATHS)
    def test_a_new_name_that_other_systems_cannot_hold_is_refused(self, store: Store, path: str) -> None:
        """Reading it finds nothing, and nothing of the set is written."""
        for change in (Put(path, b"x"), Append(path, "x")):
            with pytest.raises(PathRefused):
                apply(store, Put("ok", b"x"), change)

        assert documents(store) == {}

    @pytest.mark.parametrize("path", FOREIGN_PATHS)
    def test_what_belongs_to_others_is_not_written(self, store: Store, path: str) -> None:
        """Git's folder, the editor's, and the store's own."""
        for act in _writers(store):
            with pytest.raises(PathRefused):
                act(path)

    @pytest.mark.parametrize("prefix", ["../", "/", "a/../b", "a//b"])
    def test_a_prefix_stays_in_the_vault(self, store: Store, prefix: str) -> None:
        """As a path does."""
        with pytest.raises(PathRefused):
            list(store.list(prefix))

    @pytest.mark.parametrize(("there", "new"), [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c"), ("a/b/c", "a")])
    def test_no_name_is_both_document_and_folder(self, store: Store, there: str, new: str) -> None:
        """Not one after the other, and not in one set."""
        apply(store, Put(there, b"x"))

        with pytest.raises(PathRefused):
            apply(store, Put("other", b"x"), Put(new, b"y"))
        with pytest.raises(PathRefused):
            apply(store, Put(new, b"y"))

        assert {there: b"x"} == documents(store)

    def test_no_name_becomes_both_in_one_set(self, store: Store) -> None:
        """Neither is there before."""
        with pytest.raises(PathRefused):
            apply(store, Put("a/b", b"x"), Put("a", b"y"))

        assert documents(store) == {}

    @pytest.mark.parametrize(("there", "new"), [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c"), ("a/b/c", "a")])
    def test_a_document_makes_way_for_a_folder_and_back(self, store: Store, there: str, new: str) -> None:
        """Where the one is deleted in the set that makes the other, or before."""
        apply(store, Put(there, b"x"))

        undo = apply(store, Delete(there), Put(new, b"y"), Put("other", b"z"))
        changed = documents(store)
        store.apply(undo)

        assert {new: b"y", "other": b"z"} == changed
        assert {there: b"x"} == documents(store)

    @pytest.mark.parametrize(("there", "new"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a")])
    def test_a_name_is_free_when_its_document_is_gone(self, store: Store, there: str, new: str) -> None:
        """Folders without documents are nothing."""
        apply(store, Put(there, b"x"))
        apply(store, Delete(there))

        apply(store, Put(new, b"y"))

        assert {new: b"y"} == documents(store)


class LockPromises:
    """How locks behave; a subclass has the fixture `store`."""

    def reopen(self, store: Store) -> Store:
        """The same documents as another process would open them; the same store where nobody else can."""
        return store

    def test_a_lock_keeps_others_out_until_it_is_let_go(self, store: Store) -> None:
        """Even when its holder fails."""
        with contextlib.suppress(KeyError), store.lock("agent", wait=0):
            assert _is_held(store, "agent")
            assert _is_held(self.reopen(store), "agent")
            raise KeyError

        assert not _is_held(store, "agent")

    def test_a_lock_is_waited_for(self, store: Store) -> None:
        """As long as the caller says."""
        held, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            with store.lock("agent", wait=0):
                held.set()
                let_go.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        with pytest.raises(Busy), store.lock("agent", wait=0.05):
            pass
        let_go.set()
        with store.lock("agent", wait=10):
            holder.join()

    def test_locks_of_different_names_have_nothing_to_do_with_each_other(self, store: Store) -> None:
        """However alike the names are, and whatever signs they have."""
        names = ["a", "A", "a/b", "a-b", "a%2Fb", "a b", "..", "ä", "x" * 300, "x" * 301, ""]
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(store.lock(name, wait=0))

            assert all(_is_held(store, name) for name in names)
            apply(store, Put("a", b"x"))

    def test_a_lock_is_no_document(self, store: Store) -> None:
        """Nothing of it shows in a listing."""
        with store.lock("agent", wait=0):
            assert list(store.list()) == []


def _writers(store: Store) -> list[Callable[[str], object]]:
    return [
        lambda path: apply(store, Put(path, b"x")),
        lambda path: apply(store, Put("ok", b"x"), Put(path, b"x")),
        lambda path: apply(store, Append(path, "x")),
        lambda path: apply(store, Delete(path)),
    ]


def _is_held(store: Store, name: str) -> bool:
    """Whether another thread is kept out."""

    def attempt() -> bool:
        try:
            with store.lock(name, wait=0):
                return False
        except Busy:
            return True

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(attempt).result()
