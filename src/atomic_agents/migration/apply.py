"""Carry a plan out: snapshot, one change set, validation, one line of history."""

import datetime
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic

from atomic_agents.core.change import Append, ChangeSet, Delete
from atomic_agents.core.errors import AtomicAgentsError, Conflict, MigrationFailed, StorageFailed
from atomic_agents.core.spool import Rows, size
from atomic_agents.core.store import Store
from atomic_agents.migration import history, report, snapshot
from atomic_agents.migration.plan import Plan, Progress, silent
from atomic_agents.migration.snapshot import Kept
from atomic_agents.vault import layout

_LOCK_WAIT = 3.0


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did; `report` is the path of the document that says so."""

    plan: Plan
    snapshot: str
    report: str


@contextmanager
def quiet(store: Store, agents: tuple[str, ...]) -> Iterator[None]:
    """Hold the migration lock and every agent's, so that nothing is written in between.

    Raises:
        Busy: a migration or a run is under way, and did not end within three seconds.
    """
    with ExitStack() as locks:
        locks.enter_context(store.lock("migration", wait=0))
        until = monotonic() + _LOCK_WAIT
        for agent in agents:
            locks.enter_context(store.lock(f"agent/{agent}", wait=max(0.0, until - monotonic())))
        yield


def carry_out(
    store: Store,
    plan: Plan,
    *,
    now: datetime.datetime,
    on_snapshot: Callable[[str], None] = lambda _name: None,
    progress: Progress = silent,
) -> Migrated:
    """Snapshot, apply, validate; on any failure the vault is as it was. `on_snapshot` hears of it before a write.

    Raises:
        Conflict: a document was edited since the plan was made; nothing was written.
        MigrationFailed: what was written did not read back right; it was put back.
    """
    name = snapshot.free_name(store, now, f"pre_v{plan.target}_migration")
    _take(store, plan, name, now, progress)
    on_snapshot(name)
    line = history.line(
        now,
        history.MIGRATED,
        plan.from_version,
        plan.target,
        steps=[{"name": step.name, "sha256": step.sha256} for step in plan.steps],
        counts={kind.value: count for kind, count in plan.counts.items()},
        snapshot=name,
        **({"skipped": [problem.path for problem in plan.skipped]} if plan.skipped else {}),
    )
    count = len(plan.documents)
    progress("write", 0, count)
    try:
        undo = store.apply(plan.changes_with(report.report(plan, snapshot=name, now=now), line))
    except Conflict:
        store.apply(ChangeSet("take the snapshot of a migration away that did not happen", (_delete(name),)))
        raise
    progress("write", count, count)
    try:
        _validate(store, plan, progress)
    except AtomicAgentsError as error:
        raise _put_back(store, plan, undo, name, now, error) from error
    return Migrated(plan, name, report.path(name))


def _put_back(
    store: Store, plan: Plan, undo: ChangeSet, name: str, now: datetime.datetime, error: AtomicAgentsError
) -> MigrationFailed:
    """Undo what did not read back right; the error that says so, and what to type where that cannot be done."""
    rows: list[int | Append] = [number for number, change in enumerate(undo) if change.path != layout.HISTORY]
    line = history.line(now, history.PUT_BACK, plan.from_version, plan.target, snapshot=name, error=error.message)
    try:
        back = Rows([*rows, line], lambda row: undo.changes[row] if isinstance(row, int) else row)
        store.apply(ChangeSet(undo.reason, back))
    except (Conflict, StorageFailed) as worse:
        message = f"{error.message}; the vault was not put back: {worse.message}"
        return MigrationFailed(message, hint=f"python -m atomic_agents.migrate --rollback {name}")
    return MigrationFailed(f"the vault was put back: {error.message}", hint=error.hint)


def _delete(name: str) -> Delete:
    return Delete(layout.snapshot(name))


def _take(store: Store, plan: Plan, name: str, now: datetime.datetime, progress: Progress) -> None:
    """Write the snapshot and read it back before anything else is touched.

    It holds what the plan read; that the documents still are that, applying the changes checks.
    """
    count = len(plan.documents)
    progress("snapshot", 0, count)
    kept = Rows(
        plan.documents,
        lambda one: Kept(one.path, size(one.old), one.mode, plan.revision(one.old), plan.revision(one.new)),
    )
    described = snapshot.describe(name, now, plan.changes.reason, (plan.from_version, plan.target), kept)
    snapshot.keep(store, described, (plan.spool.get(one.old) for one in plan.documents))
    progress("snapshot", count, count)


def _validate(store: Store, plan: Plan, progress: Progress) -> None:
    """Read every changed document back: it is, byte for byte, what the plan found valid."""
    for number, one in enumerate(plan.documents, 1):
        progress("validate", number, len(plan.documents))
        blob = store.read(one.path)
        if blob is None or blob.data != plan.spool.get(one.new):
            raise MigrationFailed(f"{one.path} is not what was written")
