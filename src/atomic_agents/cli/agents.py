"""list, info."""

import shlex
from collections import Counter

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.core.values import Usd, format_cap, format_within
from atomic_agents.operations import agents, shapes
from atomic_agents.operations.agents import AgentInfo
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.settings import CostGuardrails


@click.command("list")
@json_option
@common
def list_command(as_json: bool, root: str | None) -> None:
    """The agents of the vault."""
    with workspace(root) as opened:
        _close_crashed(opened)
        found = agents.list_agents(opened)
        if as_json:
            render.say_json([shapes.agent_line(line) for line in found])
            return
        if not found:
            render.talk(f"no agents in {opened.config.root}")
            render.hint("atomic-agents init my-agent")
            return
        rows = [
            (line.name, line.model or "none", f"{line.notes:,}", render.money(line.today),
             "none" if line.cap is None else render.money(line.cap), str(line.last_run or "never"))
            for line in found
        ]  # fmt: skip
        render.table(rows, ("agent", "model", "notes", "today", "daily cap", "last run"))
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
            render.say_json(shapes.agent(found))
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
    """The screen: what is not there has no line."""
    model, tools = found.settings.model, found.settings.tools
    caps = model.guardrails if model.guardrails.enabled else CostGuardrails()
    ran = f"{found.last_run}{f', {found.last_status}' if found.last_status else ''}" if found.last_run else "never"
    lines = [
        ("agent", found.name),
        ("mode", found.mode),
        ("model", model.model or "none stated"),
        ("fallback", model.fallback_model or ""),
        ("tokens", f"{model.max_input_tokens:,} in, {model.max_output_tokens:,} out"),
        ("today", _spent(found.spent.day, caps.daily_cap, caps.daily_action)),
        ("this month", _spent(found.spent.month, caps.monthly_cap, caps.monthly_action)),
        ("memory", f"{render.count(found.notes, 'note')}, {render.count(found.wiki_pages, 'wiki page')}"),
        ("reads", ", ".join(tools.read_paths) or "its own memory"),
        ("writes", ", ".join(tools.write_paths) or "nothing"),
        ("tools", ", ".join(found.tools)),
        ("MCP servers", ", ".join(found.servers)),
        ("skills", ", ".join(found.skills)),
        ("schedules", ", ".join(found.schedules)),
        ("last run", ran),
        ("settings", ", ".join(f"{file.path} (v{file.version})" for file in found.settings.files.values()) or "none"),
        ("project", found.cascade),
        ("health", _health(found)),
    ]
    return [(name, text) for name, text in lines if text]


def _spent(spent: Usd, cap: Usd | None, action: str) -> str:
    if cap is None:
        return f"{render.money(spent)} spent, no cap"
    return f"{format_within(cap, spent)[0]} spent, of {format_cap(cap)} ({action})"


def _health(found: AgentInfo) -> str:
    """What can be told without reading notes; doctor reads everything."""
    counts = Counter(problem.severity for problem in found.settings.problems)
    doctor = render.command(f"atomic-agents doctor --agent {shlex.quote(found.name)}")
    if not counts:
        return f"its settings are sound; {doctor} looks at the rest"
    counted = f"{render.count(counts['error'], 'error')}, {render.count(counts['warning'], 'warning')}"
    return f"{counted} in its settings; {doctor}"


def _close_crashed(opened: Workspace) -> None:
    for run_id in opened.close_crashed_runs():
        render.notice(f"the process of {run_id} had died; its log line is written now")
