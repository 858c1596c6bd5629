"""config."""

import json

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import near
from atomic_agents.operations import effective
from atomic_agents.vault import schema
from atomic_agents.vault.settings import RULES


@click.group("config", invoke_without_command=True)
@click.pass_context
def config_command(ctx: click.Context) -> None:
    """What is set, where, and what could be."""
    show_help(ctx)


@config_command.command("show")
@click.argument("agent", required=False)
@json_option
@common
def config_show(agent: str | None, as_json: bool, root: str | None) -> int:
    """Every setting in force for AGENT, or for the vault, and the file:line or variable that it comes from."""
    with workspace(root) as opened:
        found = effective.of_agent(opened, agent) if agent else effective.of_vault(opened)
    errors = [problem for problem in found.problems if problem.severity == "error"]
    if as_json:
        values = [
            {"file": each.group, "key": each.key, "value": each.value, "where": each.where} for each in found.values
        ]
        render.say_json({"values": values, "problems": [problem.as_json() for problem in found.problems]})
        return int(bool(errors))
    rows = [(each.group, each.key, each.where, _text(each.value)) for each in found.values]
    render.table(rows, ("file", "setting", "from", "value"))
    render.problems("warning", [problem for problem in found.problems if problem.severity == "warning"])
    render.problems("error", errors)
    return int(bool(errors))


@config_command.command("schema")
@click.argument("name", metavar="FILE")
@common
def config_schema(name: str, root: str | None) -> None:  # noqa: ARG001 - every command has it
    """The JSON Schema of a settings file's front matter, such as model.md, for an editor."""
    if name not in RULES:
        meant = near(name if name.endswith(".md") else f"{name}.md", RULES)
        hint = f"atomic-agents config schema {meant[0]}" if meant else f"one of: {', '.join(RULES)}"
        raise UsageError(f"there is no settings file {name}", hint=hint)
    render.say_json(schema.of_file(name))


def _text(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
