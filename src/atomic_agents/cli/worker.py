"""worker."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import click

from atomic_agents.bootstrap import open_workspace, preload
from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.core.errors import AtomicAgentsError, UsageError
from atomic_agents.fleet import beats
from atomic_agents.operations import jobs, working
from atomic_agents.operations.jobs import Event
from atomic_agents.operations.working import Worker
from atomic_agents.operations.workspace import Workspace

_SECONDS = 86_400


@click.command("worker")
@click.option("--once", is_flag=True, help="Do what is due now, and end; exit 1 where something failed.")
@click.option("--list", "listed", is_flag=True, help="The workers of this vault; exit 1 where none is alive.")
@click.option(
    "--drain", type=click.FloatRange(0, _SECONDS), default=working.DRAIN, show_default=True,
    help="Seconds that runs get to end when it is told to.",
)  # fmt: skip
@click.option("--name", default="", metavar="NAME", help="What it is called in the list; default worker-PROCESS.")
@json_option
@common
def worker_command(once: bool, listed: bool, drain: float, name: str, as_json: bool, root: str | None) -> int:
    """Stay, and drive what is due: schedules, runs whose approvals you have answered, alerts that could not be sent.

    Ctrl-C or SIGTERM ends it: nothing more is begun, and runs that are under way get their time. Any number of workers,
    and cron besides, may drive one vault: each time is fired once.
    """
    if once and listed:
        raise UsageError("--once or --list, not both", hint="atomic-agents worker --once")
    if name and name != beats.clean(name):
        raise UsageError(f"{name!r} cannot name a worker", hint=f"--name {beats.clean(name) or 'worker-1'}")
    with workspace(root) as opened:
        opened.require()
        if listed:
            return _list(opened, as_json=as_json)
        opened.refuse_newer()
        name = "" if once else name or f"worker-{os.getpid()}"
        worker = Worker(opened, partial(open_workspace, opened.config), name=name, drain=drain)
        preload(() if once else _models(opened))
        if name:
            where = str(opened.config.root)
            _say(Event("started", "", f"{name} drives {where}", facts={"name": name, "root": where}), as_json=as_json)
        with _told_by_signals(worker):
            failed = False
            for event in worker.go(once=once):
                failed |= _say(event, as_json=as_json)
    if name:
        _say(Event("ended", "", f"{name} has ended", facts={"name": name}), as_json=as_json)
    return int(once and failed)


def _say(event: Event, *, as_json: bool) -> bool:
    """A line of what was done; whether it failed."""
    if as_json:
        render.say(json.dumps(event.as_json(), ensure_ascii=False, default=str))
        return event.failed
    label = "error: " if event.failed and event.kind in (jobs.PROBLEM, jobs.FAILED) else ""
    render.say(f"{label}{event.words}")
    if label:
        render.hint(str(event.facts.get("hint", "")))
    return event.failed


def _list(opened: Workspace, *, as_json: bool) -> int:
    found = working.every(opened)
    if as_json:
        render.say_json([beat.as_json() | {"state": state} for beat, state in found])
    elif found:
        rows = [
            (beat.name, state, beat.host, str(beat.pid), f"{beat.at.astimezone():%Y-%m-%d %H:%M:%S}",
             ", ".join(beat.doing) or "-")
            for beat, state in found
        ]  # fmt: skip
        render.table(rows, ("worker", "state", "host", "process", "heard of", "at work on"))
    else:
        render.talk("no workers")
        render.hint("atomic-agents worker")
    return int(not any(state == "alive" for _, state in found))


@contextmanager
def _told_by_signals(worker: Worker) -> Iterator[None]:
    """Ctrl-C and SIGTERM have the worker end."""

    def tell(_signal: int, _frame: FrameType | None) -> None:
        worker.told()

    before = {each: signal.signal(each, tell) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _models(opened: Workspace) -> list[str]:
    """The models that its agents may ask."""
    found: list[str] = []
    for name in opened.vault.survey().agents:
        try:
            stated = opened.vault.settings(opened.vault.agent(name)).model
        except AtomicAgentsError:  # told by whoever runs it
            continue
        found += [each for each in (stated.model, stated.fallback_model) if each]
    return found
