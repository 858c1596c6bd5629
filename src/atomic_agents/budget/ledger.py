"""What an agent has spent, summed from its log; sums of files that have not changed are kept between runs."""

import datetime
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple, Protocol

from atomic_agents.budget.limits import Spent
from atomic_agents.core.change import Append
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


class Sum(NamedTuple):
    """What the lines of a log cost when it was listed; `bad_line` is the first that cannot be told, or ""."""

    entry: Entry
    total: Usd
    bad_line: str


SKEW = datetime.timedelta(minutes=15)
"""How far the clocks of the machines that share a vault may be apart."""


def spent(store: Store, agent: str, now: datetime.datetime, cache: SumCache) -> Spent:
    """What the log says was spent today and in this month, days being the operator's.

    What is dated later than `now` counts as spent today: the clock may have been set back. What another machine has
    written on a day that begins earlier there is of that day, as its moment is not later.
    """
    today = now.date()
    day, month = Decimal(0), Decimal(0)
    unreadable: list[str] = []
    later: list[str] = []
    this_day = layout.log_day(agent, today)
    this_month = layout.log_month(agent, today)
    for entry in (*store.list(this_month), *_of_later_months(store, agent, today)):
        if not entry.path.endswith(".jsonl"):
            continue
        total, bad_line = _sum(store, entry, cache)
        dated = log.day_of(entry.path)
        if dated is not None and dated > today and (total or bad_line):
            future, line = _after(store, entry.path, now)
            day += future
            month += total if entry.path.startswith(this_month) else future
            later += [line] if line else []
        else:
            month += total
            day += total if entry.path == this_day else Decimal(0)
        if bad_line:
            unreadable.append(bad_line)
    return Spent(day, month, tuple(unreadable), tuple(later))


def _after(store: Store, path: str, now: datetime.datetime) -> tuple[Usd, str]:
    """What the lines of a log cost whose moment is later than now, and the first of them; "" where there is none.

    A line that states no moment counts, as its day is later.
    """
    blob = store.read(path)
    total, first = Decimal(0), ""
    for line in log.read(path, blob.data if blob else b""):
        cost, at = _cost(line.record), log.moment(line.record, now.tzinfo)
        if cost and (at is None or at > now + SKEW):
            total, first = total + cost, first or f"{path}:{line.number}"
    return total, first


def known(store: Store, path: str, cache: SumCache) -> Sum | None:
    """The sum of a log, where it can be told without reading it."""
    entry = _listed(store, path)
    found = cache.spend(path, entry.stamp) if entry else None
    return Sum(entry, *found) if entry and found else None


def keep_grown(store: Store, before: Sum, added: Append, cache: SumCache) -> None:
    """Keep the sum of a log to which nothing but `added` has been added, so that a long one is not read again."""
    entry = _listed(store, added.path)
    cost = _cost(json.loads(added.line))
    if entry and cost is not None and entry.size == before.entry.size + len(added.line.encode()) + 1:
        cache.keep_spend(added.path, entry.stamp, before.total + cost, before.bad_line)


def _of_later_months(store: Store, agent: str, today: datetime.date) -> Iterator[Entry]:
    """The logs of days in months after this one; nearly always there are none, which takes no look at each file."""
    folder, month = layout.log(agent), layout.log_month(agent, today)
    names = (path for path in store.paths(folder) if path > month and not path.startswith(month))
    later = {path[: path.rindex("/") + 1] for path in names if (day := log.day_of(path)) is not None and day > today}
    for each in sorted(later):
        yield from (entry for entry in store.list(each) if log.day_of(entry.path) is not None)


def _listed(store: Store, path: str) -> Entry | None:
    folder = path.rpartition("/")[0]
    return next((entry for entry in store.list(f"{folder}/") if entry.path == path), None)


def _sum(store: Store, entry: Entry, cache: SumCache) -> tuple[Usd, str]:
    found = cache.spend(entry.path, entry.stamp)
    if found is not None:
        return found
    blob = store.read(entry.path)
    total, bad_line = Decimal(0), ""
    for line in log.read(entry.path, blob.data if blob else b""):
        cost = None if line.problem else _cost(line.record)
        if cost is None:
            bad_line = bad_line or f"{entry.path}:{line.number} is not a record with a cost"
        else:
            total += cost
    cache.keep_spend(entry.path, entry.stamp, total, bad_line)
    return total, bad_line


def _cost(record: Mapping[str, object]) -> Usd | None:
    """What a line adds; nothing where it repeats what the log of a delegate states."""
    cost = log.cost(record)
    return Decimal(0) if cost is not None and log.repeats(record) else cost
