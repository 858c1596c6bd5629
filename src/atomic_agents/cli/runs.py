"""runs."""

import json
import time

import click

from atomic_agents.cli import render, timeline
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.core.errors import UsageError
from atomic_agents.operations import evidence, record, shapes, tail
from atomic_agents.operations.evidence import Checked
from atomic_agents.operations.record import RunLine
from atomic_agents.operations.tail import Happened
from atomic_agents.operations.workspace import Workspace

_PAUSE = 0.3  # seconds


@click.group("runs", invoke_without_command=True)
@click.pass_context
def runs_command(ctx: click.Context) -> None:
    """What runs there were, and what each did."""
    show_help(ctx)


@runs_command.command("list")
@click.argument("agent", required=False, default="")
@click.option("--since", metavar="DAY", help="From a day on: 2026-11-17, yesterday, monday.")
@click.option(
    "--status", metavar="STATUS", default="", help="Only runs that ended so (ok, truncated, refused, …), or open."
)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@json_option
@common
def runs_list(agent: str, since: str | None, status: str, limit: int, as_json: bool, root: str | None) -> None:
    """The runs of AGENT, or of all agents, newest first."""
    with workspace(root) as opened:
        _close_crashed(opened)
        day = record.day_of(since, opened.clock().date()) if since else None
        found = record.list_runs(opened, agent, since=day, status=status, limit=limit)
    if as_json:
        listed = [shapes.run_line(line) for line in found.runs]
        problems = [problem.as_json() for problem in found.problems]
        render.say_json({"runs": listed, "more": found.more, "problems": problems})
        return
    if not found.runs:
        render.talk("no runs")
    else:
        render.table([_row(line) for line in found.runs], ("run", "agent", "when", "status", "cost", "asked"))
    if found.more:
        render.talk(f"there are more; --limit {limit * 5}")
    render.problems("warning", found.problems)


@runs_command.command("show")
@click.argument("run", metavar="RUN|AGENT")
@click.option("--at", metavar="DAY", help="Every run of AGENT on a day: 2026-11-17, yesterday, tuesday.")
@click.option("--full", is_flag=True, help="Do not shorten long texts.")
@json_option
@common
def runs_show(run: str, at: str | None, full: bool, as_json: bool, root: str | None) -> None:
    """What a run was asked, had read, called, said, kept and cost.

    RUN is an id, the start or the end of one, or `last`; AGENT:last is the last one of an agent.
    """
    with workspace(root) as opened:
        _close_crashed(opened)
        if at:
            found = record.shown_at(opened, run, record.day_of(at, opened.clock().date()))
        else:
            found = [record.show(opened, run)]
    if as_json:
        render.say_json([shapes.run(each) for each in found] if at else shapes.run(found[0]))
        return
    for number, each in enumerate(found):
        if number:
            render.say()
        for line in timeline.whole(each, full=full):
            render.say(line)


@runs_command.command("tail")
@click.argument("agent", required=False, default="")
@click.option("--follow", "-f", is_flag=True, help="Go on until you stop it.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many events of before.")
@json_option
@common
def runs_tail(agent: str, follow: bool, limit: int, as_json: bool, root: str | None) -> None:
    """The last events of runs that are open or have just ended; with --json one event a line."""
    with workspace(root) as opened:
        if follow:
            found = tail.follow(opened, agent, limit=limit, pause=lambda: time.sleep(_PAUSE))
        else:
            found = iter(tail.tail(opened, agent, limit=limit))
        some = False
        for each in found:
            some = True
            _say_event(each, as_json=as_json)
        if not some:
            render.talk("nothing has run yet")


@runs_command.command("resume")
@click.argument("run", required=False, default="")
@click.option("--last", is_flag=True, help="The last run that was cut off.")
@click.option("--model", metavar="ID", help="Another model than the one that was asked before.")
@click.option("--max-cost", metavar="USD", help="The most it may cost, with what it has cost already.")
@click.option("--critical", is_flag=True, help="Pass the daily cap once.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is whole.")
@json_option
@common
def runs_resume(
    run: str, last: bool, model: str | None, max_cost: str | None, critical: bool, no_stream: bool, as_json: bool,
    root: str | None,
) -> int:  # fmt: skip
    """Finish RUN, which was cut off: what the model has answered is not asked again.

    RUN is named as in `runs show`. It goes on as a run of its own, which costs only what is asked now.
    """
    # 30 ms that only a run needs.
    from atomic_agents.cli import run as running  # noqa: PLC0415
    from atomic_agents.operations import finishing  # noqa: PLC0415

    if bool(run) == last:
        raise UsageError("name a run, or say --last", hint="atomic-agents runs resume --last")
    with workspace(root) as opened:
        streams = running.streams(no_stream=no_stream, as_json=as_json)
        wish = finishing.Wish(model, running.usd(max_cost), critical)
        result = finishing.resume(opened, run, wish, on_text=running.printed(streams=streams), on_notice=render.notice)
        return running.finish(result, None, as_json=as_json, streamed=streams)


@runs_command.command("verify")
@click.argument("run", nargs=-1)
@click.option("--agent", default="", metavar="AGENT", help="Every run of one agent.")
@json_option
@common
def runs_verify(run: tuple[str, ...], agent: str, as_json: bool, root: str | None) -> int:
    """Whether transcripts are as they were written: RUN, or all of them.

    Exit code 1 where a line was edited, removed or inserted.
    """
    if run and agent:
        raise UsageError("name runs or an agent, not both", hint=f"atomic-agents runs verify --agent {agent}")
    with workspace(root) as opened:
        _close_crashed(opened)
        found = evidence.verify(opened, run, agent)
    counts = evidence.summary(found)
    broken = counts.get("broken", 0) + counts.get("missing", 0)
    if as_json:
        render.say_json({"counts": counts, "runs": [_checked_json(checked) for checked in found]})
        return 1 if broken else 0
    for checked in found:
        if run or checked.verdict.state in ("broken", "missing"):
            render.say(f"{checked.run_id} {checked.agent}: {checked.verdict.state}")
        if run or checked.verdict.state != "unverifiable":
            for note in checked.verdict.notes:
                render.talk(f"  {checked.path}: {note}")
        render.problems("error", checked.verdict.problems)
    words = ", ".join(f"{number:,} {state}" for state, number in counts.items()) or "nothing to verify"
    render.say(f"{render.count(len(found), 'transcript')}: {words}" if found else "there are no transcripts")
    return 1 if broken else 0


def _close_crashed(opened: Workspace) -> None:
    for run_id in opened.close_crashed_runs():
        render.notice(f"the process of {run_id} had died; its log line is written now")


def _row(line: RunLine) -> tuple[str, ...]:
    cost = "?" if line.cost is None else render.money(line.cost)
    return line.run_id or line.where, line.agent, timeline.when(line.at), line.ending or "?", cost, line.summary


def _say_event(each: Happened, *, as_json: bool) -> None:
    if as_json:
        value = {"run_id": each.run_id, "agent": each.agent, **shapes.event(each.event)}
        render.say(json.dumps(value, ensure_ascii=False, default=str))
        return
    for line in timeline.happened(each):
        render.say(line)


def _checked_json(checked: Checked) -> dict[str, object]:
    return {
        "run_id": checked.run_id,
        "agent": checked.agent,
        "path": checked.path,
        "state": checked.verdict.state,
        "problems": [problem.as_json() for problem in checked.verdict.problems],
        "notes": list(checked.verdict.notes),
    }
