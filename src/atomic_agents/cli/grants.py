"""grants: list, show, add, revoke."""

import datetime
from collections.abc import Sequence

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import parse_date
from atomic_agents.guard.grants import said
from atomic_agents.operations import grants
from atomic_agents.operations.grants import Granted
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.authority import TOOL_CLASSES
from atomic_agents.vault.grants import KINDS


@click.group("grants", invoke_without_command=True)
@click.pass_context
def grants_command(ctx: click.Context) -> None:
    """Standing permissions, in `mandates.md`, and what is used of them."""
    show_help(ctx)


@grants_command.command("list")
@click.argument("agent", required=False, default="")
@json_option
@common
def grants_list(agent: str, as_json: bool, root: str | None) -> None:
    """The grants of AGENT, or all of them."""
    with workspace(root) as opened:
        found = grants.granted(opened, agent)
    if as_json:
        render.say_json([_json(each) for each in found])
        return
    rows = [
        (
            each.grant.id,
            each.grant.home or "every agent",
            each.state,
            _tools(each),
            _used(each) or f"{each.times:,} times",
        )
        for each in found
    ]
    if rows:
        render.table(rows, ("grant", "of", "state", "tools", "used"))
    else:
        render.talk("there are no grants")
        render.hint("atomic-agents grants add AGENT NAME --tool send_email --target domain:example.org --limit 5/day …")


@grants_command.command("show")
@click.argument("grant")
@click.option("--agent", default="", metavar="AGENT", help="Whose, where several are called the same.")
@json_option
@common
def grants_show(grant: str, agent: str, as_json: bool, root: str | None) -> None:
    """One GRANT: what it is for, what it covers, what is used of it."""
    with workspace(root) as opened:
        found = grants.find(opened, grant, agent)
    if as_json:
        render.say_json(_json(found))
        return
    each = found.grant
    render.say(f"{each.id}: {each.scope}")
    lines = {
        "of": each.home or "every agent",
        "state": found.state,
        "granted": f"{each.granted_at:%Y-%m-%d} by {each.granted_by}",
        "until": f"{each.expires_at:%Y-%m-%d}" if each.expires_at else "",
        "tools": _tools(found),
        "up to": each.action_class,
        "targets": ", ".join(f"{target.kind} {target.value}" for target in each.targets) or "any",
        "blocked": ", ".join(f"{target.kind} {target.value}" for target in each.blocked),
        "hours": f"{each.window.start:%H:%M} to {each.window.end:%H:%M} {each.window.zone}" if each.window else "",
        "used": _used(found) or f"{found.times:,} times",
        "last": f"{found.last:%Y-%m-%d %H:%M}" if found.last else "never",
    }
    for key, value in lines.items():
        if value:
            render.say(f"  {key}: {value}")
    render.talk(each.where)


@grants_command.command("add")
@click.argument("agent")
@click.argument("name")
@click.option("--scope", required=True, metavar="TEXT", help="What it is for, in your words; the agent reads it.")
@click.option("--tool", "tools", multiple=True, metavar="NAME", help="A tool; * stands for anything. Repeatable.")
@click.option("--target", "targets", multiple=True, metavar="[KIND:]VALUE", help="Whom it may reach. Repeatable.")
@click.option("--block", "blocked", multiple=True, metavar="[KIND:]VALUE", help="Whom never. Repeatable.")
@click.option("--limit", "limits", multiple=True, metavar="5/day|$40/month", help="The most of it. Repeatable.")
@click.option("--until", metavar="DAY", help="The day on which it ends.")
@click.option("--hours", metavar="09:00-17:00", help="Only at these hours.")
@click.option("--days", metavar="mon,tue", help="Only on these days.")
@click.option("--time-zone", metavar="ZONE", help="Of the hours; default UTC.")
@click.option("--class", "action_class", type=click.Choice(TOOL_CLASSES), help="The most dangerous class it covers.")
@click.option("--amount-argument", metavar="NAME", help="The argument that says what a call costs, in USD.")
@dry_run_option
@yes_option
@common
def grants_add(
    agent: str, name: str, scope: str, tools: Sequence[str], targets: Sequence[str], blocked: Sequence[str],
    limits: Sequence[str], until: str | None, hours: str | None, days: str | None, time_zone: str | None,
    action_class: str | None, amount_argument: str | None, dry_run: bool, root: str | None,
) -> None:  # fmt: skip
    """Give AGENT a standing permission called NAME."""
    stated: dict[str, object] = {
        "allowed_tools": list(tools),
        "allowed_targets": [_target(each) for each in targets],
        "blocked_targets": [_target(each) for each in blocked],
        **dict(_limit(each) for each in limits),
        "action_class": action_class,
        "amount_argument": amount_argument,
        "time_window": {
            key: value
            for key, value in (
                ("hours", hours), ("days", days.split(",") if days else None), ("time_zone", time_zone)
            )
            if value
        },
    }  # fmt: skip
    constraints = {key: value for key, value in stated.items() if value not in (None, "", [], {})}
    with workspace(root) as opened:
        change = grants.added(opened, agent, name, scope, constraints, until=_day(until))
        if _applied(opened, change, dry_run=dry_run):
            render.say(f"{name} is granted to {agent}")
            render.hint(f"atomic-agents grants show {name}")


@grants_command.command("revoke")
@click.argument("grant")
@click.option("--agent", default="", metavar="AGENT", help="Whose, where several are called the same.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
@dry_run_option
@yes_option
@common
def grants_revoke(grant: str, agent: str, reason: str, dry_run: bool, root: str | None) -> None:
    """Take GRANT back. It stays on record, and you are asked about the tools that it names."""
    with workspace(root) as opened:
        found = grants.find(opened, grant, agent)
        if _applied(opened, grants.revoked(opened, found.grant, reason=reason), dry_run=dry_run):
            render.say(f"{grant} is revoked")


def _applied(opened: Workspace, change: ChangeSet, *, dry_run: bool) -> bool:
    if not dry_run:
        opened.store.apply(change)
        return True
    for line in change.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
        render.say(line)
    return False


def _limit(text: str) -> tuple[str, object]:
    key, most = grants.rate(text)
    return key, most if isinstance(most, int) else float(most)


def _target(text: str) -> object:
    kind, colon, value = text.partition(":")
    return {"kind": kind, "value": value} if colon and kind in KINDS and not value.startswith("//") else text


def _day(text: str | None) -> datetime.date | None:
    found = parse_date(text) if text else None
    if text and found is None:
        raise UsageError(f"--until is {text!r}; a day is needed", hint="--until 2026-12-31")
    return found


def _tools(found: Granted) -> str:
    return ", ".join(found.grant.tools) or f"every {found.grant.action_class}"


def _used(found: Granted) -> str:
    return "; ".join(
        f"{used:,f} of {said(limit)}" if limit.amount == "count" else f"${used:,f} of {said(limit)}"
        for limit, used in found.used
    )


def _json(found: Granted) -> dict[str, object]:
    each = found.grant
    return {
        "id": each.id,
        "agent": each.home,
        "state": found.state,
        "scope": each.scope,
        "granted_by": each.granted_by,
        "granted_at": each.granted_at.isoformat(),
        "expires_at": each.expires_at.isoformat() if each.expires_at else None,
        "tools": list(each.tools),
        "action_class": each.action_class,
        "targets": [{"kind": target.kind, "value": target.value} for target in each.targets],
        "blocked": [{"kind": target.kind, "value": target.value} for target in each.blocked],
        "limits": [
            {"period": limit.period, "amount": limit.amount, "most": float(limit.most), "used": float(used)}
            for limit, used in found.used
        ],
        "times": found.times,
        "last": found.last.isoformat() if found.last else None,
        "where": each.where,
    }
