"""cost."""

import datetime
from typing import get_args

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import format_cap, format_within
from atomic_agents.operations import costs, record, shapes
from atomic_agents.operations.costs import By, Costs, Sum

_BARS = "▁▂▃▄▅▆▇█"
_NOTHING = "·"
_MOST_DAYS = 92


@click.command("cost")
@click.argument("agent", required=False, default="")
@click.option(
    "--by", type=click.Choice(get_args(By)), default=None, help="How to group; default agent, for one agent model."
)
@click.option("--month", metavar="YYYY-MM", help="A month; default the current one.")
@click.option("--since", metavar="DAY", help="From a day to today: 2026-11-17, yesterday, monday.")
@json_option
@common
def cost_command(
    agent: str, by: By | None, month: str | None, since: str | None, as_json: bool, root: str | None
) -> None:
    """What AGENT has cost, or all agents."""
    if month and since:
        raise UsageError("--month and --since exclude each other", hint="atomic-agents cost --month 2026-11")
    with workspace(root) as opened:
        today = opened.clock().date()
        for run_id in opened.close_crashed_runs():
            render.notice(f"the process of {run_id} had died; its log line is written now")
        first, last = costs.month_of(month or f"{today:%Y-%m}")
        if since:
            first, last = record.day_of(since, today), today
        found = costs.costs(opened, agent, by=by or ("model" if agent else "agent"), since=first, until=last)
    if as_json:
        render.say_json(shapes.costs(found))
    else:
        _say(found, today)


def _say(found: Costs, today: datetime.date) -> None:
    rows = [_row(name, each, found.total) for name, each in found.groups]
    if len(rows) != 1:
        rows.append(_row("in all", found.total, found.total))
    render.table(rows, (found.by, "runs", "tokens in", "tokens out", "cost", "share"))
    days = found.days[-_MOST_DAYS:]
    if any(cost for _, cost in days):
        dearest = max(days, key=lambda each: each[1])
        render.say()
        render.say(f"{days[0][0]} {sparkline([float(cost) for _, cost in days])} {days[-1][0]}")
        render.say(f"the dearest day is {dearest[0]} with {render.money(dearest[1])}")
    is_now = found.since <= today <= found.until
    for cap in found.caps if is_now else ():
        part = f" ({int(cap.spent / cap.limit * 100)}%)" if cap.limit else ""
        period = "today" if cap.period == "day" else "this month"
        spent, limit = format_within(cap.limit, cap.spent)[0], format_cap(cap.limit)
        render.say(f"{cap.agent}: {spent} of {limit} {period}{part}, then {cap.action}")
    render.problems("warning", found.problems)
    if is_now:
        spent, projected = render.money(found.month.spent), render.money(found.month.projected)
        render.talk(f"{today:%Y-%m} so far {spent}, projected {projected}")


def _row(name: str, each: Sum, total: Sum) -> tuple[str, ...]:
    share = f"{each.cost / total.cost:.1%}" if total.cost else ""
    return name, f"{each.runs:,}", f"{each.input_tokens:,}", f"{each.output_tokens:,}", render.money(each.cost), share


def sparkline(values: list[float]) -> str:
    """A bar for each value; a day that cost nothing is a dot."""
    top = max(values, default=0)
    return "".join(
        _NOTHING if value <= 0 else _BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in values
    )
