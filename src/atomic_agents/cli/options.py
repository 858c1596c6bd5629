"""Options that commands share, and the workspace they lead to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from atomic_agents.cli import render

if TYPE_CHECKING:
    from atomic_agents.operations.workspace import Workspace

_Command = TypeVar("_Command", bound=Callable[..., object])


def common(command: _Command) -> _Command:
    """`--root` and `--debug`, which every command takes."""
    return root_option(debug_option(command))


root_option = click.option(
    "--root", "--agents-root", "root", metavar="PATH", help="The vault; default ATOMIC_AGENTS_ROOT, else ~/docs/agents."
)
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")

json_option = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show the changes as a diff; write nothing.")
yes_option = click.option("--yes", is_flag=True, expose_value=False, help="Never ask (nothing here asks).")


def show_help(ctx: click.Context) -> None:
    """What a command that only holds others does by itself."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@contextmanager
def workspace(root: str | None) -> "Iterator[Workspace]":
    """The workspace of the vault at `root`; without one, at that which stands before the command's name."""
    from atomic_agents import config  # noqa: PLC0415 - `--help` needs no vault
    from atomic_agents.bootstrap import open_workspace  # noqa: PLC0415 - the same

    root = root or click.get_current_context().find_root().params.get("root")
    read = config.load(root)
    render.use_root(root)
    opened = open_workspace(read)
    try:
        yield opened
        if found := opened.newer_notice():
            render.notice(found)
            render.hint(opened.newer_remedy())
    finally:
        for repaired in opened.notices():
            render.notice(repaired)
        opened.close()
