"""Keep a vault in order: status, migrate, roll back, snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import Problem
from atomic_agents.migration import apply, plan, registry, snapshot
from atomic_agents.migration.apply import Migrated, RolledBack
from atomic_agents.migration.plan import Plan, Progress, silent
from atomic_agents.migration.registry import Script
from atomic_agents.migration.snapshot import Listed
from atomic_agents.operations.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Status:
    """Where a vault stands."""

    root: str
    version: int
    current: int
    documents: int
    by_version: Mapping[int, int]
    unreadable: tuple[Problem, ...]
    scripts: tuple[Script, ...]
    snapshots: tuple[Listed, ...]
    highest: int

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
    return Status(
        root=str(workspace.config.root),
        version=census.version,
        current=CURRENT_SCHEMA_VERSION,
        documents=census.total,
        by_version=by_version,
        unreadable=census.unreadable,
        scripts=registry.scripts(workspace.store),
        snapshots=tuple(snapshot.listed(workspace.store)),
        highest=census.highest,
    )


def plan_migration(workspace: Workspace, target: int, *, skip_unreadable: bool, progress: Progress = silent) -> Plan:
    """What a migration would do; nothing is written."""
    workspace.require()
    survey = workspace.vault.survey()
    return plan.make(workspace.vault, survey, target, skip_unreadable=skip_unreadable, progress=progress)


def migrate(workspace: Workspace, target: int, *, skip_unreadable: bool, progress: Progress = silent) -> Migrated:
    """Bring the vault to `target`: it arrives there whole, or stays as it is."""
    workspace.require()
    survey = workspace.vault.survey()
    with apply.quiet(workspace.store, survey.agents):
        survey = workspace.vault.survey()
        planned = plan.make(workspace.vault, survey, target, skip_unreadable=skip_unreadable, progress=progress)
        return apply.carry_out(workspace.store, planned, now=workspace.clock(), progress=progress)


def roll_back(workspace: Workspace, name: str, progress: Progress = silent) -> RolledBack:
    """Put the documents of a snapshot back."""
    workspace.require()
    with apply.quiet(workspace.store, workspace.vault.survey().agents):
        return apply.roll_back(workspace.store, name, now=workspace.clock(), progress=progress)


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
    digits = text.removeprefix("v")
    if not digits.isdecimal():
        raise UsageError(f"{text!r} is not a version", hint="--to v2")
    return int(digits)


def scripts(workspace: Workspace) -> tuple[Script, ...]:
    """The migration scripts in the vault, by name and hash."""
    return registry.scripts(workspace.store)
