"""schedule: run-due, install, uninstall."""

from collections.abc import Callable, Iterator
from functools import partial

import click

from atomic_agents.bootstrap import open_workspace
from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace, yes_option
from atomic_agents.core.errors import UsageError
from atomic_agents.operations import fitting, jobs, working
from atomic_agents.operations.jobs import Event
from atomic_agents.operations.workspace import Workspace

Command = Callable[..., object]


@click.command("run-due")
@click.argument("agent", required=False, default="")
@click.option("--dry-run", is_flag=True, help="Say which agents have something due; fire nothing.")
@json_option
@common
def run_due(agent: str, dry_run: bool, as_json: bool, root: str | None) -> int:
    """Fire what is due of AGENT, or of all agents, each time once whoever calls this, and end.

    Exit 0: nothing was due, or all that was fired went well. 1: something failed.
    """
    with workspace(root) as opened:
        opened.require()
        names = (opened.vault.agent(agent).name,) if agent else opened.vault.survey().agents
        if dry_run:
            waiting = sorted(jobs.look_at_schedules(opened, names).ready)
            render.say_json({"due": waiting}) if as_json else render.say("\n".join(waiting) or "nothing is due")
            return 0
        events = jobs.fire(opened, names[0]) if agent else _of_all(opened)
        found = [event for event in map(_said, events) if event.kind not in (jobs.NOTICE, jobs.BUSY)]
    failed = any(event.failed for event in found)
    if as_json:
        fired = [event.facts for event in found if event.kind == jobs.FIRED]
        problems = [{"code": event.facts["code"], "message": event.words, "failed": True}
                    for event in found if "code" in event.facts]  # fmt: skip
        render.say_json({"fired": fired, "problems": problems, "failed": failed})
    return int(failed)


def _of_all(opened: Workspace) -> Iterator[Event]:
    """What is due of all agents, a process for each."""
    yield from working.Worker(opened, partial(open_workspace, opened.config), jobs.SCHEDULES).go(once=True)


def _said(event: Event) -> Event:
    """The event, once it is told."""
    if event.kind == jobs.NOTICE:
        render.notice(event.words)
    elif event.kind == jobs.PROBLEM:
        render.trouble(event.words, str(event.facts.get("hint", "")))
    else:
        render.talk(event.words)
    return event


def _kinds(command: Command) -> Command:
    """`--cron`, `--systemd` and `--launchd`."""
    for kind in reversed(fitting.KINDS):
        words = f"By {kind}; default what this machine has."
        command = click.option(f"--{kind}", "kinds", flag_value=kind, multiple=True, help=words)(command)
    return command


@click.command("install")
@_kinds
@dry_run_option
@yes_option
@json_option
@common
def install(kinds: tuple[str, ...], dry_run: bool, as_json: bool, root: str | None) -> None:
    """Have this machine fire what is due: one entry, started every minute, for all schedules of the vault."""
    _fit(kinds, root, remove=False, dry_run=dry_run, as_json=as_json)


@click.command("uninstall")
@_kinds
@dry_run_option
@yes_option
@json_option
@common
def uninstall(kinds: tuple[str, ...], dry_run: bool, as_json: bool, root: str | None) -> None:
    """Take that entry away. The schedules stay."""
    _fit(kinds, root, remove=True, dry_run=dry_run, as_json=as_json)


def _fit(kinds: tuple[str, ...], root: str | None, *, remove: bool, dry_run: bool, as_json: bool) -> None:
    if len(kinds) > 1:
        raise UsageError(f"--{kinds[0]} or --{kinds[1]}, not both", hint=f"atomic-agents schedule install --{kinds[0]}")
    with workspace(root) as opened:
        plan = fitting.planned(opened, *kinds, remove=remove)
        kind, changes = plan.fitting.kind, plan.fitting.changes
        if not dry_run and (changes or not remove):
            if not as_json:
                _talk_lines(plan)
            fitting.carried_out(opened, plan)
    if as_json:
        files = [{"name": each.name, "before": each.before, "after": each.after} for each in plan.fitting.files]
        shown = files if kind != "cron" else []  # the crontab holds what is none of ours
        render.say_json({"kind": kind, "changes": changes, "done": not dry_run, "files": shown, "notes": plan.notes})
        return
    if dry_run:
        for line in plan.diff():
            render.say(line)
    for note in plan.notes:
        render.notice(note)
    if not changes:
        render.say(f"{kind}: {'there is no entry for this vault' if remove else 'it is installed already'}")
    elif not dry_run:
        render.say(f"{kind} {'drives this vault no more' if remove else 'fires what is due, every minute'}")


def _talk_lines(plan: fitting.Plan) -> None:
    for line in plan.diff():
        render.talk(line)
