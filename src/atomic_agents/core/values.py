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


_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode categories of what does not print: control and format signs, halves of characters, line ends."""
_JOINERS = "\u200c\u200d"
"""Signs without a width of their own that scripts and emoji need between others."""
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
    return f"${value:,.{max(_places(value), places)}f}"


def _places(value: Decimal) -> int:
    if value and abs(value) < Decimal("0.0001"):
        return 1 - value.adjusted()  # two digits that are not zero
    return 2 if abs(value) >= 1 else 4


def format_cap(amount: Usd | float) -> str:
    """An amount as it is stated: all its places, and two at least."""
    value = Decimal(str(amount)).normalize()
    exponent = value.as_tuple().exponent
    return f"${value:,.{max(2, -exponent if isinstance(exponent, int) else 0)}f}"


def format_within(cap: Usd, *amounts: Usd) -> tuple[str, ...]:
    """Amounts with as many places as show whether each of them, and their sum, is below a cap, at it or above it."""
    sums = (*amounts, sum(amounts, Decimal(0)))
    for places in range(2, _MOST_PLACES):
        shown = [round(amount, max(_places(amount), places)) for amount in amounts]
        if all(_order(one, cap) == _order(other, cap) for one, other in zip((*shown, sum(shown)), sums, strict=True)):
            break
    return tuple(format_usd(amount, places) for amount in amounts)


_MOST_PLACES = 31


def _order(one: Usd | int, other: Usd) -> int:
    return (one > other) - (one < other)


def is_agent_name(name: str) -> bool:
    """Whether `name` may name an agent: segments split by `/`, none hidden, private or out of bounds."""
    return not agent_name_problem(name)


def agent_name_problem(name: str) -> str:
    """Why `name` cannot name an agent, "" where it can."""
    return next((why for part in name.split("/") if (why := _segment_problem(part))), "")


def _segment_problem(part: str) -> str:
    if _PLAIN_SEGMENT.fullmatch(part):
        return ""
    import unicodedata  # noqa: PLC0415 - 1 ms that only other names need

    if not part:
        return "it is empty or has an empty part"
    if part[0] in "-._":
        return f"it begins with {part[0]}"
    if part[0].isspace() or part[-1].isspace() or part[-1] == ".":
        return "it begins or ends with a space or a dot"
    if part[0] in _JOINERS or part[-1] in _JOINERS:
        return "it begins or ends with a sign that does not print"
    for sign in part:
        if sign in "\\:":
            return f"it holds {sign}"
        if sign not in _JOINERS and unicodedata.category(sign) in _INVISIBLE:
            return f"it holds U+{ord(sign):04X}, which does not print"
    return ""


def same_name(one: str, other: str) -> bool:
    """Whether two names are one, however each spells its accents: file systems do not agree on that."""
    if one == other or (one.isascii() and other.isascii()):
        return one == other
    import unicodedata  # noqa: PLC0415 - as above

    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def spellings(name: str) -> tuple[str, ...]:
    """`name` as it is, then in the two forms in which file systems spell accents; those that differ."""
    if name.isascii():
        return (name,)
    import unicodedata  # noqa: PLC0415 - as above

    return tuple(dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))))


def key_of(keys: Iterable[object], name: str) -> str:
    """The key that is the same name as `name`, as it is spelled there; `name` itself where there is none."""
    known = [str(key) for key in keys]
    return name if name in known else next((key for key in known if same_name(key, name)), name)


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
