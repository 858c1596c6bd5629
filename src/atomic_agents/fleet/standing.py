"""What a vault remembers of a schedule: up to when it is settled, what is claimed, what came of the last time."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from atomic_agents.core.change import ABSENT, Put, Revision
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.store import Store
from atomic_agents.vault import layout
from atomic_agents.vault.schedules import Schedule

_VERSION = 1
_HOSTS = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """A time that a driver has taken before it began the run; nobody else fires it.

    `tries` counts how often: it is taken again only where the driver died and the run never began.
    """

    scheduled_for: datetime.datetime
    claimed_at: datetime.datetime
    run_id: str
    missed: int
    host: str
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Last:
    """What came of the last time: an ending of a run, `missed` or `nothing-to-do`, and why."""

    scheduled_for: datetime.datetime
    at: datetime.datetime
    outcome: str
    run_id: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything up to `since` is settled, for a schedule of that `shape`; `missed` counts what never was fired.

    `seen` stands for the documents of its condition as they were when it was last fired, `hosts` for the machines that
    have driven it, and when.
    """

    shape: str
    since: datetime.datetime
    claim: Claim | None = None
    last: Last | None = None
    missed: int = 0
    seen: str = ""
    hosts: Mapping[str, datetime.datetime] = field(default_factory=dict)

    def claimed(self, claim: Claim, since: datetime.datetime) -> "Standing":
        """With a time taken, and the machine that took it noted."""
        hosts = {**self.hosts, claim.host: claim.claimed_at}
        newest = sorted(hosts.items(), key=lambda item: item[1])[-_HOSTS:]
        return replace(self, since=since, claim=claim, hosts=dict(newest), missed=self.missed + claim.missed)


def read(store: Store, agent: str, name: str) -> tuple[Standing | None, Revision]:
    """What is remembered, and the revision that a change expects.

    Raises:
        DocumentUnreadable: it was damaged; nothing is fired then.
    """
    path = layout.schedule_state(agent, name)
    blob = store.read(path)
    if blob is None:
        return None, ABSENT
    try:
        return _parse(json.loads(blob.data)), blob.revision
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = "is not what a driver has written"
        hint = f"atomic-agents schedule resume {agent} {name} begins anew"
        context = {"path": path, "line": 0, "message": message}
        raise DocumentUnreadable(f"{path}: {message}", hint=hint, context=context) from error


def put(schedule: Schedule, standing: Standing, expect: Revision) -> Put:
    """The change that remembers it."""
    data = json.dumps(_plain(standing), ensure_ascii=False, indent=1).encode(errors="replace")
    return Put(layout.schedule_state(schedule.agent, schedule.name), data + b"\n", expect=expect)


def fresh(schedule: Schedule, now: datetime.datetime, before: Standing | None = None) -> Standing:
    """A schedule that is new, or is due at other times than before: what was due is forgotten, the rest is kept."""
    return replace(before, shape=schedule.shape, since=now) if before else Standing(schedule.shape, now)


def _plain(found: Standing) -> dict[str, object]:
    claim, last = found.claim, found.last
    return {
        "version": _VERSION,
        "shape": found.shape,
        "since": _text(found.since),
        "claim": None if claim is None else {
            "scheduled_for": _text(claim.scheduled_for), "claimed_at": _text(claim.claimed_at), "run_id": claim.run_id,
            "missed": claim.missed, "host": claim.host, "tries": claim.tries,
        },
        "last": None if last is None else {
            "scheduled_for": _text(last.scheduled_for), "at": _text(last.at), "outcome": last.outcome,
            "run_id": last.run_id, "why": last.why,
        },
        "missed": found.missed,
        "seen": found.seen,
        "hosts": {host: _text(at) for host, at in found.hosts.items()},
    }  # fmt: skip


def _parse(found: Mapping[str, object]) -> Standing:
    if found["version"] != _VERSION:
        raise ValueError("version")
    claim, last, hosts = found["claim"], found["last"], found["hosts"]
    return Standing(
        str(found["shape"]),
        _moment(found["since"]),
        None if not isinstance(claim, dict) else Claim(
            _moment(claim["scheduled_for"]), _moment(claim["claimed_at"]), str(claim["run_id"]), int(claim["missed"]),
            str(claim["host"]), int(claim["tries"]),
        ),
        None if not isinstance(last, dict) else Last(
            _moment(last["scheduled_for"]), _moment(last["at"]), str(last["outcome"]), str(last["run_id"]),
            str(last["why"]),
        ),
        int(str(found["missed"])),
        str(found["seen"]),
        {str(host): _moment(at) for host, at in hosts.items()} if isinstance(hosts, dict) else {},
    )  # fmt: skip


def _text(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).isoformat(timespec="microseconds")


def _moment(found: object) -> datetime.datetime:
    at = datetime.datetime.fromisoformat(str(found))
    if at.tzinfo is None:
        raise ValueError("no zone")
    return at
