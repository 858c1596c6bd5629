"""Page: what agents cost, by day, agent and model; their caps, and caps that would fit."""

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import parse_usd
from atomic_agents.operations import capping, costs
from atomic_agents.operations.costs import Sum
from atomic_agents.operations.rollups import Cell
from atomic_agents.web.dashboard.look import Look

_SERIES = 5
_MOST = 60
_ZERO = Decimal(0)


def cost(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """The money of a month, or of the last 30 days."""
    agent = look.agent(query["agent"]) if query.get("agent") else ""
    stated = query.get("month", "")
    days = _days(look, stated)
    first, last = days[0].isoformat(), days[-1].isoformat()
    shown = look.cells[agent] if agent else look.rollups.cells
    cells = [cell for cell in shown if first <= cell.day <= last]
    today, month = look.spent(shown)
    total = look.rollups.by(lambda _: "", cells).get("", Sum())
    return {
        "agent": agent, "month": stated, "days": days, "total": total, "today_usd": today, "month_usd": month,
        "projected_usd": look.projected(month), "chart": _chart(look, cells, days, agent),
        "by_day": look.rollups.by(lambda cell: cell.day, cells),
        "tables": [(name, _dearest(look, cells, Cell._fields.index(name))) for name in ("agent", "model", "trigger")],
        "caps": [cap for name, each in look.caps.items() if not agent or name == agent for cap in each],
        "suggestions": [] if stated else list(_suggestions(look, agent)), "enough": capping.ENOUGH_DAYS,
        "months": sorted({cell.day[:7] for cell in shown if cell.day}, reverse=True)[:36],
        "problems": look.rollups.problems[:20],
    }  # fmt: skip


def cap(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """What stating caps would change in the settings of an agent."""
    name = look.agent(query.get("agent", ""))
    daily, monthly = usd(query.get("daily", "")), usd(query.get("monthly", ""))
    change = capping.plan(look.workspace, name, daily, monthly)
    store = look.workspace.store
    diff = list(change.diff(lambda path: blob.data if (blob := store.read(path)) else None))
    settings = look.settings(name)
    most = capping.most_of_a_request(look.workspace, settings.model) if settings else None
    return {"agent": name, "daily": daily, "monthly": monthly, "diff": diff, "was": was(change),
            "too_low": most if most is not None and min(daily, monthly) < most else None}  # fmt: skip


def usd(text: str) -> Decimal:
    """A sum of money that somebody typed.

    Raises:
        UsageError: it is none.
    """
    amount = parse_usd(text)
    if amount is None:
        raise UsageError(f"{text!r} is not an amount in USD", hint="write 0.50")
    return amount


def was(change: ChangeSet) -> str:
    """The revision that a change set of one document expects."""
    return "".join(each.expect for each in change if isinstance(each, Put))


def _days(look: Look, stated: str) -> list[datetime.date]:
    if not stated:
        return look.days
    first, last = costs.month_of(stated)
    return [first + datetime.timedelta(days=number) for number in range((last - first).days + 1)]


def _dearest(look: Look, cells: Sequence[Cell], place: int) -> list[tuple[str, Sum]]:
    found = look.rollups.by(lambda cell: str(cell[place]), cells)
    return sorted(found.items(), key=lambda item: (-item[1].cost, item[0]))[:_MOST]


def _chart(look: Look, cells: Sequence[Cell], days: Sequence[datetime.date], agent: str) -> Mapping[str, object]:
    """Costs by day, of the dearest agents (of one agent: its models) and of the others together."""
    place = 2 if agent else 0
    names = [name for name, _ in _dearest(look, cells, place)]
    split = names[: _SERIES if len(names) <= _SERIES else _SERIES - 1]
    sums: dict[str, dict[str, float]] = {
        name: {} for name in (*split, *(["others"] if len(names) > len(split) else []))
    }
    for cell in cells:
        name = str(cell[place]) if cell[place] in split else "others"
        sums[name][cell.day] = sums[name].get(cell.day, 0.0) + float(cell.cost)
    series = [
        {"label": name, "values": [round(by.get(d.isoformat(), 0.0), 6) for d in days]} for name, by in sums.items()
    ]
    return {"days": [d.isoformat() for d in days], "series": series}


def _suggestions(look: Look, agent: str) -> list[capping.Suggestion]:
    found = []
    for name in (agent,) if agent else look.agents:
        settings = look.settings(name)
        by_day = look.rollups.by(lambda cell: cell.day, look.cells.get(name, ()))
        spent = {datetime.date.fromisoformat(day): each.cost for day, each in by_day.items() if day}
        most = capping.most_of_a_request(look.workspace, settings.model) if settings else None
        if settings is None or most is None or len(spent) < capping.ENOUGH_DAYS:
            continue
        dearest = capping.dearest_run(look.workspace, name, look.days[0])
        suggested = capping.suggest(name, spent, look.today, dearest_run=dearest, most=most)
        if suggested is None:
            continue
        caps = settings.model.guardrails
        fits = caps.enabled and caps.daily_cap is not None and caps.monthly_cap is not None
        daily = caps.daily_cap or _ZERO
        if not fits or daily > 4 * suggested.daily or daily < most:
            found.append(suggested)
    return found
