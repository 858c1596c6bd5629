"""schedule: run-due, install, uninstall."""

import json
from collections.abc import Callable, Iterator, Mapping

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace, yes_option
from atomic_agents.core.errors import Busy, UsageError
from atomic_agents.operations import driving, firing, fitting
from atomic_agents.operations.firing import Fired
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
            waiting = [name for name in names if firing.is_due(opened, name)]
            render.say_json({"due": waiting}) if as_json else render.say("\n".join(waiting) or "nothing is due")
            return 0
        found = list(_of_one(opened, agent) if agent else _of_all(opened))
    if as_json:
        fired = [each for each in found if "code" not in each]
        render.say_json(
            {"fired": fired, "problems": [each for each in found if "code" in each], "failed": _failed(found)}
        )
    return int(_failed(found))


def _of_one(opened: Workspace, agent: str) -> Iterator[Mapping[str, object]]:
    """What is due of one agent, as JSON; said as it comes."""
    for problem in firing.broken(opened, agent):
        render.problems("error", [problem])
        yield {"code": "schedule-invalid", "message": f"{problem.where}: {problem.message}", "failed": True}
    try:
        for fired in firing.fire(opened, agent, render.notice):
            yield _said(fired)
    except Busy as error:  # another driver is at it, or a run; what is due stays due
        render.talk(f"{agent}: {error.message}; what is due stays due")


def _of_all(opened: Workspace) -> Iterator[Mapping[str, object]]:
    """What is due of all agents; a process for each says it on standard error as it comes."""
    root = str(opened.config.root)
    for ended in driving.Drive(opened, lambda agent: ["schedule", "run-due", agent, "--json", "--root", root]).go():
        try:
            value = json.loads(ended.said)
        except ValueError:
            value = {}
        yield from value.get("fired", ())
        yield from value.get("problems", ())
        if "fired" not in value:  # what failed was none of its runs
            message = value.get("error", {}).get("message", f"its process ended with {ended.code}")
            render.talk(f"{ended.agent}: {message}")
            yield {"code": "agent-failed", "message": f"{ended.agent}: {message}", "failed": True}


def _said(fired: Fired) -> Mapping[str, object]:
    missed = f", {fired.missed:,} missed before it" if fired.missed else ""
    why = f": {fired.why}" if fired.why else ""
    at = f"{fired.scheduled_for:%Y-%m-%d %H:%M}"
    render.talk(f"{fired.agent}/{fired.schedule} for {at}: {fired.outcome}{why}{missed}")
    return {
        "agent": fired.agent,
        "schedule": fired.schedule,
        "scheduled_for": fired.scheduled_for.isoformat(),
        "outcome": fired.outcome,
        "run_id": fired.run_id or None,
        "why": fired.why or None,
        "missed": fired.missed,
        "failed": fired.failed,
    }


def _failed(found: list[Mapping[str, object]]) -> bool:
    return any(each.get("failed") for each in found)


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
