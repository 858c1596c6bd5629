"""The hash chain of a transcript: each line carries the hash of the one before it, the log line that of the last."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from atomic_agents.core.values import Problem

State = Literal["sound", "broken", "unverifiable", "missing"]

_PREV = re.compile(rb'("prev": ?)"[^"]*"')
_ENDS = ("closed", "redacted")
"""The events that can be the last of a run that has ended."""

_HINT = "compare it with a backup of the vault, or with its history in git"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a chain says about a transcript.

    `sound`: as it was written. `broken`: `problems` names the lines. `unverifiable`: written before there were hashes.
    `missing`: its log line knows of it and it is gone. `notes` is what is no tampering and still worth saying.
    """

    state: State
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is a record: where it stands, the hash of its bytes, what it says it follows, and its number."""

    number: int
    hash: str
    prev: str
    n: int
    event: str


def first(run_id: str) -> str:
    """What the first line of a run follows."""
    return _hash(run_id.encode())


def link(line: str) -> str:
    """What the line after `line` follows."""
    return _hash(line.encode())


def verify(path: str, run_id: str, data: bytes, *, head: str = "", ended: bool = True) -> Verdict:
    """Judge a transcript. `head` is the hash of its last line as the log states it, "" where the log does not."""
    lines, torn = _lines(data)
    if not any(line.prev for line in lines):
        return Verdict("unverifiable", notes=("it was written before transcripts had hashes",))
    found = [*_breaks(lines, run_id, torn), *(_end(lines, torn, head) if ended else [])]
    if found:
        problems = tuple(Problem(path, number, message, _HINT) for number, message in dict.fromkeys(found))
        return Verdict("broken", problems)
    notes = tuple(f"line {number} is torn, as a crash leaves it; the lines around it fit" for number in torn)
    older = sum(not line.prev for line in lines)
    if older:
        return Verdict("unverifiable", notes=(*notes, f"{older:,} of its lines were written without a hash"))
    return Verdict("sound", notes=(*notes, *_healed(data)))


def head(data: bytes) -> str:
    """The hash of the last line, which the log states."""
    return _hash(data.rstrip(b"\n").rpartition(b"\n")[2])


def is_chained(data: bytes) -> bool:
    """Whether any line of a transcript carries the hash of the one before it."""
    return any(line.prev for line in _lines(data)[0])


def renew(run_id: str, data: bytes) -> bytes:
    """A transcript in which each line follows the one before it as that is now; one that had no hash gets none."""
    lines: list[bytes] = []
    expected = first(run_id)
    for raw in data.split(b"\n"):
        record, line = _record(raw), raw
        if record is not None:
            prev = record.get("prev")
            if isinstance(prev, str) and prev:
                line = _PREV.sub(rb'\g<1>"%s"' % expected.encode(), raw, count=1)
            expected = _hash(line)
        lines.append(line)
    return b"\n".join(lines)


def _breaks(lines: list[_Line], run_id: str, torn: list[int]) -> list[tuple[int, str]]:
    """Every place where a line does not follow the one before it: line number and what happened there."""
    found: list[tuple[int, str]] = []
    expected, seen = first(run_id), {first(run_id): 0}
    started, at, n = False, 0, 0
    for index, line in enumerate(lines):
        after = lines[index + 1] if index + 1 < len(lines) else None
        started = started or bool(line.prev)
        if started and line.prev != expected:
            if after is not None and after.prev == expected:
                found.append((line.number, "was inserted"))
                continue  # what comes next follows the line before it
            if line.prev in seen:
                found += [(number, "was inserted") for number in range(seen[line.prev] + 1, line.number)]
            else:
                found.append(_gap(line, after, at, n, torn))
        expected = line.hash
        if after is not None and after.prev != line.hash and found and found[-1] == (line.number, _EDITED):
            expected = after.prev  # said once
        seen[line.hash] = at = line.number
        n = line.n
    return found


_EDITED = "was edited"


def _gap(line: _Line, after: _Line | None, at: int, n: int, torn: list[int]) -> tuple[int, str]:
    """What happened before a line that follows no line here; `at` and `n` are those of the record before it."""
    between = [number for number in torn if at < number < line.number]
    if between:
        return between[-1], "was edited; it is no record any more"
    if line.n > n + 1:
        removed = f"line {n + 1} was" if line.n == n + 2 else f"lines {n + 1} to {line.n - 1} were"
        return line.number, f"{removed} removed before this one"
    if at == 0 or (after is not None and after.prev != line.hash):
        return line.number, _EDITED
    return at, _EDITED


def _end(lines: list[_Line], torn: list[int], head: str) -> list[tuple[int, str]]:
    last = lines[-1]
    if head and head == last.hash:
        return []
    if last.event not in _ENDS:
        gone = [number for number in torn if number > last.number]
        return [(gone[-1], "was edited; it is no record any more")] if gone else [
            (last.number, "the lines after this one were removed")
        ]  # fmt: skip
    return [(last.number, "was edited; the log states another hash for it")] if head else []


def _healed(data: bytes) -> tuple[str, ...]:
    """What the end of a crashed run says about the torn line that its process left."""
    records = (_record(raw) for raw in reversed(data.rstrip(b"\n").split(b"\n")))
    closed = next((record for record in records if record and record.get("event") == "closed"), {})
    return ("the line that its process had begun when it died was left out",) if closed.get("torn") else ()


def _lines(data: bytes) -> tuple[list[_Line], list[int]]:
    """The lines that are records, and the numbers of those that are not."""
    lines: list[_Line] = []
    torn: list[int] = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        if not raw.strip():
            continue
        record = _record(raw)
        if record is None:
            torn.append(number)
            continue
        prev, n = record.get("prev"), record.get("n")
        lines.append(
            _Line(
                number,
                _hash(raw),
                prev if isinstance(prev, str) else "",
                n if isinstance(n, int) else 0,
                str(record.get("event", "")),
            )
        )
    return lines, torn


def _record(raw: bytes) -> Mapping[str, object] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
