"""completion, and what a shell may be offered for agents, runs, snapshots, notes and the like."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from atomic_agents.cli import render
from atomic_agents.cli.options import common, workspace
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.vault import layout

if TYPE_CHECKING:
    from atomic_agents.operations.workspace import Workspace

PROGRAM = "atomic-agents"
VARIABLE = "_ATOMIC_AGENTS_COMPLETE"
"""The environment variable through which a shell asks; `main` looks for it before this module is imported."""

_MOST = 200

Values = Callable[["Workspace", click.Context], Iterable[str]]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common
@click.pass_context
def completion_command(ctx: click.Context, shell: str, root: str | None) -> None:  # noqa: ARG001 - every command has it
    """What SHELL needs to complete commands, options, agents, runs, snapshots and notes.

    bash: eval "$(atomic-agents completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc.
    fish: atomic-agents completion fish > ~/.config/fish/completions/atomic-agents.fish
    """
    made = get_completion_class(shell)
    if made is not None:
        # Without the method that starts a bash to ask for its version.
        whole = made(ctx.find_root().command, {}, PROGRAM, VARIABLE)
        render.say((whole.source_template % whole.source_vars()).strip())


def complete(command: click.Command) -> int:
    """Answer a shell that asks through the environment."""
    return shell_complete(command, {}, PROGRAM, VARIABLE, os.environ[VARIABLE])


def teach(command: click.Command, group: str) -> None:
    """Let the parameters of a command of `group`, and of those below it, be completed from the vault."""
    for param in command.params:
        values = _kind(group, str(param.name))
        if values is not None and not isinstance(param.type, click.Choice):
            param.type = _FromVault(values)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            teach(child, group)


class _FromVault(click.types.StringParamType):
    """Text that is one of what a vault holds; nothing is refused here."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """What begins as what is typed; nothing where the vault cannot be read."""
        try:
            with ctx, workspace(ctx.params.get("root")) as opened:
                found = sorted({value for value in self._values(opened, ctx) if value.startswith(incomplete)})
        except (AtomicAgentsError, OSError):
            return []
        return [CompletionItem(value) for value in found[-_MOST:]]


def _agents(opened: "Workspace", _ctx: click.Context) -> Iterable[str]:
    return layout.agents(opened.store.paths())


def _notes(opened: "Workspace", ctx: click.Context) -> Iterable[str]:
    folder = layout.memory(str(ctx.params.get("agent") or ""))
    files = (path.removeprefix(folder) for path in opened.store.paths(folder))
    return (file.removesuffix(".md") for file in files if layout.is_note(file))


def _runs(opened: "Workspace", _ctx: click.Context) -> Iterable[str]:
    names = (path.rpartition("/")[2] for path in opened.store.paths() if "/runs/" in path or path.startswith("_runs/"))
    return (name.removesuffix(".jsonl") for name in names if name.startswith("run-"))


def _snapshots(opened: "Workspace", _ctx: click.Context) -> Iterable[str]:
    names = (path.rpartition("/")[2] for path in opened.store.paths(f"{layout.SNAPSHOTS}/"))
    return (name for name in names if name.endswith(".tar.gz"))


def _conversations(opened: "Workspace", ctx: click.Context) -> Iterable[str]:
    folder = layout.conversations(str(ctx.params.get("agent") or ""))
    return (
        path.removeprefix(folder).removesuffix(".md") for path in opened.store.paths(folder) if path.endswith(".md")
    )


def _topics(_opened: "Workspace", _ctx: click.Context) -> Iterable[str]:
    from atomic_agents.operations import explaining  # noqa: PLC0415 - only one command has it

    return explaining.topics()


def _settings(_opened: "Workspace", _ctx: click.Context) -> Iterable[str]:
    return layout.SETTINGS_FILES


_BY_NAME: Mapping[str, Values] = {
    "agent": _agents,
    "agents": _agents,
    "note": _notes,
    "notes": _notes,
    "others": _notes,
    "run": _runs,
    "conversation": _conversations,
    "snapshot": _snapshots,
    "code": _topics,
}
_BY_GROUP: Mapping[str, Values] = {"snapshots": _snapshots, "config": _settings}
"""What `name` and `names` are, where only the group of commands tells."""


def _kind(group: str, name: str) -> Values | None:
    return _BY_GROUP.get(group) if name in {"name", "names"} else _BY_NAME.get(name)
