"""A transcript read as values: what a run was asked, had in front of it, called and answered."""

import datetime
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from atomic_agents.core.values import Usd
from atomic_agents.vault import log

How = Literal["prompt", "recall", "read_note"]

_READERS: tuple[How, ...] = ("recall", "read_note")
_FENCE = re.compile(r'^<document path="([^"]*)"', re.MULTILINE)
_BEFORE_ITS_TIME = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a transcript. `at` is None where it does not say when; `facts` are its other keys."""

    line: int
    name: str
    at: datetime.datetime | None
    facts: Mapping[str, object]

    def text(self, key: str) -> str:
        """A fact as text, "" where it is not stated."""
        value = self.facts.get(key)
        return "" if value is None else str(value)

    def items(self, key: str) -> Sequence[object]:
        """A fact that is a list, empty where it is not."""
        value = self.facts.get(key)
        return value if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A document that stood in front of the model: its path, and how it came there, the first time."""

    path: str
    how: How


@dataclass(frozen=True, slots=True)
class Record:
    """A transcript. `torn` are the lines of it that are no records; `ended` whether the run has."""

    run_id: str
    path: str
    events: tuple[Event, ...]
    torn: tuple[int, ...]
    ended: bool

    @property
    def started(self) -> Event | None:
        """How it began."""
        return next(iter(self.of("started")), None)

    @property
    def is_part(self) -> bool:
        """Whether it is a question of something larger, a summary or a dream, which asks it again by itself."""
        return self.started is not None and self.started.facts.get("plain") is True

    def of(self, *names: str) -> Iterator[Event]:
        """The events of some names, in order."""
        return (event for event in self.events if event.name in names)

    @property
    def sections(self) -> tuple[tuple[str, int], ...]:
        """The sections of the prompt and about how many tokens each took; none in transcripts that do not say."""
        first = next(self.of("asking"), None)
        parts = first.items("sections") if first else ()
        return tuple((str(part.get("title")), _int(part.get("tokens"))) for part in parts if isinstance(part, Mapping))

    @property
    def documents(self) -> tuple[Seen, ...]:
        """The documents that the model had in front of it, in order, each once."""
        found: dict[str, Seen] = {}
        for event in self.events:
            for seen in documents(event):
                found.setdefault(seen.path, seen)
        return tuple(found.values())

    @property
    def answer(self) -> str:
        """What it said, captures and all, one answer below the other."""
        return "\n\n".join(text for event in self.of("answered") if (text := event.text("text").strip()))

    @property
    def cost(self) -> Usd:
        """What its requests have cost, answered or not, as far as the transcript says."""
        return sum((_usd(event.facts.get("cost")) for event in self.of("answered", "failed")), Decimal(0))

    @property
    def delegates(self) -> tuple[str, ...]:
        """The runs that it started."""
        found = (event.text("delegate_run_id") for event in self.events)
        return tuple(dict.fromkeys(run_id for run_id in found if run_id))


def read(run_id: str, path: str, data: bytes, *, ended: bool) -> Record:
    """A transcript as it stands; lines that are no records are left out and counted."""
    events: list[Event] = []
    torn: list[int] = []
    for line in log.read(path, data):
        if line.problem:
            torn.append(line.number)
            continue
        facts = {key: value for key, value in line.record.items() if key not in ("ts", "n", "prev", "event")}
        events.append(Event(line.number, str(line.record.get("event", "")), moment(line.record.get("ts")), facts))
    return Record(run_id, path, tuple(events), tuple(torn), ended)


def documents(event: Event) -> Iterator[Seen]:
    """The documents that an event put in front of the model."""
    if event.name == "asking":
        for part in event.items("system"):
            yield from (Seen(path, "prompt") for path in _paths(str(part)))
    how = next((name for name in _READERS if event.name == "called" and event.text("tool_name") == name), None)
    if how is not None and event.facts.get("failed") is not True:
        yield from (Seen(path, how) for path in _paths(event.text("text")))


def moment(value: object) -> datetime.datetime | None:
    """A point in time as a record states it; None where it states none."""
    try:
        found = datetime.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.astimezone() if found is not None and found.tzinfo is None else found


def in_order(at: datetime.datetime | None) -> datetime.datetime:
    """A point in time to sort by: what states none comes first."""
    return at or _BEFORE_ITS_TIME


def _paths(text: str) -> list[str]:
    return [html.unescape(path) for path in _FENCE.findall(text)]


def _usd(value: object) -> Usd:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
