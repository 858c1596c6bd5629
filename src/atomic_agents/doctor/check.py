"""What a check is, what it finds, and how all of them are run."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from atomic_agents.config import Config
from atomic_agents.core.document import MAX_BYTES, Document
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable, StorageFailed
from atomic_agents.core.model import Offer
from atomic_agents.core.store import Entry
from atomic_agents.core.values import Problem
from atomic_agents.migration.plan import Census, take_census
from atomic_agents.vault.layout import Kind, Place
from atomic_agents.vault.vault import Agent, AgentSettings, Survey, Vault, problem_of

State = Literal["pass", "fail", "warn", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: in words, and the command or edit that mends it."""

    state: State
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A finding of a check, for one agent ("" for the vault)."""

    check: str
    agent: str
    finding: Finding

    def as_json(self) -> dict[str, object]:
        """The published keys of a result, and the agent."""
        found = self.finding
        detail = {"agent": self.agent} if self.agent else {}
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
    vault: Vault
    check_model: Callable[[str], Offer]
    priced: Callable[[str], bool]
    strange: tuple[tuple[str, str], ...]
    now: datetime.datetime
    only_agent: str = ""
    with_mcp: bool = True
    _settings: dict[str, AgentSettings] = field(default_factory=dict)

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

    def settings(self, agent: Agent) -> AgentSettings:
        """The settings that hold for an agent."""
        if agent.name not in self._settings:
            self._settings[agent.name] = self.vault.settings(agent)
        return self._settings[agent.name]

    def documents(self, agent: Agent, *kinds: Kind) -> Iterator[tuple[Place, Document | Problem]]:
        """The documents of an agent, a problem in place of each that cannot be read."""
        for entry in self.survey.of(*kinds, agent=agent.name):
            place = self.survey.layout.place(entry.path)
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


VaultCheck = Callable[[Examination], Iterator[Finding]]
AgentCheck = Callable[[Examination, Agent], Iterator[Finding]]


def run(
    examination: Examination, of_vault: Mapping[str, VaultCheck], of_agents: Mapping[str, AgentCheck]
) -> list[Result]:
    """Run every check; one that finds nothing has passed, and its docstring says what.

    A check whose reading fails has failed with that error's message: it never ends the examination.
    """
    results = [result for name, check in of_vault.items() for result in _run(name, "", check, examination)]
    try:
        agents = examination.agents if of_agents else ()
    except AtomicAgentsError as error:
        return [*results, Result("vault", examination.only_agent, Finding("fail", error.message, error.hint))]
    for agent in agents:
        for name, check in of_agents.items():
            results += _run(name, agent.name, check, examination, agent)
    return results


def _run(name: str, agent: str, check: Callable[..., Iterator[Finding]], *inputs: object) -> list[Result]:
    try:
        found = list(check(*inputs))
    except AtomicAgentsError as error:
        found = [Finding("fail", error.message, error.hint)]
    passed = Finding("pass", (check.__doc__ or name).partition("\n")[0].rstrip("."))
    return [Result(name, agent, finding) for finding in found or [passed]]
