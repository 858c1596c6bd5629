"""Options that commands share, and the workspace they lead to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from atomic_agents import config
from atomic_agents.operations.workspace import Workspace

_Command = TypeVar("_Command", bound=Callable[..., object])


def common(command: _Command) -> _Command:
    """`--root` and `--debug`, which every command takes."""
    root = click.option(
        "--root", "--agents-root", "root", metavar="PATH", help="The vault; default ATOMIC_AGENTS_ROOT."
    )
    debug = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
    return root(debug(command))


json_option = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show the changes as a diff; write nothing.")
yes_option = click.option("--yes", is_flag=True, expose_value=False, help="Never ask (nothing here asks).")


@contextmanager
def workspace(root: str | None) -> Iterator[Workspace]:
    """The workspace of the vault at `root`."""
    from atomic_agents.bootstrap import open_workspace  # noqa: PLC0415 - `--help` needs no vault

    opened = open_workspace(config.load(root))
    try:
        yield opened
    finally:
        opened.close()
