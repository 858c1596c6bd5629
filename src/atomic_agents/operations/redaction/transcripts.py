"""Transcripts without the words, chained again: each says what was done to it, and the log states its new end.

A chain that does not hold is left as it is: renewed, it would vouch for what somebody has changed.
"""

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from atomic_agents.memory.redaction.json_strings import edit_strings
from atomic_agents.memory.redaction.texts import Redactor
from atomic_agents.runtime import chain
from atomic_agents.vault import log

_TOOL = "tool"
"""What a log line states as its primitive where its summary is the name of a tool."""


@dataclass
class Transcripts:
    """Edits the transcripts and logs of one agent. `heads` are the hashes of last lines, old and new."""

    redactor: Redactor
    now: datetime.datetime
    heads: dict[str, str] = field(default_factory=dict)
    torn: list[int] = field(default_factory=list)
    """The lines of the document read last that hold the words and are no records."""

    def edit(self, run_id: str, data: bytes) -> bytes:
        """A transcript without the words. Those of runs that it goes on with have been edited before it."""
        lines = data.decode(errors="surrogateescape").split("\n")
        edited = list(self._edited(lines))
        changed = sum(before != after for before, after in zip(lines, edited, strict=True))
        if not changed:
            return data
        text = "\n".join(edited).encode(errors="surrogateescape")
        if not chain.is_chained(data):
            return text
        former = chain.head(data)
        renewed = chain.renew(run_id, text.rstrip(b"\n"))
        facts = {"lines": changed, "former_hash": former}
        known = {"ts": self.now.isoformat(), "n": self._number(edited) + 1, "prev": chain.head(renewed)}
        after = renewed + b"\n" + json.dumps({**known, "event": "redacted", **facts}).encode() + b"\n"
        self.heads[former] = chain.head(after)
        return after

    def edit_log(self, data: bytes) -> bytes:
        """A log without the words in what people and models said, and with the ends that transcripts have now."""
        lines = data.decode(errors="surrogateescape").split("\n")
        return "\n".join(self._edited(lines)).encode(errors="surrogateescape")

    def _edited(self, lines: list[str]) -> Iterator[str]:
        self.torn = []
        for number, line in enumerate(lines, 1):
            if not self._has_work(line):
                yield line
                continue
            record = _record(line)
            if record is not None:
                with self.redactor.at(number, whole=True):
                    edited = edit_strings(line, _Line(self, record).edit)
                yield edited
                continue
            if line.strip() and self.redactor.phrase.found_in(line):
                self.torn.append(number)
            yield line

    def _has_work(self, line: str) -> bool:
        """Whether anything of a line may have to change: its words, names of files, the end of another transcript."""
        has_hash = self.heads and any(f'"{key}"' in line for key in ("resumed_hash", log.TRANSCRIPT_HASH))
        return bool(has_hash) or self.redactor.has_work(line)

    @staticmethod
    def _number(lines: list[str]) -> int:
        numbers = (record.get("n") for record in map(_record, reversed(lines)) if record)
        return next((number for number in numbers if isinstance(number, int)), 0)


@dataclass(frozen=True)
class _Line:
    """One record of a transcript or a log."""

    transcripts: Transcripts
    record: Mapping[str, object]

    def edit(self, keys: tuple[str, ...], value: str) -> str:
        if keys in (("resumed_hash",), (log.TRANSCRIPT_HASH,)):
            return self.transcripts.heads.get(value, value)
        if keys == ("prev",) or (keys == ("summary",) and self.record.get("primitive") == _TOOL):
            return value
        return self.transcripts.redactor.value(keys, value)


def _record(line: str) -> Mapping[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
