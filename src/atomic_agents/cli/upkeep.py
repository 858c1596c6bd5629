"""migrate."""

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

import click

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace, yes_option
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import RunInterrupted, UsageError
from atomic_agents.migration.history import ScriptChanged
from atomic_agents.migration.plan import Plan
from atomic_agents.migration.registry import Script
from atomic_agents.migration.rollback import Draft, RolledBack
from atomic_agents.migration.verify import Verified
from atomic_agents.operations import upkeep
from atomic_agents.operations.upkeep import Status
from atomic_agents.operations.workspace import Workspace

_DIFFS = 20
_EDITED = 20


@click.command("migrate")
@click.option("--status", is_flag=True, help="The versions of the vault and of this package.")
@click.option("--list-snapshots", is_flag=True, help="What a migration can be undone with.")
@click.option("--to", "target", metavar="vN", help="Bring the vault to this version; head is the newest.")
@click.option("--verify", is_flag=True, help="Compare the vault with its history; exit 1 where they do not agree.")
@click.option("--rollback", metavar="SNAPSHOT", help="Put the documents of a snapshot back.")
@click.option("--each", is_flag=True, help="With --to: version by version, with a snapshot before each.")
@click.option("--skip-unreadable", is_flag=True, help="Leave documents that cannot be migrated as they are.")
@click.option("--all", "whole", is_flag=True, help="With --dry-run: the diff of every document.")
@dry_run_option
@yes_option
@json_option
@common
def migrate_command(
    status: bool, list_snapshots: bool, target: str | None, verify: bool, rollback: str | None, each: bool,
    skip_unreadable: bool, whole: bool, dry_run: bool, as_json: bool, root: str | None,
) -> int:  # fmt: skip
    """Bring a vault to a newer schema version, whole or not at all; or put it back."""
    _check_usage((status, list_snapshots, target is not None, verify, rollback is not None), each=each, target=target)
    version = upkeep.parse_version("head" if target is None else target)
    with stoppable(), workspace(root) as opened:
        if status:
            _status(upkeep.status(opened, render.progress()), as_json=as_json)
        elif list_snapshots:
            _snapshots(opened, as_json=as_json)
        elif verify:
            return _verify(upkeep.verify_history(opened, render.progress()), as_json=as_json)
        elif rollback is not None and dry_run:
            draft = upkeep.plan_rollback(opened, rollback, render.progress())
            say_would_roll_back(opened, draft, whole=whole, as_json=as_json)
        elif rollback is not None:
            say_rolled_back(upkeep.roll_back(opened, rollback, render.progress()), as_json=as_json)
        elif target == "head" and not upkeep.needs_migration(opened):
            _already(version, as_json=as_json)
        elif dry_run:
            _plan(opened, version, each=each, skip_unreadable=skip_unreadable, whole=whole, as_json=as_json)
        elif each:
            _migrate_each(opened, version, skip_unreadable=skip_unreadable, as_json=as_json)
        else:
            _migrate(opened, version, skip_unreadable=skip_unreadable, as_json=as_json)
    return 0


def _check_usage(asked: tuple[bool, ...], *, each: bool, target: str | None) -> None:
    if sum(asked) != 1:
        hint = "python -m atomic_agents.migrate --status"
        raise UsageError("say one of --status, --list-snapshots, --to vN, --verify, --rollback SNAPSHOT", hint=hint)
    if each and target is None:
        raise UsageError("--each goes with --to vN", hint="python -m atomic_agents.migrate --to head --each")


@contextmanager
def stoppable() -> Iterator[None]:
    """Whatever is stopped here happens whole or not at all; the operator is told where to look."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        hint = "python -m atomic_agents.migrate --status"
        raise RunInterrupted("stopped by you; the vault is whole, migrated or not", hint=hint) from stopped


def _migrate(opened: Workspace, version: int, *, skip_unreadable: bool, as_json: bool) -> None:
    done = upkeep.migrate(
        opened,
        version,
        skip_unreadable=skip_unreadable,
        announce=_name_script,
        on_snapshot=(lambda _name: None) if as_json else _name_snapshot,
        progress=render.progress(),
    )
    _warn(done.plan)
    if as_json:
        render.say_json({**_plan_json(done.plan), "snapshot": done.snapshot})
        return
    render.talk(render.command(f"to undo it: python -m atomic_agents.migrate --rollback {done.snapshot}"))
    render.say(f"migrated from v{done.plan.from_version} to v{done.plan.target}: {_counts(done.plan)}")


def _migrate_each(opened: Workspace, version: int, *, skip_unreadable: bool, as_json: bool) -> None:
    done = upkeep.migrate_each(
        opened,
        version,
        skip_unreadable=skip_unreadable,
        announce=_name_script,
        on_snapshot=(lambda _name: None) if as_json else _name_snapshot,
        progress=render.progress(),
    )
    first, last = done[0], done[-1]
    _warn(last.plan)
    if as_json:
        each = [{**_plan_json(one.plan), "snapshot": one.snapshot} for one in done]
        render.say_json({"from": first.plan.from_version, "to": last.plan.target, "each": each})
        return
    for one in done:
        back = f"python -m atomic_agents.migrate --rollback {one.snapshot}"
        render.talk(render.command(f"back to v{one.plan.from_version}: {back}"))
    steps = "; ".join(f"v{one.plan.target} {_counts(one.plan)}" for one in done)
    render.say(f"migrated from v{first.plan.from_version} to v{last.plan.target}: {steps}")


def _name_snapshot(name: str) -> None:
    render.say(f"snapshot {name}")


def _already(version: int, *, as_json: bool) -> None:
    if as_json:
        render.say_json({"from": version, "to": version, "steps": [], "counts": {}, "skipped": []})
    else:
        render.say(f"already at v{version}")


def _name_script(script: Script) -> None:
    """A script of the vault is the operator's code: it is named before it runs."""
    render.notice(f"{script.path} (sha256 {script.sha256[:12]}…) is code of this vault and is run")


def _plan(opened: Workspace, version: int, *, each: bool, skip_unreadable: bool, whole: bool, as_json: bool) -> None:
    plan = upkeep.plan_migration(
        opened, version, skip_unreadable=skip_unreadable, announce=_name_script, progress=render.progress()
    )
    _warn(plan)
    points = range(plan.from_version, plan.target if each else plan.from_version + 1)
    if as_json:
        documents = {one.path: list(one.done) for one in plan.documents}
        render.say_json({**_plan_json(plan), "documents": documents, "restore_points": list(points)})
        return
    _diff(opened, plan.changes, whole=whole)
    for point in points if each else ():
        render.say(f"restore point at v{point}: …_pre_v{point + 1}_migration.tar.gz")
    steps = " > ".join(step.name for step in plan.steps)
    what = f"v{plan.from_version} to v{plan.target} by {steps} would change {_counts(plan)}"
    render.say(f"dry run: {what}; nothing was written")


def _diff(opened: Workspace, changes: ChangeSet, *, whole: bool) -> None:
    shown = changes if whole else ChangeSet(changes.reason, tuple(islice(changes, _DIFFS)))
    for line in shown.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
        render.say(line)
    if len(changes) > len(shown):
        more = render.count(len(changes) - len(shown), "more document", "more documents")
        render.say(f"and {more}; --dry-run --all shows them")


def _warn(plan: Plan) -> None:
    """Say what the operator would want to know beyond the counts."""
    if plan.skipped:
        render.notice(f"{render.count(len(plan.skipped), 'document')} left as they are")
        render.problems("warning", plan.skipped)
    if plan.leaves_package_behind:
        behind = f"this package writes v{CURRENT_SCHEMA_VERSION} and only reads what is at v{plan.target}"
        render.notice(f"{behind}; install the package that writes v{plan.target} before the next run")


def _counts(plan: Plan) -> str:
    return render.documents(plan.counts.items())


def _plan_json(plan: Plan) -> dict[str, object]:
    return {
        "from": plan.from_version,
        "to": plan.target,
        "steps": [{"name": step.name, "sha256": step.sha256} for step in plan.steps],
        "counts": {kind.value: number for kind, number in plan.counts.items()},
        "skipped": [problem.as_json() for problem in plan.skipped],
    }


def _status(found: Status, *, as_json: bool) -> None:
    if as_json:
        render.say_json(_status_json(found))
        return
    render.say(f"vault      {found.root}")
    render.say(f"version    v{found.version}")
    render.say(f"package    writes v{found.current}")
    by_version = ", ".join(f"{number:,} at v{version}" for version, number in found.by_version.items())
    render.say(f"documents  {by_version or 'none'}")
    if found.archived:
        render.say(f"archived   {found.archived:,}, kept as they were written")
    for script in found.scripts:
        render.say(f"script     {script.path}, sha256 {script.sha256[:12]}…, not run by --status")
    for snapshot in found.snapshots[:5]:
        render.say(f"snapshot   {snapshot.name}")
    for changed in found.changed_scripts:
        render.notice(f"{changed.path} {changed.message}")
    if found.unreadable:
        render.problems("warning", found.unreadable)
        render.say(f"unreadable {render.count(len(found.unreadable), 'document')}")
    if found.newer:
        _say_newer(found)
    elif found.needs_migration:
        render.say(render.command(f"needs migration: python -m atomic_agents.migrate --to v{found.current} --dry-run"))
    else:
        render.say("up to date")


def _say_newer(found: Status) -> None:
    """The documents that this package only reads."""
    for one in found.newer[:_EDITED]:
        render.say(f"newer      {one.where} is at v{one.version}")
    if len(found.newer) > _EDITED:
        render.say(f"and {len(found.newer) - _EDITED:,} more that are newer; --json names them")
    render.say(f"newer than this package, which reads v{found.highest} and does not write it")
    render.hint(found.remedy)


def _status_json(found: Status) -> dict[str, object]:
    return {
        "root": found.root,
        "version": found.version,
        "highest": found.highest,
        "current": found.current,
        "needs_migration": found.needs_migration,
        "documents": found.documents,
        "by_version": {f"v{version}": number for version, number in found.by_version.items()},
        "archived": found.archived,
        "newer": [{"path": one.path, "line": one.line, "version": one.version} for one in found.newer],
        "unreadable": [problem.as_json() for problem in found.unreadable],
        "scripts": [{"path": script.path, "sha256": script.sha256} for script in found.scripts],
        "snapshots": [snapshot.name for snapshot in found.snapshots],
        "changed_scripts": [_changed_json(changed) for changed in found.changed_scripts],
    }


def _changed_json(changed: ScriptChanged) -> dict[str, object]:
    return {"path": changed.path, "ran": changed.ran, "ran_sha256": changed.ran_sha256, "sha256": changed.sha256}


def _verify(found: Verified, *, as_json: bool) -> int:
    problems = found.problems
    if as_json:
        render.say_json(_verified_json(found))
        return 1 if problems else 0
    if found.last and found.way_back:
        render.say(f"last       {found.last.outcome} on {found.last.when[:10]}, line {found.last.line} of the history")
        render.say(f"version    v{found.version} since")
        render.say(f"snapshot   {found.way_back.name}, {found.way_back.state}")
        counts = f"{found.unchanged:,} unchanged since, {len(found.edited):,} edited since, {len(found.gone):,} gone"
        render.say(f"documents  {counts}")
    for path in found.edited[:_EDITED]:
        render.say(f"edited     {path}")
    if len(found.edited) > _EDITED:
        render.say(f"and {len(found.edited) - _EDITED:,} more that were edited; --json names them")
    render.problems("warning", found.unreadable)
    render.problems("error", problems)
    if problems:
        render.say(f"not verified: vault and history do not agree in {render.count(len(problems), 'thing')}")
    else:
        render.say("verified: the vault is what its history says" if found.last else "nothing was migrated here")
    return 1 if problems else 0


def _verified_json(found: Verified) -> dict[str, object]:
    last, back = found.last, found.way_back
    return {
        "verified": not found.problems,
        "last": last
        and {
            "line": last.line,
            "ts": last.when,
            "who": last.who,
            "package": last.package,
            "outcome": last.outcome,
        },
        "version": found.version,
        "snapshot": back and {"name": back.name, "state": back.state, "why": back.why},
        "unchanged": found.unchanged,
        "edited": list(found.edited),
        "gone": list(found.gone),
        "changed_scripts": [_changed_json(changed) for changed in found.scripts],
        "problems": [problem.as_json() for problem in found.problems],
        "unreadable": [problem.as_json() for problem in found.unreadable],
    }


def _snapshots(opened: Workspace, *, as_json: bool) -> None:
    found = upkeep.snapshots(opened)
    if as_json:
        render.say_json([{"name": one.name, "size": one.size, "modified": _time(one.modified)} for one in found])
        return
    if not found:
        render.talk("no snapshots; a migration takes one before it writes")
        return
    render.table([(one.name, f"{one.size:,} bytes") for one in found], ("snapshot", "size"))


def say_would_roll_back(opened: Workspace, draft: Draft, *, whole: bool, as_json: bool) -> None:
    """Show what a rollback would do, as a diff; `whole` leaves nothing out."""
    if as_json:
        render.say_json(_rollback_json(draft.outcome()))
        return
    _diff(opened, ChangeSet("roll back", draft.changes()), whole=whole)
    _say_left_alone(draft.later)
    would = f"{render.count(len(draft.restored), 'document')} would be restored, {draft.unchanged:,} left unchanged"
    render.say(f"dry run: {would}; nothing was written")


def say_rolled_back(done: RolledBack, *, as_json: bool, whole: bool = True) -> None:
    """Say what a rollback did; `whole` where it was of all that the snapshot holds."""
    if as_json:
        render.say_json(_rollback_json(done))
        return
    for path, beside in done.kept.items():
        render.notice(f"{path} was edited since; what it said is kept as {beside}")
    _say_left_alone(done.later)
    if done.safety:
        render.talk(render.command(f"to undo it: python -m atomic_agents.migrate --rollback {done.safety}"))
        if whole and done.from_version < CURRENT_SCHEMA_VERSION:
            render.talk(f"to stay at v{done.from_version}, install the package that writes it; this one migrates again")
    removed = f", {len(done.removed):,} removed" if done.removed else ""
    counts = f"{render.count(len(done.restored), 'document')} restored{removed}, {done.unchanged:,} unchanged"
    render.say(f"rolled back to v{done.from_version}: {counts}" if whole else f"{counts}; nothing else was touched")


def _say_left_alone(later: Mapping[str, int]) -> None:
    for name, count in later.items():
        documents = f"{render.count(count, 'document')} that only a later migration changed"
        render.notice(f"{documents} stay as they are; to undo all of it, roll back the latest first: {name}")


def _rollback_json(done: RolledBack) -> dict[str, object]:
    return {
        "snapshot": done.snapshot,
        "restored": list(done.restored),
        "removed": list(done.removed),
        "unchanged": done.unchanged,
        "kept": dict(done.kept),
        "left_alone": dict(done.later),
        "safety_snapshot": done.safety,
    }


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
