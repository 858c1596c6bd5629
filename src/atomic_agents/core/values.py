"""Small values that cannot be wrong once made."""

import datetime
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Usd = Decimal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document, where, and what to do about it.

    `line` counts from 1; 0 means the document as a whole.
    """

    path: str
    line: int
    message: str
    hint: str = ""
    severity: Severity = "error"

    @property
    def where(self) -> str:
        """`path:line`, which editors jump to."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def as_json(self) -> dict[str, object]:
        """The problem as JSON."""
        return {
            "path": self.path,
            "line": self.line,
            "message": self.message,
            "hint": self.hint,
            "severity": self.severity,
        }


_AGENT_SEGMENT = re.compile(r"[^\x00-\x20\x7f/\\:._][^\x00-\x1f\x7f/\\:]*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?", re.ASCII)


def is_agent_name(name: str) -> bool:
    """Whether `name` may name an agent: segments split by `/`, none hidden, private or out of bounds."""
    return all(_AGENT_SEGMENT.fullmatch(part) and not part.endswith((".", " ")) for part in name.split("/"))


def near(name: str, names: Iterable[str], most: int = 1) -> list[str]:
    """Those of `names` that somebody who wrote `name` may have meant, the nearest first."""
    import difflib  # noqa: PLC0415 - 2 ms that only a mistake needs

    return difflib.get_close_matches(name, list(names), most)


def parse_date(value: object) -> datetime.date | None:
    """The day that front matter states, as YAML date or as text, a time of day left out; None where it states none."""
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    return _day(value) if isinstance(value, str) else None


@functools.lru_cache(1024)
def _day(text: str) -> datetime.date | None:
    text = text.strip()
    if not _DAY.fullmatch(text):
        return None
    try:
        return datetime.date.fromisoformat(text[:10])
    except ValueError:
        return None
