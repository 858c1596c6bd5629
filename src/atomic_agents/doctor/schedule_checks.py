"""Checks of schedules and of what drives them: what is overdue, never fired or driven twice, and who has died."""

from collections.abc import Iterator

from atomic_agents._version import __version__
from atomic_agents.doctor.check import Examination, Finding, State
from atomic_agents.fleet import beats, watch
from atomic_agents.vault import schedules as stated_schedules
from atomic_agents.vault.vault import Agent


def drivers(examination: Examination) -> Iterator[Finding]:
    """At most one entry of this machine drives the schedules.

    `atomic-agents schedule uninstall` takes one away; no time is fired twice meanwhile.
    """
    found = watch.drivers(examination.root, examination.find_services())
    if len(found) > 1:
        message = f"{' and '.join(found)} both drive the schedules of this vault"
        yield Finding("warn", message, f"atomic-agents schedule uninstall --{found[-1]}")


def workers(examination: Examination) -> Iterator[Finding]:
    """Every worker that was started is alive and runs this version, or has said good-bye.

    `atomic-agents worker` starts another one, which takes up what a dead one has left, and forgets it.
    """
    for beat in beats.every(examination.vault.store):
        state = beat.state(examination.now)
        if state == "alive":
            if beat.package != __version__:
                message = f"the worker {beat.name} on {beat.host} still runs {beat.package}; this is {__version__}"
                yield Finding("warn", message, f"kill {beat.pid}\natomic-agents worker  (or: atomic-agents deploy up)")
            continue
        heard = f"last heard of {beat.at.astimezone(examination.now.tzinfo):%Y-%m-%d %H:%M}"
        message = f"the worker {beat.name}, process {beat.pid} on {beat.host}, is {state}: {heard}"
        yield Finding("warn", message, f"ps -p {beat.pid}" if state == "stuck" else "atomic-agents worker")


def schedules(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its schedules can be read, and what they were due for was fired.

    `atomic-agents schedule run-due` fires what is due by hand; `atomic-agents schedule install` has the machine do it.
    """
    for stated in stated_schedules.of(examination.vault, agent.name):
        for problem in watch.look(examination.vault.store, stated, examination.now):
            state: State = "fail" if problem.severity == "error" else "warn"
            yield Finding(state, f"{problem.where}: {problem.message}", problem.hint)
