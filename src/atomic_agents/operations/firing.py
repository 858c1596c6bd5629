"""Fire what is due of one agent's schedules: each time is claimed before its run begins, and settled after it."""

import datetime
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from atomic_agents.budget import alerts
from atomic_agents.core.change import ChangeSet, Revision, revision
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable, RunInterrupted
from atomic_agents.core.values import Problem
from atomic_agents.fleet import condition, standing, watch
from atomic_agents.fleet.condition import ConditionFailed
from atomic_agents.fleet.schedule import ON_TIME, Due, due, upcoming
from atomic_agents.fleet.standing import Claim, Last, Standing
from atomic_agents.migration import newer
from atomic_agents.operations import alerting, runs
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order
from atomic_agents.runtime.transcript import new_run_id
from atomic_agents.vault import layout, log, schedules
from atomic_agents.vault.schedules import Schedule
from atomic_agents.vault.vault import problem_of

TRIGGER = "cron"
"""What the published log calls a run that no person started."""

MOST_TRIES = 3
"""How often a time is taken up again whose run never began."""

_NEEDS_NOBODY = frozenset({Ending.OK, Ending.SKIPPED, Ending.WAITING, "missed", "nothing-to-do"})

_KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "XDG_RUNTIME_DIR", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of one time of a schedule; `missed` are those that were let go before it."""

    agent: str
    schedule: str
    scheduled_for: datetime.datetime
    outcome: str
    run_id: str = ""
    why: str = ""
    missed: int = 0

    @property
    def failed(self) -> bool:
        """Whether somebody has to look at it."""
        return self.outcome not in _NEEDS_NOBODY

    @property
    def words(self) -> str:
        """It in a line."""
        missed = f", {self.missed:,} missed before it" if self.missed else ""
        why = f": {self.why}" if self.why else ""
        return f"{self.agent}/{self.schedule} for {self.scheduled_for:%Y-%m-%d %H:%M}: {self.outcome}{why}{missed}"

    def as_json(self) -> dict[str, object]:
        """It as JSON."""
        return {
            "agent": self.agent,
            "schedule": self.schedule,
            "scheduled_for": self.scheduled_for.isoformat(),
            "outcome": self.outcome,
            "run_id": self.run_id or None,
            "why": self.why or None,
            "missed": self.missed,
            "failed": self.failed,
        }


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to do for an agent now, "" for nothing: another text when that changes. And when there will be."""

    mark: str
    next: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is to be done next for one schedule."""

    schedule: Schedule
    standing: Standing
    expect: Revision
    due: Due | None

    @property
    def at(self) -> datetime.datetime:
        claim = self.standing.claim
        return claim.scheduled_for if claim else self.due.until if self.due else self.standing.since


def outlook(workspace: Workspace, agent: str) -> Outlook:
    """What there is to do for an agent, a document with errors included; nothing is locked or written."""
    marks, times = [], []
    for stated in schedules.of(workspace.vault, agent):
        try:
            known, _ = standing.read(workspace.store, agent, stated.name)
        except DocumentUnreadable as error:
            marks.append(error.message)
            continue
        if stated.schedule is None:
            marks += [f"{workspace.clock():%Y-%m-%d} {problem.where} {problem.message}" for problem in stated.problems]
        elif _needs_a_look(workspace, stated.schedule, known):
            marks.append(f"{stated.name} {known.since if known else ''} {known.claim if known else ''}")
        elif known is not None:
            at = known.claim.claimed_at + ON_TIME if known.claim else upcoming(stated.schedule, known.since)
            times += [at] if at else []
    return Outlook("; ".join(marks), min(times, default=None))


def broken(workspace: Workspace, agent: str) -> list[Problem]:
    """The schedules of an agent that cannot be fired at all; the operator is alerted once a day."""
    found = [problem for each in schedules.of(workspace.vault, agent) for problem in _broken(workspace, each)]
    if found:
        _tell(workspace, agent, "schedule-invalid", f"{found[0].where}: {found[0].message}")
    return found


def fire(workspace: Workspace, agent: str, on_notice: Callable[[str], None]) -> Iterator[Fired]:
    """Fire everything that is due of an agent, the oldest time first, one after the other.

    Raises:
        AgentMissing: there is no such agent.
        Busy: another driver is at it, or a run of the agent is under way; what is due stays due.
        RunInterrupted: the operator stopped a run.
        VaultTooNew: a newer package has migrated the vault; what is due stays due.
    """
    workspace.require()
    home = workspace.vault.agent(agent).name
    with workspace.store.lock(f"schedules/{home}", wait=0):
        while pending := _next(workspace, home):
            with workspace.store.lock(f"agent/{home}", wait=0):
                pass  # a run that is under way goes first, and nothing is claimed for it to wait with
            newer.refuse_migrated(workspace.store)
            workspace.refuse_newer(home)
            found = _settle(workspace, pending, on_notice)
            if found is not None:
                yield found


def _needs_a_look(workspace: Workspace, schedule: Schedule, known: Standing | None) -> bool:
    if known is None or known.shape != schedule.shape:
        return True
    now = workspace.clock()
    if known.claim is not None:
        return not _is_theirs(known.claim, now)
    return not schedule.paused and due(schedule, known.since, now) is not None


def _is_theirs(claim: Claim | None, now: datetime.datetime) -> bool:
    """Whether another machine has taken a time just now: where its lock does not reach here, its word must do."""
    return claim is not None and claim.host != socket.gethostname() and now - claim.claimed_at < ON_TIME


def _next(workspace: Workspace, agent: str) -> _Pending | None:
    """The schedule whose time is the oldest; those that are new, or are due at other times now, begin with this."""
    now, found = workspace.clock(), []
    for stated in schedules.of(workspace.vault, agent):
        schedule = stated.schedule
        try:
            known, expect = standing.read(workspace.store, agent, stated.name)
        except DocumentUnreadable:  # told with what else is broken
            continue
        if schedule is None:
            continue
        if known is None or known.shape != schedule.shape:
            anew = standing.put(schedule, standing.fresh(schedule, now, known), expect)
            workspace.store.apply(ChangeSet(f"schedule {agent}/{schedule.name} as it stands now", (anew,)))
            continue
        next_due = None if schedule.paused else due(schedule, known.since, now)
        if not _is_theirs(known.claim, now) and (known.claim is not None or next_due is not None):
            found.append(_Pending(schedule, known, expect, next_due))
    return min(found, key=lambda each: each.at, default=None)


def _settle(workspace: Workspace, pending: _Pending, on_notice: Callable[[str], None]) -> Fired | None:
    """Settle the next time of a schedule, by a run or without one."""
    if pending.standing.claim is not None:
        return _take_up(workspace, pending, pending.standing.claim, on_notice)
    due_now = pending.due
    assert due_now is not None  # noqa: S101 - or there was nothing to do
    if due_now.at is None:
        after = replace(pending.standing, since=due_now.until, missed=pending.standing.missed + due_now.missed)
        last = Last(due_now.until, workspace.clock(), "missed")
        return _end(workspace, replace(pending, standing=after), last, missed=due_now.missed)
    now = workspace.clock()
    claim = Claim(due_now.at, now, new_run_id(now), due_now.missed, socket.gethostname())
    try:
        verdict = condition.judge(
            workspace.store, pending.schedule, pending.standing.seen, folder=str(workspace.config.root),
            environ=_environ(workspace),
        )  # fmt: skip
    except ConditionFailed as error:
        after = pending.standing.claimed(claim, due_now.until)
        words = f"the condition of {pending.schedule.name}: {error}"
        _tell(workspace, pending.schedule.agent, "condition-failed", words)
        last = Last(claim.scheduled_for, now, Ending.ERROR, why=str(error))
        return _end(workspace, replace(pending, standing=after), last, missed=claim.missed)
    after = pending.standing.claimed(claim, due_now.until)
    if not verdict.wakes:
        last = Last(claim.scheduled_for, now, "nothing-to-do", why=verdict.why)
        return _end(workspace, replace(pending, standing=after), last, missed=claim.missed)
    return _run(workspace, replace(pending, standing=replace(after, seen=verdict.seen)), claim, on_notice)


def _take_up(
    workspace: Workspace, pending: _Pending, claim: Claim, on_notice: Callable[[str], None]
) -> Fired | None:  # fmt: skip
    """Settle a time whose driver died: what began is what it was, and what did not is caught up or missed."""
    schedule = pending.schedule
    runs.say_closed(workspace.close_crashed_runs(), on_notice)
    if watch.begun(workspace.store, schedule.agent, claim.run_id):
        ending = _ending(workspace, schedule.agent, claim.run_id)
        last = Last(claim.scheduled_for, claim.claimed_at, ending, claim.run_id)
        return _end(workspace, pending, last, missed=claim.missed)
    newer = schedule.catch_up == "latest" and pending.due is not None and pending.due.at is not None
    if schedule.catch_up == "skip" or newer or schedule.paused or claim.tries >= MOST_TRIES:
        why = f"{claim.host} claimed it and its run never began"
        _tell(workspace, schedule.agent, "never-began", f"{schedule.name}: {why}")
        after = replace(pending.standing, missed=pending.standing.missed + 1)
        last = Last(claim.scheduled_for, claim.claimed_at, "missed", why=why)
        return _end(workspace, replace(pending, standing=after), last)
    on_notice(f"{schedule.name} of {schedule.agent} was claimed by {claim.host} and never began; it is fired now")
    again = replace(claim, claimed_at=workspace.clock(), host=socket.gethostname(), tries=claim.tries + 1)
    return _run(workspace, replace(pending, standing=replace(pending.standing, claim=again)), again, on_notice)


def _run(workspace: Workspace, pending: _Pending, claim: Claim, on_notice: Callable[[str], None]) -> Fired:
    """Claim a time, run the agent on it, and settle it."""
    schedule = pending.schedule
    put = standing.put(schedule, pending.standing, pending.expect)
    workspace.store.apply(ChangeSet(f"claim schedule {schedule.agent}/{schedule.name}", (put,)))
    occasion = {
        "schedule": schedule.name, "scheduled_for": claim.scheduled_for.isoformat(),
        "fired_at": workspace.clock().isoformat(timespec="seconds"), "missed": claim.missed,
    }  # fmt: skip
    order = Order(schedule.work_item, TRIGGER, max_cost=schedule.max_cost, occasion=occasion)
    failure: AtomicAgentsError | None
    try:
        result = runs.run(
            workspace, schedule.agent, order, model_id=None, on_text=_unheard, on_notice=on_notice, run_id=claim.run_id
        )
    except AtomicAgentsError as error:
        failure, last = error, Last(claim.scheduled_for, claim.claimed_at, Ending.ERROR, why=error.message)
    else:
        failure = result.failure
        why = failure.message if failure else result.reason
        last = Last(claim.scheduled_for, claim.claimed_at, result.ending, result.run_id, why)
        for warning in result.warnings:
            on_notice(warning)
    settled = replace(pending, expect=revision(put.data))
    found = _end(workspace, settled, last, missed=claim.missed)
    if isinstance(failure, RunInterrupted):
        raise failure
    return found


def _end(workspace: Workspace, pending: _Pending, last: Last, *, missed: int = 0) -> Fired:
    """Write what came of a time."""
    schedule = pending.schedule
    after = replace(pending.standing, claim=None, last=last)
    put = standing.put(schedule, after, pending.expect)
    workspace.store.apply(ChangeSet(f"settle schedule {schedule.agent}/{schedule.name}", (put,)))
    return Fired(
        schedule.agent, schedule.name, last.scheduled_for, last.outcome, last.run_id, last.why, missed
    )  # fmt: skip


def _ending(workspace: Workspace, agent: str, run_id: str) -> str:
    """How a run ended, by its record."""
    path = layout.run_transcript(agent, run_id)
    blob = workspace.store.read(path)
    lines = [line.record for line in log.read(path, blob.data)] if blob else []
    return str(lines[-1].get("status") or Ending.CRASHED) if lines else Ending.CRASHED


def _broken(workspace: Workspace, stated: schedules.Stated) -> Iterator[Problem]:
    yield from (problem for problem in stated.problems if problem.severity == "error")
    try:
        standing.read(workspace.store, stated.agent, stated.name)
    except DocumentUnreadable as error:
        yield problem_of(error)


def _tell(workspace: Workspace, agent: str, code: str, message: str) -> None:
    today = workspace.clock().date()
    alerting.tell(
        workspace, list(alerts.of_failure(agent, TRIGGER, today, ending=Ending.ERROR, code=code, message=message))
    )


def _environ(workspace: Workspace) -> dict[str, str]:
    """What the command of a condition gets: no key of anybody's."""
    kept = {name: value for name, value in workspace.config.environ.items() if name in _KEPT}
    return {**kept, "ATOMIC_AGENTS_ROOT": str(workspace.config.root)}


def _unheard(_text: str) -> None:
    """Nobody is at the door; the answer is in the journal and the transcript."""
