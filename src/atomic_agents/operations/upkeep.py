"""Keep a vault in order: status, migrate, roll back, verify."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.errors import AtomicAgentsError, UsageError
from atomic_agents.core.values import Problem
from atomic_agents.migration import apply, history, newer, plan, registry, rollback, snapshot, verify
from atomic_agents.migration.apply import Migrated
from atomic_agents.migration.history import ScriptChanged
from atomic_agents.migration.newer import Newer
from atomic_agents.migration.plan import Announce, Plan, Progress, silent, unannounced
from atomic_agents.migration.registry import Script
from atomic_agents.migration.rollback import Draft, RolledBack
from atomic_agents.migration.snapshot import Listed
from atomic_agents.migration.verify import Verified
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout

_VERSION_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Status:
    """Where a vault stands; `changed_scripts` are not what ran, and were not taken away."""

    root: str
    version: int
    current: int
    documents: int
    by_version: Mapping[int, int]
    unreadable: tuple[Problem, ...]
    scripts: tuple[Script, ...]
    snapshots: tuple[Listed, ...]
    highest: int
    archived: int
    newer: tuple[Newer, ...] = ()
    remedy: str = ""
    """The command that installs a package for newer documents, where there are some."""
    changed_scripts: tuple[ScriptChanged, ...] = ()

    @property
    def needs_migration(self) -> bool:
        """Whether documents are older than this package writes."""
        return self.version < self.current


def status(workspace: Workspace, progress: Progress = silent) -> Status:
    """The versions of a vault's documents; scripts are listed by name and hash and never imported."""
    workspace.require()
    census = plan.take_census(workspace.vault, workspace.vault.survey(), progress)
    by_version: dict[int, int] = {}
    for (_, version), count in sorted(census.counts.items(), key=lambda item: item[0][1]):
        by_version[version] = by_version.get(version, 0) + count
    scripts = registry.scripts(workspace.store)
    changed = history.changed_scripts(history.read(workspace.store), scripts)
    return Status(
        root=str(workspace.config.root),
        version=census.version,
        current=CURRENT_SCHEMA_VERSION,
        documents=census.total,
        by_version=by_version,
        unreadable=census.unreadable,
        scripts=scripts,
        snapshots=tuple(snapshot.listed(workspace.store)),
        highest=census.highest,
        archived=census.archived,
        newer=census.newer,
        remedy=newer.remedy(workspace.store) if census.newer else "",
        changed_scripts=tuple(script for script in changed if script.sha256),
    )


def needs_migration(workspace: Workspace) -> bool:
    """Whether documents are older than this package writes.

    Raises:
        VaultTooNew: others are newer.
    """
    workspace.require()
    census = plan.take_census(workspace.vault, workspace.vault.survey())
    newer.refuse(workspace.store, census.newer)
    return census.version < CURRENT_SCHEMA_VERSION


def plan_migration(
    workspace: Workspace,
    target: int,
    *,
    skip_unreadable: bool,
    announce: Announce = unannounced,
    progress: Progress = silent,
) -> Plan:
    """What a migration would do; nothing is written. `announce` hears of each script of the vault before it is run."""
    workspace.require()
    return plan.make(
        workspace.vault,
        workspace.vault.survey(),
        target,
        skip_unreadable=skip_unreadable,
        announce=announce,
        progress=progress,
    )


def migrate(
    workspace: Workspace,
    target: int,
    *,
    skip_unreadable: bool,
    announce: Announce = unannounced,
    on_snapshot: Callable[[str], None] = lambda _name: None,
    progress: Progress = silent,
) -> Migrated:
    """Bring the vault to `target`: it arrives there whole, or stays as it is.

    `on_snapshot` hears the name of the snapshot before anything is written.
    """
    workspace.require()
    with apply.quiet(workspace.store, workspace.vault.survey().agents):
        planned = plan_migration(
            workspace, target, skip_unreadable=skip_unreadable, announce=announce, progress=progress
        )
        workspace.allow_writes()  # the plan has read every document
        return apply.carry_out(
            workspace.store, planned, now=workspace.clock(), on_snapshot=on_snapshot, progress=progress
        )


def migrate_each(
    workspace: Workspace,
    target: int,
    *,
    skip_unreadable: bool,
    announce: Announce = unannounced,
    on_snapshot: Callable[[str], None] = lambda _name: None,
    progress: Progress = silent,
) -> tuple[Migrated, ...]:
    """As `migrate`, version by version with a snapshot of each, under one holding of the locks.

    A version that fails leaves the vault at the one before; the error says which that is, and the snapshots there are.
    """
    workspace.require()
    done: list[Migrated] = []
    with apply.quiet(workspace.store, workspace.vault.survey().agents):
        census = plan.take_census(workspace.vault, workspace.vault.survey())
        newer.refuse(workspace.store, census.newer)
        workspace.allow_writes()
        _check_chain(workspace, census.version, target)
        for version in range(census.version + 1, target + 1) or (target,):
            try:
                planned = plan_migration(
                    workspace, version, skip_unreadable=skip_unreadable, announce=announce, progress=progress
                )
                done.append(
                    apply.carry_out(
                        workspace.store, planned, now=workspace.clock(), on_snapshot=on_snapshot, progress=progress
                    )
                )
            except AtomicAgentsError as error:
                _say_how_far(error, done)
                raise
    return tuple(done)


def _check_chain(workspace: Workspace, from_version: int, target: int) -> None:
    """Find a missing step before the first of them writes.

    Raises:
        MigrationRefused: a version on the way has no step.
    """
    scripts = registry.needed(workspace.store, from_version, target)
    known = {step.from_version for step in registry.packaged()} | {script.from_version for script in scripts}
    for version in range(from_version, target):
        if version not in known:
            registry.chain(version, version + 1, ())


def _say_how_far(error: AtomicAgentsError, done: list[Migrated]) -> None:
    """Add to what stopped a migration in steps where the vault is, and how to go back from there."""
    if done:
        at, names = done[-1].plan.target, [one.snapshot for one in done]
        error.message += f"\nthe vault is at v{at}; its snapshots: {', '.join(names)}"
        back = "\n".join(
            f"back to v{one.plan.from_version}: python -m atomic_agents.migrate --rollback {one.snapshot}"
            for one in done
        )
        error.hint = f"{error.hint}\n{back}" if error.hint else back
        error.context |= {"version": at, "snapshots": names}


def plan_rollback(workspace: Workspace, name: str, progress: Progress = silent) -> Draft:
    """What a rollback would do; nothing is written. `name` may be the path of a snapshot of this vault too."""
    workspace.require()
    return rollback.plan(workspace.store, snapshot_name(workspace, name), now=workspace.clock(), progress=progress)


def roll_back(workspace: Workspace, name: str, progress: Progress = silent) -> RolledBack:
    """Put the documents of a snapshot back."""
    workspace.require()
    snapshot.check_there(workspace.store, snapshot_name(workspace, name))
    workspace.allow_writes()  # it may be the way back from a newer package
    with apply.quiet(workspace.store, workspace.vault.survey().agents):
        draft = plan_rollback(workspace, name, progress)
        return rollback.carry_out(workspace.store, draft, now=workspace.clock(), progress=progress)


def verify_history(workspace: Workspace, progress: Progress = silent) -> Verified:
    """Compare the vault with its history; nothing is written."""
    workspace.require()
    return verify.verify(workspace.vault, progress)


def snapshot_name(workspace: Workspace, name: str) -> str:
    """The name of a snapshot that may be given as its path."""
    folder = f"{layout.SNAPSHOTS}/"
    if os.path.abspath(name).startswith(f"{workspace.config.root}/{folder}"):
        return os.path.abspath(name).removeprefix(f"{workspace.config.root}/{folder}")
    return name.removeprefix(folder)


def snapshots(workspace: Workspace) -> list[Listed]:
    """The snapshots there are, newest first."""
    workspace.require()
    return snapshot.listed(workspace.store)


def parse_version(text: str) -> int:
    """`v2`, `2` or `head` as a number.

    Raises:
        UsageError: anything else.
    """
    if text == "head":
        return CURRENT_SCHEMA_VERSION
    digits = text.lower().removeprefix("v")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _VERSION_DIGITS):
        raise UsageError(f"{text!r} is not a version", hint="--to v2")
    return int(digits)
