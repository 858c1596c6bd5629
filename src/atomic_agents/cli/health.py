"""doctor."""

import sys

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
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
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        render.talk(f"error: a bug in doctor: {type(error).__name__}: {error}")
        render.hint("run it again with --debug and report what it prints")
        return 2
    failed = [result for result in results if result.finding.state == "fail"]
    if as_json:
        _say_json(results)
    else:
        _say(results)
    return 1 if failed else 0


def _say(results: list[Result]) -> None:
    counts = {state: sum(1 for r in results if r.finding.state == state) for state in ("pass", "fail", "warn", "skip")}
    for result in sorted(results, key=lambda r: r.finding.state != "fail"):
        label = _MARKS.get(result.finding.state)
        if label:
            whose = f" [{result.agent}]" if result.agent else ""
            render.say(f"{label}: {result.check}{whose}: {result.finding.message}")
            for line in result.finding.hint.splitlines():
                render.say(f"  hint: {line}")
    agents = len({result.agent for result in results if result.agent})
    summary = f"{render.count(agents, 'agent')}, {render.count(counts['pass'], 'check')} passed"
    summary += f", {render.count(counts['warn'], 'warning')}" if counts["warn"] else ""
    verdict = f"not ready: {counts['fail']} failed" if counts["fail"] else "ready"
    render.say(f"{verdict}: {summary}" if not counts["fail"] else f"{verdict}, {summary}")


def _say_json(results: list[Result]) -> None:
    counts = {state: sum(1 for r in results if r.finding.state == state) for state in ("pass", "fail", "warn", "skip")}
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
