"""mcp-server: the MCP door, over stdin and stdout or over HTTP."""

import importlib.util
from typing import TYPE_CHECKING

import click

from atomic_agents.cli import render, serve
from atomic_agents.cli.options import common, workspace
from atomic_agents.core.errors import UsageError

if TYPE_CHECKING:
    from atomic_agents.vault.tokens import Verb

_HOST, _PORT = "127.0.0.1", 8001


@click.command("mcp-server")
@click.argument("agent", required=False, default="")
@click.option("--read-only", is_flag=True, help="No tools that run an agent: only what is known, and what was done.")
@click.option("--http", is_flag=True, help="Over HTTP, not over stdin and stdout.")
@click.option("--host", metavar="H", default=_HOST, show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="P", default=_PORT, show_default=True, help="0 takes any."
)
@click.option("--auth", is_flag=True, help="Ask callers on this machine for a token too: `serve token add`.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A further name of this server.")
@click.option("--max-runs", type=click.IntRange(min=1), default=64, show_default=True, help="Runs at once.")
@common
def mcp_server_command(
    agent: str, read_only: bool, http: bool, host: str, port: int, auth: bool, hosts: tuple[str, ...], max_runs: int,
    root: str | None,
) -> int:  # fmt: skip
    """Serve AGENT, or all agents, to programs that speak MCP; the program that starts it ends it."""
    if not importlib.util.find_spec("mcp"):  # which brings what the HTTP door needs
        raise UsageError("mcp-server needs an extra", hint="pip install 'atomic-agents-stack[mcp]'")
    _only_with_http(http=http)
    from atomic_agents.mcp_server import http as over_http  # noqa: PLC0415 - 1 s that only a server pays
    from atomic_agents.mcp_server import stdio  # noqa: PLC0415 - the same
    from atomic_agents.web import app  # noqa: PLC0415 - the same
    from atomic_agents.web.auth import is_loopback  # noqa: PLC0415 - the same
    from atomic_agents.web.limits import Limits  # noqa: PLC0415 - the same

    verbs: tuple[Verb, ...] = ("read",) if read_only else ("run", "read")
    with workspace(root) as opened:
        opened.require()
        if not read_only:
            opened.refuse_newer()
        only = opened.vault.agent(agent).name if agent else ""
        needs_token = http and serve.token_needed(opened, host, asked=auth, loopback=is_loopback(host))
        settings = app.Settings(only, needs_token, serve.names(host, hosts), limits=Limits(runs=max_runs))
        listening = app.bound(host, port) if http else None
        for run_id in opened.close_crashed_runs():
            render.notice(f"the process of {run_id} had died; its log line is written now")
    if listening is None:
        left = stdio.serve(serve.opener(root), settings, verbs)
    else:
        render.talk(f"{only or 'all agents'} at {serve.address(listening)}{over_http.PATH}")
        render.talk("tokens are needed" if needs_token else "whoever is on this machine may ask")
        left = over_http.serve(serve.opener(root), settings, verbs, listening)
    if left:
        render.notice(f"{render.count(left, 'run')} did not end in time; the next command writes what each cost")
    return 1 if left else 0


def _only_with_http(*, http: bool) -> None:
    """Refuse options that mean nothing over stdin and stdout."""
    context = click.get_current_context()
    stated = [
        name
        for name in ("host", "port", "auth", "hosts")
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if stated and not http:
        named = next(option.opts[0] for option in context.command.params if option.name == stated[0])
        raise UsageError(f"{named} is for HTTP", hint="atomic-agents mcp-server --http")
