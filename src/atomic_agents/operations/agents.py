"""What agents there are, and what holds for one."""

import datetime
from dataclasses import dataclass

from atomic_agents.budget import ledger, limits
from atomic_agents.core.document import parse
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.values import Problem, Usd
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import hands, layout, log
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.persona import Mode
from atomic_agents.vault.vault import AgentSettings, Survey, is_note_file, problem_of


@dataclass(frozen=True, slots=True)
class AgentLine:
    """An agent in a list. `last_run` is the day of its newest log, None where it never ran.

    `today` is what it spent today, `cap` the most that it may, None where nothing bounds it.
    """

    name: str
    model: str
    notes: int
    today: Usd
    cap: Usd | None
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
    last_run: datetime.date | None
    last_status: str
    cascade: str
    tools: tuple[str, ...]
    """The names of its own tools."""
    servers: tuple[str, ...]
    """The names of its MCP servers."""
    skills: tuple[str, ...]
    schedules: tuple[str, ...]


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
        guardrails = settings.model.guardrails
        spent = ledger.spent(workspace.store, name, workspace.clock(), _Sums(workspace)).day
        cap = guardrails.daily_cap if guardrails.enabled else None
        model, ran = settings.model.model or "", _last_run(survey, name)
        lines.append(AgentLine(name, model, len(notes), spent, cap, ran, problems))
    return lines


def names(workspace: Workspace) -> tuple[str, ...]:
    """The names of all agents."""
    workspace.require()
    return workspace.vault.survey().agents


def introduction(workspace: Workspace, name: str) -> str:
    """What an agent says of itself first: the first line of its IDENTITY that is no heading, "" where there is none."""
    try:
        identity = workspace.vault.persona(workspace.vault.agent(name)).identity
        lines = [line.strip() for line in parse("IDENTITY.md", identity.encode()).body.splitlines()]
    except DocumentUnreadable:  # which a run of it says, and doctor
        return ""
    return next((line for line in lines if line and not line.startswith("#")), "")


def info(workspace: Workspace, name: str) -> AgentInfo:
    """What holds for one agent, from its own documents alone."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = workspace.vault.settings(agent)
    logs = [path for path in workspace.store.paths(layout.log(agent.name)) if path.endswith(".jsonl")]
    newest = max(logs, key=lambda path: path[-16:-6], default="")
    servers = settings.files["mcp.md"].values.get("servers") if "mcp.md" in settings.files else None
    return AgentInfo(
        name=agent.name,
        mode=workspace.vault.persona(agent).mode,
        settings=settings,
        spent=ledger.spent(workspace.store, agent.name, workspace.clock(), _Sums(workspace)),
        notes=_count(workspace, layout.memory(agent.name)),
        wiki_pages=_count(workspace, layout.wiki(agent.name)),
        last_run=_day(newest[-16:-6]),
        last_status=_last_status(workspace, newest) if newest else "",
        cascade=agent.cascade.project_home if agent.cascade else "",
        tools=_names(workspace, hands.tools(agent.name)),
        servers=tuple(map(str, servers)) if isinstance(servers, dict) else (),
        skills=_names(workspace, hands.skills(agent.name)),
        schedules=_names(workspace, layout.schedules(agent.name)),
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


class _Sums:
    """The index's sums, opened with the first that is asked for: an agent that has not run this month needs none."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def spend(self, path: str, stamp: str) -> tuple[Usd, str] | None:
        """The sum of a file as it was at `stamp`, or None where it is not known."""
        return self._workspace.memory.spend(path, stamp)

    def keep_spend(self, path: str, stamp: str, total: Usd, bad_line: str) -> None:
        """Remember a sum."""
        self._workspace.memory.keep_spend(path, stamp, total, bad_line)


def _names(workspace: Workspace, folder: str) -> tuple[str, ...]:
    """What a folder defines: its documents and folders, by name; the files are not read."""
    inside = (path.removeprefix(folder) for path in workspace.store.paths(folder))
    names = {name.partition("/")[0].removesuffix(".md") for name in inside if name.endswith(".md")}
    return tuple(sorted(name for name in names if not name.startswith(("_", "."))))


def _last_status(workspace: Workspace, path: str) -> str:
    """How the last run in a log ended."""
    blob = workspace.store.read(path)
    lines = [line.record for line in log.read(path, blob.data)] if blob else []
    return log.ending(lines[-1]) if lines else ""


def _count(workspace: Workspace, folder: str) -> int:
    return sum(
        is_note_file(path.removeprefix(folder)) and not workspace.vault.is_sync_copy(path)
        for path in workspace.store.paths(folder)
    )


def _last_run(survey: Survey, agent: str) -> datetime.date | None:
    days = [entry.path[-16:-6] for entry in survey.of(Kind.LOG, agent=agent) if entry.path.endswith(".jsonl")]
    return _day(max(days, default=""))


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None
