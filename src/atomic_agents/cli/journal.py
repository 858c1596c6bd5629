"""journal: show, add, search."""

import datetime
import sys

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.cli.search import search_command
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import parse_date
from atomic_agents.operations import journal


@click.group("journal", invoke_without_command=True)
@click.pass_context
def journal_command(ctx: click.Context) -> None:
    """What happened, day by day."""
    show_help(ctx)


@journal_command.command("show")
@click.argument("agent")
@click.argument("day", required=False, default="")
@json_option
@common
def journal_show(agent: str, day: str, as_json: bool, root: str | None) -> None:
    """The journal of AGENT on DAY (YYYY-MM-DD), or its newest day."""
    with workspace(root) as opened:
        path, text = journal.show(opened, agent, _day(day))
    if as_json:
        render.say_json({"path": path, "text": text})
        return
    render.talk(path)
    click.echo(text, nl=not text.endswith("\n"))


@journal_command.command("add")
@click.argument("agent")
@click.argument("text")
@click.option("--anyway", is_flag=True, help="Though it looks like a key.")
@json_option
@yes_option
@dry_run_option
@common
def journal_add(agent: str, text: str, anyway: bool, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Write TEXT (`-` for standard input) into today's journal of AGENT."""
    said = sys.stdin.read() if text == "-" else text
    if not said.strip():
        raise UsageError("there is nothing to write", hint=f"atomic-agents journal add {agent} 'the roof is mended'")
    with workspace(root) as opened:
        path, change = journal.adding(opened, agent, said, anyway=anyway)
        diff = list(change.diff(lambda each: blob.data if (blob := opened.store.read(each)) else None))
        if not dry_run:
            opened.store.apply(change)
    if as_json:
        render.say_json({"path": path, "written": not dry_run, "diff": diff})
        return
    for line in diff if dry_run else []:
        render.say(line)
    render.say(f"would write {path}" if dry_run else f"wrote {path}")


def _day(text: str) -> datetime.date | None:
    found = parse_date(text) if text else None
    if text and found is None:
        raise UsageError(f"{text!r} is no day", hint="write it as 2026-12-31")
    return found


journal_command.add_command(search_command("its journal", "journal"))
