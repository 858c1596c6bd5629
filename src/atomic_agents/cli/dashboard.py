"""dashboard: pages over the vault, live or as files."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.core.errors import UsageError
from atomic_agents.vault import layout

if TYPE_CHECKING:
    from atomic_agents.operations.workspace import Workspace

_HOST, _PORT = "127.0.0.1", 8765


@click.group("dashboard", invoke_without_command=True)
@click.pass_context
def dashboard_command(ctx: click.Context) -> None:
    """What needs you, agents, runs, cost and memory as pages in a browser."""
    show_help(ctx)


@dashboard_command.command("serve")
@click.option("--host", default=_HOST, show_default=True, metavar="H", help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, metavar="P", help="0 takes any."
)
@click.option("--auth", "asked", is_flag=True, help="Ask on this machine for a token too.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A further name of this server.")
@common
def serve_command(host: str, port: int, asked: bool, hosts: tuple[str, ...], root: str | None) -> int:
    """Show pages that keep themselves up to date, until you stop it.

    On this machine no token is needed. Beyond it, `atomic-agents serve token add NAME --verb admin` makes one.
    """
    _require("starlette", "uvicorn", "jinja2")
    from atomic_agents.cli import serve  # noqa: PLC0415 - 200 ms that only a server pays, with what follows
    from atomic_agents.web import app, auth  # noqa: PLC0415
    from atomic_agents.web.dashboard.live import live_of  # noqa: PLC0415

    with workspace(root) as opened:
        opened.require()
        needs_token = serve.token_needed(opened, host, asked=asked, loopback=auth.is_loopback(host))
        settings = app.Settings("", needs_token, serve.names(host, hosts))
        listening = app.bound(host, port)
        _close_crashed(opened)
    at = serve.address(listening)
    render.talk(f"the dashboard is at {at}")
    render.talk("tokens are needed" if needs_token else "whoever is on this machine may read, and answer approvals")
    left = app.serve(serve.opener(root), settings, listening, live_of)
    return 1 if left else 0


@dashboard_command.command("render")
@click.option(
    "--out", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path),
    help=f"Where to write; default {layout.DASHBOARD}/ in the vault.",
)  # fmt: skip
@json_option
@common
def render_command(out: Path | None, as_json: bool, root: str | None) -> None:
    """Write the pages as files, which need no server; those that would not change are left as they are."""
    _require("jinja2")
    from atomic_agents.web.dashboard.export import export  # noqa: PLC0415 - 40 ms that only this pays

    with workspace(root) as opened:
        opened.require()
        done = export(opened, out or opened.config.root / layout.DASHBOARD)
    if as_json:
        render.say_json({"folder": done.folder, "pages": done.pages, "written": done.written})
        return
    render.say(f"{Path(done.folder, 'index.html')}")
    render.talk(f"{render.count(done.pages, 'page')}, {done.written:,} written")


def _close_crashed(opened: "Workspace") -> None:
    for run_id in opened.close_crashed_runs():
        render.notice(f"the process of {run_id} had died; its log line is written now")


def _require(*names: str) -> None:
    """Refuse where the extra is not installed."""
    if not all(importlib.util.find_spec(name) for name in names):
        raise UsageError("the dashboard needs an extra", hint="pip install 'atomic-agents-stack[serve]'")
