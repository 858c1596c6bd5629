"""mcp."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import UsageError
from atomic_agents.core.visible import visible
from atomic_agents.operations import mcp
from atomic_agents.operations.mcp import Seen
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import mcp_servers

_WORDS = {"new": "not accepted yet", "changed": "changed since it was accepted"}


@click.group("mcp", invoke_without_command=True)
@click.pass_context
def mcp_command(ctx: click.Context) -> None:
    """The MCP servers of an agent."""
    show_help(ctx)


@mcp_command.command("list")
@click.argument("agent")
@json_option
@common
def mcp_list(agent: str, as_json: bool, root: str | None) -> None:
    """The servers of AGENT and what their tools take of each request; nothing is started."""
    with workspace(root) as opened:
        found = mcp.list_servers(opened, agent)
    if as_json:
        render.say_json([_json(seen) for seen in found])
        return
    rows = [(s.server.name, _WORDS.get(s.state, s.state), str(len(s.tools)), f"{s.tokens:,}", _way(s)) for s in found]
    render.table(rows, ("server", "state", "tools", "tokens", "how"))
    for seen in found:
        if seen.why:
            render.notice(f"{seen.server.where}: {seen.why}")
    if any(seen.state == "new" for seen in found):
        render.hint(f"atomic-agents mcp check {agent} --accept")


@mcp_command.command("check")
@click.argument("agent")
@click.argument("server", nargs=-1)
@click.option("--accept", is_flag=True, help="Accept each server that answers as it is now.")
@json_option
@common
def mcp_check(agent: str, server: tuple[str, ...], accept: bool, as_json: bool, root: str | None) -> int:
    """Show all that the servers of AGENT, or SERVER, say of their tools, and what differs from what was accepted.

    Exit code 1 where one does not answer, is not accepted as it is, or has a tool that is left out of runs.

    Example: atomic-agents mcp check scout files --accept
    """
    with workspace(root) as opened:
        found = mcp.check(opened, agent, server, accept=accept)
    bad = [s for s in found if s.state in ("broken", "unreachable")]
    bad += [s for s in found if not accept and (s.state in ("new", "changed") or s.unusable)]
    if as_json:
        render.say_json({"servers": [_json(seen) for seen in found], "accepted": accept, "ok": not bad})
        return int(bool(bad))
    for seen in found:
        _say(seen, render.say, accepted=accept or seen.state == "accepted")
    if not found:
        render.say("it has no MCP servers")
    elif any(seen.state in ("new", "changed") for seen in found) and not accept:
        render.hint(f"atomic-agents mcp check {agent} --accept")
    return int(bool(bad))


@mcp_command.command("add")
@click.argument("agent")
@click.argument("name", required=False, default="")
@click.argument("command", nargs=-1)
@click.option("--url", default="", metavar="URL", help="A server that is reached over HTTP, instead of a command.")
@click.option(
    "--env", multiple=True, metavar="NAME=VALUE", help="What it is given; $VARIABLE is filled in at its start."
)
@click.option("--header", multiple=True, metavar="NAME=VALUE", help="A header of each request; $VARIABLE as above.")
@click.option("--from", "source", type=click.Path(exists=True, dir_okay=False), help="Every server of a .mcp.json.")
@dry_run_option
@yes_option
@json_option
@common
def mcp_add(
    agent: str, name: str, command: tuple[str, ...], url: str, env: tuple[str, ...], header: tuple[str, ...],
    source: str | None, dry_run: bool, as_json: bool, root: str | None,
) -> None:  # fmt: skip
    """Add a server to AGENT: NAME, then `--` and the COMMAND with its arguments, or --url.

    It is started once to show what it says of its tools; with --from and --dry-run nothing is started. No run uses it
    before `mcp check AGENT --accept`.

    Example: atomic-agents mcp add scout files -- npx -y @modelcontextprotocol/server-filesystem ~/shared
    """
    if source:
        wanted: Mapping[str, Mapping[str, object]] = mcp_servers.imported(Path(source).read_text("utf-8"), source)
    elif name and bool(command) != bool(url):
        wanted = {name: _wanted(command, url, env, header)}
    else:
        example = f"atomic-agents mcp add {agent} files -- npx -y @modelcontextprotocol/server-filesystem ~/shared"
        raise UsageError("a name and a command, a --url or --from is needed", hint=example)
    with workspace(root) as opened:
        change = mcp.add(opened, agent, wanted, apply=not dry_run)
        if dry_run:
            _diff(opened, change)
        found = mcp.check(opened, agent, list(wanted), accept=False) if not (dry_run or source) else []
    if as_json:
        render.say_json({"added": list(wanted), "dry_run": dry_run, "servers": [_json(seen) for seen in found]})
    elif not dry_run:
        render.say(f"added: {', '.join(wanted)}")
        for seen in found:
            _say(seen, render.talk, accepted=False)
        render.hint(f"atomic-agents mcp check {agent} --accept")


@mcp_command.command("remove")
@click.argument("agent")
@click.argument("server")
@dry_run_option
@yes_option
@json_option
@common
def mcp_remove(agent: str, server: str, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Take SERVER away from AGENT, and what was accepted of it."""
    with workspace(root) as opened:
        change = mcp.remove(opened, agent, server, apply=not dry_run)
        if dry_run:
            _diff(opened, change)
    if as_json:
        render.say_json({"removed": server, "dry_run": dry_run})
    elif not dry_run:
        render.say(f"removed: {server}")


def _wanted(command: tuple[str, ...], url: str, env: tuple[str, ...], header: tuple[str, ...]) -> dict[str, object]:
    server: dict[str, object] = {"url": url} if url else {"command": command[0]}
    if command[1:]:
        server["args"] = list(command[1:])
    for key, pairs in (("env", env), ("headers", header)):
        if pairs:
            server[key] = dict(_pair(pair) for pair in pairs)
    return server


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text} is no NAME=VALUE", hint="write it as in --env STATION=gate")
    return name, value


def _diff(opened: Workspace, change: ChangeSet) -> None:
    for line in change.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
        render.say(line)
    render.say("dry run: nothing was written")


def _say(seen: Seen, say: Callable[[str], None], *, accepted: bool) -> None:
    """Say what a server is and all that it says of its tools."""
    name = seen.server.name
    if seen.why:
        render.talk(f"error: {seen.server.where}: {visible(seen.why)}")
    else:
        words = "accepted" if accepted else _WORDS[seen.state]
        say(f"{name}: {words}, {render.count(len(seen.tools), 'tool')}, about {seen.tokens:,} tokens a request")
        for tool, definition in seen.definitions.items():
            _say_tool(tool, definition, say)
        for change in seen.changes:
            say(f"  {change}")
    for tool, why in seen.unusable.items():
        render.notice(f"{seen.server.where}: {visible(f'{tool} of {name}: {why}')}; the tool is left out of runs")
        render.hint(f"name the tools that are wanted: tools: [...] of {name} in {seen.server.path}")
    if seen.noise:
        render.notice(visible(seen.noise))


def _say_tool(name: str, definition: Mapping[str, object], say: Callable[[str], None]) -> None:
    say(f"  {visible(name)} ({definition.get('class', '')})")
    for line in str(definition.get("description", "")).splitlines():
        say(f"    | {visible(line)}".rstrip())
    say(f"    arguments: {visible(json.dumps(definition.get('schema'), ensure_ascii=False))}")


def _way(seen: Seen) -> str:
    return seen.server.url or " ".join((seen.server.command, *seen.server.args))


def _json(seen: Seen) -> dict[str, object]:
    return {
        "name": seen.server.name,
        "state": seen.state,
        "where": seen.server.where,
        "tools": [_json_tool(seen, name, each) for name, each in seen.definitions.items()],
        "tokens": seen.tokens,
        "changes": list(seen.changes),
        "problem": seen.why or None,
        "noise": seen.noise or None,
    }


def _json_tool(seen: Seen, name: str, definition: Mapping[str, object]) -> dict[str, object]:
    return {
        "name": name,
        "class": definition.get("class"),
        "description": definition.get("description"),
        "schema": definition.get("schema"),
        "problem": seen.unusable.get(name),
    }
