"""Days that a text speaks of: the spans a question asks about, and whether a passage says when something was."""

import datetime
import re
from collections.abc import Iterator

Span = tuple[datetime.date, datetime.date]
"""The first and the last day."""

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = "|".join(_MONTHS)
_DAY = "|".join(_DAYS)
_UNIT = "day|week|weekend|month|year"
_COUNTS = ("a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SAID = re.compile(
    rf"\b(?:yesterday|today|tonight|tomorrow|ago|recently|(?:last|next|this|past) \w+|weekends?|years?|months?|weeks?|"
    rf"{_DAY}|(?:in|of|since|until|last|next|this|early|late) may|{_MONTH.replace('may|', '')}|(?:19|20)\d\d|"
    r"\d{1,2}[./]\d{1,2}[./]\d{2,4})\b|\b\d{1,2}(?:\.|st|nd|rd|th)? may\b|\bmay \d|\d月|\d日",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\bwhen\b|\bhow long\b|\b(?:what|which) (?:date|day|week|month|year|time)\b", re.IGNORECASE)
_ISO = re.compile(r"\b(\d{4})-(\d\d)(?:-(\d\d))?\b")
_NAMED = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?)?(?P<month>{_MONTH})\b"
    r"(?:\s+(?P<after>\d{1,2})(?:st|nd|rd|th)?(?!\d))?(?:,?\s+(?P<year>(?:19|20)\d\d))?",
    re.IGNORECASE,
)
_BEFORE_MAY = re.compile(r"\b(?:in|of|since|during|until|before|after|last|early|late|mid)\s+\Z", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:in|of|during|since)\s+((?:19|20)\d\d)\b", re.IGNORECASE)
_RELATIVE = re.compile(rf"\b(last|past|this)\s+({_UNIT}|{_DAY})\b|\b(yesterday|today)\b", re.IGNORECASE)
_AGO = re.compile(rf"\b(\d{{1,3}}|{'|'.join(_COUNTS)})\s+(day|week|month|year)s?\s+ago\b", re.IGNORECASE)
_WEEK = datetime.timedelta(days=7)
_ONE = datetime.timedelta(days=1)


def says_when(text: str) -> bool:
    """Whether a passage names a day, a month, a year, or a time before or after now."""
    return _SAID.search(text) is not None


def asks_when(query: str) -> bool:
    """Whether a question is about a time."""
    return _ASKS.search(query) is not None


def spans(query: str, today: datetime.date) -> tuple[str, tuple[Span, ...]]:
    """A question without its dates, and the days that they name."""
    found: list[Span] = []
    rest = query
    for pattern, read in ((_ISO, _iso), (_AGO, _ago), (_RELATIVE, _relative), (_NAMED, _named), (_YEAR, _year)):
        for match in list(pattern.finditer(rest)):
            named = list(read(match, today))
            found += named
            if named:
                rest = rest[: match.start()] + " " * len(match[0]) + rest[match.end() :]
    return rest, tuple(found)


def _iso(match: "re.Match[str]", _today: datetime.date) -> Iterator[Span]:
    year, month, day = int(match[1]), int(match[2]), match[3]
    try:
        first = datetime.date(year, month, int(day or 1))
    except ValueError:
        return
    yield (first, first) if day else _month(year, month)


def _named(match: "re.Match[str]", today: datetime.date) -> Iterator[Span]:
    month = _MONTHS.index(match["month"].lower()) + 1
    day, year = match["day"] or match["after"], match["year"]
    if month == 5 and not (day or year or _BEFORE_MAY.search(match.string[: match.start()])):
        return  # the verb
    of = int(year) if year else today.year - (month > today.month)
    if not day:
        yield _month(of, month)
        return
    try:
        found = datetime.date(of, month, int(day))
    except ValueError:
        return
    yield found, found


def _year(match: "re.Match[str]", _today: datetime.date) -> Iterator[Span]:
    yield datetime.date(int(match[1]), 1, 1), datetime.date(int(match[1]), 12, 31)


def _relative(match: "re.Match[str]", today: datetime.date) -> Iterator[Span]:
    if match[3]:
        day = today - _ONE if match[3].lower() == "yesterday" else today
        yield day, day
        return
    back, unit = match[1].lower() != "this", match[2].lower()
    if unit in _DAYS:
        day = today - datetime.timedelta(days=(today.weekday() - _DAYS.index(unit)) % 7 or (7 if back else 0))
        yield day, day
    elif unit == "day":
        yield today - back * _ONE, today
    elif unit in ("week", "weekend"):
        monday = today - datetime.timedelta(days=today.weekday()) - back * _WEEK
        yield monday + (5 * _ONE if unit == "weekend" else 0 * _ONE), monday + 6 * _ONE
    else:
        yield _back(today, int(back), unit)


def _ago(match: "re.Match[str]", today: datetime.date) -> Iterator[Span]:
    count = int(match[1]) if match[1].isdigit() else _COUNTS.index(match[1].lower()) + 1
    unit = match[2].lower()
    if unit == "day":
        day = today - count * _ONE
        yield day, day
    elif unit == "week":
        day = today - count * _WEEK
        yield day - 3 * _ONE, day + 3 * _ONE
    elif unit == "month" or count < today.year:
        yield _back(today, count, unit)


def _back(today: datetime.date, count: int, unit: str) -> Span:
    """The month or year that is so many before today's."""
    if unit == "year":
        return datetime.date(today.year - count, 1, 1), datetime.date(today.year - count, 12, 31)
    months = today.year * 12 + today.month - 1 - count
    return _month(months // 12, months % 12 + 1)


def _month(year: int, month: int) -> Span:
    first = datetime.date(year, month, 1)
    after = datetime.date(year + month // 12, month % 12 + 1, 1) if year < datetime.MAXYEAR else datetime.date.max
    return first, after - _ONE
