"""Which alerts are still to be sent on which channel: read from the record of alerts, which is a document of lines.

An alert's line says it all once. Then, for each channel, a line before it is sent and one after: a process that dies in
between leaves the first, and since nobody can tell whether the alert arrived, it is not sent again.
"""

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from atomic_agents.budget.alerts import Alert, Whose
from atomic_agents.core.change import Append
from atomic_agents.core.store import Store
from atomic_agents.vault import layout, log

State = Literal["sending", "sent", "failed", "unsure"]
"""`failed`: it has not arrived, and is tried again. `unsure`: it may have."""

_STATES: Mapping[str, State] = {state: state for state in get_args(State)}

LASTS = datetime.timedelta(days=1)
"""An alert that could not be sent for so long is not news any more."""

_FIRST_PAUSE = datetime.timedelta(minutes=10)


class Delivery(NamedTuple):
    """One alert, by its key, on one channel."""

    key: str
    channel: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a delivery so far; `tries` is how often it has failed, `why` the last reason."""

    state: State
    at: datetime.datetime
    tries: int = 0
    why: str = ""

    @property
    def again_at(self) -> datetime.datetime | None:
        """When it may be tried again; None where it must not."""
        return self.at + _FIRST_PAUSE * 2 ** (self.tries - 1) if self.state == "failed" else None


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert, when it was raised, and the channels that it takes; None where nobody has looked yet."""

    alert: Alert
    at: datetime.datetime
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The alerts of the last days by key, and what became of each delivery."""

    raised: dict[str, Raised] = field(default_factory=dict)
    sent: dict[Delivery, Sent] = field(default_factory=dict)

    def add(self, line: Mapping[str, object]) -> None:
        """Take in a line of the record; one that says nothing here is passed over."""
        key, state, at = str(line.get("key", "")), str(line.get("state", "")), _time(line.get("ts"))
        if not key or at is None:
            return
        if state == "raised":
            known = self.raised.get(key)
            if known is None or known.channels is None:
                self.raised[key] = Raised(_alert(key, line), known.at if known else at, _channels(line))
        elif state in _STATES:
            delivery = Delivery(key, str(line.get("channel", "")))
            tries = self.sent[delivery].tries if delivery in self.sent else 0
            self.sent[delivery] = Sent(_STATES[state], at, tries + (state == "failed"), str(line.get("why", "")))

    def new(self, raised: Iterable[Alert], now: datetime.datetime) -> list[Alert]:
        """Those of `raised` that are told for the first time, and those that have waited for somebody to tell them."""
        waiting = [each.alert for each in self._fresh(now) if each.channels is None]
        first = {alert.key: alert for alert in raised if alert.key not in self.raised}
        return [*waiting, *first.values()]

    def pending(self, now: datetime.datetime) -> list[Delivery]:
        """What may be sent now."""
        found = (Delivery(each.alert.key, channel) for each in self._fresh(now) for channel in each.channels or ())
        return [delivery for delivery in found if self._may_go(delivery, now)]

    def _may_go(self, delivery: Delivery, now: datetime.datetime) -> bool:
        again_at = self.sent[delivery].again_at if delivery in self.sent else now
        return again_at is not None and again_at <= now

    def _fresh(self, now: datetime.datetime) -> list[Raised]:
        return [each for each in self.raised.values() if now - each.at < LASTS]


def history(store: Store, now: datetime.datetime) -> History:
    """The record as far back as it matters; lines that are no records are left out."""
    found = History()
    for path in dict.fromkeys(layout.alerts(day) for day in ((now - LASTS).date(), now.date())):
        blob = store.read(path)
        for line in log.read(path, blob.data) if blob else ():
            found.add(line.record)
    return found


def line_of(alert: Alert, now: datetime.datetime, channels: Iterable[str] | None = None) -> dict[str, object]:
    """What the record begins with about an alert; without `channels` it waits for somebody to send it."""
    told = {} if channels is None else {"channels": list(channels)}
    known = {"kind": alert.kind, "agent": alert.agent, "whose": alert.whose, "words": alert.words}
    return {"ts": now.isoformat(), "key": alert.key, "state": "raised", **known, "facts": dict(alert.facts), **told}


def step(delivery: Delivery, state: State, now: datetime.datetime, why: str = "") -> dict[str, object]:
    """What the record says about how far a delivery is."""
    known: dict[str, object] = {"ts": now.isoformat(), "key": delivery.key, "state": state, "channel": delivery.channel}
    return known | ({"why": why} if why else {})


def append(line: Mapping[str, object], now: datetime.datetime) -> Append:
    """A line of the record as a change."""
    text = json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return Append(layout.alerts(now.date()), text)


def _alert(key: str, line: Mapping[str, object]) -> Alert:
    kind, agent, words = (str(line.get(name, "")) for name in ("kind", "agent", "words"))
    whose: Whose = "vault" if line.get("whose") == "vault" else "agent"
    facts = line.get("facts")
    return Alert(key, kind, agent, words, whose, facts if isinstance(facts, dict) else {})


def _channels(line: Mapping[str, object]) -> tuple[str, ...] | None:
    found = line.get("channels")
    return tuple(map(str, found)) if isinstance(found, list) else None


def _time(value: object) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else None
