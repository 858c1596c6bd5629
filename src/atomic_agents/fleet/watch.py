"""What is wrong with a schedule: overdue, never fired, claimed and not begun, driven from two machines."""

import datetime
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.service import Service
from atomic_agents.core.store import Store
from atomic_agents.core.values import Problem
from atomic_agents.fleet import standing
from atomic_agents.fleet.schedule import ON_TIME, upcoming
from atomic_agents.fleet.standing import Claim, Standing
from atomic_agents.vault import layout
from atomic_agents.vault.schedules import Schedule, Stated
from atomic_agents.vault.vault import problem_of

_LATELY = datetime.timedelta(days=7)
_INSTALL = "atomic-agents schedule install, or start what is due by hand: atomic-agents schedule run-due"


def look(store: Store, stated: Stated, now: datetime.datetime) -> Iterator[Problem]:
    """Every problem of a schedule: of its document, and of what became of it."""
    yield from stated.problems
    schedule = stated.schedule
    if schedule is None or schedule.paused:
        return
    try:
        found, _ = standing.read(store, stated.agent, stated.name)
    except DocumentUnreadable as error:
        yield problem_of(error)
        return
    if found is None or found.shape != schedule.shape:
        yield Problem(stated.path, 0, "no driver has seen it as it stands", _INSTALL, "warning")
        return
    yield from _troubles(store, schedule, found, now)


def drivers(root: Path, services: Iterable[Service]) -> list[str]:
    """The kinds of those services that drive the schedules of the vault at `root`."""
    mine = driver_key(root)
    return list(dict.fromkeys(service.kind for service in services if mine in service.label))


def driver_key(root: Path) -> str:
    """What tells the driver of the vault at `root` from those of other vaults."""
    return key(root, "schedules")


def key(root: Path, service: str) -> str:
    """The same of another service of the vault."""
    digest = hashlib.sha256(str(root).encode(errors="surrogateescape")).hexdigest()[:8]
    slug = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-")[:24] or "vault"
    return f"{service}-{slug}-{digest}"


def begun(store: Store, agent: str, run_id: str) -> bool:
    """Whether a run ever began: it has a transcript, open or ended."""
    return any(store.read(path) for path in (layout.open_run(run_id), layout.run_transcript(agent, run_id)))


def _troubles(store: Store, schedule: Schedule, found: Standing, now: datetime.datetime) -> Iterator[Problem]:
    path = schedule.path
    if found.since > now + ON_TIME:
        hint = f"atomic-agents schedule resume {schedule.agent} {schedule.name}"
        yield Problem(path, 0, f"is settled up to {_at(found.since, schedule)}, which is still to come", hint)
    claim = found.claim
    if claim is not None and now - claim.claimed_at > ON_TIME and not begun(store, schedule.agent, claim.run_id):
        yield Problem(path, 0, _lost(claim, schedule), "atomic-agents schedule run-due", "warning")
    first = upcoming(schedule, found.since)
    if claim is None and first is not None and now - first > ON_TIME:
        never = "and has never been fired" if found.last is None else f"last settled {_at(found.last.at, schedule)}"
        yield Problem(path, 0, f"is overdue since {_at(first, schedule)}, {never}", _INSTALL)
    lately = sorted(host for host, at in found.hosts.items() if now - at < _LATELY)
    if len(lately) > 1:
        both = " and ".join(lately)
        message = f"was driven from {both} within a week; where locks do not reach both, it is fired twice"
        yield Problem(path, 0, message, "on all machines but one: atomic-agents schedule uninstall", "warning")


def _lost(claim: Claim, schedule: Schedule) -> str:
    return (
        f"was claimed for {_at(claim.scheduled_for, schedule)} by {claim.host}, and its run has not begun; "
        f"catch_up is {schedule.catch_up}"
    )


def _at(at: datetime.datetime, schedule: Schedule) -> str:
    return f"{at.astimezone(schedule.zone):%Y-%m-%d %H:%M}"
