"""What an agent has spent, summed from its log; sums of files that have not changed are kept between runs."""

import datetime
from decimal import Decimal
from typing import Protocol

from atomic_agents.budget.limits import Spent
from atomic_agents.core.store import Entry, Store
from atomic_agents.core.values import Usd
from atomic_agents.vault import layout, log


class SumCache(Protocol):
    """Sums of log files by path and stamp; what is in it is never the truth."""

    def spend(self, path: str, stamp: str) -> tuple[Usd, str] | None:
        """The sum of a file as it was at `stamp` and its first bad line ("" if none), or None where it is not known."""
        ...

    def keep_spend(self, path: str, stamp: str, total: Usd, bad_line: str) -> None:
        """Remember a sum."""
        ...


def spent(store: Store, agent: str, today: datetime.date, cache: SumCache) -> Spent:
    """What the log says was spent today and in this month, days being the operator's."""
    day, month = Decimal(0), Decimal(0)
    unreadable: list[str] = []
    for entry in store.list(layout.log_month(agent, today)):
        if not entry.path.endswith(".jsonl"):
            continue
        total, bad_line = _sum(store, entry, cache)
        month += total
        if entry.path == layout.log_day(agent, today):
            day = total
        if bad_line:
            unreadable.append(bad_line)
    return Spent(day, month, tuple(unreadable))


def _sum(store: Store, entry: Entry, cache: SumCache) -> tuple[Usd, str]:
    known = cache.spend(entry.path, entry.stamp)
    if known is not None:
        return known
    blob = store.read(entry.path)
    total, bad_line = Decimal(0), ""
    for line in log.read(entry.path, blob.data if blob else b""):
        cost = None if line.problem else log.cost(line.record)
        if cost is None:
            bad_line = bad_line or f"{entry.path}:{line.number} is not a record with a cost"
        elif line.record.get("trigger") != "delegate" or "delegate_run_id" not in line.record:
            # A coordinator's line about a delegate repeats what the delegate's own log states.
            total += cost
    cache.keep_spend(entry.path, entry.stamp, total, bad_line)
    return total, bad_line
