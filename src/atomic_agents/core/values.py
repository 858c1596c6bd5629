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


_PLAIN_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15}")


def parse_usd(text: str) -> Usd | None:
    """A sum that somebody typed, with or without a dollar sign; None where it is not a plain decimal.

    What Python reads beyond that, such as 1_0, 1e3, NaN and digits of other scripts, is refused.
    """
    plain = text.strip().removeprefix("$")
    return Decimal(plain) if _PLAIN_DECIMAL.fullmatch(plain) else None


def format_usd(amount: Usd | float, places: int = 0) -> str:
    """An amount to the cent, or to four places under a dollar; more where less would show a sum as nothing.

    `places` is the least number of places, for sums that must be told apart.
    """
    value = Decimal(str(amount))
    shown = 2 if abs(value) >= 1 else 4
    if value and abs(value) < Decimal("0.0001"):
        shown = 1 - value.adjusted()  # two digits that are not zero
    return f"${value:,.{max(shown, places)}f}"


def format_cap(amount: Usd | float) -> str:
    """An amount as it is stated: all its places, and two at least."""
    value = Decimal(str(amount)).normalize()
    exponent = value.as_tuple().exponent
    return f"${value:,.{max(2, -exponent if isinstance(exponent, int) else 0)}f}"


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
