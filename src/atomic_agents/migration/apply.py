"""Carry a plan out, or put a vault back: snapshot, one change set, validation, one line of history."""

import datetime
import getpass
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from atomic_agents._version import __version__
from atomic_agents.core.change import ABSENT, Append, Change, ChangeSet, Delete, Put, revision
from atomic_agents.core.document import parse
from atomic_agents.core.errors import AtomicAgentsError, Conflict, DocumentUnreadable, MigrationFailed
from atomic_agents.core.store import Store
from atomic_agents.migration import snapshot
from atomic_agents.migration.plan import Plan, Progress, silent
from atomic_agents.migration.snapshot import Kept
from atomic_agents.vault import layout

_LOCK_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did."""

    plan: Plan
    snapshot: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did. `kept` maps a document that was edited since to where its edited text stands now."""

    snapshot: str
    restored: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    kept: dict[str, str]
    safety: str
    from_version: int


@contextmanager
def quiet(store: Store, agents: tuple[str, ...]) -> Iterator[None]:
    """Hold the migration lock and every agent's, so that nothing is written in between.

    Raises:
        Busy: a migration or a run is under way.
    """
    with ExitStack() as locks:
        locks.enter_context(store.lock("migration", wait=0))
        for agent in agents:
            locks.enter_context(store.lock(f"agent/{agent}", wait=_LOCK_WAIT))
        yield


def carry_out(store: Store, plan: Plan, *, now: datetime.datetime, progress: Progress = silent) -> Migrated:
    """Snapshot, apply, validate; on any failure the vault is as it was.

    Raises:
        Conflict: a document was edited since the plan was made; nothing was written.
        MigrationFailed: what was written did not read back right; it was put back.
    """
    name = snapshot.free_name(store, now, f"pre_v{plan.target}_migration")
    _take(store, plan, name, now, progress)
    counts = {kind.value: count for kind, count in plan.counts.items()}
    history = _history(
        now, "migrated", plan.from_version, plan.target,
        steps=[{"name": step.name, "sha256": step.sha256} for step in plan.steps], counts=counts, snapshot=name,
    )  # fmt: skip
    progress("write", 0, len(plan.changes))
    undo = store.apply(ChangeSet(plan.changes.reason, (*plan.changes, history)))
    progress("write", len(plan.changes), len(plan.changes))
    try:
        _validate(store, plan, progress)
    except AtomicAgentsError as error:
        without_history = tuple(change for change in undo if change.path != layout.HISTORY)
        line = _history(now, "put back", plan.from_version, plan.target, snapshot=name, error=error.message)
        store.apply(ChangeSet(undo.reason, (*without_history, line)))
        raise MigrationFailed(f"the vault was put back: {error.message}", hint=error.hint) from error
    return Migrated(plan, name)


def _take(store: Store, plan: Plan, name: str, now: datetime.datetime, progress: Progress) -> None:
    """Write the snapshot and read it back before anything else is touched."""
    contents: list[bytes] = []
    kept: list[Kept] = []
    for number, change in enumerate(plan.changes, 1):
        progress("snapshot", number, len(plan.changes))
        blob = store.read(change.path)
        if not isinstance(change, Put) or blob is None or blob.revision != change.expect:
            raise Conflict(f"{change.path} was edited while the migration was planned", hint="run the command again")
        contents.append(blob.data)
        mode = 0o644 if blob.mode is None else blob.mode
        kept.append(Kept(change.path, len(blob.data), mode, blob.revision, revision(change.data)))
    described = snapshot.describe(name, now, plan.changes.reason, (plan.from_version, plan.target), kept)
    data = snapshot.pack(described, contents)
    store.apply(ChangeSet(f"snapshot before {plan.changes.reason}", (Put(layout.snapshot(name), data, expect=ABSENT),)))
    snapshot.read(store, name)


def _validate(store: Store, plan: Plan, progress: Progress) -> None:
    for number, change in enumerate(plan.changes, 1):
        progress("validate", number, len(plan.changes))
        blob = store.read(change.path)
        if not isinstance(change, Put) or blob is None or blob.revision != revision(change.data):
            raise MigrationFailed(f"{change.path} is not what was written")
        try:
            document = parse(change.path, blob.data)
        except DocumentUnreadable as error:
            raise MigrationFailed(error.message, hint=error.hint) from error
        if document.meta.get("schema_version") != plan.target:
            raise MigrationFailed(f"{change.path} is not at v{plan.target}")


def roll_back(store: Store, name: str, *, now: datetime.datetime, progress: Progress = silent) -> RolledBack:
    """Put the documents of a snapshot back, exactly those, and keep what was edited since beside them.

    The state before the rollback goes into a snapshot of its own first, so that a rollback can be undone.

    Raises:
        SnapshotInvalid: missing, damaged or hostile; nothing was changed.
    """
    described, contents = snapshot.read(store, name)
    changes: list[Change] = []
    safety: list[tuple[Kept, bytes]] = []
    created: dict[str, str] = {}
    beside: dict[str, str] = {}
    unchanged = 0
    for number, kept in enumerate(described.files, 1):
        progress("compare", number, len(described.files))
        blob = store.read(kept.path)
        if blob is not None and blob.revision == kept.sha256:
            unchanged += 1
            continue
        changes.append(Put(kept.path, contents[kept.path], expect=blob.revision if blob else ABSENT, mode=kept.mode))
        if blob is None:
            created[kept.path] = kept.sha256
            continue
        mode = 0o644 if blob.mode is None else blob.mode
        safety.append((Kept(kept.path, len(blob.data), mode, blob.revision, kept.sha256), blob.data))
        if blob.revision != kept.after:
            beside[kept.path] = f"{kept.path}.edited-{now:%Y-%m-%dT%H%M%S}"
            changes.append(Put(beside[kept.path], blob.data, expect=ABSENT))
    removed = _removals(store, described.created, changes, safety)
    safety_name = ""
    if changes:
        safety_name = snapshot.free_name(store, now, "pre_rollback")
        versions = (described.target, described.from_version)
        taken = snapshot.describe(
            safety_name, now, f"roll back {name}", versions, [kept for kept, _ in safety], created
        )
        data = snapshot.pack(taken, [data for _, data in safety])
        store.apply(ChangeSet(taken.reason, (Put(layout.snapshot(safety_name), data, expect=ABSENT),)))
        snapshot.read(store, safety_name)
        line = _history(now, "rolled back", described.target, described.from_version, snapshot=name, safety=safety_name)
        store.apply(ChangeSet(f"roll back {name}", (*changes, line)))
    restored = tuple(change.path for change in changes if isinstance(change, Put) and change.path in contents)
    return RolledBack(name, restored, removed, unchanged, beside, safety_name, described.from_version)


def _removals(
    store: Store, created: Mapping[str, str], changes: list[Change], safety: list[tuple[Kept, bytes]]
) -> tuple[str, ...]:
    """Take away what the migration created, unless somebody has edited it since."""
    removed: list[str] = []
    for path, made in created.items():
        blob = store.read(path)
        if blob is not None and blob.revision == made:
            changes.append(Delete(path, expect=blob.revision))
            mode = 0o644 if blob.mode is None else blob.mode
            safety.append((Kept(path, len(blob.data), mode, blob.revision, ""), blob.data))
            removed.append(path)
    return tuple(removed)


def _history(now: datetime.datetime, outcome: str, from_version: int, to_version: int, **more: object) -> Append:
    try:
        who = getpass.getuser()
    except (OSError, KeyError, ImportError):
        who = "unknown"
    record = {
        "ts": now.isoformat(), "who": who, "package": __version__, "outcome": outcome, "from_version": from_version,
        "to_version": to_version, **more,
    }  # fmt: skip
    return Append(layout.HISTORY, json.dumps(record, ensure_ascii=False))
