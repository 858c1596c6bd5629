"""serve: the HTTP door, and the tokens that open it."""

import importlib.util
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.core.errors import UsageError
from atomic_agents.operations import serving, tokens
from atomic_agents.vault.tokens import VERBS, Token, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from atomic_agents.operations.workspace import Workspace
    from atomic_agents.web.app import Settings

_HOST, _PORT = "127.0.0.1", 8000


class _Serve(click.Group):
    """`serve [AGENT]` serves; only `serve token` is another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["start", *args]
        return super().parse_args(ctx, args)


@click.group("serve", cls=_Serve)
def serve_command() -> None:
    """Agents over HTTP: as JSON, and as models for any client of the OpenAI API.

    `serve [AGENT]` is short for `serve start [AGENT]`.
    """


@serve_command.command("start")
@click.argument("agent", required=False, default="")
@click.option("--host", metavar="H", help=f"Where to listen; default {_HOST}, which only this machine reaches.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="P", help=f"Default {_PORT}; 0 takes any that is free.")
@click.option("--auth", is_flag=True, help="Ask callers on this machine for a token too.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A further name of this server.")
@click.option("--identity-header", metavar="NAME", help="Believe a proxy that says in this header who asks.")
@click.option(
    "--trusted-proxy", "proxies", multiple=True, metavar="IP", help="Where that proxy asks from; default this machine."
)
@click.option("--max-runs", type=click.IntRange(min=1), default=64, show_default=True, help="Runs at once.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="With more than one, runs go on in that many processes beside the server's.",
)
@click.option("--max-body", type=click.IntRange(min=1), metavar="BYTES", help="Default 1048576.")
@click.option(
    "--rate", type=click.FloatRange(0.1), default=100.0, show_default=True, help="Requests a second for each caller."
)
@click.option(
    "--drain", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds that runs get to end."
)
@common
def serve_start(
    agent: str, host: str | None, port: int | None, auth: bool, hosts: tuple[str, ...], identity_header: str | None,
    proxies: tuple[str, ...], max_runs: int, processes: int, max_body: int | None, rate: float, drain: float,
    root: str | None,
) -> int:  # fmt: skip
    """Serve AGENT, or all agents, until you stop it; runs that are under way then end first."""
    if not all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn")):
        raise UsageError("serve needs an extra", hint="pip install 'atomic-agents-stack[serve]'")
    if processes > 1 and sys.platform == "win32":  # whose event loop cannot listen to their pipes
        raise UsageError("Windows has no --processes; runs go on in the server's own", hint="atomic-agents serve")
    from atomic_agents.web import app, auth as door  # noqa: PLC0415, I001 - 200 ms that only a server pays
    from atomic_agents.web.limits import Limits  # noqa: PLC0415 - the same

    with workspace(root) as opened:
        opened.require()
        opened.refuse_newer()
        said = serving.stated(opened, agent)
        host = host or said.host or _HOST
        header = identity_header or said.identity_header
        proxy = door.Proxy(header, proxies) if header and proxies else door.Proxy(header) if header else None
        needs_token = token_needed(
            opened, host, asked=auth, loopback=door.is_loopback(host), by_proxy=proxy is not None
        )
        if said.open_wished:
            render.notice(f"{said.open_wished}: allow_no_auth is not heeded; beyond this machine a token is needed")
        settings = app.Settings(
            opened.vault.agent(agent).name if agent else "", needs_token, names(host, hosts), proxy,
            Limits(max_body or said.body or Limits().body, rate, max_runs, drain),
            (said.key_header or "idempotency-key").lower(),
        )  # fmt: skip
        listening = app.bound(host, _PORT if port is None and said.port is None else port or said.port or 0)
        for run_id in opened.close_crashed_runs():
            render.notice(f"the process of {run_id} had died; its log line is written now")
    return _serve(root, settings, listening, processes)


def _serve(root: str | None, settings: "Settings", listening: socket.socket, processes: int) -> int:
    from atomic_agents.web import app  # noqa: PLC0415 - 200 ms that only a server pays

    at = address(listening)
    render.talk(f"{settings.only or 'all agents'} at {at}; OpenAI base URL {at}/v1")
    render.talk("tokens are needed" if settings.needs_token else "whoever is on this machine may run and read")
    left = app.serve(opener(root), settings, listening, processes=processes)
    if left:
        render.notice(f"{render.count(left, 'run')} did not end in time; the next command writes what each cost")
    return 1 if left else 0


def token_needed(opened: "Workspace", host: str, *, asked: bool, loopback: bool, by_proxy: bool = False) -> bool:
    """Whether callers must send a token.

    Raises:
        UsageError: they must, and there is none.
    """
    needed = asked or not loopback
    if needed and not by_proxy and not tokens.every(opened):
        raise UsageError(
            f"{host} is open to others, and there is no token" if not asked else "there is no token",
            hint="atomic-agents serve token add NAME\nor let only this machine in: --host 127.0.0.1",
        )
    return needed


def opener(root: str | None) -> "Callable[[], Workspace]":
    """What opens the vault anew for each thread of a server."""
    from atomic_agents import config  # noqa: PLC0415 - `--help` needs no vault
    from atomic_agents.bootstrap import open_workspace  # noqa: PLC0415 - the same

    read = config.load(root or click.get_current_context().find_root().params.get("root"))
    return partial(open_workspace, read)


def address(listening: socket.socket) -> str:
    """Where a socket listens, as a URL."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def names(host: str, hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The names that the server answers to: those it is given, where it listens, and this machine's."""
    return tuple(name.lower() for name in (*hosts, host, socket.gethostname()) if name)


@serve_command.group("token")
def serve_token() -> None:
    """Who may ask the server, and for what."""


@serve_token.command("add")
@click.argument("name")
@click.option("--agent", "agents", multiple=True, metavar="AGENT", help="Only for this agent; default all.")
@click.option(
    "--verb", "verbs", type=click.Choice(VERBS), multiple=True,
    help="What it is good for; default run and read. admin also answers approvals and deletes.",
)  # fmt: skip
@click.option("--expires", type=click.IntRange(1, 36_500), metavar="DAYS", help="Default never.")
@json_option
@common
def token_add(
    name: str, agents: tuple[str, ...], verbs: tuple[Verb, ...], expires: int | None, as_json: bool, root: str | None
) -> None:
    """Make a token for NAME. It is shown once, as the last word, and only its hash is kept."""
    with workspace(root) as opened:
        made, secret = tokens.add(opened, name, agents=agents, verbs=verbs, days=expires)
    if as_json:
        render.say_json(_json(made) | {"token": secret})
        return
    render.talk(f"{made.name}: {_scope(made)}; kept as a hash, so copy it now")
    render.say(secret)


@serve_token.command("list")
@json_option
@common
def token_list(as_json: bool, root: str | None) -> None:
    """The tokens there are, without what opens the door."""
    with workspace(root) as opened:
        opened.require()
        found, now = tokens.every(opened), opened.clock()
    if as_json:
        render.say_json([_json(token) for token in found])
        return
    if not found:
        render.talk("no tokens")
        render.hint("atomic-agents serve token add NAME")
        return
    rows = [
        (token.name, ", ".join(token.agents) or "all", ", ".join(token.verbs), f"{token.created:%Y-%m-%d}",
         "expired" if token.expired(now) else f"{token.expires:%Y-%m-%d}" if token.expires else "never")
        for token in found
    ]  # fmt: skip
    render.table(rows, ("token", "agents", "verbs", "made", "expires"))


@serve_token.command("revoke")
@click.argument("name")
@json_option
@common
def token_revoke(name: str, as_json: bool, root: str | None) -> None:
    """Take the token NAME away; a server that is running knows at once."""
    with workspace(root) as opened:
        gone = tokens.revoke(opened, name)
    if as_json:
        render.say_json({"revoked": gone.name})
    else:
        render.say(f"revoked: {gone.name}")


def _scope(token: Token) -> str:
    agents = ", ".join(token.agents) or "all agents"
    until = f", until {token.expires:%Y-%m-%d}" if token.expires else ""
    return f"{' and '.join(token.verbs)} {agents}{until}"


def _json(token: Token) -> dict[str, object]:
    return {
        "name": token.name,
        "agents": list(token.agents),
        "verbs": list(token.verbs),
        "created": token.created.isoformat(),
        "expires": token.expires.isoformat() if token.expires else None,
    }
