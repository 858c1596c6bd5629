"""migrate, snapshots."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import click

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import RunInterrupted, UsageError
from atomic_agents.migration.plan import Plan
from atomic_agents.migration.registry import Script
from atomic_agents.migration.rollback import RolledBack
from atomic_agents.operations import upkeep
from atomic_agents.operations.upkeep import Status
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.layout import Kind

_DIFFS = 20
_NOUNS = {
    Kind.NOTE: ("note", "notes"),
    Kind.WIKI: ("wiki page", "wiki pages"),
    Kind.SETTINGS: ("settings file", "settings files"),
    Kind.POLICY: ("policy", "policies"),
}


@click.command("migrate")
@click.option("--status", is_flag=True, help="The versions of the vault and of this package.")
@click.option("--list-snapshots", is_flag=True, help="What a migration can be undone with.")
@click.option("--to", "target", metavar="vN", help="Bring the vault to this version; head is the newest.")
@click.option("--rollback", metavar="SNAPSHOT", help="Put the documents of a snapshot back.")
@click.option("--skip-unreadable", is_flag=True, help="Leave documents that cannot be migrated as they are.")
@click.option("--all", "whole", is_flag=True, help="With --dry-run: the diff of every document.")
@dry_run_option
@yes_option
@json_option
@common
def migrate_command(
    status: bool, list_snapshots: bool, target: str | None, rollback: str | None, skip_unreadable: bool, whole: bool,
    dry_run: bool, as_json: bool, root: str | None,
) -> None:  # fmt: skip
    """Bring a vault to a newer schema version, whole or not at all; or put it back."""
    if sum((status, list_snapshots, target is not None, rollback is not None)) != 1:
        hint = "python -m atomic_agents.migrate --status"
        raise UsageError("say one of --status, --list-snapshots, --to vN, --rollback SNAPSHOT", hint=hint)
    version = upkeep.parse_version("head" if target is None else target)
    with _stoppable(), workspace(root) as opened:
        if status:
            _status(upkeep.status(opened, render.progress()), as_json=as_json)
        elif list_snapshots:
            _snapshots(opened, as_json=as_json)
        elif rollback is not None and dry_run:
            _plan_rollback(opened, rollback, whole=whole, as_json=as_json)
        elif rollback is not None:
            _rolled_back(upkeep.roll_back(opened, rollback, render.progress()), as_json=as_json)
        elif target == "head" and not upkeep.status(opened).needs_migration:
            _already(version, as_json=as_json)
        elif dry_run:
            _plan(opened, version, skip_unreadable=skip_unreadable, whole=whole, as_json=as_json)
        else:
            _migrate(opened, version, skip_unreadable=skip_unreadable, as_json=as_json)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Whatever is stopped here happens whole or not at all; the operator is told where to look."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        hint = "python -m atomic_agents.migrate --status"
        raise RunInterrupted("stopped by you; the vault is whole, migrated or not", hint=hint) from stopped


@click.group("snapshots", invoke_without_command=True)
@click.pass_context
def snapshots_command(ctx: click.Context) -> None:
    """What a migration can be undone with."""
    show_help(ctx)


@snapshots_command.command("list")
@json_option
@common
def snapshots_list(as_json: bool, root: str | None) -> None:
    """The snapshots there are, newest first."""
    with workspace(root) as opened:
        _snapshots(opened, as_json=as_json)


def _migrate(opened: Workspace, version: int, *, skip_unreadable: bool, as_json: bool) -> None:
    def show_snapshot(name: str) -> None:
        if not as_json:
            render.say(f"snapshot {name}")

    done = upkeep.migrate(
        opened,
        version,
        skip_unreadable=skip_unreadable,
        announce=_name_script,
        on_snapshot=show_snapshot,
        progress=render.progress(),
    )
    _warn(done.plan)
    if as_json:
        render.say_json({**_plan_json(done.plan), "snapshot": done.snapshot})
        return
    render.talk(render.command(f"to undo it: python -m atomic_agents.migrate --rollback {done.snapshot}"))
    render.say(f"migrated from v{done.plan.from_version} to v{done.plan.target}: {_counts(done.plan)}")


def _already(version: int, *, as_json: bool) -> None:
    if as_json:
        render.say_json({"from": version, "to": version, "steps": [], "counts": {}, "skipped": []})
    else:
        render.say(f"already at v{version}")


def _name_script(script: Script) -> None:
    """A script of the vault is the operator's code: it is named before it runs."""
    render.notice(f"{script.path} (sha256 {script.sha256[:12]}…) is code of this vault and is run")


def _plan(opened: Workspace, version: int, *, skip_unreadable: bool, whole: bool, as_json: bool) -> None:
    plan = upkeep.plan_migration(
        opened, version, skip_unreadable=skip_unreadable, announce=_name_script, progress=render.progress()
    )
    _warn(plan)
    if as_json:
        render.say_json({**_plan_json(plan), "documents": {path: list(done) for path, done in plan.done.items()}})
        return
    _diff(opened, plan.changes, whole=whole)
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
    return ", ".join(render.count(number, *_NOUNS[kind]) for kind, number in plan.counts.items()) or "nothing"


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
    for script in found.scripts:
        render.say(f"script     {script.path}, sha256 {script.sha256[:12]}…, not run by --status")
    for snapshot in found.snapshots[:5]:
        render.say(f"snapshot   {snapshot.name}")
    if found.unreadable:
        render.problems("warning", found.unreadable)
        render.say(f"unreadable {render.count(len(found.unreadable), 'document')}")
    if found.highest > found.current:
        render.say(f"newer than this package, which reads v{found.highest} and does not write it")
        render.hint("pip install --upgrade atomic-agents-stack")
    elif found.needs_migration:
        render.say(render.command(f"needs migration: python -m atomic_agents.migrate --to v{found.current} --dry-run"))
    else:
        render.say("up to date")


def _status_json(found: Status) -> dict[str, object]:
    return {
        "root": found.root,
        "version": found.version,
        "highest": found.highest,
        "current": found.current,
        "needs_migration": found.needs_migration,
        "documents": found.documents,
        "by_version": {f"v{version}": number for version, number in found.by_version.items()},
        "unreadable": [problem.as_json() for problem in found.unreadable],
        "scripts": [{"path": script.path, "sha256": script.sha256} for script in found.scripts],
        "snapshots": [snapshot.name for snapshot in found.snapshots],
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


def _plan_rollback(opened: Workspace, name: str, *, whole: bool, as_json: bool) -> None:
    draft = upkeep.plan_rollback(opened, name, render.progress())
    if as_json:
        render.say_json(_rollback_json(draft.outcome()))
        return
    _diff(opened, ChangeSet("roll back", tuple(draft.changes)), whole=whole)
    would = f"{render.count(len(draft.restored), 'document')} would be restored, {draft.unchanged:,} left unchanged"
    render.say(f"dry run: {would}; nothing was written")


def _rolled_back(done: RolledBack, *, as_json: bool) -> None:
    if as_json:
        render.say_json(_rollback_json(done))
        return
    for path, beside in done.kept.items():
        render.notice(f"{path} was edited since; what it said is kept as {beside}")
    if done.safety:
        render.talk(render.command(f"to undo it: python -m atomic_agents.migrate --rollback {done.safety}"))
        if done.from_version < CURRENT_SCHEMA_VERSION:
            render.talk(f"to stay at v{done.from_version}, install the package that writes it; this one migrates again")
    removed = f", {len(done.removed):,} removed" if done.removed else ""
    counts = f"{render.count(len(done.restored), 'document')} restored{removed}, {done.unchanged:,} unchanged"
    render.say(f"rolled back to v{done.from_version}: {counts}")


def _rollback_json(done: RolledBack) -> dict[str, object]:
    return {
        "snapshot": done.snapshot,
        "restored": list(done.restored),
        "removed": list(done.removed),
        "unchanged": done.unchanged,
        "kept": dict(done.kept),
        "safety_snapshot": done.safety,
    }


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
