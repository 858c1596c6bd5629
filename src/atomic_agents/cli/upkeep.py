"""migrate, snapshots."""

import datetime
from itertools import islice

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace, yes_option
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import UsageError
from atomic_agents.migration.apply import RolledBack
from atomic_agents.migration.plan import Plan
from atomic_agents.operations import upkeep
from atomic_agents.operations.upkeep import Status
from atomic_agents.operations.workspace import Workspace

_DIFFS = 20


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
) -> int:  # fmt: skip
    """Bring a vault to a newer schema version, whole or not at all; or put it back."""
    if sum(map(bool, (status, list_snapshots, target, rollback))) != 1:
        raise UsageError("say one of --status, --list-snapshots, --to vN, --rollback SNAPSHOT", hint="migrate --status")
    with workspace(root) as opened:
        if status:
            _status(upkeep.status(opened, render.progress()), as_json=as_json)
        elif list_snapshots:
            _snapshots(opened, as_json=as_json)
        elif rollback:
            _rolled_back(opened, upkeep.roll_back(opened, rollback, render.progress()), as_json=as_json)
        elif dry_run:
            _name_scripts(opened)
            plan = upkeep.plan_migration(
                opened, upkeep.parse_version(str(target)), skip_unreadable=skip_unreadable, progress=render.progress()
            )
            _planned(opened, plan, whole=whole, as_json=as_json)
        else:
            _migrate(opened, str(target), skip_unreadable=skip_unreadable, as_json=as_json)
    return 0


@click.group("snapshots")
def snapshots_command() -> None:
    """What a migration can be undone with."""


@snapshots_command.command("list")
@json_option
@common
def snapshots_list(as_json: bool, root: str | None) -> None:
    """The snapshots there are, newest first."""
    with workspace(root) as opened:
        _snapshots(opened, as_json=as_json)


def _migrate(opened: Workspace, target: str, *, skip_unreadable: bool, as_json: bool) -> None:
    if target == "head" and not upkeep.status(opened).needs_migration:
        render.say(f"already at v{upkeep.parse_version(target)}")
        return
    _name_scripts(opened)
    done = upkeep.migrate(
        opened, upkeep.parse_version(target), skip_unreadable=skip_unreadable, progress=render.progress()
    )
    if as_json:
        render.say_json({**_plan_json(done.plan), "snapshot": done.snapshot})
        return
    render.say(f"snapshot {done.snapshot}")
    _skipped(done.plan)
    render.say(f"migrated from v{done.plan.from_version} to v{done.plan.target}: {_counts(done.plan)}")
    render.talk(f"to undo it: python -m atomic_agents.migrate --rollback {done.snapshot}")


def _name_scripts(opened: Workspace) -> None:
    """A script of the vault is the operator's code: it is named before it runs."""
    opened.require()
    for script in upkeep.scripts(opened):
        render.notice(f"{script.path} (sha256 {script.sha256[:12]}…) is code of this vault and is run")


def _planned(opened: Workspace, plan: Plan, *, whole: bool, as_json: bool) -> None:
    if as_json:
        render.say_json({**_plan_json(plan), "documents": {path: list(done) for path, done in plan.done.items()}})
        return
    shown = plan.changes if whole else ChangeSet(plan.changes.reason, tuple(islice(plan.changes, _DIFFS)))
    for line in shown.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
        render.say(line)
    if len(plan.changes) > len(shown):
        render.say(f"and {len(plan.changes) - len(shown):,} more documents; --dry-run --all shows them")
    _skipped(plan)
    steps = " > ".join(step.name for step in plan.steps)
    render.say(
        f"dry run: v{plan.from_version} to v{plan.target} by {steps} would change {_counts(plan)}; nothing was written"
    )


def _skipped(plan: Plan) -> None:
    if plan.skipped:
        render.notice(f"{render.count(len(plan.skipped), 'document')} left as they are")
        render.problems("warning", plan.skipped)


def _counts(plan: Plan) -> str:
    parts = [render.count(number, f"{kind.value} document") for kind, number in plan.counts.items()]
    return ", ".join(parts) or "nothing"


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
        render.say_json(
            {
                "root": found.root,
                "version": found.version,
                "current": found.current,
                "needs_migration": found.needs_migration,
                "documents": found.documents,
                "by_version": {f"v{version}": number for version, number in found.by_version.items()},
                "unreadable": [problem.as_json() for problem in found.unreadable],
                "scripts": [{"path": script.path, "sha256": script.sha256} for script in found.scripts],
                "snapshots": [snapshot.name for snapshot in found.snapshots],
            }
        )
        return
    render.say(f"vault      {found.root}")
    render.say(f"version    v{found.version}")
    render.say(f"package    writes v{found.current}")
    by_version = ", ".join(f"{number:,} at v{version}" for version, number in found.by_version.items())
    render.say(f"documents  {found.documents:,}{f' ({by_version})' if by_version else ''}")
    for script in found.scripts:
        render.say(f"script     {script.path}  sha256 {script.sha256[:12]}…  (not run by --status)")
    for snapshot in found.snapshots[:5]:
        render.say(f"snapshot   {snapshot.name}")
    render.problems("warning", found.unreadable)
    if found.highest > found.current:
        render.say(
            f"newer than this package: documents are at v{found.highest}; pip install --upgrade atomic-agents-stack"
        )
    elif found.needs_migration:
        render.say(f"needs migration: python -m atomic_agents.migrate --to v{found.current} --dry-run")
    else:
        render.say("up to date")


def _snapshots(opened: Workspace, *, as_json: bool) -> None:
    found = upkeep.snapshots(opened)
    if as_json:
        render.say_json([{"name": one.name, "size": one.size, "modified": _time(one.modified)} for one in found])
        return
    for one in found:
        render.say(f"{one.name}  {one.size:>12,} bytes")
    if not found:
        render.talk("no snapshots")


def _rolled_back(opened: Workspace, done: RolledBack, *, as_json: bool) -> None:
    if as_json:
        render.say_json({"snapshot": done.snapshot, "restored": list(done.restored), "removed": list(done.removed),
                         "unchanged": done.unchanged, "kept": done.kept, "safety_snapshot": done.safety})  # fmt: skip
        return
    for path, beside in done.kept.items():
        render.notice(f"{path} was edited since; what it said is kept as {beside}")
    restored = render.count(len(done.restored), "document")
    render.say(f"rolled back to v{done.from_version}: {restored} restored, {done.unchanged:,} unchanged")
    if done.safety:
        render.talk(f"to undo it: python -m atomic_agents.migrate --rollback {done.safety}")
    current = upkeep.status(opened).current
    if done.from_version < current:
        render.talk(
            f"--status says that the vault needs migration while this package, which writes v{current}, is there"
        )


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
