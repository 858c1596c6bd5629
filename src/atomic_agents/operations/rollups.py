"""What the logs add up to: sums and the newest lines of each file, kept so that no line is read twice.

The database is derived: it is made anew where it is gone or damaged, and held in memory where the vault is read-only.
"""

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from atomic_agents.core.change import revision
from atomic_agents.core.ending import Ending
from atomic_agents.core.store import Entry
from atomic_agents.core.values import Problem, Usd, parse_date
from atomic_agents.memory.database import Database
from atomic_agents.operations import record
from atomic_agents.operations.costs import Sum
from atomic_agents.operations.record import RunLine
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.record import in_order, moment
from atomic_agents.vault import layout, log

FAILED = frozenset(
    {ending.value for ending in Ending if ending.unanswered or ending.log_status == "error"} | {"failed", "timeout"}
)
"""How runs end that somebody should look at."""

_FORM = 5
_SCHEMA = """
CREATE TABLE logs (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, sums TEXT NOT NULL);
CREATE TABLE lines (path TEXT PRIMARY KEY, newest TEXT NOT NULL, failed TEXT NOT NULL);
CREATE TABLE pages (place TEXT NOT NULL, file TEXT NOT NULL, known TEXT NOT NULL, PRIMARY KEY (place, file))
"""
_NEWEST = 20
"""How many runs of a file are kept line by line, and how many of those that failed."""
_WAIT = 10.0
_SCAN = json.JSONDecoder().raw_decode


class Cell(NamedTuple):
    """What one model cost one agent on one day, by what it was started for."""

    agent: str
    day: str
    model: str
    trigger: str
    runs: int
    input_tokens: int
    output_tokens: int
    cost: Usd
    failed: int


@dataclass(frozen=True)
class Rollups:
    """The logs of a vault as sums. `files` are the logs by agent, the newest first.

    `successors` has the run that went on with another, by the id of that other.
    """

    cells: tuple[Cell, ...]
    problems: tuple[Problem, ...]
    files: Mapping[str, tuple[str, ...]]
    successors: Mapping[str, str]
    load: Callable[[str, str], Sequence[tuple[int, Mapping[str, object]]]]

    def by(self, key: Callable[[Cell], str], cells: Iterable[Cell] | None = None) -> dict[str, Sum]:
        """The sums of cells that have a key in common."""
        found: dict[str, Sum] = {}
        for cell in self.cells if cells is None else cells:
            each = found.get(name := key(cell))
            if each is None:
                each = found[name] = Sum()
            each.runs += cell.runs
            each.input_tokens += cell.input_tokens
            each.output_tokens += cell.output_tokens
            each.cost += cell.cost
        return found

    def newest(self, limit: int, agent: str = "") -> list[RunLine]:
        """The newest runs of an agent or of all, newest first; of one log at most as many as are kept."""
        return self._lines("newest", limit, agent, "")

    def failures(self, limit: int, since: str) -> list[RunLine]:
        """The runs that failed last, from a day on, newest first, without those that another has gone on with."""
        return [line for line in self._lines("failed", _NEWEST * limit, "", since) if not line.continued_by][:limit]

    def _lines(self, what: str, limit: int, agent: str, since: str) -> list[RunLine]:
        found: list[RunLine] = []
        for day in self._days(agent):
            if len(found) >= limit:
                break
            for path, name in day:
                if path[-16:-6] >= since:
                    lines = self.load(path, what)[-limit:]
                    read = (record.run_line(path, name, number, facts) for number, facts in reversed(lines))
                    found += [record.continued(line, self.successors) for line in read]
        found.sort(key=lambda line: in_order(line.at), reverse=True)
        return found[:limit]

    def _days(self, agent: str) -> Iterator[list[tuple[str, str]]]:
        days: dict[str, list[tuple[str, str]]] = {}
        for name, paths in self.files.items():
            for path in paths if agent in ("", name) else ():
                days.setdefault(path[-16:-6], []).append((path, name))
        return (days[day] for day in sorted(days, reverse=True))


class Kept:
    """The derived database of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        at = workspace.index_database
        beside = at if at == ":memory:" else str(Path(at).with_name(Path(layout.ROLLUPS).name))
        self._workspace = workspace
        self._database = Database(
            beside, schema=_SCHEMA, form=_FORM, lock=lambda: workspace.store.lock("rollups", wait=_WAIT)
        )

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def take(self, logs: Mapping[str, Sequence[Entry]]) -> Rollups:
        """The sums of the logs of agents, listed a moment ago; only those that have changed are read."""
        known = self._database.attempt(lambda: self._refreshed(logs))
        today = self._workspace.clock().date().isoformat()
        cells: list[Cell] = []
        problems: list[Problem] = []
        successors: dict[str, str] = {}
        for agent, entries in logs.items():
            for entry in entries:
                sums = json.loads(known[entry.path])
                successors |= sums["successors"]
                for day, model, trigger, runs, taken, given, cost, failed in sums["cells"]:
                    cells.append(Cell(agent, day or today, model, trigger, runs, taken, given, Decimal(cost), failed))
                problems += [Problem(entry.path, *problem) for problem in sums["problems"]]
        files = {agent: tuple(sorted((e.path for e in found), reverse=True)) for agent, found in logs.items()}
        return Rollups(tuple(cells), tuple(problems), files, successors, self._load)

    def pages(self, place: str) -> dict[str, str]:
        """What is known of the files that were written to a place."""
        query = "SELECT file, known FROM pages WHERE place = ?"
        return dict(self._database.attempt(lambda: self._database.rows(query, place)))

    def keep_pages(self, place: str, known: Mapping[str, str]) -> None:
        """Remember what was written there."""

        def keep() -> None:
            with self._database.writing() as connection:
                connection.execute("DELETE FROM pages WHERE place = ?", (place,))
                rows = [(place, file, value) for file, value in known.items()]
                connection.executemany("INSERT INTO pages VALUES (?, ?, ?)", rows)

        self._database.attempt(keep)

    def _refreshed(self, logs: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
        stored = {path: (stamp, sums) for path, stamp, sums in self._database.rows("SELECT * FROM logs")}
        known: dict[str, str] = {}
        fresh: list[tuple[Entry, str, str, str]] = []
        for entries in logs.values():
            for entry in entries:
                stamp, sums = stored.pop(entry.path, ("", ""))
                if stamp != entry.stamp:
                    blob = self._workspace.store.read(entry.path)
                    earlier = _earlier(sums, *self._lines_of(entry.path)) if sums else _Reading()
                    sums, newest, failed = _read_on(earlier, entry.path, blob.data if blob else b"")
                    fresh.append((entry, sums, newest, failed))
                known[entry.path] = sums
        if fresh or stored:
            with self._database.writing() as connection:
                for path in stored:
                    connection.execute("DELETE FROM logs WHERE path = ?", (path,))
                    connection.execute("DELETE FROM lines WHERE path = ?", (path,))
                rows = [(entry.path, entry.stamp, sums) for entry, sums, *_ in fresh]
                connection.executemany("INSERT OR REPLACE INTO logs VALUES (?, ?, ?)", rows)
                lines = [(entry.path, *kept) for entry, _, *kept in fresh]
                connection.executemany("INSERT OR REPLACE INTO lines VALUES (?, ?, ?)", lines)
        return known

    def _load(self, path: str, what: str) -> Sequence[tuple[int, Mapping[str, object]]]:
        row = self._database.attempt(lambda: self._lines_of(path))
        return [(number, facts) for number, facts in json.loads(row[what != "newest"])]

    def _lines_of(self, path: str) -> tuple[str, str]:
        rows = self._database.rows("SELECT newest, failed FROM lines WHERE path = ?", path)
        return (rows[0][0], rows[0][1]) if rows else ("[]", "[]")


@dataclass(slots=True)
class _Counts:
    runs: int = 0
    taken: int = 0
    given: int = 0
    cost: Usd = Decimal(0)
    failed: int = 0


@dataclass(slots=True)
class _Reading:
    """A log as far as it has been read: `size` bytes that are `lines` lines; what counts is what `costs` counts."""

    counts: dict[tuple[str, str, str], _Counts] = field(default_factory=dict)
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    newest: list[tuple[int, Mapping[str, object]]] = field(default_factory=list)
    failed: list[tuple[int, Mapping[str, object]]] = field(default_factory=list)
    successors: dict[str, str] = field(default_factory=dict)
    size: int = 0
    lines: int = 0
    digest: str = ""

    def take(self, path: str, records: Iterable[tuple[int, Mapping[str, object], Problem | None]]) -> None:
        """Count further lines."""
        stated = log.day_of(path)
        for number, facts, problem in records:
            cost = None if problem else log.cost(facts)
            if cost is None:
                wrong = problem or Problem(path, number, "states no sum of money", "correct or remove that line")
                self.problems.append((number, wrong.message, wrong.hint))
                continue
            if log.repeats(facts):
                continue
            model, trigger = str(facts.get("model") or "not stated"), str(facts.get("trigger") or "not stated")
            key = (_day(stated, facts), model, trigger)
            each = self.counts.get(key)
            if each is None:
                each = self.counts[key] = _Counts()
            each.cost += cost
            each.taken += log.tokens(facts, "input_tokens")
            each.given += log.tokens(facts, "output_tokens")
            if record.is_run(facts):
                status = log.ending(facts)
                each.runs += status != "deduped"
                each.failed += status in FAILED
                self.newest.append((number, facts))
                if before := facts.get("resumed_from"):
                    self.successors[str(before)] = str(facts.get("run_id") or "")
                if status in FAILED:
                    self.failed.append((number, facts))

    def kept(self) -> tuple[str, str, str]:
        """The sums, the newest runs and those that failed, as JSON."""
        cells = [(*key, c.runs, c.taken, c.given, str(c.cost), c.failed) for key, c in self.counts.items()]
        sums = {"cells": cells, "problems": self.problems[:_NEWEST], "successors": self.successors,
                "read": [self.size, self.lines, self.digest]}  # fmt: skip
        return json.dumps(sums), json.dumps(self.newest[-_NEWEST:]), json.dumps(self.failed[-_NEWEST:])


def _earlier(sums: str, newest: str, failed: str) -> _Reading:
    """What `_Reading.kept` gave, as it was."""
    known = json.loads(sums)
    counts = {
        (day, model, trigger): _Counts(runs, taken, given, Decimal(cost), broken)
        for day, model, trigger, runs, taken, given, cost, broken in known["cells"]
    }
    problems = [(number, message, hint) for number, message, hint in known["problems"]]
    return _Reading(counts, problems, json.loads(newest), json.loads(failed), known["successors"], *known["read"])


def _read_on(earlier: _Reading, path: str, data: bytes) -> tuple[str, str, str]:
    """A log that was read before, as `_Reading.kept`; what was read is not read again where it is the same still."""
    size = earlier.size
    reading = earlier if 0 < size <= len(data) and revision(data[:size]) == earlier.digest else _Reading()
    records = _scanned(data[reading.size :], reading.lines)
    if records is None:
        reading = _Reading()
        reading.take(path, log.read(path, data))
    else:
        reading.take(path, records)
        if data.endswith(b"\n"):  # a line that has no end is read again
            reading.lines += data.count(b"\n", reading.size)
            reading.size, reading.digest = len(data), revision(data)
        else:
            reading.size = 0
    return reading.kept()


def _scanned(data: bytes, before: int) -> list[tuple[int, Mapping[str, object], Problem | None]] | None:
    """What `log.read` yields after so many lines, in half the time; None where not every line is as it should be."""
    found: list[tuple[int, Mapping[str, object], Problem | None]] = []
    try:
        for number, raw in enumerate(data.decode().split("\n"), before + 1):
            if raw:
                facts, end = _SCAN(raw)
                if end != len(raw) or not isinstance(facts, dict):
                    return None
                found.append((number, facts, None))
    except (ValueError, RecursionError):
        return None
    return found


def _day(stated: datetime.date | None, facts: Mapping[str, object]) -> str:
    """The day that a line counts for; "" is today, where nothing says."""
    if stated is not None:
        return stated.isoformat()
    at = moment(facts.get("ts"))
    day = at.date() if at else parse_date(facts.get("ts"))
    return day.isoformat() if day else ""
