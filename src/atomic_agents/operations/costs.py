"""What agents have cost, from their log lines: each counts once, and one that cannot be read is named."""

import calendar
import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from atomic_agents.core.errors import AtomicAgentsError, UsageError
from atomic_agents.core.values import Problem, Usd
from atomic_agents.operations import record
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.record import moment
from atomic_agents.vault import log
from atomic_agents.vault.settings import CostGuardrails

By = Literal["agent", "model", "day", "trigger"]
BY: tuple[By, ...] = ("agent", "model", "day", "trigger")

ALL = "all agents"
_HINT = "correct or remove that line, in a text editor"


@dataclass(slots=True)
class Sum:
    """What log lines add up to. `runs` leaves out parts of runs and answers given again; their cost is in `cost`."""

    runs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Usd = Decimal(0)

    def add(self, line: Mapping[str, object], cost: Usd) -> None:
        """Count a log line."""
        self.runs += record.is_run(line) and line.get("status") != "deduped"
        self.input_tokens += log.tokens(line, "input_tokens")
        self.output_tokens += log.tokens(line, "output_tokens")
        self.cost += cost


@dataclass(frozen=True, slots=True)
class Capped:
    """A cap of an agent, or of ALL together, and what is spent of it."""

    agent: str
    period: Literal["day", "month"]
    limit: Usd
    spent: Usd
    action: str


@dataclass(frozen=True, slots=True)
class Month:
    """This month so far, and what it comes to if it goes on like this."""

    first: datetime.date
    spent: Usd
    projected: Usd


@dataclass(frozen=True, slots=True)
class Costs:
    """What was spent from `since` to `until`, both included, by group (dearest first; days in order) and by day."""

    since: datetime.date
    until: datetime.date
    by: By
    total: Sum
    groups: tuple[tuple[str, Sum], ...]
    days: tuple[tuple[datetime.date, Usd], ...]
    month: Month
    caps: tuple[Capped, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Sums:
    """The sums of one pass over the logs."""

    total: Sum = field(default_factory=Sum)
    groups: dict[str, Sum] = field(default_factory=dict)
    days: dict[datetime.date, Usd] = field(default_factory=dict)
    this_month: dict[str, Usd] = field(default_factory=dict)
    today: dict[str, Usd] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def costs(workspace: Workspace, agent: str = "", *, by: By, since: datetime.date, until: datetime.date) -> Costs:
    """Sum the logs of an agent or of all, days being those of the log.

    Raises:
        AgentMissing: there is no such agent.
        UsageError: `since` is after `until`.
    """
    if since > until:
        raise UsageError(f"{since} is after {until}", hint=f"--since {until}")
    names = record.agents_of(workspace, agent)
    now = workspace.clock()
    today = now.date()
    sums = _Sums()
    for path, name in _paths(workspace, names, min(since, today.replace(day=1)), max(until, today)):
        _add(sums, workspace, path, name, by, since, until, today)
    groups = sorted(sums.groups.items(), key=lambda item: item[0] if by == "day" else (-item[1].cost, item[0]))
    spent = sum(sums.this_month.values(), Decimal(0))
    return Costs(
        since=since,
        until=until,
        by=by,
        total=sums.total,
        groups=tuple(groups),
        days=tuple((day, sums.days.get(day, Decimal(0))) for day in _each_day(since, min(until, max(today, since)))),
        month=Month(today.replace(day=1), spent, projected(spent, now)),
        caps=tuple(_caps(workspace, names, sums, together=not agent)),
        problems=tuple(sums.problems),
    )


def month_of(text: str) -> tuple[datetime.date, datetime.date]:
    """The first and the last day of a month, `2026-11`.

    Raises:
        UsageError: it is none.
    """
    try:
        first = datetime.date.fromisoformat(f"{text.strip()}-01")
    except ValueError:
        raise UsageError(f"{text!r} is no month", hint="--month 2026-11") from None
    return first, first.replace(day=_length(first))


def _paths(
    workspace: Workspace, names: tuple[str, ...], since: datetime.date, until: datetime.date
) -> Iterator[tuple[str, str]]:
    return (each for day in record.logs(workspace, names, since, until) for each in day)


def _add(
    sums: _Sums, workspace: Workspace, path: str, agent: str, by: By, since: datetime.date, until: datetime.date,
    today: datetime.date,
) -> None:  # fmt: skip
    """Add the log of one day; one that is not called for a day counts by the times of its lines."""
    blob = workspace.store.read(path)
    stated = log.day_of(path)
    for line in log.read(path, blob.data if blob else b""):
        facts = line.record
        cost = None if line.problem else log.cost(facts)
        if cost is None:
            sums.problems.append(line.problem or Problem(path, line.number, "states no sum of money", _HINT))
            continue
        if log.repeats(facts):
            continue
        at = None if stated else moment(facts.get("ts"))
        day = stated or (at.date() if at else today)
        if day.year == today.year and day.month == today.month:
            sums.this_month[agent] = sums.this_month.get(agent, Decimal(0)) + cost
            if day == today:
                sums.today[agent] = sums.today.get(agent, Decimal(0)) + cost
        if since <= day <= until:
            sums.total.add(facts, cost)
            sums.groups.setdefault(_group(facts, by, agent, day), Sum()).add(facts, cost)
            sums.days[day] = sums.days.get(day, Decimal(0)) + cost


def _group(facts: Mapping[str, object], by: By, agent: str, day: datetime.date) -> str:
    match by:
        case "agent":
            return agent
        case "day":
            return day.isoformat()
    return str(facts.get(by) or "not stated")


def _caps(workspace: Workspace, names: Iterable[str], sums: _Sums, *, together: bool) -> list[Capped]:
    """The caps that hold, those of all agents first; where settings cannot be read, that is a problem of its own."""
    found: list[Capped] = []
    for name in names:
        try:
            model = workspace.vault.settings(workspace.vault.agent(name)).model
        except AtomicAgentsError as error:
            sums.problems.append(Problem(name, 0, f"its caps are not known: {error.message}", error.hint))
            continue
        if together:  # each agent's settings say the same about all
            today, month = (sum(spent.values(), Decimal(0)) for spent in (sums.today, sums.this_month))
            found += capped(ALL, model.shared, today, month)
            together = False
        found += capped(name, model.guardrails, sums.today.get(name, Decimal(0)), sums.this_month.get(name, Decimal(0)))
    return found


def capped(name: str, guardrails: CostGuardrails, today: Usd, month: Usd) -> Iterator[Capped]:
    """The caps of somebody, and what is spent of each."""
    if not guardrails.enabled:
        return
    if guardrails.daily_cap is not None:
        yield Capped(name, "day", guardrails.daily_cap, today, guardrails.daily_action)
    if guardrails.monthly_cap is not None:
        yield Capped(name, "month", guardrails.monthly_cap, month, guardrails.monthly_action)


def projected(spent: Usd, now: datetime.datetime) -> Usd:
    """The month at its end, if every day costs what the days so far have cost; the first day counts as a whole."""
    begun = Decimal(now.hour * 60 + now.minute) / (24 * 60)
    elapsed = max(now.day - 1 + begun, Decimal(1))
    return (spent / elapsed * _length(now.date())).quantize(Decimal("0.000001"))


def _length(day: datetime.date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _each_day(since: datetime.date, until: datetime.date) -> Iterator[datetime.date]:
    return (since + datetime.timedelta(days=number) for number in range((until - since).days + 1))
