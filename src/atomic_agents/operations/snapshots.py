"""Snapshots: what there is, whether it is sound, what is kept, and putting documents back."""

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from atomic_agents.core.change import ABSENT, Revision
from atomic_agents.core.errors import (
    DocumentMissing,
    DocumentUnreadable,
    PathRefused,
    SnapshotInvalid,
    StorageFailed,
)
from atomic_agents.core.values import Problem
from atomic_agents.migration import apply, retention, rollback, snapshot, verify
from atomic_agents.migration.plan import Progress, silent
from atomic_agents.migration.retention import Decision, Held
from atomic_agents.migration.rollback import Draft, RolledBack
from atomic_agents.migration.snapshot import Listed, Snapshot
from atomic_agents.migration.verify import Examined
from atomic_agents.operations.upkeep import snapshot_name
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout
from atomic_agents.vault.vault import problem_of

_LOCK = "snapshots"
_LOCK_WAIT = 3.0


@dataclass(frozen=True, slots=True)
class About:
    """A snapshot: its file, and what it says of itself.

    Where it cannot be opened `manifest` is None and `why` says why. `pinned` is None where the pins cannot be read.
    """

    file: Listed
    pinned: bool | None
    manifest: Snapshot | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What prune would do; `left` are the snapshots that it does not judge, as they are not sound."""

    decision: Decision
    left: tuple[Examined, ...]


def list_snapshots(workspace: Workspace) -> tuple[tuple[About, ...], tuple[Problem, ...]]:
    """Every snapshot, newest first, and what is wrong with the list of pins."""
    workspace.require()
    pins, problems = _pins_or_problems(workspace)
    return tuple(_about(workspace, listed, pins) for listed in snapshot.listed(workspace.store)), problems


def about(workspace: Workspace, name: str) -> About:
    """One snapshot.

    Raises:
        SnapshotInvalid: there is none of that name, or it cannot be opened.
    """
    workspace.require()
    name = snapshot_name(workspace, name)
    described = snapshot.manifest(workspace.store, name)
    pins, _ = _pins_or_problems(workspace)
    return About(_listed(workspace, name), None if pins is None else name in pins, described)


def verify_snapshots(workspace: Workspace, names: Sequence[str], progress: Progress = silent) -> list[Examined]:
    """Read snapshots to their last byte, all of them where none is named; newest first."""
    workspace.require()
    wanted = [snapshot_name(workspace, name) for name in names]
    wanted = wanted or [listed.name for listed in snapshot.listed(workspace.store)]
    return list(_examine(workspace, tuple(dict.fromkeys(wanted)), progress))


def pin(workspace: Workspace, name: str) -> bool:
    """Have prune keep a snapshot; False where it is pinned already.

    Raises:
        SnapshotInvalid: there is none of that name.
    """
    workspace.require()
    name = snapshot_name(workspace, name)
    with workspace.store.lock(_LOCK, wait=_LOCK_WAIT):
        _listed(workspace, name)
        return retention.pin(workspace.store, name, now=workspace.clock())


def unpin(workspace: Workspace, name: str) -> bool:
    """Let prune remove a snapshot; False where it is not pinned."""
    workspace.require()
    with workspace.store.lock(_LOCK, wait=_LOCK_WAIT):
        return retention.unpin(workspace.store, snapshot_name(workspace, name))


def plan_prune(workspace: Workspace, keep: int, progress: Progress = silent) -> Pruning:
    """What prune would remove, every snapshot read to its last byte; nothing is removed.

    Raises:
        DocumentUnreadable: which snapshots are pinned cannot be told.
    """
    workspace.require()
    store = workspace.store
    pins = retention.pins(store)
    sizes = {listed.name: listed.size for listed in snapshot.listed(store)}
    held: list[Held] = []
    left: list[Examined] = []
    for examined in _examine(workspace, tuple(sizes), progress):
        if examined.manifest is None:
            left.append(examined)
        else:
            taken = datetime.datetime.fromisoformat(examined.manifest.taken)
            held.append(Held(examined.name, sizes[examined.name], taken))
    decision = retention.decide(held, pins, keep=keep)
    pruned = tuple(replace(one, revision=_revision(workspace, one.name)) for one in decision.pruned)
    return Pruning(replace(decision, pruned=pruned), tuple(left))


def prune(workspace: Workspace, pruning: Pruning) -> None:
    """Remove what was decided.

    Raises:
        Busy: a migration is under way.
        Conflict: it is not as it was decided any more; nothing was removed.
    """
    with workspace.store.lock("migration", wait=0), workspace.store.lock(_LOCK, wait=_LOCK_WAIT):
        retention.prune(workspace.store, pruning.decision, now=workspace.clock())


def plan_restore(workspace: Workspace, name: str, paths: Sequence[str], progress: Progress = silent) -> Draft:
    """What putting some documents of a snapshot back would do; nothing is written. A path may be a folder.

    Raises:
        SnapshotInvalid: missing, damaged or hostile.
        DocumentMissing: the snapshot does not hold one of them.
    """
    workspace.require()
    name = snapshot_name(workspace, name)
    described = snapshot.manifest(workspace.store, name)
    held = (*(kept.path for kept in described.files), *described.created)
    wanted = _matching(workspace, name, paths, held)
    return rollback.plan(workspace.store, name, now=workspace.clock(), only=wanted, progress=progress)


def restore(workspace: Workspace, name: str, paths: Sequence[str], progress: Progress = silent) -> RolledBack:
    """Put some documents of a snapshot back as a rollback puts all; no other document is touched."""
    workspace.require()
    snapshot.manifest(workspace.store, snapshot_name(workspace, name))
    workspace.allow_writes()  # as with a rollback
    with apply.quiet(workspace.store, workspace.vault.survey().agents):
        draft = plan_restore(workspace, name, paths, progress)
        return rollback.carry_out(workspace.store, draft, now=workspace.clock(), progress=progress)


def plan_copy(workspace: Workspace, name: str, paths: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The documents that `copy_out` would write; nothing is written.

    Raises:
        PathRefused: the folder is not empty, or is the vault or in it.
    """
    workspace.require()
    _check_folder(workspace, folder)
    name = snapshot_name(workspace, name)
    described = snapshot.manifest(workspace.store, name)
    held = tuple(kept.path for kept in described.files)
    return _matching(workspace, name, paths, held) if paths else held


def copy_out(
    workspace: Workspace, name: str, paths: Sequence[str], folder: Path, progress: Progress = silent
) -> tuple[str, ...]:
    """Write documents of a snapshot, with their modes, into a folder outside the vault that is new or empty.

    Raises:
        PathRefused: the folder is not empty, or is the vault or in it.
        StorageFailed: the disk refused; what was written is named.
    """
    wanted = plan_copy(workspace, name, paths, folder)
    described, contents = snapshot.read(workspace.store, snapshot_name(workspace, name))
    modes = {kept.path: kept.mode for kept in described.files}
    for number, path in enumerate(wanted, 1):
        progress("write", number, len(wanted))
        try:
            _write_new(folder / path, contents[path], modes[path])
        except OSError as error:
            written = f"{number - 1:,} of {len(wanted):,} documents were written"
            message = f"{folder / path}: {error.strerror or error}; {written}"
            raise StorageFailed(message, hint="name another folder") from error
    return wanted


def _listed(workspace: Workspace, name: str) -> Listed:
    for listed in snapshot.listed(workspace.store):
        if listed.name == name:
            return listed
    raise SnapshotInvalid(f"there is no snapshot {name!r}", hint="atomic-agents snapshots list")


def _pins_or_problems(workspace: Workspace) -> tuple[Mapping[str, str] | None, tuple[Problem, ...]]:
    try:
        return retention.pins(workspace.store), ()
    except DocumentUnreadable as error:
        return None, (problem_of(error),)


def _about(workspace: Workspace, listed: Listed, pins: Mapping[str, str] | None) -> About:
    pinned = None if pins is None else listed.name in pins
    try:
        return About(listed, pinned, snapshot.manifest(workspace.store, listed.name))
    except SnapshotInvalid as error:
        return About(listed, pinned, None, verify.reason(listed.name, error))


def _examine(workspace: Workspace, names: Sequence[str], progress: Progress) -> Iterator[Examined]:
    for number, name in enumerate(names, 1):
        yield verify.examine(workspace.store, name)
        progress("verify", number, len(names))


def _revision(workspace: Workspace, name: str) -> Revision:
    blob = workspace.store.read(layout.snapshot(name))
    return ABSENT if blob is None else blob.revision


def _matching(workspace: Workspace, name: str, paths: Sequence[str], held: Sequence[str]) -> tuple[str, ...]:
    """Of the documents that a snapshot speaks of, those that are named or stand in a folder that is."""
    found: set[str] = set()
    for path in paths:
        wanted = _in_vault(workspace, path)
        here = {one for one in held if one == wanted or one.startswith(f"{wanted}/")}
        if not here:
            hint = f"atomic-agents snapshots show {name}"
            raise DocumentMissing(f"{name} does not hold {wanted}", hint=hint, context={"path": wanted})
        found |= here
    return tuple(path for path in held if path in found)


def _in_vault(workspace: Workspace, path: str) -> str:
    root = f"{workspace.config.root}{os.sep}"
    there = os.path.abspath(path)
    inside = there.removeprefix(root).replace(os.sep, "/") if there.startswith(root) else path
    return inside.rstrip("/").removeprefix("./")


def _check_folder(workspace: Workspace, folder: Path) -> None:
    there = Path(os.path.realpath(folder))
    root = Path(os.path.realpath(workspace.config.root))
    if there == root or root in there.parents:
        raise PathRefused(f"{folder} is in the vault", hint="name a folder outside, which is new or empty")
    if os.path.lexists(there) and not (there.is_dir() and not any(there.iterdir())):
        raise PathRefused(f"{folder} is not an empty folder; nothing was written", hint="name one that is new or empty")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is not there yet, with its mode from the start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(opened, "wb") as file:
        file.write(data)
    path.chmod(mode)
