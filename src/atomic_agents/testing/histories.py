"""A state machine that leads a store and a dictionary through the same history."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atomic_agents.core.change import ABSENT, ANY, Append, Change, ChangeSet, Delete, Put, revision
from atomic_agents.core.errors import Conflict, PathRefused
from atomic_agents.core.store import Store
from atomic_agents.testing.deeds import documents

_PATHS = st.sampled_from(["a", "a/b", "a/b/c", "a/d.md", "a-b", "log", "x/y/log", "x/y/z.md"])
_DATA = st.sampled_from([b"", b"one", b"one\n", b"two\ntwo", b"\xff\0"])
_EXPECT = st.sampled_from(["any", "any", "right", "right", "right", "absent", "wrong"])
_WISHES = st.tuples(st.sampled_from(["put", "put", "append", "delete"]), _PATHS, _DATA, _EXPECT)


class StoreMachine(RuleBasedStateMachine):
    """A store beside a dictionary: whatever happens to the one happens to the other."""

    def __init__(
        self, open_empty: Callable[[], AbstractContextManager[Store]], reopen: Callable[[Store], Store]
    ) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self._open_empty = open_empty
        self._reopen = reopen
        self._undos: list[tuple[ChangeSet, dict[str, bytes], dict[str, bytes]]] = []
        self._model: dict[str, bytes] = {}

    @initialize()
    def start(self) -> None:
        """Begin with nothing."""
        self._store = self._stack.enter_context(self._open_empty())

    def teardown(self) -> None:
        """Clean up after the store."""
        self._stack.close()

    @rule(wishes=st.lists(_WISHES, min_size=1, max_size=6))
    def apply(self, wishes: list[tuple[str, str, bytes, str]]) -> None:
        """Apply a batch, and see that it did all, or refused for the dictionary's reason."""
        model = dict(self._model)
        met = True
        changes: list[Change] = []
        for kind, path, data, wanted in wishes:
            expect = self._expectation(wanted, model.get(path))
            met = met and (kind == "append" or expect in {ANY, _revision(model.get(path))})
            changes.append(_change(kind, path, data, expect))
            _happen(model, changes[-1])
        try:
            undo = self._store.apply(ChangeSet("machine", tuple(changes)))
        except Conflict:
            assert not met
        except PathRefused:
            assert _clashes(model)
        else:
            assert met
            assert not _clashes(model)
            self._undos.append((undo, self._model, model))
            self._model = model

    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        """Undo something, and see that it went back or refused because somebody has written since."""
        if not self._undos:
            return
        undo, before, after = self._undos.pop(data.draw(st.integers(0, len(self._undos) - 1)))
        model = dict(self._model)
        touched = [path for path in before | after if before.get(path) != after.get(path)]
        for path in touched:
            model.pop(path, None)
            if path in before:
                model[path] = before[path]
        try:
            self._store.apply(undo)
        except Conflict:
            assert any(self._model.get(path) != after.get(path) for path in touched)
        except PathRefused:
            assert _clashes(model)
        else:
            assert all(self._model.get(path) == after.get(path) for path in touched)
            self._model = model

    @rule()
    def reopen(self) -> None:
        """Go on as another process would."""
        self._store = self._reopen(self._store)

    @invariant()
    def the_documents_are_those_of_the_dictionary(self) -> None:
        """Listed in order, each with its bytes."""
        assert sorted(self._model) == [entry.path for entry in self._store.list()]
        assert self._model == documents(self._store)

    @staticmethod
    def _expectation(wanted: str, now: bytes | None) -> str:
        right = _revision(now)
        return {"any": ANY, "right": right, "absent": ABSENT}.get(wanted, revision(b"nobody wrote this"))


def _revision(data: bytes | None) -> str:
    return ABSENT if data is None else revision(data)


def _change(kind: str, path: str, data: bytes, expect: str) -> Change:
    if kind == "append":
        return Append(path, "line")
    return Put(path, data, expect=expect) if kind == "put" else Delete(path, expect=expect)


def _happen(model: dict[str, bytes], change: Change) -> None:
    if isinstance(change, Put):
        model[change.path] = change.data
    elif isinstance(change, Delete):
        model.pop(change.path, None)
    else:
        data = model.get(change.path, b"")
        model[change.path] = data + (b"\n" if data and not data.endswith(b"\n") else b"") + change.line.encode() + b"\n"


def _clashes(model: dict[str, bytes]) -> bool:
    return any(other.startswith(path + "/") for path in model for other in model)
