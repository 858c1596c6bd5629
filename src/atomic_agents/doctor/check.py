"""What a check is, what it finds, and how all of them are run."""

import datetime
import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from atomic_agents.budget import ledger, prices
from atomic_agents.budget.limits import Spent
from atomic_agents.budget.prices import Prices
from atomic_agents.config import Config
from atomic_agents.core import aside
from atomic_agents.core.channel import Channel
from atomic_agents.core.document import MAX_BYTES, Document
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable, StorageFailed
from atomic_agents.core.model import Offer
from atomic_agents.core.service import Service
from atomic_agents.core.store import Entry, Store
from atomic_agents.core.values import Problem, Usd
from atomic_agents.doctor.reading import ReadOnce
from atomic_agents.migration.plan import Census, take_census
from atomic_agents.vault import layout, note
from atomic_agents.vault.kinds import Kind, Place
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Agent, AgentSettings, Survey, Vault, problem_of

State = Literal["pass", "fail", "warn", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: in words, and the command or edit that mends it."""

    state: State
    message: str
    hint: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


SLOW = 2.0
"""Seconds from which on a check says how long it took."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finding of a check, for one agent ("" for the vault); `seconds` is what the whole check took."""

    check: str
    agent: str
    finding: Finding
    seconds: float = 0.0

    def as_json(self) -> dict[str, object]:
        """The published keys of a result; in `detail` the agent, the page that explains it, and what was counted."""
        found = self.finding
        detail: dict[str, object] = {"agent": self.agent} if self.agent else {}
        detail |= {"doc": f"docs/reference/checks.md#{self.check}", **found.detail}
        if self.seconds >= SLOW:
            detail["seconds"] = round(self.seconds, 1)
        return {
            "name": self.check,
            "status": found.state,
            "message": found.message,
            "fix_hint": found.hint,
            "detail": detail,
        }


@dataclass
class Examination:
    """What the checks look at, each thing read once. Nothing in it writes."""

    config: Config
    store: Store
    check_model: Callable[[str], Offer]
    priced: Callable[[str], bool]
    now: datetime.datetime
    open_channels: Callable[[], Mapping[str, Channel]]
    """The channels that alerts can take, by kind."""
    list_strange: Callable[[], Sequence[tuple[str, str]]] = tuple
    """What a listing leaves out, and why."""
    holder: Callable[[str], str] = lambda _name: ""
    """Who holds a lock, in words; "" where nobody does."""
    find_services: Callable[[], Sequence[Service]] = tuple
    variable: Callable[[str], str | None] = lambda _name: None
    """What a variable or secret that a file of the operator's names stands for."""
    has_variable: Callable[[str], bool] = lambda _name: False
    """Whether there is one, as far as that can be told without asking for it."""
    secrets: Sequence[str] = ()
    """What must not be printed, whoever says it."""
    waiting: Callable[[], Sequence[tuple[str, str]]] = tuple
    """The approvals that agents wait for: agent and time, the oldest first."""
    lost: Callable[[], Sequence[tuple[str, str, str]]] = tuple
    """The requests that can never be granted: agent, what is wrong, what can be done."""
    exports: bool = False
    """Whether runs that end are sent as traces."""
    only_agent: str = ""
    with_mcp: bool = True
    _settings: dict[str, AgentSettings] = field(default_factory=dict)
    _spent: dict[str, Spent] = field(default_factory=dict)
    _memory: dict[str, list[tuple[Place, Document | Problem]]] = field(default_factory=dict)
    _notes: dict[str, dict[str, Note]] = field(default_factory=dict)

    @cached_property
    def vault(self) -> Vault:
        """The documents, each read once."""
        return Vault(ReadOnce(self.store))

    @property
    def root(self) -> Path:
        """The vault's folder."""
        return self.config.root

    @cached_property
    def survey(self) -> Survey:
        """Every document and what it is."""
        return self.vault.survey()

    @cached_property
    def agents(self) -> tuple[Agent, ...]:
        """The agents to examine."""
        names = (self.only_agent,) if self.only_agent else self.survey.agents
        return tuple(self.vault.agent(name) for name in names)

    @cached_property
    def census(self) -> Census:
        """How many documents are at which version."""
        return take_census(self.vault, self.survey)

    @cached_property
    def by_agent(self) -> Mapping[str, Sequence[tuple[Entry, Place]]]:
        """Every document with where it stands, by the agent that it belongs to; "" has those of the vault itself."""
        found: dict[str, list[tuple[Entry, Place]]] = {}
        for entry in self.survey.entries:
            place = self.survey.layout.place(entry.path)
            found.setdefault(place.agent, []).append((entry, place))
        return found

    @property
    def entries(self) -> Iterator[tuple[Entry, Place]]:
        """Every document that is looked at: where one agent is examined, its own and those of the vault itself."""
        whose = ("", self.only_agent) if self.only_agent else tuple(self.by_agent)
        return (each for agent in whose for each in self.by_agent.get(agent, ()))

    @cached_property
    def prices(self) -> Prices:
        """What tokens cost here."""
        return prices.load(self.vault)

    def spent(self, agent: str) -> Spent:
        """What an agent has spent today and this month."""
        if agent not in self._spent:
            self._spent[agent] = ledger.spent(self.vault.store, agent, self.now, _Forgetful())
        return self._spent[agent]

    def settings(self, agent: Agent) -> AgentSettings:
        """The settings that hold for an agent."""
        if agent.name not in self._settings:
            self._settings[agent.name] = self.vault.settings(agent)
        return self._settings[agent.name]

    def memory(self, agent: Agent) -> Sequence[tuple[Place, Document | Problem]]:
        """Its notes and pages, without those of dreams; a problem in place of each that cannot be read."""
        if agent.name not in self._memory:
            found = self._documents(agent, Kind.NOTE, Kind.WIKI)
            self._memory[agent.name] = [each for each in found if "/dreams/" not in each[1].path]
        return self._memory[agent.name]

    def notes(self, agent: Agent) -> Mapping[str, Note]:
        """Its notes that can be read, by file."""
        if agent.name not in self._notes:
            self._notes[agent.name] = {
                place.name: note.read(found, place.name)
                for place, found in self.memory(agent)
                if place.kind is Kind.NOTE
                and layout.is_note(place.name)
                and isinstance(found, Document)
                and not self.vault.is_sync_copy(found.path)
            }
        return self._notes[agent.name]

    def _documents(self, agent: Agent, *kinds: Kind) -> Iterator[tuple[Place, Document | Problem]]:
        """The documents of an agent, a problem in place of each that cannot be read."""
        for entry, place in self.by_agent.get(agent.name, ()):
            if place.kind not in kinds:
                continue
            try:
                yield place, self._document(entry, place)
            except DocumentUnreadable as error:
                yield place, problem_of(error)
            except StorageFailed as error:
                yield place, Problem(entry.path, 0, error.message.removeprefix(f"{entry.path}: "), error.hint)

    def _document(self, entry: Entry, place: Place) -> Document:
        if entry.size > MAX_BYTES:
            self.vault.note(entry, place.name)  # raises, in the words that every other reader uses
        document = self.vault.document(entry.path)
        if document is None:
            raise StorageFailed(f"{entry.path}: it went away while it was read", hint="atomic-agents doctor")
        return document


class _Forgetful:
    """Sums that nobody keeps: keeping them would write."""

    def spend(self, _path: str, _stamp: str) -> None:
        """Nothing is known."""

    def keep_spend(self, path: str, stamp: str, total: Usd, bad_line: str) -> None:
        """Nothing is kept."""


VaultCheck = Callable[[Examination], Iterator[Finding]]
AgentCheck = Callable[[Examination, Agent], Iterator[Finding]]


def run(
    examination: Examination,
    of_vault: Mapping[str, VaultCheck],
    of_agents: Mapping[str, AgentCheck],
    waits: Collection[str] = (),
) -> list[Result]:
    """Run every check; one that finds nothing has passed, and its docstring says what.

    A check whose reading fails has failed with that error's message: it never ends the examination. Those whose names
    are in `waits` wait for other programs most of the time, so they run next to each other and to the rest.
    """
    jobs: list[_Job] = [(name, "", check, (examination,)) for name, check in of_vault.items()]
    try:
        agents = examination.agents if of_agents else ()
        missing = []
    except AtomicAgentsError as error:
        agents = ()
        missing = [Result("vault", examination.only_agent, Finding("fail", error.message, error.hint))]
    jobs += [
        (name, agent.name, check, (examination, agent)) for agent in agents for name, check in of_agents.items()
    ]  # fmt: skip
    elsewhere = _elsewhere(examination) if agents else frozenset()
    copied = [at for at, job in enumerate(jobs) if job[1] in elsewhere and job[0] not in waits]
    results = aside.begin(lambda: [_run(jobs[at]) for at in copied]) if copied else list
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = {at: pool.submit(_run, job) for at, job in enumerate(jobs) if job[0] in waits}
        done = {at: _run(job) for at, job in enumerate(jobs) if at not in begun and at not in copied}
        done |= {at: future.result() for at, future in begun.items()}
    done |= dict(zip(copied, results(), strict=True))
    return [result for at in range(len(jobs)) for result in done[at]] + missing


def _elsewhere(examination: Examination) -> frozenset[str]:
    """The agents of a large vault that a copy of this process examines: two thirds, as the vault's own checks stay."""
    documents = {agent.name: len(examination.by_agent.get(agent.name, ())) for agent in examination.agents}
    if len(documents) < 2 or sum(documents.values()) < _LARGE:
        return frozenset()
    reached = itertools.accumulate(documents.values())
    return frozenset(
        name for name, below in zip(documents, reached, strict=True) if below <= sum(documents.values()) * 2 / 3
    )


_LARGE = 5_000
_AT_ONCE = 8
_Job = tuple[str, str, Callable[..., Iterator[Finding]], tuple[object, ...]]
"""A check to run: its name, the agent, the function and what it looks at."""


def _run(job: _Job) -> list[Result]:
    name, agent, check, inputs = job
    begun = time.monotonic()
    try:
        found = list(check(*inputs))
    except AtomicAgentsError as error:
        found = [Finding("fail", error.message, error.hint)]
    took = time.monotonic() - begun
    passed = Finding("pass", (check.__doc__ or name).partition("\n")[0].rstrip("."))
    return [Result(name, agent, finding, took) for finding in found or [passed]]
