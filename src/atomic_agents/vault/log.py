"""Log lines: one JSON object per run and per thing that costs, in the published keys and order."""

import datetime
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from atomic_agents.core.values import Problem, Usd, parse_date

KEYS = (
    "ts", "run_id", "primitive", "status", "summary", "model", "input_tokens", "output_tokens",
    "cost_usd", "cost_source", "latency_ms", "cache_hit_tokens", "cache_miss_tokens", "mandate_id", "parent_run_id",
    "parent_agent", "trigger", "agent_name", "fallback", "critical", "idempotency_key", "replayed_run_id",
    "conversation_id",
)  # fmt: skip
TRANSCRIPT_HASH = "transcript_hash"
"""The hash of the last line of a run's transcript, so that its end cannot be changed unseen."""

_ALWAYS = frozenset(KEYS[:8])
_SUMMARY = 80
_MOST = 10**9


def render(record: Mapping[str, object]) -> str:
    """A record as its line: known keys in the published order, then the others; keys that say nothing are left out."""
    ordered = {key: record[key] for key in KEYS if key in record and (key in _ALWAYS or not _says_nothing(record[key]))}
    ordered |= {key: value for key, value in record.items() if key not in KEYS and value is not None}
    line = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), default=_number)
    return line.encode(errors="replace").decode()  # half a character, from a shell or a model, must not cost the line


def _says_nothing(value: object) -> bool:
    return value is None or value is False


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no place in a log line")


def summary(work_item: str) -> str:
    """The work item as a log line states it: at most 80 characters."""
    text = " ".join(work_item.split())
    return text if len(text) <= _SUMMARY else text[: _SUMMARY - 3] + "..."


class Line(NamedTuple):
    """A line of a log: the record, or what is wrong with it."""

    number: int
    record: Mapping[str, object]
    problem: Problem | None = None


def read(path: str, data: bytes) -> Iterator[Line]:
    """Every line that is not blank; one that is torn, not JSON or not an object has a problem and an empty record."""
    for number, raw in enumerate(data.split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            record = json.loads(raw)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            yield Line(number, record)
        else:
            hint = f"look at line {number} of {path}; the other lines are read"
            yield Line(number, {}, Problem(path, number, "is not a log record", hint))


def cost(record: Mapping[str, object]) -> Usd | None:
    """What a record says was spent; None where it is not a sum of money (NaN, negative, text, beyond `_MOST`)."""
    value = record.get("cost_usd", 0)
    if value is None:
        return Decimal(0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        return None
    return Decimal(str(value))


def moment(record: Mapping[str, object], zone: datetime.tzinfo | None) -> datetime.datetime | None:
    """When a record says it was written, in `zone` where it names none; None where it states no moment."""
    try:
        at = datetime.datetime.fromisoformat(str(record.get("ts")))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def ending(record: Mapping[str, object]) -> str:
    """How the run of a record ended: its `ending`, or else its published status; "" where it states neither."""
    return str(record.get("ending") or record.get("status") or "")


def tokens(record: Mapping[str, object], key: str) -> int:
    """A number of tokens that a record states; 0 where it states none."""
    value = record.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def repeats(record: Mapping[str, object]) -> bool:
    """Whether it is a coordinator's line about a delegate, which repeats what the delegate's own log states."""
    return record.get("trigger") == "delegate" and "delegate_run_id" in record


def day_of(path: str) -> datetime.date | None:
    """The day that the name of a log states; None where it states none."""
    return parse_date(path.rpartition("/")[2].removesuffix(".jsonl"))
