"""One look at a vault: its listing, its sums, its settings, each taken once, when a page first asks for it."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from atomic_agents.core.errors import AgentMissing, AtomicAgentsError
from atomic_agents.core.store import Entry
from atomic_agents.core.values import Problem, Usd
from atomic_agents.operations import costs, record, schedules
from atomic_agents.operations.costs import Capped
from atomic_agents.operations.record import RunLine
from atomic_agents.operations.rollups import FAILED, Cell, Kept, Rollups
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import hands, layout
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.vault import AgentSettings, Survey

if TYPE_CHECKING:
    from atomic_agents.operations.approvals import Item

DAYS = 30
"""How far back sparklines and the chart of costs go."""
NEAR = Decimal("0.8")
"""The share of a cap from which on it is near."""
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """An agent at a glance. `health` is trouble, waits, quiet or ok, and `why` says it in words."""

    name: str
    model: str
    health: str
    why: str
    last: RunLine | None
    next: datetime.datetime | None
    notes: int
    pages: int
    today: Usd
    month: Usd
    days: tuple[Usd, ...]
    caps: tuple[Capped, ...]
    problems: tuple[Problem, ...]


class Look:
    """The vault as it is at one moment; `reaches` are the agents that may be seen, none of them meaning all."""

    def __init__(self, workspace: Workspace, kept: Kept, reaches: Sequence[str] = (), *, live: bool = True) -> None:
        workspace.require()
        self.workspace = workspace
        self.now = workspace.clock()
        self.live = live
        """Whether somebody waits for this page only, who can be given what has to be read for it."""
        self._kept = kept
        self._reaches = reaches
        self._settings: dict[str, AgentSettings | AtomicAgentsError] = {}

    @property
    def today(self) -> datetime.date:
        """The operator's day."""
        return self.now.date()

    @cached_property
    def survey(self) -> Survey:
        """Every document there is."""
        return self.workspace.vault.survey()

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The agents that may be seen."""
        return tuple(name for name in self.survey.agents if not self._reaches or name in self._reaches)

    @cached_property
    def documents(self) -> Mapping[str, Mapping[Kind, Sequence[Entry]]]:
        """The documents of each agent by kind, those of nobody under ""."""
        found: dict[str, dict[Kind, list[Entry]]] = {name: {} for name in (*self.agents, "")}
        place = self.survey.layout.place
        for entry in self.survey.entries:
            at = place(entry.path)
            if at.agent in found:
                found[at.agent].setdefault(at.kind, []).append(entry)
        return found

    def agent(self, name: str) -> str:
        """The agent of that name, where it may be seen.

        Raises:
            AgentMissing: there is none.
        """
        found = self.workspace.vault.agent(name).name
        if found not in self.agents:
            raise AgentMissing(f"there is no agent {name}", hint="atomic-agents list")
        return found

    def of(self, agent: str, kind: Kind) -> Sequence[Entry]:
        """The documents of one kind of an agent; what a dream proposes is none of its notes."""
        entries = self.documents[agent].get(kind, ())
        return [entry for entry in entries if "/dreams/" not in entry.path] if kind is Kind.NOTE else entries

    @cached_property
    def rollups(self) -> Rollups:
        """What the logs add up to."""
        logs = {name: [e for e in self.of(name, Kind.LOG) if e.path.endswith(".jsonl")] for name in self.agents}
        return self._kept.take(logs)

    def settings(self, agent: str) -> AgentSettings | None:
        """What holds for an agent; None where that cannot be told, which is among `problems`."""
        if agent not in self._settings:
            try:
                self._settings[agent] = self.workspace.vault.settings(self.workspace.vault.agent(agent))
            except AtomicAgentsError as error:
                self._settings[agent] = error
        found = self._settings[agent]
        return None if isinstance(found, AtomicAgentsError) else found

    def problems(self, agent: str) -> tuple[Problem, ...]:
        """What is wrong with the settings of an agent."""
        if (found := self.settings(agent)) is not None:
            return tuple(problem for problem in found.problems if problem.severity == "error")
        error = self._settings[agent]
        assert isinstance(error, AtomicAgentsError)  # noqa: S101 - the line above looked
        return (Problem(agent, 0, error.message, error.hint),)

    def spent(self, cells: Sequence[Cell] | None = None) -> tuple[Usd, Usd]:
        """What was spent today and in this month."""
        today, month = self.today.isoformat(), f"{self.today:%Y-%m}"
        found = [cell for cell in (self.rollups.cells if cells is None else cells) if cell.day.startswith(month)]
        return sum((c.cost for c in found if c.day == today), _ZERO), sum((c.cost for c in found), _ZERO)

    def projected(self, month: Usd) -> Usd:
        """What this month comes to; in files as of noon, so that they do not change from minute to minute."""
        return costs.projected(month, self.now if self.live else self.now.replace(hour=12, minute=0))

    @cached_property
    def cells(self) -> Mapping[str, Sequence[Cell]]:
        """The sums of each agent."""
        found: dict[str, list[Cell]] = {name: [] for name in self.agents}
        for cell in self.rollups.cells:
            found[cell.agent].append(cell)
        return found

    @cached_property
    def caps(self) -> Mapping[str, Sequence[Capped]]:
        """The caps of each agent, those of all together under `costs.ALL`."""
        found: dict[str, Sequence[Capped]] = {}
        for name in self.agents:
            settings = self.settings(name)
            if settings is None:
                continue
            if costs.ALL not in found and not self._reaches:
                found[costs.ALL] = tuple(costs.capped(costs.ALL, settings.model.shared, *self.spent()))
            found[name] = tuple(costs.capped(name, settings.model.guardrails, *self.spent(self.cells[name])))
        return found

    @cached_property
    def waiting(self) -> "Sequence[Item]":
        """What agents wait for."""
        asked = [
            name for name in self.agents
            if self.of(name, Kind.REQUEST) or any(e.path.endswith("/judges.md") for e in self.of(name, Kind.SETTINGS))
        ]  # fmt: skip
        if not asked and next(iter(self.workspace.store.paths(hands.WAITING)), None) is None:
            return ()
        from atomic_agents.operations import approvals  # noqa: PLC0415 - 150 ms, and nearly always nothing waits

        return [item for item in approvals.inbox(self.workspace, asked) if item.agent in self.agents]

    @cached_property
    def open_runs(self) -> Sequence[RunLine]:
        """The runs that have begun and not ended."""
        return [line for line in record.open_runs(self.workspace) if line.agent in self.agents]

    @cached_property
    def schedules(self) -> Sequence[schedules.Shown]:
        """Every schedule."""
        having = [
            name for name, found in self.documents.items()
            if name and any(entry.path.startswith(layout.schedules(name)) for entry in found.get(Kind.SCHEDULE, ()))
        ]  # fmt: skip
        return [each for name in having for each in schedules.shown(self.workspace, name)]

    @property
    def days(self) -> list[datetime.date]:
        """The days that charts show, today last."""
        return [self.today - datetime.timedelta(days=ago) for ago in reversed(range(DAYS))]

    def standing(self, agent: str) -> Standing:
        """An agent at a glance."""
        cells, settings, problems = self.cells[agent], self.settings(agent), self.problems(agent)
        by_day = self.rollups.by(lambda cell: cell.day, cells)
        last = next(iter(self.rollups.newest(1, agent)), None)
        times = [each.next for each in self.schedules if each.stated.agent == agent and each.next is not None]
        health, why = self._health(agent, last, problems)
        today, month = self.spent(cells)
        return Standing(
            agent, (settings.model.model if settings else "") or "", health, why, last, min(times, default=None),
            len(self.of(agent, Kind.NOTE)), len(self.of(agent, Kind.WIKI)), today, month,
            tuple(by_day[day.isoformat()].cost if day.isoformat() in by_day else _ZERO for day in self.days),
            tuple(self.caps.get(agent, ())), problems,
        )  # fmt: skip

    def _health(self, agent: str, last: RunLine | None, problems: Sequence[Problem]) -> tuple[str, str]:
        if problems:
            return "trouble", f"{problems[0].where}: {problems[0].message}"
        if any(item.agent == agent for item in self.waiting):
            return "waits", "waits for your answer"
        reached = [cap for cap in self.caps.get(agent, ()) if cap.spent >= cap.limit]
        if reached:
            return "trouble", f"its cap for the {reached[0].period} is reached"
        if last is None:
            return "quiet", "has not run yet"
        if last.status in FAILED:
            return "trouble", f"its last run ended as {last.status}"
        return "ok", f"its last run ended as {last.status}" if last.status else "it runs"

    def near_caps(self) -> Iterator[Capped]:
        """The caps of which little or nothing is left."""
        every = [cap for caps in self.caps.values() for cap in caps if cap.limit > 0]
        yield from sorted((cap for cap in every if cap.spent >= cap.limit * NEAR), key=lambda c: -c.spent / c.limit)
