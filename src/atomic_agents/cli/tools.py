"""tools."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.operations import tools
from atomic_agents.tools.tool import Tool


@click.group("tools", invoke_without_command=True)
@click.pass_context
def tools_command(ctx: click.Context) -> None:
    """What an agent can call, its own tools, and what they wrote."""
    show_help(ctx)


@tools_command.command("list")
@click.argument("agent")
@json_option
@common
def tools_list(agent: str, as_json: bool, root: str | None) -> None:
    """Every tool that a run of AGENT could call, and why others are left out."""
    with workspace(root) as opened:
        found = tools.list_tools(opened, agent)
    if as_json:
        listed = [_json(tool) for tool in found.tools]
        render.say_json({"tools": listed, "left_out": list(found.left_out), "isolation": list(found.isolation)})
        return
    render.table([_row(tool) for tool in found.tools], ("tool", "class", "from", "what it does"))
    for why in found.left_out:
        render.notice(why)
    if found.isolation:
        render.talk(f"tools on disk run in their {'; '.join(found.isolation)}")


@tools_command.command("validate")
@click.argument("agent")
@json_option
@common
def tools_validate(agent: str, as_json: bool, root: str | None) -> int:
    """Whether the tools of AGENT's own are sound; none of their code is run. Exit code 1 where one is not."""
    with workspace(root) as opened:
        found, problems = tools.validate(opened, agent)
    broken = any(problem.severity == "error" for problem in problems)
    if as_json:
        listed = [{"name": each.name, "path": each.path, "fingerprint": each.fingerprint} for each in found]
        render.say_json({"tools": listed, "problems": [problem.as_json() for problem in problems], "ok": not broken})
        return int(broken)
    render.problems("error", [problem for problem in problems if problem.severity == "error"])
    render.problems("warning", [problem for problem in problems if problem.severity == "warning"])
    verdict = f", {render.count(len(problems), 'problem')}" if problems else ": sound"
    render.say(f"{render.count(len(found), 'tool')}{verdict}" if found else "it has no tools of its own")
    return int(broken)


@tools_command.command("test")
@click.argument("agent")
@click.argument("tool")
@click.option("--arguments", default="{}", metavar="JSON", help="What to call it with; default {}.")
@json_option
@common
def tools_test(agent: str, tool: str, arguments: str, as_json: bool, root: str | None) -> int:
    """Call one of AGENT's own tools as a run would. It really is called: what it does is done."""
    with workspace(root) as opened:
        found = tools.test(opened, agent, tool, arguments)
    if as_json:
        value = {"name": found.name, "class": found.kind, "fingerprint": found.fingerprint, "ok": found.ok}
        render.say_json({**value, "text": found.text})
    elif found.ok:
        render.say(found.text)
    else:
        render.talk(f"error: {found.name}: {found.text}")
    return 0 if found.ok else 1


@tools_command.command("undo")
@click.argument("run")
@dry_run_option
@yes_option
@json_option
@common
def tools_undo(run: str, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Take back everything that the tools of RUN wrote, where nobody has written since.

    RUN is an id, the start or the end of one, or `last`; AGENT:last is the last one of an agent.
    """
    with workspace(root) as opened:
        change = tools.undo(opened, run, apply=not dry_run)
        paths = [path for path in change.paths if "/runs/changes/" not in path]
        if as_json:
            render.say_json({"taken_back": paths, "dry_run": dry_run})
            return
        if dry_run:
            for line in change.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
                render.say(line)
            render.say("dry run: nothing was written")
            return
    for path in paths:
        render.say(f"taken back: {path}")


def _row(tool: Tool) -> tuple[str, ...]:
    words = " ".join(tool.spec.description.split())
    return tool.spec.name, tool.kind, tool.origin, words if len(words) <= 60 else f"{words[:59]}…"


def _json(tool: Tool) -> dict[str, object]:
    return {
        "name": tool.spec.name,
        "class": tool.kind,
        "origin": tool.origin,
        "fingerprint": tool.fingerprint or None,
        "description": tool.spec.description,
        "arguments": tool.schema or tool.spec.parameters,
    }
