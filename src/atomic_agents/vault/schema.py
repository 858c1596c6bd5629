"""The rules of a settings file as JSON Schema, for editors: what it refuses, the reader refuses."""

from collections.abc import Mapping

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.vault.rules import Rule
from atomic_agents.vault.settings import NOT_OURS, RULES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DAY = r"^\s*\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?\s*$"
_PLAIN: Mapping[str, Mapping[str, object]] = {
    "text": {"type": "string", "pattern": r"\S"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "pattern": _DAY},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "money": {"type": "number"},
    "any": {},
}


def of_file(name: str) -> dict[str, object]:
    """The JSON Schema of a settings file's front matter.

    The reader knows more than it can say: what two keys mean together, and that 1.0 is no whole number.
    """
    ours = _table(RULES[name])
    others: dict[str, object] = {key: {} for key in NOT_OURS} | {"schema_version": {"const": CURRENT_SCHEMA_VERSION}}
    return {
        "$schema": _DIALECT,
        "title": f"The front matter of {name}, at version {CURRENT_SCHEMA_VERSION}",
        **ours,
        "properties": {**others, **_properties(RULES[name])},
        "required": ["schema_version"],
    }


def of_rule(rule: Rule) -> dict[str, object]:
    """The JSON Schema of a value."""
    if rule.kind == "table":
        return _table(rule.keys or {})
    if rule.kind == "map":
        return {"type": "object", "additionalProperties": of_rule(rule.items) if rule.items else {}}
    if rule.kind == "list":
        return {"type": "array", "items": of_rule(rule.items) if rule.items else {}}
    if rule.kind == "choice":
        return {"enum": list(rule.choices)}
    limits = {"minimum": rule.least, "maximum": rule.most}
    return {**_PLAIN[rule.kind], **{name: limit for name, limit in limits.items() if limit is not None}}


def _table(keys: Mapping[str, Rule]) -> dict[str, object]:
    return {"type": "object", "properties": _properties(keys), "additionalProperties": False}


def _properties(keys: Mapping[str, Rule]) -> dict[str, object]:
    return {key: of_rule(rule) for key, rule in keys.items()}
