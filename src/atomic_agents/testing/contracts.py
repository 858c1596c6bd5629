"""What every store promises, as tests: subclass `StoreContract`, say how to make a store, and run pytest."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from atomic_agents.core.change import ABSENT, ANY, Append, Change, Delete, Put, revision
from atomic_agents.core.errors import AtomicAgentsError, Conflict
from atomic_agents.core.store import Store
from atomic_agents.testing.deeds import apply, documents, put
from atomic_agents.testing.histories import StoreMachine
from atomic_agents.testing.names_and_locks import LockPromises, NamePromises


class StoreContract(NamePromises, LockPromises, ABC):
    """The promises of `core.store.Store`. Override `reopen` where another process can see the documents."""

    examples: int = 100
    """How many histories the state machine tries."""

    @abstractmethod
    def open_empty(self) -> AbstractContextManager[Store]:
        """A new store without documents, and what must be cleaned up after it."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """A new store without documents."""
        with self.open_empty() as store:
            yield store

    def test_what_was_never_written_is_none(self, store: Store) -> None:
        """There is no error in asking."""
        assert store.read("a/b.md") is None

    @pytest.mark.parametrize("data", [b"", b"text\n", b"\r\n\0\xff\xfe", b"\xef\xbb\xbfx", bytes(range(256)) * 9000])
    def test_bytes_come_back_as_they_were_written(self, store: Store, data: bytes) -> None:
        """No newline, encoding or length is special, and empty is not absent."""
        apply(store, Put("a/b.md", data))

        blob = self.reopen(store).read("a/b.md")

        assert blob is not None
        assert (data, revision(data)) == (blob.data, blob.revision)

    @pytest.mark.parametrize("path", ["a", "a b/c d.md", "Ünï/日本.md", "a/-x", "a/b.c.d", "~/x", "a'b\"c"[:3]])
    def test_a_name_is_whatever_every_system_can_hold(self, store: Store, path: str) -> None:
        """Spaces and letters of any script are fine."""
        apply(store, Put(path, b"x"))

        assert {path: b"x"} == documents(self.reopen(store))

    def test_a_listing_is_in_order_of_path(self, store: Store) -> None:
        """In order of the whole path, not folder by folder."""
        paths = ["a.md", "a/b.md", "a-b.md", "a/b/c.md", "a0.md", "B.md", "a/b-c.md", "é.md"]
        apply(store, *(Put(path, path.encode()) for path in paths))

        assert sorted(paths) == [entry.path for entry in store.list()] == list(store.paths())

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("a/", ["a/b.md", "a/b/c.md", "a/d.md"]),
            ("a", ["a-b.md", "a/b.md", "a/b/c.md", "a/d.md"]),
            ("a/b", ["a/b.md", "a/b/c.md"]),
            ("a/b/", ["a/b/c.md"]),
            ("a/b.md", ["a/b.md"]),
            ("a/b.md/", []),
            ("nowhere/", []),
        ],
    )
    def test_a_prefix_is_the_beginning_of_the_path(self, store: Store, prefix: str, expected: list[str]) -> None:
        """Whether or not it ends at a folder."""
        apply(store, *(Put(path, b"") for path in ("a/b.md", "a/b/c.md", "a/d.md", "a-b.md", "b/a.md")))

        assert expected == [entry.path for entry in store.list(prefix)] == list(store.paths(prefix))

    def test_a_listing_leaves_out_what_is_hidden(self, store: Store) -> None:
        """Hidden files and folders, and the litter of tools, though they can be read."""
        hidden = (".gitignore", "a/.env", ".trash/x.md", "a/node_modules/x.md", "__pycache__/x.md")
        listed = (".personas/x.md", "a/.versions/x.md", "a/.snapshots/x", ".judge-state/x")
        apply(store, *(Put(path, b"") for path in hidden + listed))

        assert sorted(listed) == [entry.path for entry in store.list()] == list(store.paths())
        assert all(store.read(path) is not None for path in hidden)
        assert list(store.list(".trash/")) == []

    def test_an_entry_tells_size_and_time(self, store: Store) -> None:
        """Without anything being read."""
        apply(store, Put("a", b"12345"))

        (entry,) = store.list()

        assert entry.size == 5
        assert entry.modified > 1_600_000_000

    def test_a_stamp_changes_with_the_document_and_not_without(self, store: Store) -> None:
        """What is derived from documents is keyed by it."""
        put(store, a="one", b="one")
        (a, b) = store.list()
        put(store, a="two")

        (new_a, new_b) = store.list()

        assert a.stamp != new_a.stamp
        assert b == new_b

    def test_writing_what_is_there_already_writes_nothing(self, store: Store) -> None:
        """Not even the time of the file changes."""
        put(store, a="one")
        before = list(store.list())

        undo = put(store, a="one")

        assert before == list(store.list())
        assert len(undo) == 0

    def test_no_changes_are_no_change(self, store: Store) -> None:
        """An empty change set applies and undoes."""
        assert len(apply(store)) == 0

    def test_an_expected_revision_that_is_there_is_met(self, store: Store) -> None:
        """So is ABSENT where nothing is."""
        put(store, a="one")

        apply(store, Put("a", b"two", expect=revision(b"one")), Put("b", b"x", expect=ABSENT))

        assert documents(store) == {"a": b"two", "b": b"x"}

    @pytest.mark.parametrize(
        "change",
        [
            Put("a", b"new", expect=ABSENT),
            Put("a", b"new", expect=revision(b"other")),
            Put("a", b"one", expect=revision(b"other")),
            Put("b", b"new", expect=revision(b"one")),
            Delete("a", expect=revision(b"other")),
            Delete("a", expect=ABSENT),
            Delete("b", expect=revision(b"one")),
        ],
        ids=str,
    )
    def test_a_stale_expectation_is_a_conflict(self, store: Store, change: Change) -> None:
        """And the document stays as somebody else left it."""
        put(store, a="one")

        with pytest.raises(Conflict) as caught:
            apply(store, change)

        assert [change.path] == caught.value.context["paths"]
        assert documents(store) == {"a": b"one"}

    def test_one_conflict_stops_everything_and_all_are_named(self, store: Store) -> None:
        """All or nothing."""
        put(store, a="one", b="two", log="x\n")

        with pytest.raises(Conflict) as caught:
            apply(
                store,
                Put("new/c", b"x"),
                Append("log", "y"),
                Put("b", b"x", expect=ABSENT),
                Delete("a"),
                Put("d", b"x", expect=revision(b"")),
            )

        assert caught.value.context["paths"] == ["b", "d"]
        assert documents(store) == {"a": b"one", "b": b"two", "log": b"x\n"}

    def test_many_changes_apply_together(self, store: Store) -> None:
        """New, overwritten, appended and deleted ones."""
        put(store, a="one", b="two", log="x\n")

        apply(store, Put("new/c", b"c"), Append("log", "y"), Put("b", b"b"), Delete("a"))

        assert documents(self.reopen(store)) == {"b": b"b", "log": b"x\ny\n", "new/c": b"c"}

    def test_changes_of_one_document_see_those_before_them(self, store: Store) -> None:
        """Expectations too."""
        put(store, a="one")

        undo = apply(
            store,
            Delete("a", expect=revision(b"one")),
            Put("a", b"two", expect=ABSENT),
            Append("a", "three"),
            Put("b", b"x"),
            Delete("b", expect=revision(b"x")),
        )

        assert documents(store) == {"a": b"two\nthree\n"}
        assert undo.paths == ("a",)

    def test_deleting_what_is_not_there_is_nothing(self, store: Store) -> None:
        """Where it is not expected to be there."""
        undo = apply(store, Delete("a"), Delete("b/c", expect=ABSENT), Delete("d", expect=ANY))

        assert len(undo) == 0

    def test_an_append_makes_the_document(self, store: Store) -> None:
        """The first line of a log needs no preparation."""
        apply(store, Append("a/log", "one"))
        apply(store, Append("a/log", "two"), Append("a/log", "tŵo"))

        assert {"a/log": "one\ntwo\ntŵo\n".encode()} == documents(self.reopen(store))

    def test_a_torn_tail_is_ended_before_the_next_line(self, store: Store) -> None:
        """And none of its bytes is lost."""
        put(store, log="one\nto", other="t")
        apply(store, Append("log", "three"))
        apply(store, Append("log", "four"), Append("other", "x"))

        assert documents(store) == {"log": b"one\nto\nthree\nfour\n", "other": b"t\nx\n"}

    def test_a_line_is_one_line(self, store: Store) -> None:
        """A newline in it is a bug of the caller; letters that are no text are spelled out."""
        with pytest.raises(AtomicAgentsError):
            apply(store, Append("log", "one\ntwo"))
        apply(store, Append("log", "x\ud800"))

        assert documents(store) == {"log": b"x\\ud800\n"}

    def test_lines_of_many_threads_stay_whole(self, store: Store) -> None:
        """None is lost, torn or mixed with another."""
        lines = [f"{number}-" + "x" * (50 * number) for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda line: apply(store, Append("log", line)), lines):
                pass

        blob = store.read("log")

        assert blob is not None
        assert sorted(lines) == sorted(blob.data.decode().splitlines())

    def test_of_many_who_expect_the_same_one_wins(self, store: Store) -> None:
        """Expectation and writing are one step."""
        put(store, count="0")

        def increase(_: int) -> bool:
            blob = store.read("count")
            assert blob is not None
            try:
                apply(store, Put("count", b"%d" % (int(blob.data) + 1), expect=blob.revision))
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = sum(pool.map(increase, range(40)))

        assert {"count": b"%d" % won} == documents(store)

    def test_an_undo_puts_everything_back(self, store: Store) -> None:
        """Whatever was done, and an undo can be undone."""
        put(store, a="one", b="two", log="x\n")
        before = documents(store)
        undo = apply(store, Put("new/c", b"c"), Append("log", "y"), Put("b", b"b"), Delete("a"))
        after = documents(store)

        redo = store.apply(undo)
        undone = documents(store)
        store.apply(redo)

        assert before == undone
        assert after == documents(self.reopen(store))

    @pytest.mark.parametrize("change", [Put("a", b"two"), Append("a", "two"), Delete("a")], ids=str)
    def test_an_undo_refuses_where_somebody_has_written_since(self, store: Store, change: Change) -> None:
        """All of it, so that what came since is kept."""
        put(store, a="one\n", b="b")
        undo = apply(store, change, Put("b", b"c"))
        put(store, a="mine")

        with pytest.raises(Conflict):
            store.apply(undo)

        assert documents(store) == {"a": b"mine", "b": b"c"}

    def test_an_undo_of_one_append_puts_it_back(self, store: Store) -> None:
        """Where nothing else has been appended since."""
        put(store, log="one")
        undo = apply(store, Append("log", "two"))

        store.apply(undo)

        assert documents(store) == {"log": b"one"}

    def test_any_history_ends_where_a_dictionary_would(self) -> None:
        """Batches with expectations right and wrong, undone and reopened, refused as a dictionary would refuse."""
        contract = self

        class Machine(StoreMachine):
            """Histories of this store."""

            def __init__(self) -> None:
                super().__init__(contract.open_empty, contract.reopen)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
