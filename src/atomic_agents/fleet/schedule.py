"""When a schedule is due: pure, from its document, what was settled already and the time.

Every time that a schedule names is settled once: it is fired, or it is counted as missed.
"""

import datetime
import hashlib
from collections import deque
from dataclasses import dataclass

from atomic_agents.vault import cron
from atomic_agents.vault.schedules import Schedule

ON_TIME = datetime.timedelta(minutes=15)
"""What is fired within this is fired on time."""

MOST_KEPT = 100
"""How many missed times `catch_up: all` makes up for; older ones are let go."""

_MOST_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be settled next: the time to fire, None where there is none, and how many were missed before it.

    Everything up to `until` is settled with that.
    """

    at: datetime.datetime | None
    missed: int
    until: datetime.datetime


def due(schedule: Schedule, since: datetime.datetime, now: datetime.datetime) -> Due | None:
    """What is due where everything up to `since` is settled; None where nothing is."""
    kept: deque[datetime.datetime] = deque(maxlen=MOST_KEPT if schedule.catch_up == "all" else 1)
    reached, passed, until = now - offset(schedule), 0, since
    for at in cron.times(schedule.cron, schedule.zone, since):
        if at > reached:
            break
        if passed == _MOST_AT_ONCE:  # so many are not made up for: the rest is looked at next time
            return Due(None, passed, until)
        passed, until = passed + 1, at
        kept.append(at)
    if not kept:
        return None
    if schedule.catch_up == "skip" and kept[-1] < reached - ON_TIME:
        return Due(None, passed, until)
    return Due(kept[0], passed - len(kept), kept[0])


def upcoming(schedule: Schedule, after: datetime.datetime) -> datetime.datetime | None:
    """The next time at which it is fired; None where it is paused or there is none."""
    if schedule.paused:
        return None
    own = offset(schedule)
    found = next(cron.times(schedule.cron, schedule.zone, after - own), None)
    return None if found is None else found + own


def offset(schedule: Schedule) -> datetime.timedelta:
    """How much later than its times it is fired: always the same, within its jitter, told by its name."""
    digest = hashlib.sha256(f"{schedule.agent}/{schedule.name}".encode()).digest()
    return datetime.timedelta(seconds=int(schedule.jitter.total_seconds() * int.from_bytes(digest[:4]) / 2**32))
