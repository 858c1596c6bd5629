"""What is done without a person at the door: times that are due, answers that were given, alerts that were not sent."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError, Busy
from atomic_agents.operations import alerting, approvals, firing
from atomic_agents.operations.workspace import Workspace

FIRED = "fired"
PROBLEM = "problem"
BUSY = "busy"
FAILED = "failed"
NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was done or seen, in a line of words; `failed` says that somebody has to look at it."""

    kind: str
    agent: str
    words: str
    failed: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The event as JSON."""
        return {"event": self.kind, "agent": self.agent or None, "message": self.words, "failed": self.failed,
                **self.facts}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outlook:
    """Which agents have something to do now, each with a mark that is another one when that changes; and when next."""

    ready: Mapping[str, str]
    next: datetime.datetime | None = None


class Job(NamedTuple):
    """`look` locks and writes nothing; `act` does what there is for one agent, in a process of its own."""

    look: Callable[[Workspace, Sequence[str]], Outlook]
    act: Callable[[Workspace, str], Iterator[Event]]
    patience: float = 0.0
    """Seconds that a worker leaves it to whoever may be about to do it."""


def look_at_schedules(workspace: Workspace, agents: Sequence[str]) -> Outlook:
    """Times that are due, and schedules that cannot be read."""
    seen = {agent: _outlook(workspace, agent) for agent in agents}
    times = [found.next for found in seen.values() if found.next is not None]
    return Outlook({agent: found.mark for agent, found in seen.items() if found.mark}, min(times, default=None))


def _outlook(workspace: Workspace, agent: str) -> firing.Outlook:
    try:
        return firing.outlook(workspace, agent)
    except AtomicAgentsError as error:  # told by whoever tries to fire them; the other agents go on
        return firing.Outlook(error.message)


def fire(workspace: Workspace, agent: str) -> Iterator[Event]:
    """Fire what is due of an agent."""
    for problem in firing.broken(workspace, agent):
        message = f"{problem.where}: {problem.message}"
        yield Event(PROBLEM, agent, message, failed=True, facts={"code": "schedule-invalid", "hint": problem.hint})
    said: list[str] = []
    try:
        for fired in firing.fire(workspace, agent, said.append):
            yield from _notices(agent, said)
            yield Event(FIRED, agent, fired.words, fired.failed, fired.as_json())
    except Busy as error:  # another driver is at it, or a run
        yield Event(BUSY, agent, f"{agent}: {error.message}; what is due stays due")
    finally:
        yield from _notices(agent, said)


def look_at_answers(workspace: Workspace, _agents: Sequence[str]) -> Outlook:
    """Requests that were answered or have expired, and whose runs nobody has gone on with."""
    ready: dict[str, str] = {}
    times = []
    for item in approvals.awaited(workspace):
        if item.answered:
            ready[item.agent] = f"{ready.get(item.agent, '')} {item.id} {item.state}"
        elif item.expires is not None:
            times.append(item.expires)
    return Outlook(ready, min(times, default=None))


def go_on(workspace: Workspace, agent: str) -> Iterator[Event]:
    """Go on with the runs of an agent that have an answer."""
    said: list[str] = []
    results = approvals.meet_answers(workspace, said.append, agent)
    yield from _notices(agent, said)
    for result in results:
        failed = result.failure is not None and result.ending is not Ending.WAITING
        facts = {"run_id": result.run_id, "outcome": result.ending}
        yield Event("resumed", agent, f"{result.run_id} of {agent}: {result.ending}", failed, facts)


def look_at_alerts(workspace: Workspace, _agents: Sequence[str]) -> Outlook:
    """Alerts that nobody has sent, or that could not be sent and may be tried again."""
    waiting, again_at = alerting.outstanding(workspace)
    return Outlook({"": " ".join(waiting)} if waiting else {}, again_at)


def send(workspace: Workspace, _agent: str) -> Iterator[Event]:
    """Send them."""
    waiting, _ = alerting.outstanding(workspace)
    troubles = alerting.tell(workspace, [])
    for words in troubles:
        yield Event("alerts", "", words, failed=True)
    if waiting and not troubles:
        yield Event("alerts", "", f"{len(waiting):,} sent: {', '.join(waiting)}")


SCHEDULES: Mapping[str, Job] = {"schedules": Job(look_at_schedules, fire)}
JOBS: Mapping[str, Job] = {
    "answers": Job(look_at_answers, go_on, patience=3.0),  # the command that answers goes on by itself
    **SCHEDULES,
    "alerts": Job(look_at_alerts, send),
}


def _notices(agent: str, said: list[str]) -> Iterator[Event]:
    """What was said, once."""
    while said:
        yield Event(NOTICE, agent, said.pop(0))
