"""Which snapshots are kept: the pinned, the newest, one a month, and always the last way back."""

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atomic_agents.core.change import ABSENT, ChangeSet, Delete, Put, Revision
from atomic_agents.core.errors import Conflict, DocumentUnreadable
from atomic_agents.core.store import Store
from atomic_agents.migration import history, snapshot
from atomic_agents.vault import layout

KEEP = 10


@dataclass(frozen=True, slots=True)
class Held:
    """A snapshot as retention sees it: one that was read whole and is sound."""

    name: str
    size: int
    taken: datetime.datetime
    revision: Revision = ""

    @property
    def age(self) -> str:
        """Greater where it is newer; a clock that goes back does not change that."""
        return self.name


@dataclass(frozen=True, slots=True)
class Decision:
    """What prune does: `kept` says why of each, `pruned` go, oldest first."""

    kept: Mapping[str, str]
    pruned: tuple[Held, ...]

    @property
    def size(self) -> int:
        """The bytes that go."""
        return sum(held.size for held in self.pruned)


def decide(sound: Iterable[Held], pinned: Iterable[str], *, keep: int = KEEP) -> Decision:
    """Of snapshots that are sound, which go: those that nothing here keeps. One that is not sound is none of these."""
    newest_first = sorted(sound, key=lambda held: held.age, reverse=True)
    kept: dict[str, str] = {}
    months: set[tuple[int, int]] = set()
    back = next((held.name for held in newest_first if layout.is_migrations_snapshot(held.name)), "")
    fixed = frozenset(pinned)
    for number, held in enumerate(newest_first):
        month = (held.taken.year, held.taken.month)
        if held.name in fixed:
            kept[held.name] = "pinned"
        elif held.name == back:
            kept[held.name] = "the last way back from a migration"
        elif number == 0:
            kept[held.name] = "the newest"
        elif number < keep:
            kept[held.name] = f"one of the last {keep}"
        elif month not in months:
            kept[held.name] = "the newest of its month"
        months.add(month)
    return Decision(kept, tuple(held for held in reversed(newest_first) if held.name not in kept))


def prune(store: Store, decision: Decision, *, now: datetime.datetime) -> None:
    """Remove what was decided, as one change set with a line of history. The caller holds the locks.

    Raises:
        Conflict: a snapshot was pinned, replaced or removed since the decision; nothing was removed.
    """
    there = {listed.name for listed in snapshot.listed(store)}
    names = [held.name for held in decision.pruned]
    moved = sorted((set(decision.kept) | set(names)) - there) + sorted(set(names) & set(pins(store)))
    if moved:
        message = f"{moved[0]} was removed or pinned meanwhile; nothing was removed"
        raise Conflict(message, hint="atomic-agents snapshots prune --dry-run")
    gone = (Delete(layout.snapshot(held.name), expect=held.revision) for held in decision.pruned)
    store.apply(ChangeSet("prune snapshots", (*gone, history.note(now, history.PRUNED, pruned=names))))


def pins(store: Store) -> Mapping[str, str]:
    """The pinned snapshots, and when each was.

    Raises:
        DocumentUnreadable: the file is there and does not say.
    """
    return {name: str(when) for name, when in _pinned(_pins(store)[0]).items()}


def pin(store: Store, name: str, *, now: datetime.datetime) -> bool:
    """Have prune keep a snapshot; False where it is pinned already."""
    found, revision = _pins(store)
    pinned = _pinned(found)
    if name in pinned:
        return False
    _write(store, {**found, "pinned": {**pinned, name: now.isoformat()}}, revision, f"pin {name}")
    return True


def unpin(store: Store, name: str) -> bool:
    """Let prune remove a snapshot; False where it is not pinned."""
    found, revision = _pins(store)
    pinned = _pinned(found)
    if name not in pinned:
        return False
    rest = {other: when for other, when in pinned.items() if other != name}
    _write(store, {**found, "pinned": rest}, revision, f"unpin {name}")
    return True


def _write(store: Store, found: Mapping[str, object], revision: Revision, reason: str) -> None:
    data = json.dumps(found, ensure_ascii=False, indent=2).encode() + b"\n"
    store.apply(ChangeSet(reason, (Put(layout.PINS, data, expect=revision),)))


def _pins(store: Store) -> tuple[dict[str, object], Revision]:
    blob = store.read(layout.PINS)
    if blob is None:
        return {}, ABSENT
    try:
        found = json.loads(blob.data.decode())
    except (ValueError, RecursionError) as error:
        raise _unreadable(str(error), getattr(error, "lineno", 1)) from error
    if not isinstance(found, dict):
        raise _unreadable("an object is needed", 1)
    _pinned(found)
    return found, blob.revision


def _pinned(found: Mapping[str, object]) -> dict[str, object]:
    pinned = found.get("pinned", {})
    if not isinstance(pinned, dict):
        raise _unreadable("pinned is no object of names", 1)
    return pinned


def _unreadable(message: str, line: int) -> DocumentUnreadable:
    context = {"path": layout.PINS, "line": line, "message": message}
    hint = 'correct it; it has the form {"pinned": {"NAME": "when"}}'
    return DocumentUnreadable(f"{layout.PINS}:{line}: {message}", hint=hint, context=context)
