"""Drive what is due in a vault, a process for each agent: until nothing is, or for as long as a worker is wanted."""

import datetime
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from atomic_agents.core.errors import AtomicAgentsError, VaultTooNew
from atomic_agents.fleet import beats
from atomic_agents.fleet.beats import Beat
from atomic_agents.migration import newer
from atomic_agents.operations.children import Children, Opener
from atomic_agents.operations.jobs import BUSY, FAILED, JOBS, NOTICE, PROBLEM, Event, Job
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import hands, layout

AT_ONCE = 4
"""How many agents are at work at the same time."""

DRAIN = 30.0
"""Seconds that runs get to end when a worker is told to."""

_TICK = 1.0
_LOOK = 60.0
_PAUSE_BUSY, _PAUSE_IDLE, _PAUSE_FAILED, _PAUSE_LONGEST = 10.0, 60.0, 60.0, 3600.0
_Key = tuple[str, str]


@dataclass
class _Seen:
    """A mark of something to do: since when it stands, how often it was tried in vain, when it may be tried again."""

    mark: str
    since: float
    tries: int = 0
    not_before: float = 0.0
    outcome: str = ""


@dataclass
class Worker:
    """`told` is called from anywhere, a signal handler too. `name` is what its beats are called, "" for none."""

    workspace: Workspace
    open_workspace: Opener
    jobs: Mapping[str, Job] = field(default_factory=lambda: JOBS)
    name: str = ""
    drain: float = DRAIN
    _times_told: int = 0
    _seen: dict[_Key, _Seen] = field(default_factory=dict)
    _begun: dict[_Key, _Seen] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    _troubles: list[Event] = field(default_factory=list)
    _agents: tuple[str, ...] = ()
    _sight: tuple[object, ...] = ()
    _next: datetime.datetime | None = None
    _look_at: float = 0.0
    _beat: Beat | None = None

    def told(self) -> None:
        """End: begin nothing more, and let what is going on end in its time; told twice, it gets none."""
        self._times_told += 1

    def go(self, *, once: bool) -> Iterator[Event]:
        """Do what is due, until nothing is (`once`) or it is told to end.

        Raises:
            VaultTooNew: a newer package has migrated it.
        """
        children = Children(self.open_workspace)
        newer: VaultTooNew | None = None
        try:
            yield from self._begin()
            while not self._times_told:
                try:
                    yield from self._start(children, once=once)
                except VaultTooNew as error:
                    newer = error
                    break
                if once and not children.keys:
                    return
                yield from self._hear(children, self._rest())
                self._pulse(children)
            yield from self._drained(children)
        finally:
            for _ in children.end():  # nothing is left behind, whatever happened
                pass
            self._good_bye()
        if newer is not None:
            raise newer

    def _begin(self) -> Iterator[Event]:
        if not self.name:
            return
        now = self.workspace.clock()
        dead = beats.gone(self.workspace.store, now)
        for beat in dead:
            yield Event(NOTICE, "", f"worker {beat.name} had died; it was last heard of {beat.at:%Y-%m-%d %H:%M}")
        beats.forget(self.workspace.store, dead)
        self._beat = Beat(self.name, socket.gethostname(), os.getpid(), now, now)
        self._send_beat(self._beat)

    def _drained(self, children: Children) -> Iterator[Event]:
        """Give what is going on its time, then have it recorded as interrupted."""
        if children.keys:
            agents = ", ".join(agent or job for job, agent in children.keys)
            yield Event(NOTICE, "", f"ending; {agents} may go on for {self.drain:g} s")
        children.ask()
        until = time.monotonic() + self.drain
        while children.keys and self._times_told < 2 and time.monotonic() < until:
            yield from self._hear(children, min(_TICK, until - time.monotonic()))
            self._pulse(children)
        for key, event in children.end():
            yield from self._take(key, event)

    def _start(self, children: Children, *, once: bool) -> Iterator[Event]:
        """Look where something may have changed, and begin with what is ready."""
        try:
            if not self._is_time():
                return
            ready = self._look()
        except VaultTooNew:
            raise
        except AtomicAgentsError as error:  # a disk that is away may come back
            self._look_at = time.monotonic() + _PAUSE_BUSY
            yield from self._once_only(_problem(error))
            return
        while self._troubles:
            yield from self._once_only(self._troubles.pop())
        for key in ready:
            if len(children.keys) >= AT_ONCE:
                self._look_at = 0.0
                return
            seen, job = self._seen[key], self.jobs[key[0]]
            now = time.monotonic()
            if key in children.keys or now < seen.not_before or (not once and now < seen.since + job.patience):
                continue
            if once:
                seen.not_before = float("inf")
            seen.outcome = ""
            self._begun[key] = seen
            children.start(key, job.act)

    def _is_time(self) -> bool:
        if self._next is not None and self.workspace.clock() >= self._next:
            return True
        return time.monotonic() >= self._look_at or self._glance() != self._sight

    def _look(self) -> list[_Key]:
        """What there is to do now, each with the mark for which it is to be done."""
        workspace = self.workspace
        workspace.require()
        newer.refuse_migrated(workspace.store)
        self._look_at = time.monotonic() + _LOOK
        if holder := workspace.holder("migration"):
            self._troubles.append(Event(NOTICE, "", f"a migration is under way, {holder}; nothing is begun meanwhile"))
            self._next = None
            return []
        self._agents = tuple(workspace.vault.survey().agents)
        self._sight = self._glance()
        found: dict[_Key, str] = {}
        times = []
        for name, job in self.jobs.items():
            try:
                outlook = job.look(workspace, self._agents)
            except AtomicAgentsError as error:  # the other jobs go on
                self._troubles.append(_problem(error))
                continue
            found |= {(name, agent): mark for agent, mark in outlook.ready.items()}
            times += [outlook.next] if outlook.next else []
        self._next = min((at for at in times if at > workspace.clock()), default=None)
        now = time.monotonic()
        known = self._seen
        self._seen = {
            key: known[key] if key in known and known[key].mark == mark else _Seen(mark, now)
            for key, mark in found.items()
        }
        again = [max(seen.not_before, seen.since + self.jobs[key[0]].patience) for key, seen in self._seen.items()]
        self._look_at = min([self._look_at, *(at for at in again if at > now)])
        return list(found)

    def _glance(self) -> tuple[object, ...]:
        """What stands for all that may bring something to do; cheap enough for every second."""
        store = self.workspace.store
        waiting = tuple((entry.path, entry.modified) for entry in store.list(hands.WAITING))
        folders = [layout.SCHEDULE_STATES, layout.ALERTS, layout.HISTORY, *map(layout.schedules, self._agents)]
        folders += map(hands.approvals, self._agents if waiting else ())
        seen = ((entry.path, entry.size, entry.modified) for folder in folders for entry in store.list(folder))
        return (waiting, *seen)

    def _rest(self) -> float:
        """Seconds for which there is surely nothing to begin."""
        if self._next is None:
            return _TICK
        return min(_TICK, max((self._next - self.workspace.clock()).total_seconds(), 0.0))

    def _hear(self, children: Children, seconds: float) -> Iterator[Event]:
        for key, event in children.heard(seconds):
            yield from self._take(key, event)

    def _take(self, key: _Key, event: Event | None) -> Iterator[Event]:
        """Pass on what a process says; when it has ended, what it was begun for may have to wait, and nothing newer."""
        seen = self._begun[key]
        if event is None:
            self._pause(seen)
            self._look_at = 0.0
            return
        if event.kind != NOTICE:
            seen.outcome = FAILED if FAILED in (event.kind, seen.outcome) else event.kind
        yield from self._once_only(event) if event.kind in (PROBLEM, BUSY) else (event,)

    def _pause(self, seen: _Seen) -> None:
        if seen.not_before == float("inf"):  # it is done once
            return
        pause = 0.0
        match seen.outcome:
            case "busy":
                pause = _PAUSE_BUSY
            case "" | "problem":
                pause = _PAUSE_IDLE
            case _:  # where it stands as it was, it has not helped
                pause = min(_PAUSE_FAILED * 2**seen.tries, _PAUSE_LONGEST)
                seen.tries += 1
        seen.not_before = time.monotonic() + pause

    def _once_only(self, event: Event) -> Iterator[Event]:
        if event.words not in self._said:
            self._said.add(event.words)
            yield event

    def _pulse(self, children: Children) -> None:
        """Say that it is alive, now and then."""
        now = self.workspace.clock()
        if self._beat is not None and abs((now - self._beat.at).total_seconds()) >= beats.EVERY:
            self._beat = replace(self._beat, at=now, doing=[f"{job} {agent}".strip() for job, agent in children.keys])
            self._send_beat(self._beat)

    def _send_beat(self, beat: Beat) -> None:
        try:
            if self.workspace.exists():  # else it would be made anew where its disk is away
                self.workspace.store.apply(beats.put(beat))
        except AtomicAgentsError:  # told by whatever else cannot be written
            return

    def _good_bye(self) -> None:
        if self._beat is not None:
            try:
                beats.forget(self.workspace.store, [self._beat])
            except AtomicAgentsError:  # as above
                return


def _problem(error: AtomicAgentsError) -> Event:
    return Event(PROBLEM, "", error.message, failed=True, facts={"code": error.code, "hint": error.hint})


def every(workspace: Workspace) -> list[tuple[Beat, str]]:
    """The workers that have not said good-bye, each with its state."""
    workspace.require()
    now = workspace.clock()
    return [(beat, beat.state(now)) for beat in beats.every(workspace.store)]
