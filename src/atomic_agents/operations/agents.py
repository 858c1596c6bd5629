"""What agents there are, what holds for one, and how a new one is made."""

import datetime
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from atomic_agents.budget import ledger, limits
from atomic_agents.core.change import ABSENT, ChangeSet, Put
from atomic_agents.core.errors import AgentExists, DocumentUnreadable, PathRefused, UsageError
from atomic_agents.core.store import check_new_path
from atomic_agents.core.values import Problem, is_agent_name
from atomic_agents.migration.plan import refuse_newer, take_census
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout
from atomic_agents.vault.layout import Kind
from atomic_agents.vault.persona import Mode
from atomic_agents.vault.vault import AgentSettings, Survey, problem_of

TEMPLATES = ("advisor", "researcher", "writer")


@dataclass(frozen=True, slots=True)
class AgentLine:
    """An agent in a list. `last_run` is the day of its newest log, None where it never ran."""

    name: str
    model: str
    notes: int
    last_run: datetime.date | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """What holds for an agent."""

    name: str
    mode: Mode
    settings: AgentSettings
    spent: limits.Spent
    notes: int
    wiki_pages: int
    unreadable: tuple[Problem, ...]
    last_run: datetime.date | None
    cascade: str


def list_agents(workspace: Workspace) -> list[AgentLine]:
    """Every agent of the vault."""
    workspace.require()
    survey = workspace.vault.survey()
    lines = []
    for name in survey.agents:
        settings = workspace.vault.settings(workspace.vault.agent(name))
        notes = [entry for entry in survey.of(Kind.NOTE, agent=name) if "/dreams/" not in entry.path]
        problems = (
            *(p for p in settings.problems if p.severity == "error"),
            *unreadable_documents(workspace, survey, name),
        )
        lines.append(AgentLine(name, settings.model.model or "", len(notes), _last_run(survey, name), problems))
    return lines


def info(workspace: Workspace, name: str) -> AgentInfo:
    """What holds for one agent, from its own documents alone."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = workspace.vault.settings(agent)
    workspace.memory.refresh(agent.name)
    pages = sum(1 for entry in workspace.store.list(layout.wiki(agent.name)) if not entry.path.endswith("INDEX.md"))
    days = [
        entry.path[-16:-6] for entry in workspace.store.list(layout.log(agent.name)) if entry.path.endswith(".jsonl")
    ]
    return AgentInfo(
        name=agent.name,
        mode=workspace.vault.persona(agent).mode,
        settings=settings,
        spent=ledger.spent(workspace.store, agent.name, workspace.clock().date(), workspace.memory),
        notes=workspace.memory.count(agent.name),
        wiki_pages=pages,
        unreadable=tuple(workspace.memory.problems(agent.name)),
        last_run=_day(max(days, default="")),
        cascade=agent.cascade.project_home if agent.cascade else "",
    )


def unreadable_documents(workspace: Workspace, survey: Survey, agent: str) -> list[Problem]:
    """The notes and pages of an agent that cannot be read."""
    found = []
    for entry in survey.of(Kind.NOTE, Kind.WIKI, agent=agent):
        try:
            workspace.vault.note(entry, survey.layout.place(entry.path).name)
        except DocumentUnreadable as error:
            found.append(problem_of(error))
    return found


def scaffold(workspace: Workspace, name: str, *, template: str, model: str) -> ChangeSet:
    """The change set that makes a new agent from a template; nothing is written here.

    Raises:
        UsageError: a bad name or an unknown template.
        AgentExists: there is an agent of that name, or a document that it would need.
        VaultTooNew: a newer package has written here.
    """
    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template}", hint=f"--template {'|'.join(TEMPLATES)}")
    _check_free(workspace, name)
    values = {"name": name.rpartition("/")[2], "model": model, "today": workspace.clock().date().isoformat()}
    folder = resources.files("atomic_agents") / "templates" / template
    puts = tuple(
        Put(f"{name}/{path}", _filled(text, values).encode(), expect=ABSENT)
        for path, text in sorted(_texts(folder, ""))
    )
    for put in puts:
        if workspace.store.read(put.path) is not None:
            hint = f"choose another name, or move {put.path} away"
            raise AgentExists(f"{put.path} is there already; nothing was changed", hint=hint)
    return ChangeSet(f"make {name} from the template {template}", puts)


def _check_free(workspace: Workspace, name: str) -> None:
    """Refuse a name that cannot be an agent's, or not in this vault."""
    try:
        check_new_path(layout.identity(name))
    except PathRefused:
        possible = False
    else:
        possible = is_agent_name(name)
    if not possible:
        hint = "use letters, digits and hyphens, such as scout"
        raise UsageError(f"{name!r} cannot be the name of an agent", hint=hint)
    survey = workspace.vault.survey()
    if name in survey.agents:
        hint = f"atomic-agents info {shlex.quote(name)}"
        raise AgentExists(f"there is an agent {name} already; nothing of it was changed", hint=hint)
    after = layout.agents([*map(layout.identity, survey.agents), layout.identity(name)])
    lost = [agent for agent in (name, *survey.agents) if agent not in after]
    if lost:
        owner = max((agent for agent in after if lost[0].startswith(f"{agent}/")), key=len)
        hint = "choose another name, such as " + name.replace("/", "-")
        raise UsageError(f"{lost[0]} would stand in a folder that belongs to the agent {owner}", hint=hint)
    refuse_newer(take_census(workspace.vault, survey).highest)


def best_model(workspace: Workspace) -> str:
    """The best model that is usable here: by a key found, else a server on loopback, else the embedded one."""
    for provider in workspace.providers():
        for offer in provider.offers():
            if offer.availability == "ready":
                return offer.id
    return "embedded:quote"


def _texts(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for child in folder.iterdir():
        if child.is_dir():
            found += _texts(child, f"{prefix}{child.name}/")
        elif child.name.endswith(".md"):
            found.append((prefix + child.name, child.read_text(encoding="utf-8")))
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text


def _last_run(survey: Survey, agent: str) -> datetime.date | None:
    days = [entry.path[-16:-6] for entry in survey.of(Kind.LOG, agent=agent) if entry.path.endswith(".jsonl")]
    return _day(max(days, default=""))


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None
