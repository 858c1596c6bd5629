"""policy show, permissions."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.operations import permissions
from atomic_agents.operations.permissions import Permissions, Rule, ToolLine


@click.group("policy", invoke_without_command=True)
@click.pass_context
def policy_command(ctx: click.Context) -> None:
    """What is done about a call: nothing, record it, have it judged, ask you, deny it."""
    show_help(ctx)


@policy_command.command("show")
@click.argument("agent")
@json_option
@common
def policy_show(agent: str, as_json: bool, root: str | None) -> None:
    """The rules in force for AGENT, each with the line that it comes from."""
    with workspace(root) as opened:
        found = permissions.rules(opened, agent)
    if as_json:
        render.say_json([_rule_json(each) for each in found])
    else:
        render.table([(each.about, each.level, each.where) for each in found], ("what", "rule", "from"))


@click.command("permissions")
@click.argument("agent")
@json_option
@common
def permissions_command(agent: str, as_json: bool, root: str | None) -> None:
    """What AGENT may do, who allowed it, what it used in the last 30 days, and what is stale."""
    with workspace(root) as opened:
        found = permissions.permissions(opened, agent)
    if as_json:
        render.say_json(_json(found))
    else:
        _say(found)


def _say(found: Permissions) -> None:
    rows = [(each.name, each.kind, each.level, ", ".join(each.grants), _use(each), each.where) for each in found.tools]
    render.table(rows, ("tool", "class", "rule", "grants", "30 days", "from"))
    for title, part in (("paths", found.paths), ("others", found.others)):
        if part:
            render.say()
            render.table([(each.about, each.level, each.where) for each in part], (title, "", "from"))
    if found.grants:
        render.say()
        rows_of_grants = [(each.grant.id, each.state, f"{each.times:,}", each.grant.where) for each in found.grants]
        render.table(rows_of_grants, ("grant", "state", "used", "from"))
    if found.answers:
        render.say()
        counts = ", ".join(f"{number:,} {state}" for state, number in sorted(found.answers.items()))
        render.say(f"requests in 30 days: {counts}")
    for each in found.withheld:
        render.notice(each)
    if found.stale:
        render.say()
        for words in found.stale:
            render.say(f"stale: {words}")


def _use(each: ToolLine) -> str:
    refused = f", {each.refused:,} refused" if each.refused else ""
    return f"{each.used:,}{refused}" if each.used or each.refused else "never"


def _rule_json(each: Rule) -> dict[str, object]:
    return {"about": each.about, "rule": each.level, "where": each.where}


def _json(found: Permissions) -> dict[str, object]:
    return {
        "agent": found.agent,
        "tools": [
            {
                "name": each.name, "class": each.kind, "origin": each.origin, "rule": each.level, "where": each.where,
                "grants": list(each.grants), "used": each.used, "refused": each.refused,
                "last": each.last.isoformat() if each.last else None,
            }
            for each in found.tools
        ],
        "withheld": list(found.withheld),
        "paths": [_rule_json(each) for each in found.paths],
        "others": [_rule_json(each) for each in found.others],
        "grants": [
            {"id": each.grant.id, "state": each.state, "times": each.times, "where": each.grant.where}
            for each in found.grants
        ],
        "answers": dict(found.answers),
        "stale": list(found.stale),
    }  # fmt: skip
