"""list, info."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.operations import agents
from atomic_agents.operations.agents import AgentInfo
from atomic_agents.operations.workspace import Workspace


@click.command("list")
@json_option
@common
def list_command(as_json: bool, root: str | None) -> None:
    """The agents of the vault."""
    with workspace(root) as opened:
        _close_crashed(opened)
        found = agents.list_agents(opened)
        if as_json:
            render.say_json(
                [
                    {
                        "name": line.name,
                        "model": line.model or None,
                        "notes": line.notes,
                        "last_run": line.last_run,
                        "problems": [problem.as_json() for problem in line.problems],
                    }
                    for line in found
                ]
            )
            return
        if not found:
            render.talk(f"no agents in {opened.config.root}")
            render.hint("atomic-agents init my-agent")
            return
        rows = [(line.name, line.model or "none", f"{line.notes:,}", str(line.last_run or "never")) for line in found]
        render.table(rows, ("agent", "model", "notes", "last run"))
        for line in found:
            render.problems("warning", line.problems)


@click.command("info")
@click.argument("agent")
@json_option
@common
def info_command(agent: str, as_json: bool, root: str | None) -> None:
    """What holds for AGENT, and where each setting comes from."""
    with workspace(root) as opened:
        _close_crashed(opened)
        found = agents.info(opened, agent)
        if as_json:
            render.say_json(_info_json(found))
            return
        for name, text in _info_lines(found):
            render.say(f"{name:<12} {text}")
        warnings = [problem for problem in found.settings.problems if problem.severity == "warning"]
        render.problems("warning", warnings)
        errors = [problem for problem in found.settings.problems if problem.severity == "error"]
        render.problems("error", errors)
        if errors:
            raise click.exceptions.Exit(1)


def _info_lines(found: AgentInfo) -> list[tuple[str, str]]:
    model, guardrails = found.settings.model, found.settings.model.guardrails
    caps = "off"
    if guardrails.enabled:
        day = (
            "none"
            if guardrails.daily_cap is None
            else f"{render.money(guardrails.daily_cap)} ({guardrails.daily_action})"
        )
        month = (
            "none"
            if guardrails.monthly_cap is None
            else f"{render.money(guardrails.monthly_cap)} ({guardrails.monthly_action})"
        )
        caps = f"{day} a day, {month} a month"
    tools = found.settings.tools
    lines = [
        ("agent", found.name),
        ("mode", found.mode),
        ("model", model.model or "none stated"),
        ("fallback", model.fallback_model or "none"),
        ("tokens", f"{model.max_input_tokens:,} in, {model.max_output_tokens:,} out"),
        ("caps", caps),
        ("spent", f"{render.money(found.spent.day)} today, {render.money(found.spent.month)} this month"),
        ("memory", f"{render.count(found.notes, 'note')}, {render.count(found.wiki_pages, 'wiki page')}"),
        ("reads", ", ".join(tools.read_paths) or "its own memory"),
        ("writes", ", ".join(tools.write_paths) or "nothing"),
        ("last run", str(found.last_run or "never")),
        ("settings", ", ".join(f"{file.path} (v{file.version})" for file in found.settings.files.values()) or "none"),
    ]
    return lines + ([("project", found.cascade)] if found.cascade else [])


def _info_json(found: AgentInfo) -> dict[str, object]:
    return {
        "name": found.name,
        "mode": found.mode,
        "model": found.settings.model.model,
        "fallback_model": found.settings.model.fallback_model,
        "settings": {
            name: {"path": file.path, "version": file.version, "values": dict(file.values)}
            for name, file in found.settings.files.items()
        },
        "spent": {"day_usd": float(found.spent.day), "month_usd": float(found.spent.month)},
        "notes": found.notes,
        "wiki_pages": found.wiki_pages,
        "last_run": found.last_run,
        "project": found.cascade or None,
        "problems": [problem.as_json() for problem in found.settings.problems],
    }


def _close_crashed(opened: Workspace) -> None:
    for run_id in opened.close_crashed_runs():
        render.notice(f"the process of {run_id} had died; its log line is written now")
