"""The money that all agents of a vault share: what is spent, what is set aside, and the one step that does both.

A reservation is a line in the transcript of the run that holds it, so it lasts as long as the run and is settled with
it, also where the process dies. The lock makes the verdict and that line one step; nobody holds it while a model works.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from atomic_agents.budget import ledger
from atomic_agents.budget.ledger import SumCache
from atomic_agents.budget.limits import Spent
from atomic_agents.core.store import Store
from atomic_agents.core.values import Usd
from atomic_agents.runtime.transcript import spending
from atomic_agents.vault import layout, log
from atomic_agents.vault.settings import CostGuardrails

_LOCK = "budget"
_WAIT = 60.0
_LOOKS_AGAIN = 2


@dataclass
class Pool:
    """What one run may take of the vault's money. `set_aside` writes a sum into the run's transcript."""

    store: Store
    guardrails: CostGuardrails
    run_id: str
    sums: SumCache
    set_aside: Callable[[Usd], None]
    _agents: tuple[str, ...] = field(default=())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Judge and set aside inside: no other run of the vault does so meanwhile; free where there is no cap.

        Raises:
            Busy: somebody has held it for a minute.
        """
        if not self.guardrails.enabled:
            yield
            return
        with self.store.lock(_LOCK, wait=_WAIT):
            yield

    def reserve(self, quote: Usd) -> None:
        """Set `quote` aside where a cap of the vault makes it matter."""
        if self.guardrails.enabled and quote > 0:
            self.set_aside(quote)

    def spent(self, now: datetime.datetime) -> Spent:
        """What all agents have spent, and what other runs that are under way have cost or can still cost."""
        held, logged = self._look(now)
        for _ in range(_LOOKS_AGAIN):
            # A run that ended in between stands in the log as well; looking again tells the two apart.
            if all(self.store.read(layout.open_run(run_id)) for run_id in held):
                break
            held, logged = self._look(now)
        aside = sum((usd for _, usd in held.values()), Decimal(0))
        return logged + Spent(aside, aside)

    def _look(self, now: datetime.datetime) -> tuple[dict[str, tuple[str, Usd]], Spent]:
        """What is held and what is logged, in this order, so that a run that ends meanwhile is never in neither."""
        held = self._held()
        return held, self._logged(now, {agent for agent, _ in held.values()})

    def _logged(self, now: datetime.datetime, running: set[str]) -> Spent:
        if not self._agents:
            self._agents = layout.agents(self.store.paths())
        agents = sorted({*self._agents, *running})
        return sum((ledger.spent(self.store, agent, now, self.sums) for agent in agents), Spent())

    def _held(self) -> dict[str, tuple[str, Usd]]:
        """Agent and sum of each other run that is under way, by run id."""
        found = {}
        for path in self.store.paths(layout.OPEN_RUNS):
            run_id = layout.open_run_id(path)
            blob = self.store.read(path) if run_id != self.run_id else None
            if blob is not None:
                events = [line.record for line in log.read(path, blob.data) if line.record]
                found[run_id] = (str(events[0].get("agent", "")) if events else "", _most_of(events))
        return found


def _most_of(events: Sequence[Mapping[str, object]]) -> Usd:
    """What a run that is under way has cost, and the most of what it has set aside."""
    known = [event for event in events if event.get("event") in ("reserved", "asking", "answered", "failed")]
    aside = known[-1].get("quote") if known and known[-1]["event"] == "reserved" else 0
    return spending(list(events)) + Decimal(str(aside or 0))
