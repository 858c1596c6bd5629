"""Cron expressions: which are none, and the times they name, as Debian's cron has it where the clock is changed.

A time that the clock skips is the first moment after the gap; one that comes twice is the first of the two. An
expression whose minutes or hours begin with `*` goes by the time that passes instead.
"""

import datetime
import zoneinfo
from collections.abc import Iterator

_FIELDS = 5
_LONGEST = 200
_NEVER = "it names a day that never comes"


def wrong(expression: str) -> str:
    """What is wrong with an expression, "" where nothing is."""
    if len(expression) > _LONGEST or len(expression.split()) != _FIELDS:
        return "five fields are needed: minute, hour, day of the month, month, day of the week"
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    try:
        found = next(times(expression, zoneinfo.ZoneInfo("UTC"), start), None)
    except ValueError as error:
        return str(error)
    return "" if found else _NEVER


def times(expression: str, zone: zoneinfo.ZoneInfo, after: datetime.datetime) -> Iterator[datetime.datetime]:
    """The times after `after`, which has a zone, each once and in order, in `zone`.

    Raises:
        ValueError: it is no cron expression.
    """
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only a vault with schedules needs it

    try:
        found: Iterator[datetime.datetime] = CronSim(expression, after.astimezone(zone))
    except (CronSimError, AssertionError, ValueError, TypeError) as error:  # what the library says of odd signs
        message = str(error)
        raise ValueError(f"{message[:1].lower()}{message[1:]}" if message else "it cannot be read") from error
    return _rising(found, after)


def _rising(found: Iterator[datetime.datetime], after: datetime.datetime) -> Iterator[datetime.datetime]:
    """Of times that fall together when the clock is changed, or that lie before the start, none."""
    last = after.astimezone(datetime.UTC)
    for at in found:
        moment = at.astimezone(datetime.UTC)
        if moment > last:
            last = moment
            yield at
