"""What a settings file may say: one rule per key, checked with every problem reported at once."""

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple, TypeGuard

from atomic_agents.core.document import same
from atomic_agents.core.values import Severity, near, parse_date

RuleKind = Literal["text", "integer", "number", "money", "boolean", "choice", "date", "list", "table", "map", "any"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be.

    `choices` for a choice, `least` and `most` for numbers, `items` for each value of a list or a map, `keys` for the
    known keys of a table.
    """

    kind: RuleKind
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    items: "Rule | None" = None
    keys: Mapping[str, "Rule"] | None = None


class Finding(NamedTuple):
    """What is wrong with the value at `at` (a path of keys), and what to write instead."""

    at: tuple[str, ...]
    message: str
    hint: str
    severity: Severity = "error"


TEXT = Rule("text")
BOOLEAN = Rule("boolean")
MONEY = Rule("money", least=0)
ANY = Rule("any")
TEXTS = Rule("list", items=TEXT)


def check(value: object, rule: Rule, at: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Every way in which `value` breaks `rule`."""
    name = ".".join(at)
    if rule.kind in ("integer", "number", "money"):
        yield from _check_number(value, rule, at)
    elif rule.kind == "list":
        if not isinstance(value, list):
            yield Finding(at, f"{name} is {_shown(value)}; a list is needed", f"write {name}: [{_plain(value)}]")
            return
        for item in value:
            yield from check(item, rule.items or ANY, at)
    elif rule.kind in ("table", "map"):
        yield from _check_mapping(value, rule, at)
    elif rule.kind == "choice" and value not in rule.choices:
        meant = near(str(value), rule.choices)
        hint = f"write {name}: {meant[0] if meant else rule.choices[0]}"
        yield Finding(at, f"{name} is {_shown(value)}; it can be {', '.join(rule.choices)}", hint)
    elif rule.kind == "boolean" and not isinstance(value, bool):
        yield Finding(at, f"{name} is {_shown(value)}; true or false is needed, without quotes", f"write {name}: true")
    elif rule.kind == "text" and (not isinstance(value, str) or not value.strip()):
        yield Finding(at, f"{name} is {_shown(value)}; a text is needed", f'write {name}: "{_plain(value)}"')
    elif rule.kind == "date" and parse_date(value) is None:
        yield Finding(at, f"{name} is {_shown(value)}; a day is needed", f"write {name}: 2026-12-31")


def _check_number(value: object, rule: Rule, at: tuple[str, ...]) -> Iterator[Finding]:
    name = ".".join(at)
    noun = {"integer": "a whole number", "number": "a number", "money": "a number in USD"}[rule.kind]
    if not _is_number(value) or (rule.kind == "integer" and not isinstance(value, int)):
        hint = f"write {name}: {_as_number(value, whole=rule.kind == 'integer')}"
        yield Finding(at, f"{name} is {_shown(value)}; {noun} is needed", hint)
        return
    if rule.least is not None and value < rule.least:
        yield Finding(at, f"{name} is {value}; {rule.least:g} is the least", f"write {name}: {rule.least:g}")
    if rule.most is not None and value > rule.most:
        yield Finding(at, f"{name} is {value}; {rule.most:g} is the most", f"write {name}: {rule.most:g}")


def _is_number(value: object) -> TypeGuard[int | float | Decimal]:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _check_mapping(value: object, rule: Rule, at: tuple[str, ...]) -> Iterator[Finding]:
    name = ".".join(at)
    if not isinstance(value, dict):
        yield Finding(at, f"{name} is {_shown(value)}; `key: value` lines are needed", f"indent its keys below {name}:")
        return
    for key, inner in value.items():
        if rule.kind == "map":
            yield from check(inner, rule.items or ANY, (*at, str(key)))
        elif rule.keys is not None and str(key) in rule.keys:
            yield from check(inner, rule.keys[str(key)], (*at, str(key)))
        else:
            meant = near(str(key), rule.keys or ())
            hint = f"write {meant[0]}" if meant else f"take {key} away, or see docs/reference/settings.md"
            yield Finding((*at, str(key)), f"{'.'.join((*at, str(key)))} is not a setting", hint)


def differences(stated: object, value: object, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Where a text and the front matter differ; a text that leaves something out does not."""
    if isinstance(stated, dict) and isinstance(value, dict):
        for key, inner in stated.items():
            yield from differences(inner, value.get(key), (*at, str(key)))
    elif stated != [] and not same(_normal(stated), _normal(value)):
        yield at


def _normal(value: object) -> object:
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, float | int | Decimal) and not isinstance(value, bool):
        return Decimal(str(value)).normalize()
    return value


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, datetime.date | bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return f'"{value}"'


def _plain(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and str(value).strip() else "…"


def _as_number(value: object, *, whole: bool) -> str:
    """What was probably meant, for a hint."""
    text = str(value).strip().lstrip("$€").replace(" ", "")
    if "," in text and "." not in text and len(text.rpartition(",")[2]) != 3:
        text = text.replace(",", ".")
    text = text.replace(",", "")
    thousands = text[-1:] in ("k", "K")
    try:
        number = Decimal(text[:-1] if thousands else text) * (1000 if thousands else 1)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        return "1000" if whole else "1.00"
    return f"{number:.0f}" if whole or thousands else f"{number}"
