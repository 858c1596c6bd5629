"""Bring a vault to the installed package: what is new, what is in the way, what would change, and then all of it."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents._version import __version__
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.service import Service
from atomic_agents.doctor import unused_checks
from atomic_agents.doctor.check import Result
from atomic_agents.migration import apply, changelog, history, newer, plan, preflight
from atomic_agents.migration.changelog import Section
from atomic_agents.migration.history import History
from atomic_agents.migration.plan import Announce, Census, Plan, Progress, silent, unannounced
from atomic_agents.migration.preflight import Finding
from atomic_agents.operations import deploying, health
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import transcript
from atomic_agents.vault.unused import Unused
from atomic_agents.vault.vault import Survey

UPGRADED = "upgraded"
"""The outcome in history of an upgrade that changed no document."""

_WROTE = (history.MIGRATED, history.ROLLED_BACK, UPGRADED)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the vault and the package stand; `package` is what last wrote the vault, "" where it does not say."""

    survey: Survey
    census: Census
    history: History
    package: str

    @property
    def needs_migration(self) -> bool:
        """Whether documents are older than this package writes."""
        return self.census.version < CURRENT_SCHEMA_VERSION

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do: no document is older, and none newer, and no other package wrote last."""
        same = self.package in ("", __version__)
        return same and self.census.version == self.census.highest == CURRENT_SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class News:
    """What an operator must know of the releases in between; `known` is False where there is no changelog."""

    sections: tuple[Section, ...]
    known: bool


@dataclass(frozen=True, slots=True)
class Prospect:
    """What an upgrade would do, and what was found before it; nothing has been written."""

    standing: Standing
    findings: tuple[Finding, ...]
    plan: Plan | None
    services: tuple[Service, ...]

    @property
    def would_change(self) -> bool:
        """Whether any document would change."""
        return self.plan is not None and bool(self.plan.documents)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do beyond what stays as it is."""
        return not self.would_change and self.standing.package in ("", __version__)


@dataclass(frozen=True, slots=True)
class Restarted:
    """What became of a service: `state` is "restarted", "not needed" or "not restarted", and `why` it is that."""

    service: Service
    state: str
    why: str

    @property
    def command(self) -> str:
        """What restarts it, as it is typed."""
        return self.service.by_hand or shlex.join(self.service.restart)

    def as_json(self) -> dict[str, object]:
        """The service as JSON."""
        found = self.service
        return {
            "kind": found.kind,
            "label": found.label,
            "state": self.state,
            "why": self.why,
            "command": self.command,
        }


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did. `snapshot` and `report` are "" where no document changed.

    `broken` are the findings of checks that passed before it; `findings` are all that are worth a word.
    """

    snapshot: str
    report: str
    findings: tuple[Result, ...]
    broken: tuple[Result, ...]


def standing(workspace: Workspace, progress: Progress = silent) -> Standing:
    """The versions of the documents and of the package that last wrote them."""
    workspace.require()
    survey = workspace.vault.survey()
    known = history.read(workspace.store)
    wrote = (record.package for record in reversed(known.records) if record.outcome in _WROTE and record.package)
    return Standing(survey, plan.take_census(workspace.vault, survey, progress), known, next(wrote, ""))


def unused(workspace: Workspace, found: Standing) -> Sequence[Unused]:
    """The documents of features that this package does not have; an upgrade keeps them as they are."""
    return unused_checks.find(found.survey, workspace.config.root)


def news(found: Standing) -> News:
    """The breaking changes, removals and deprecations of every release since the vault was last written."""
    text = changelog.packaged()
    if text is None:
        return News((), known=False)
    return News(changelog.between(changelog.read(text), found.package or None), known=True)


def prospect(
    workspace: Workspace,
    found: Standing,
    *,
    skip_unreadable: bool,
    may_lock: bool,
    announce: Announce = unannounced,
    progress: Progress = silent,
) -> Prospect:
    """Work the migration out and look at everything that could be in its way; nothing is written.

    To try a lock leaves a file where nobody took it before. Without `may_lock` only those are tried that a run took.
    """
    planned = None
    if found.needs_migration and found.census.highest <= CURRENT_SCHEMA_VERSION:
        planned = plan.make(
            workspace.vault,
            found.survey,
            CURRENT_SCHEMA_VERSION,
            skip_unreadable=True,  # so that they are told together with everything else
            announce=announce,
            progress=progress,
        )
    running = dict.fromkeys(agent for agent, _ in transcript.crashed(workspace.store))
    names = ("migration", *(f"agent/{agent}" for agent in found.survey.agents))
    ground = preflight.Ground(
        store=workspace.store,
        root=workspace.config.root,
        survey=found.survey,
        census=found.census,
        plan=planned,
        history=found.history,
        locks=names if may_lock else [f"agent/{agent}" for agent in running],
        now=workspace.clock(),
        skip_unreadable=skip_unreadable,
    )
    return Prospect(found, preflight.look(ground), planned, tuple(workspace.find_services().found()))


def carry_out(
    workspace: Workspace,
    found: Prospect,
    *,
    on_snapshot: Callable[[str], None] = lambda _name: None,
    progress: Progress = silent,
) -> Upgraded:
    """Snapshot, migrate, validate, and examine every agent before and after; on failure the vault is as it was.

    Raises:
        Busy: a migration or a run is under way.
        Conflict: a document was edited since the plan was made; nothing was written.
        MigrationFailed: what was written did not read back right; it was put back.
    """
    newer.refuse(workspace.store, found.standing.census.newer)
    workspace.allow_writes()
    before = health.examine(workspace)
    snapshot = written = ""
    if found.plan is not None and found.would_change:
        with apply.quiet(workspace.store, workspace.vault.survey().agents):
            done = apply.carry_out(
                workspace.store, found.plan, now=workspace.clock(), on_snapshot=on_snapshot, progress=progress
            )
            snapshot, written = done.snapshot, done.report
    else:
        version = found.standing.census.version
        line = history.line(workspace.clock(), UPGRADED, version, version)
        workspace.store.apply(ChangeSet(f"upgrade to {__version__}", (line,)))
    after = health.examine(workspace)
    failed_before = {(one.check, one.agent) for one in before if one.finding.state == "fail"}
    return Upgraded(
        snapshot=snapshot,
        report=written,
        findings=tuple(one for one in after if one.finding.state in ("fail", "warn")),
        broken=tuple(
            one for one in after if one.finding.state == "fail" and (one.check, one.agent) not in failed_before
        ),
    )


def restart(workspace: Workspace, services: Sequence[Service]) -> tuple[Restarted, ...]:
    """Restart what must be; those that cannot be say why."""
    machine = workspace.find_services()

    def one(service: Service) -> Restarted:
        if service.by_hand:
            return Restarted(service, "not restarted", service.note)
        if not service.restart:
            return Restarted(service, "not needed", service.note)
        since = workspace.clock()
        runs = bool(service.mark) and deploying.runs(workspace, service)
        trouble = machine.restart(service)
        if runs and not trouble:  # it was asked for what it is for before, and is now
            trouble = deploying.after_restart(workspace, service, since)
        return Restarted(service, "not restarted" if trouble else "restarted", trouble)

    return tuple(one(service) for service in services)
