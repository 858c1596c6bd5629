"""Pages: what needs the operator now, the agents, one agent."""

from collections.abc import Mapping

from atomic_agents.operations import effective
from atomic_agents.web.dashboard.look import Look

_LATELY = 3  # days
_MOST = 20
_ORDER = ("trouble", "waits", "ok", "quiet")


def now(look: Look, _query: Mapping[str, str]) -> Mapping[str, object]:
    """What needs the operator, and what happened last."""
    since = look.days[-_LATELY].isoformat()
    today, month = look.spent()
    troubled = [(name, problem) for name in look.agents for problem in look.problems(name)]
    schedules = [each for each in look.schedules if each.problems]
    cells = [cell for cell in look.rollups.cells if cell.day == look.today.isoformat()]
    found = {
        "waiting": look.waiting,
        "failures": look.rollups.failures(_MOST, since),
        "schedules": schedules,
        "caps": list(look.near_caps()),
        "open_runs": look.open_runs,
        "troubled": troubled[:_MOST],
        "unread": look.rollups.problems[:_MOST],
    }
    return {
        **found,
        "needs": sum(map(len, found.values())),
        "today_usd": today,
        "month_usd": month,
        "projected_usd": look.projected(month),
        "runs_today": sum(cell.runs for cell in cells),
        "failed_today": sum(cell.failed for cell in cells),
        "recent": look.rollups.newest(12),
        "upcoming": sorted(
            (each for each in look.schedules if each.next), key=lambda e: str(e.next and e.next.timestamp())
        )[:8],
    }


def agents(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """Every agent, those with trouble first."""
    wanted = query.get("q", "").strip().lower()
    found = [look.standing(name) for name in look.agents if wanted in name.lower()]
    found.sort(key=lambda each: (_ORDER.index(each.health), each.name))
    return {"agents": found, "q": wanted, "days": look.days}


def agent(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """One agent: who it is, what holds for it, what it did last."""
    home = look.workspace.vault.agent(look.agent(query.get("name", "")))
    found = effective.of_agent(look.workspace, home.name)
    groups: dict[str, list[effective.Value]] = {}
    for value in found.values:
        groups.setdefault(value.group, []).append(value)
    return {
        "standing": look.standing(home.name),
        "persona": look.workspace.vault.persona(home),
        "groups": groups,
        "warnings": [problem for problem in found.problems if problem.severity != "error"],
        "runs": look.rollups.newest(15, home.name),
        "schedules": [each for each in look.schedules if each.stated.agent == home.name],
        "days": look.days,
    }
