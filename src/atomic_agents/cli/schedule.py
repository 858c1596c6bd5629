"""schedule: add, list, show, pause, resume, remove, check; what drives them is in `schedule_driver`."""

import datetime
import shlex
from collections.abc import Sequence

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.cli.run import usd
from atomic_agents.cli.schedule_driver import install, run_due, uninstall
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import format_cap
from atomic_agents.operations import fitting, schedules
from atomic_agents.operations.schedules import Shown
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.schedules import CATCH_UP


@click.group("schedule", invoke_without_command=True)
@click.pass_context
def schedule_command(ctx: click.Context) -> None:
    """What agents are woken for and when, and what drives it."""
    show_help(ctx)


schedule_command.add_command(run_due)
schedule_command.add_command(install)
schedule_command.add_command(uninstall)


@schedule_command.command("add")
@click.argument("agent")
@click.option("--cron", required=True, metavar='"0 7 * * 1-5"', help="Minute, hour, day, month, day of the week.")
@click.option("--work-item", required=True, metavar="TEXT", help="What the agent is asked each time.")
@click.option("--name", default="", metavar="NAME", help="What it is called; default from the work item.")
@click.option("--time-zone", default="", metavar="ZONE", help="Of the times; default that of this machine.")
@click.option(
    "--catch-up", type=click.Choice(CATCH_UP), default="latest", show_default=True,
    help="What becomes of times that were missed: none is made up for, the last one, or all.",
)  # fmt: skip
@click.option("--jitter", default=0, type=click.IntRange(0), metavar="SECONDS", help="Fire up to so much later.")
@click.option("--max-cost", metavar="USD", help="The most each run may cost.")
@click.option("--if-changed", multiple=True, metavar="GLOB", help="Only where documents of AGENT changed. Repeatable.")
@click.option("--if-command", metavar="COMMAND", help="Only where this ends with 0; with 1 there is nothing to do.")
@dry_run_option
@yes_option
@json_option
@common
def schedule_add(
    agent: str, cron: str, work_item: str, name: str, time_zone: str, catch_up: str, jitter: int, max_cost: str | None,
    if_changed: Sequence[str], if_command: str | None, dry_run: bool, as_json: bool, root: str | None,
) -> None:  # fmt: skip
    """Wake AGENT at the times of a cron expression. It is a document that you can edit."""
    cost = usd(max_cost)
    gate = {"changed": list(if_changed), "command": _words(if_command)}
    with workspace(root) as opened:
        stated: dict[str, object] = {
            "cron": cron,
            "time_zone": time_zone or opened.config.time_zone,
            "work_item": work_item,
            "catch_up": catch_up,
            "jitter_s": jitter or None,
            "max_cost_usd": None if cost is None else float(cost),
            "only_if": {key: value for key, value in gate.items() if value},
        }
        kept = {key: value for key, value in stated.items() if value not in (None, {})}
        schedule, change = schedules.added(opened, agent, name, kept)
        if not _applied(opened, change, dry_run=dry_run):
            return
        found = schedules.find(opened, schedule.agent, schedule.name)
        drivers = fitting.driven_by(opened)
    if as_json:
        render.say_json(_json(found))
        return
    render.say(f"{schedule.agent} is woken for {schedule.name}, next {_next(found)}")
    render.talk(schedule.path)
    if not drivers:
        render.talk("nothing drives the schedules of this vault on this machine yet")
        render.hint("atomic-agents schedule install")


@schedule_command.command("list")
@click.argument("agent", required=False, default="")
@json_option
@common
def schedule_list(agent: str, as_json: bool, root: str | None) -> None:
    """The schedules of AGENT, or all of them."""
    with workspace(root) as opened:
        found = schedules.shown(opened, agent)
    if as_json:
        render.say_json([_json(each) for each in found])
    elif found:
        rows = [
            (each.stated.agent, each.stated.name, each.state, _cron(each), _next(each), _last(each)) for each in found
        ]
        render.table(rows, ("agent", "name", "state", "cron", "next", "last"))
    else:
        render.talk("there are no schedules")
        render.hint('atomic-agents schedule add AGENT --cron "0 7 * * 1-5" --work-item "…"')


@schedule_command.command("show")
@click.argument("agent")
@click.argument("name")
@json_option
@common
def schedule_show(agent: str, name: str, as_json: bool, root: str | None) -> None:
    """The schedule NAME of AGENT: what it asks, when, what came of it."""
    with workspace(root) as opened:
        found = schedules.find(opened, agent, name)
    if as_json:
        render.say_json(_json(found))
        return
    schedule, standing = found.stated.schedule, found.standing
    render.say(f"{found.stated.agent}/{name}: {found.state}")
    if schedule is not None:
        lines = {
            "work item": schedule.work_item,
            "cron": _cron(found),
            "next": _next(found),
            "last": _last(found),
            "missed": f"{standing.missed:,}" if standing else "",
            "catch up": schedule.catch_up,
            "jitter": f"up to {schedule.jitter.seconds} s" if schedule.jitter else "",
            "most": format_cap(schedule.max_cost) if schedule.max_cost is not None else "",
            "only if": "; ".join(filter(None, (", ".join(schedule.changed), shlex.join(schedule.command)))),
        }
        for key, value in lines.items():
            if value:
                render.say(f"  {key}: {value}")
    _say_problems([found])
    render.talk(found.stated.path)


@schedule_command.command("pause")
@click.argument("agent")
@click.argument("name")
@dry_run_option
@yes_option
@json_option
@common
def schedule_pause(agent: str, name: str, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Do not fire NAME of AGENT until it is resumed; what comes due meanwhile is forgotten."""
    with workspace(root) as opened:
        done = _applied(opened, schedules.paused(opened, agent, name), dry_run=dry_run)
    _say_done({"agent": agent, "name": name, "state": "paused"}, f"{name} is paused", done=done, as_json=as_json)


@schedule_command.command("resume")
@click.argument("agent")
@click.argument("name")
@dry_run_option
@yes_option
@json_option
@common
def schedule_resume(agent: str, name: str, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Fire NAME of AGENT from now on; whatever was due before is forgotten."""
    with workspace(root) as opened:
        done = _applied(opened, schedules.resumed(opened, agent, name), dry_run=dry_run)
        found = schedules.find(opened, agent, name)
    _say_done(_json(found), f"{name} is woken for again, next {_next(found)}", done=done, as_json=as_json)


@schedule_command.command("remove")
@click.argument("agent")
@click.argument("name")
@dry_run_option
@yes_option
@json_option
@common
def schedule_remove(agent: str, name: str, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Take the schedule NAME of AGENT away, and what is remembered of it. Its runs stay on record."""
    with workspace(root) as opened:
        done = _applied(opened, schedules.removed(opened, agent, name), dry_run=dry_run)
    _say_done({"agent": agent, "name": name, "state": "removed"}, f"{name} is removed", done=done, as_json=as_json)


@schedule_command.command("check")
@click.argument("agent", required=False, default="")
@json_option
@common
def schedule_check(agent: str, as_json: bool, root: str | None) -> int:
    """What is wrong with the schedules of AGENT, or with any: overdue, never fired, driven twice. Changes nothing."""
    with workspace(root) as opened:
        found = schedules.shown(opened, agent)
        drivers, driven_by = fitting.installed(opened), fitting.driven_by(opened)
    wrong = [problem for each in found for problem in each.problems]
    failed = len(drivers) > 1 or any(problem.severity == "error" for problem in wrong)
    if as_json:
        render.say_json({"drivers": drivers, "problems": [problem.as_json() for problem in wrong], "ok": not failed})
        return int(failed)
    _say_problems(found)
    if len(drivers) > 1:
        render.notice(f"{' and '.join(drivers)} both drive the schedules of this vault")
        render.hint(f"atomic-agents schedule uninstall --{drivers[-1]}")
    driven = f"driven by {', '.join(driven_by)}" if driven_by else "nothing drives them on this machine"
    render.say(f"{render.count(len(found), 'schedule')}, {render.count(len(wrong), 'problem')}; {driven}")
    return int(failed)


def _say_problems(found: Sequence[Shown]) -> None:
    for label in ("error", "warning"):
        render.problems(label, [each for shown in found for each in shown.problems if each.severity == label])


def _say_done(value: dict[str, object], words: str, *, done: bool, as_json: bool) -> None:
    if done and as_json:
        render.say_json(value)
    elif done:
        render.say(words)


def _applied(opened: Workspace, change: ChangeSet, *, dry_run: bool) -> bool:
    if not dry_run:
        opened.store.apply(change)
        return True
    for line in change.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
        render.say(line)
    return False


def _words(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise UsageError(f"--if-command: {str(error).lower()}", hint="--if-command 'test -s inbox.txt'") from None


def _cron(found: Shown) -> str:
    schedule = found.stated.schedule
    return f"{schedule.cron} {schedule.zone.key}" if schedule else "-"


def _next(found: Shown) -> str:
    return _at(found, found.next) if found.next else "-"


def _last(found: Shown) -> str:
    last = found.standing.last if found.standing else None
    if last is None:
        return "never"
    why = f": {last.why}" if last.why else ""
    return f"{_at(found, last.scheduled_for)} {last.outcome}{why}"


def _at(found: Shown, at: datetime.datetime) -> str:
    schedule = found.stated.schedule
    return f"{at.astimezone(schedule.zone) if schedule else at:%a %Y-%m-%d %H:%M}"


def _json(found: Shown) -> dict[str, object]:
    schedule, standing = found.stated.schedule, found.standing
    last, claim = (standing.last, standing.claim) if standing else (None, None)
    return {
        "agent": found.stated.agent,
        "name": found.stated.name,
        "path": found.stated.path,
        "state": found.state,
        "cron": schedule.cron if schedule else None,
        "time_zone": schedule.zone.key if schedule else None,
        "work_item": schedule.work_item if schedule else None,
        "catch_up": schedule.catch_up if schedule else None,
        "jitter_s": schedule.jitter.total_seconds() if schedule else None,
        "max_cost_usd": float(schedule.max_cost) if schedule and schedule.max_cost is not None else None,
        "only_if": {"changed": list(schedule.changed), "command": list(schedule.command)} if schedule else None,
        "next": found.next.isoformat() if found.next else None,
        "missed": standing.missed if standing else 0,
        "claimed": {"scheduled_for": claim.scheduled_for.isoformat(), "run_id": claim.run_id} if claim else None,
        "last": {
            "scheduled_for": last.scheduled_for.isoformat(), "at": last.at.isoformat(), "outcome": last.outcome,
            "run_id": last.run_id or None, "why": last.why or None,
        } if last else None,
        "problems": [problem.as_json() for problem in found.problems],
    }  # fmt: skip
