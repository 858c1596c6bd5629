"""Schedules: which there are, a new one, one that is paused, resumed or taken away, what is wrong with any."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Delete, Put, revision
from atomic_agents.core.document import REMOVE, parse, render
from atomic_agents.core.errors import Conflict, DocumentMissing, DocumentUnreadable, SettingsInvalid, UsageError
from atomic_agents.core.values import Problem, near
from atomic_agents.fleet import standing, watch
from atomic_agents.fleet.schedule import upcoming
from atomic_agents.fleet.standing import Standing
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout, schedules
from atomic_agents.vault.schedules import Schedule, Stated

_VERSION = 2
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_WORDS = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """A schedule with what became of it: `standing` is None where no driver has seen it, `next` where none comes."""

    stated: Stated
    standing: Standing | None
    next: datetime.datetime | None
    problems: tuple[Problem, ...]

    @property
    def state(self) -> str:
        """In a word."""
        if any(problem.severity == "error" for problem in self.problems):
            return "trouble" if self.stated.schedule else "error"
        if self.stated.schedule and self.stated.schedule.paused:
            return "paused"
        return "claimed" if self.standing and self.standing.claim else "waits"


def shown(workspace: Workspace, agent: str = "") -> list[Shown]:
    """The schedules of an agent, or of all.

    Raises:
        AgentMissing: there is no such agent.
    """
    workspace.require()
    names = (workspace.vault.agent(agent).name,) if agent else workspace.vault.survey().agents
    return [_shown(workspace, each) for name in names for each in schedules.of(workspace.vault, name)]


def find(workspace: Workspace, agent: str, name: str) -> Shown:
    """One schedule.

    Raises:
        AgentMissing: there is no such agent.
        DocumentMissing: it has none of that name.
    """
    workspace.require()
    home = workspace.vault.agent(agent).name
    found = schedules.stated(workspace.vault, home, name) if _NAME.fullmatch(name) else None
    found = found or next((each for each in schedules.of(workspace.vault, home) if each.name == name), None)
    if found is None:
        meant = near(name, [each.name for each in schedules.of(workspace.vault, home)])
        hint = f"atomic-agents schedule show {home} {meant[0]}" if meant else f"atomic-agents schedule list {home}"
        raise DocumentMissing(f"{home} has no schedule {name}", hint=hint)
    return _shown(workspace, found)


def added(workspace: Workspace, agent: str, name: str, stated: Mapping[str, object]) -> tuple[Schedule, ChangeSet]:
    """The change set that gives an agent a schedule; without a name it gets one from its work item.

    Raises:
        UsageError: the name is none, or taken.
        SettingsInvalid: carrying every problem of what is stated.
    """
    workspace.require()
    home = workspace.vault.agent(agent).name
    taken = {each.name for each in schedules.of(workspace.vault, home)}
    name = name or _name_for(str(stated.get("work_item", "")), taken)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a schedule", hint="--name weekly-report: a-z, 0-9, - and _")
    if name in taken:
        raise UsageError(f"{home} has a schedule {name} already", hint=f"atomic-agents schedule show {home} {name}")
    path = layout.schedule(home, name)
    body = f"# {name}\n\nWhat this means is in docs/guides/schedules.md. `atomic-agents schedule show {home} {name}`"
    data = render({"schema_version": _VERSION, **stated}, body)
    found = schedules.read(home, name, parse(path, data), revision(data))
    if found.schedule is None:
        raise SettingsInvalid(found.problems)
    begun = standing.put(found.schedule, standing.fresh(found.schedule, workspace.clock()), ABSENT)
    left = workspace.store.read(begun.path)  # of one that was taken away by hand
    changes = (Put(path, data, expect=ABSENT), Put(begun.path, begun.data, expect=left.revision if left else ABSENT))
    return found.schedule, ChangeSet(f"add schedule {home}/{name}", changes)


def removed(workspace: Workspace, agent: str, name: str) -> ChangeSet:
    """The change set that takes a schedule away, and what is remembered of it."""
    found = find(workspace, agent, name).stated
    state = layout.schedule_state(found.agent, found.name)
    left = workspace.store.read(state)
    changes: tuple[Change, ...] = (Delete(found.path, found.revision),)
    return ChangeSet(
        f"remove schedule {found.agent}/{name}", (*changes, Delete(state, left.revision)) if left else changes
    )


def paused(workspace: Workspace, agent: str, name: str) -> ChangeSet:
    """The change set after which a schedule is not fired; what comes due meanwhile is forgotten.

    Raises:
        Conflict: it is paused already.
    """
    found = find(workspace, agent, name)
    if found.stated.schedule and found.stated.schedule.paused:
        raise Conflict(f"{name} is paused already", hint=f"atomic-agents schedule resume {agent} {name}")
    return ChangeSet(f"pause schedule {found.stated.agent}/{name}", (_edited(workspace, found.stated, value=True),))


def resumed(workspace: Workspace, agent: str, name: str) -> ChangeSet:
    """The change set after which a schedule is fired from now on; whatever was due before is forgotten.

    Raises:
        SettingsInvalid: its document has errors.
    """
    found = find(workspace, agent, name).stated
    edit = _edited(workspace, found, value=REMOVE)
    schedule = schedules.read(found.agent, name, parse(found.path, edit.data), revision(edit.data)).schedule
    if schedule is None:
        raise SettingsInvalid(found.problems)
    try:
        before, expect = standing.read(workspace.store, found.agent, name)
    except DocumentUnreadable:  # this is what begins anew
        blob = workspace.store.read(layout.schedule_state(found.agent, name))
        before, expect = None, blob.revision if blob else ABSENT
    begun = standing.put(schedule, standing.fresh(schedule, workspace.clock(), before), expect)
    edits = (edit,) if revision(edit.data) != found.revision else ()
    return ChangeSet(f"resume schedule {found.agent}/{name}", (*edits, begun))


def _edited(workspace: Workspace, found: Stated, *, value: object) -> Put:
    blob = workspace.store.read(found.path)
    data = blob.data if blob else b""
    return Put(found.path, parse(found.path, data).edit({"paused": value}).data, expect=found.revision)


def _shown(workspace: Workspace, found: Stated) -> Shown:
    now = workspace.clock()
    problems = tuple(watch.look(workspace.store, found, now))
    try:
        known, _ = standing.read(workspace.store, found.agent, found.name)
    except DocumentUnreadable:
        known = None
    schedule = found.schedule
    since = known.since if schedule and known and known.shape == schedule.shape else now
    return Shown(found, known, upcoming(schedule, since) if schedule else None, problems)


def _name_for(work_item: str, taken: set[str]) -> str:
    words = "-".join(_WORDS.findall(work_item.lower())[:4])[:40].strip("-") or "schedule"
    numbered = (f"{words}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (words, *numbered) if each not in taken)
