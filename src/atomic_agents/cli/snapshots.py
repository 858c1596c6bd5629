"""snapshots: list, show, verify, pin, unpin, prune, restore."""

import datetime
import shlex
import sys
from collections import Counter
from pathlib import Path

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.cli.upkeep import say_rolled_back, say_would_roll_back, stoppable
from atomic_agents.core.errors import UsageError
from atomic_agents.migration import retention
from atomic_agents.migration.verify import Examined
from atomic_agents.operations import snapshots, upkeep
from atomic_agents.operations.snapshots import About, Pruning
from atomic_agents.operations.workspace import Workspace

_HEADER = ("snapshot", "taken", "size", "pinned", "versions", "package", "reason")


@click.group("snapshots", invoke_without_command=True)
@click.pass_context
def snapshots_command(ctx: click.Context) -> None:
    """What a migration can be undone with."""
    show_help(ctx)


@snapshots_command.command("list")
@json_option
@common
def list_command(as_json: bool, root: str | None) -> None:
    """The snapshots there are, newest first."""
    with workspace(root) as opened:
        found, problems = snapshots.list_snapshots(opened)
    if as_json:
        render.say_json([_listed_json(one) for one in found])
        return
    render.problems("warning", problems)
    if found:
        render.table([_row(one) for one in found], _HEADER)
    else:
        render.talk("no snapshots; a migration takes one before it writes")


@snapshots_command.command("show")
@click.argument("name")
@json_option
@common
def show_command(name: str, as_json: bool, root: str | None) -> None:
    """What snapshot NAME says of itself: when, by what, from which version to which, and every document."""
    with workspace(root) as opened:
        found = snapshots.about(opened, name)
    if as_json:
        render.say_json(_shown_json(found))
    else:
        _show(found)


@snapshots_command.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@common
def verify_command(names: tuple[str, ...], as_json: bool, root: str | None) -> int:
    """Read snapshots to their last byte and compare each document with its hash; all, where none is named.

    Exit 1: one is damaged.
    """
    with workspace(root) as opened:
        found = snapshots.verify_snapshots(opened, names, render.progress())
    damaged = [one for one in found if one.state == "damaged"]
    if as_json:
        render.say_json([{"name": one.name, "state": one.state, "why": one.why} for one in found])
        return 1 if damaged else 0
    for one in found:
        render.say(f"{one.state:<8} {one.name}{f': {one.why}' if one.why else ''}")
    render.say(_verdict(found, len(damaged)))
    return 1 if damaged else 0


@snapshots_command.command("pin")
@click.argument("name")
@common
def pin_command(name: str, root: str | None) -> None:
    """Have prune keep snapshot NAME."""
    with workspace(root) as opened:
        render.say(f"pinned {name}" if snapshots.pin(opened, name) else f"{name} is pinned already")


@snapshots_command.command("unpin")
@click.argument("name")
@common
def unpin_command(name: str, root: str | None) -> None:
    """Let prune remove snapshot NAME."""
    with workspace(root) as opened:
        render.say(f"unpinned {name}" if snapshots.unpin(opened, name) else f"{name} is not pinned")


@snapshots_command.command("prune")
@click.option(
    "--keep", type=click.IntRange(0), default=retention.KEEP, show_default=True, help="How many of the last to keep."
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@common
def prune_command(keep: int, dry_run: bool, yes: bool, as_json: bool, root: str | None) -> None:
    """Remove snapshots, except the pinned, the last ten, the newest of each month and the last way back.

    One that is damaged, or that another implementation wrote, is named and left.
    """
    with workspace(root) as opened:
        found = snapshots.plan_prune(opened, keep, render.progress())
        done = not dry_run
        if not as_json:
            _say_pruning(found)
        if done and found.decision.pruned:
            _ask(found, keep, yes=yes, as_json=as_json)
            snapshots.prune(opened, found)
    if as_json:
        render.say_json(_pruned_json(found, done=done))
    else:
        render.say(_pruned(found, done=done))


@snapshots_command.command("restore")
@click.argument("name")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--to", "folder", metavar="FOLDER", type=click.Path(path_type=Path), help="Write them there instead.")
@click.option("--all", "whole", is_flag=True, help="With --dry-run: the diff of every document.")
@dry_run_option
@yes_option
@json_option
@common
def restore_command(
    name: str, paths: tuple[str, ...], folder: Path | None, whole: bool, dry_run: bool, as_json: bool, root: str | None
) -> None:
    """Put the documents of snapshot NAME back, or only those at PATH, which may be a folder.

    It is what `migrate --rollback` does: what was edited since is kept beside, and a snapshot of what is there now is
    taken first. With --to they are written into a folder outside the vault, which is new or empty.
    """
    with stoppable(), workspace(root) as opened:
        if folder is not None:
            _copy_out(opened, name, paths, folder, dry_run=dry_run, as_json=as_json)
        elif dry_run:
            plan = snapshots.plan_restore(opened, name, paths, render.progress()) if paths else None
            draft = plan or upkeep.plan_rollback(opened, name, render.progress())
            say_would_roll_back(opened, draft, whole=whole, as_json=as_json)
        elif paths:
            done = snapshots.restore(opened, name, paths, render.progress())
            say_rolled_back(done, as_json=as_json, whole=False)
        else:
            say_rolled_back(upkeep.roll_back(opened, name, render.progress()), as_json=as_json)


def _row(one: About) -> tuple[str, ...]:
    pinned = {True: "pinned", False: "", None: "?"}[one.pinned]
    size = f"{one.file.size:,} bytes"
    if one.manifest is None:
        return one.file.name, _local(one.file.modified), size, pinned, "?", "?", f"cannot be opened: it {one.why}"
    versions = f"v{one.manifest.from_version} to v{one.manifest.target}"
    return one.file.name, _taken(one), size, pinned, versions, one.manifest.package, one.manifest.reason


def _taken(one: About) -> str:
    """When, in the operator's zone."""
    if one.manifest is None:
        return _local(one.file.modified)
    return _local(datetime.datetime.fromisoformat(one.manifest.taken).timestamp())


def _local(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


def _listed_json(one: About) -> dict[str, object]:
    made = one.manifest
    modified = datetime.datetime.fromtimestamp(one.file.modified, datetime.UTC)
    return {
        "name": one.file.name,
        "size": one.file.size,
        "modified": modified.isoformat(timespec="seconds"),
        "pinned": one.pinned,
        "taken": made.taken if made else None,
        "reason": made.reason if made else None,
        "package": made.package if made else None,
        "from": made.from_version if made else None,
        "to": made.target if made else None,
        "documents": len(made.files) if made else None,
        "problem": one.why,
    }


def _shown_json(one: About) -> dict[str, object]:
    files = one.manifest.files if one.manifest else ()
    return {
        **_listed_json(one),
        "folders": _folders(one),
        "files": [
            {"path": kept.path, "size": kept.size, "mode": f"{kept.mode:04o}", "sha256": kept.sha256} for kept in files
        ],
        "created": list(one.manifest.created if one.manifest else ()),
    }


def _folders(one: About) -> dict[str, int]:
    files = one.manifest.files if one.manifest else ()
    return dict(sorted(Counter(kept.path.rpartition("/")[0] or "." for kept in files).items()))


def _show(one: About) -> None:
    _, taken, size, _, versions, package, reason = _row(one)
    files = one.manifest.files if one.manifest else ()
    created = one.manifest.created if one.manifest else ()
    render.say(f"snapshot  {one.file.name}{', pinned' if one.pinned else ''}")
    render.say(f"taken     {taken} by package {package}")
    render.say(f"reason    {reason}")
    render.say(f"versions  {versions}")
    for folder, number in _folders(one).items():
        render.say(f"folder    {folder}: {render.count(number, 'document')}")
    for path in created:
        render.say(f"created   {path}")
    if files:
        render.say()
        render.table(
            [(kept.path, f"{kept.size:,}", f"{kept.mode:04o}") for kept in files], ("document", "size", "mode")
        )
    render.say(f"{render.count(len(files), 'document')}, {sum(kept.size for kept in files):,} bytes; {size} packed")


def _verdict(found: list[Examined], damaged: int) -> str:
    if not found:
        return "no snapshots"
    counts = Counter(one.state for one in found)
    foreign = f", {counts['foreign']:,} without hashes to compare with" if counts["foreign"] else ""
    if damaged:
        return f"not sound: {damaged:,} of {render.count(len(found), 'snapshot')} damaged{foreign}"
    return f"{render.count(counts['sound'], 'snapshot')} sound{foreign}"


def _say_pruning(found: Pruning) -> None:
    for held in found.decision.pruned:
        render.say(f"remove  {held.name}  {held.size:,} bytes")
    for one in found.left:
        render.notice(f"{one.name} {one.why}; it is left as it is")


def _ask(found: Pruning, keep: int, *, yes: bool, as_json: bool) -> None:
    """Ask where there is somebody to ask.

    Raises:
        UsageError: there is not, and `--yes` was not said.
    """
    if yes:
        return
    number = render.count(len(found.decision.pruned), "snapshot")
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = shlex.join(["atomic-agents", "snapshots", "prune", *_keep(keep), "--yes"])
        raise UsageError(f"{number} would be removed for good, and nobody is there to be asked", hint=hint)
    click.confirm(f"remove {number} for good?", abort=True, err=True)


def _keep(keep: int) -> list[str]:
    return [] if keep == retention.KEEP else ["--keep", str(keep)]


def _pruned(found: Pruning, *, done: bool) -> str:
    pruned, kept = found.decision.pruned, len(found.decision.kept) + len(found.left)
    if not pruned:
        return f"nothing to prune; {render.count(kept, 'snapshot')} kept"
    what = f"{render.count(len(pruned), 'snapshot')}, {found.decision.size:,} bytes"
    return f"pruned {what}; {kept:,} kept" if done else f"dry run: would prune {what}; nothing was removed"


def _pruned_json(found: Pruning, *, done: bool) -> dict[str, object]:
    return {
        "dry_run": not done,
        "pruned": [{"name": held.name, "size": held.size} for held in found.decision.pruned],
        "kept": [{"name": name, "why": why} for name, why in found.decision.kept.items()],
        "left": [{"name": one.name, "state": one.state, "why": one.why} for one in found.left],
    }


def _copy_out(
    opened: Workspace, name: str, paths: tuple[str, ...], folder: Path, *, dry_run: bool, as_json: bool
) -> None:
    if dry_run:
        written = snapshots.plan_copy(opened, name, paths, folder)
    else:
        written = snapshots.copy_out(opened, name, paths, folder, render.progress())
    if as_json:
        render.say_json({"snapshot": name, "folder": str(folder), "dry_run": dry_run, "documents": list(written)})
        return
    if dry_run:
        for path in written:
            render.say(path)
        render.say(f"dry run: would write {render.count(len(written), 'document')} to {folder}; nothing was written")
    else:
        render.say(f"wrote {render.count(len(written), 'document')} to {folder}")
