"""memory."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.operations import memory


@click.group("memory", invoke_without_command=True)
@click.pass_context
def memory_command(ctx: click.Context) -> None:
    """An agent's notes."""
    show_help(ctx)


@memory_command.command("list")
@click.argument("agent")
@json_option
@common
def memory_list(agent: str, as_json: bool, root: str | None) -> None:
    """Every note of AGENT, and each that cannot be read."""
    with workspace(root) as opened:
        notes, problems = memory.list_notes(opened, agent)
    if as_json:
        listed = [
            {"file": n.file, "name": n.name, "type": n.type, "last_seen": n.last_seen, "pinned": n.pinned}
            for n in notes
        ]
        render.say_json({"notes": listed, "problems": [problem.as_json() for problem in problems]})
        return
    render.table(
        [(n.file, n.type, str(n.last_seen or ""), n.description) for n in notes], ("note", "type", "last seen", "hook")
    )
    render.problems("warning", problems)


@memory_command.command("search")
@click.argument("agent")
@click.argument("query")
@json_option
@common
def memory_search(agent: str, query: str, as_json: bool, root: str | None) -> None:
    """What AGENT knows that matches QUERY best."""
    with workspace(root) as opened:
        found = memory.search(opened, agent, query)
    if as_json:
        render.say_json([{"path": hit.path, "line": hit.line, "score": hit.score, "text": hit.text} for hit in found])
        return
    for hit in found:
        render.say(f"{hit.path}:{hit.line}\n{hit.text}\n")
    if not found:
        render.talk("nothing matches")
