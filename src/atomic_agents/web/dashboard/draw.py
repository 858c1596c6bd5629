"""Templates: every value is text unless a template of ours says otherwise, and signs that deceive the eye are shown."""

import datetime
import functools
import json
import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined

from atomic_agents.core.values import Usd, format_cap, format_usd, format_within

# Control characters, and those that turn the direction of text: what an approval shows must be what it means.
_DECEIVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_WIDTH, _HEIGHT = 120, 24
_SHORT = 60


@functools.cache
def environment(cache: str = "") -> Environment:
    """The templates; compiled ones are kept in a folder of the user's own, never in a vault that others may write."""
    found = Environment(
        bytecode_cache=FileSystemBytecodeCache(cache) if cache else None,
        loader=PackageLoader("atomic_agents.web.dashboard"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_finalize, auto_reload=False,
    )  # fmt: skip
    found.filters |= {
        "money": money, "when": when, "day": day, "count": count, "seconds": seconds, "json_text": json_text,
        "spark": spark, "percent": percent, "size": size, "short": short, "lines": diff_lines,
        "cap": format_cap, "money_within": lambda value, cap: format_within(cap, value)[0],
    }  # fmt: skip
    return found


def render(template: str, cache: str = "", **values: object) -> str:
    """A page."""
    return environment(cache).get_template(template).render(**values)


def _finalize(value: object) -> object:
    return _DECEIVING.sub(_shown, value) if type(value) is str else value


def _shown(found: "re.Match[str]") -> str:
    return "" if found[0] == "\r" else found[0].encode("unicode_escape", "surrogatepass").decode()


def money(value: Usd | float | None) -> str:
    """To the cent, or to four places under a dollar."""
    if value is None:
        return "—"
    return format_usd(value) if value else "$0"


def when(at: datetime.datetime | None, today: datetime.date | None = None) -> str:
    """A moment in the operator's zone, as short as the day allows."""
    if at is None:
        return "—"
    local = at.astimezone()
    if local.date() == today:
        return f"{local:%H:%M}"
    same_year = today is not None and local.year == today.year
    return f"{local.day} {local:%b %H:%M}" if same_year else f"{local:%Y-%m-%d %H:%M}"


def day(value: datetime.date | None) -> str:
    """A day."""
    return value.isoformat() if value else "—"


def count(number: int, one: str, many: str = "") -> str:
    """`1 run`, `2,345 runs`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def seconds(milliseconds: object) -> str:
    """A duration."""
    if not isinstance(milliseconds, int | float) or not math.isfinite(milliseconds):
        return "—"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 120_000 else f"{milliseconds / 60_000:.0f} min"


def size(number: int) -> str:
    """Bytes."""
    return (
        f"{number:,} B"
        if number < 1024
        else f"{number / 1024:,.0f} kB"
        if number < 1 << 20
        else f"{number / (1 << 20):,.1f} MB"
    )


def short(number: int) -> str:
    """A large number in few signs: 1.06 M."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1000:,.0f} k" if number < 1_000_000 else f"{number / 1_000_000:,.2f} M"


def percent(part: Usd, whole: Usd) -> int:
    """A share of a hundred; 100 where there is nothing to have a share of."""
    return int(min(part / whole * 100, Decimal(999))) if whole else 100


def json_text(value: object) -> str:
    """A value as JSON to read; text that is JSON already is laid out."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    short = json.dumps(value, ensure_ascii=False, default=str)
    return short if len(short) < _SHORT else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def spark(values: Sequence[Usd]) -> list[tuple[float, float, float, float]]:
    """The bars of a small chart: x, y, width and height; a day without cost has a bar that is hardly one."""
    most = max(values, default=Decimal(0))
    step = _WIDTH / max(len(values), 1)
    tall = [max(float(value / most) * _HEIGHT, 1.5) if most and value else 1.0 for value in values]
    return [
        (round(n * step, 2), round(_HEIGHT - high, 2), round(step - 1, 2), round(high, 2))
        for n, high in enumerate(tall)
    ]


def diff_lines(lines: Iterable[str]) -> list[tuple[str, str]]:
    """The lines of a diff, each with what it is: a file, a place, added, taken away, or the same."""
    kinds = (("+++", "file"), ("---", "file"), ("@@", "place"), ("+", "added"), ("-", "gone"))
    return [(next((kind for sign, kind in kinds if line.startswith(sign)), "same"), line) for line in lines]
