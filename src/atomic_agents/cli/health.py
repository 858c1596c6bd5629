"""doctor."""

import shlex
import sys
from collections import Counter

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.core.errors import AtomicAgentsError, InternalError
from atomic_agents.doctor.check import Result
from atomic_agents.operations import health

_MARKS = {"fail": "error", "warn": "warning"}


@click.command("doctor")
@click.option("--agent", default="", metavar="NAME", help="Examine one agent; default all.")
@click.option("--no-mcp", is_flag=True, help="Leave MCP servers out.")
@json_option
@common
def doctor_command(agent: str, no_mcp: bool, as_json: bool, root: str | None) -> int:
    """What is wrong, and the literal command that mends it. Changes nothing.

    Exit 0: ready. 1: a check failed. 2: a bug in doctor itself.
    """
    try:
        with workspace(root) as opened:
            results = health.examine(opened, agent=agent, with_mcp=not no_mcp)
    except AtomicAgentsError:
        raise
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        hint = f"{shlex.join(['atomic-agents', *sys.argv[1:]])} --debug, and report what it prints"
        render.report(InternalError(f"a bug in doctor: {type(error).__name__}: {error}", hint=hint), as_json=as_json)
        return 2
    if as_json:
        _say_json(results)
    else:
        _say(results)
    return 1 if _count(results)["fail"] else 0


def _say(results: list[Result]) -> None:
    counts = _count(results)
    for result in sorted(results, key=lambda r: r.finding.state != "fail"):
        label = _MARKS.get(result.finding.state)
        if label:
            whose = f" [{result.agent}]" if result.agent else ""
            render.say(f"{label}: {result.check}{whose}: {result.finding.message}")
            for line in render.hint_lines(result.finding.hint):
                render.say(line)
    agents = len({result.agent for result in results if result.agent})
    summary = f"{render.count(agents, 'agent')}, {render.count(counts['pass'], 'check')} passed"
    summary += f", {render.count(counts['warn'], 'warning')}" if counts["warn"] else ""
    render.say(f"not ready: {counts['fail']:,} failed, {summary}" if counts["fail"] else f"ready: {summary}")


def _say_json(results: list[Result]) -> None:
    counts = _count(results)
    render.say_json(
        {
            "results": [result.as_json() for result in results],
            "summary": {
                "passed": counts["pass"],
                "failed": counts["fail"],
                "warned": counts["warn"],
                "skipped": counts["skip"],
                "all_ok": counts["fail"] == 0,
            },
        }
    )


def _count(results: list[Result]) -> Counter[str]:
    return Counter(result.finding.state for result in results)
