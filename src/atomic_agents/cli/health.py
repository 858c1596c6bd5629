"""doctor."""

import shlex
import sys
from collections import Counter

import click

from atomic_agents.cli import render
from atomic_agents.cli.memory_verbs import ask
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace
from atomic_agents.core.errors import AtomicAgentsError, InternalError
from atomic_agents.doctor.check import SLOW, Result
from atomic_agents.operations import fixing, health
from atomic_agents.operations.workspace import Workspace

_MARKS = {"fail": "error", "warn": "warning"}


@click.command("doctor")
@click.option("--agent", default="", metavar="NAME", help="Examine one agent; default all.")
@click.option("--no-mcp", is_flag=True, help="Leave MCP servers out.")
@click.option("--fix", "check", default="", metavar="CHECK", help="Show what would mend CHECK, ask, and do only that.")
@click.option("--live", is_flag=True, help="Also ask each provider for one word: real calls, under the caps, logged.")
@click.option(
    "--send-test", is_flag=True, help="Only send a test message through each channel for alerts, and say how it went."
)
@dry_run_option
@click.option("--yes", is_flag=True, help="With --fix: do not ask.")
@json_option
@common
def doctor_command(
    agent: str, no_mcp: bool, check: str, live: bool, send_test: bool, dry_run: bool, yes: bool, as_json: bool,
    root: str | None,
) -> int:  # fmt: skip
    """What is wrong, and the literal command that mends it. Changes nothing, unless --fix says what.

    Exit 0: ready. 1: a check failed. 2: a bug in doctor itself.
    """
    try:
        with workspace(root) as opened:
            if check:
                return _fix(opened, check, agent, dry_run=dry_run, yes=yes, as_json=as_json)
            if send_test:
                results = health.send_test(opened)
            else:
                results = health.examine(opened, agent=agent, with_mcp=not no_mcp)
                results += health.live(opened, agent=agent) if live else []
    except (AtomicAgentsError, click.Abort):
        raise
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        hint = f"{shlex.join(['atomic-agents', *sys.argv[1:]])} --debug, and report what it prints"
        render.report(InternalError(f"a bug in doctor: {type(error).__name__}: {error}", hint=hint), as_json=as_json)
        return 2
    if as_json:
        _say_json(results)
    elif send_test:
        _say_sent(results)
    else:
        _say(results)
    return 1 if _count(results)["fail"] else 0


def _fix(opened: Workspace, check: str, agent: str, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Show what mends a check, ask, and do it."""
    found = fixing.plan(opened, check, agent)
    diff = [line for fix in found for line in fixing.diff(opened, fix)]
    done = bool(found) and not dry_run
    if not as_json:
        for line in diff or [f"{check}: nothing to mend here; atomic-agents doctor says what is wrong"]:
            render.say(render.command(line) if not diff else line)
    if done:
        paths = {path for fix in found for path in fixing.documents(fix)}
        again = shlex.join(["atomic-agents", "doctor", *(["--agent", agent] if agent else []), "--fix", check, "--yes"])
        ask(f"change {render.count(len(paths), 'document')}", again, yes=yes, silent=as_json)
        for fix in found:
            fixing.apply(opened, fix)
        if not as_json:
            render.say(f"{check}: {render.count(len(paths), 'document')} changed")
    if as_json:
        render.say_json({"check": check, "diff": diff, "applied": done})
    return 0


_MOST = 5
"""How many findings of one check are told one by one; --json has them all."""


def _say(results: list[Result]) -> None:
    counts = _count(results)
    told: Counter[tuple[str, str, str]] = Counter()
    for result in sorted(results, key=lambda r: r.finding.state != "fail"):
        label = _MARKS.get(result.finding.state)
        key = (result.check, result.agent, result.finding.state)
        told[key] += label is not None
        if label and told[key] <= _MOST:
            whose = f" [{result.agent}]" if result.agent else ""
            render.say(f"{label}: {result.check}{whose}: {result.finding.message}")
            for line in render.hint_lines(result.finding.hint):
                render.say(line)
    for (check, agent, _), number in told.items():
        if number > _MOST:
            name = f" --agent {shlex.quote(agent)}" if agent else ""
            render.say(render.command(f"and {number - _MOST:,} more of {check}: atomic-agents doctor{name} --json"))
    for result in {(each.check, each.agent): each for each in results if each.seconds >= SLOW}.values():
        render.talk(f"{result.check} {result.agent}".rstrip() + f" took {render.duration(result.seconds * 1000)}")
    agents = len({result.agent for result in results if result.agent})
    summary = f"{render.count(agents, 'agent')}, {render.count(counts['pass'], 'check')} passed"
    summary += f", {render.count(counts['warn'], 'warning')}" if counts["warn"] else ""
    render.say(f"not ready: {counts['fail']:,} failed, {summary}" if counts["fail"] else f"ready: {summary}")


def _say_sent(results: list[Result]) -> None:
    for result in results:
        failed = result.finding.state == "fail"
        render.say(f"error: {result.finding.message}" if failed else result.finding.message)
        for line in render.hint_lines(result.finding.hint):
            render.say(line)


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
