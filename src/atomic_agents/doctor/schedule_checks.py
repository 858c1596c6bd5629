"""Checks of schedules: what is overdue, never fired or driven twice."""

from collections.abc import Iterator

from atomic_agents.doctor.check import Examination, Finding, State
from atomic_agents.fleet import watch
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


def schedules(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its schedules can be read, and what they were due for was fired.

    `atomic-agents schedule run-due` fires what is due by hand; `atomic-agents schedule install` has the machine do it.
    """
    for stated in stated_schedules.of(examination.vault, agent.name):
        for problem in watch.look(examination.vault.store, stated, examination.now):
            state: State = "fail" if problem.severity == "error" else "warn"
            yield Finding(state, f"{problem.where}: {problem.message}", problem.hint)
