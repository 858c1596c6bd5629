"""The schemas against the reader: what a schema refuses, the reader refuses, and the reverse where it can say it."""

import datetime
import json
import math

import jsonschema
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from atomic_agents.core.document import parse, render
from atomic_agents.vault import schema
from atomic_agents.vault import settings as vault_settings
from atomic_agents.vault.rules import Rule, check
from atomic_agents.vault.settings import RULES

VALIDATORS = {name: jsonschema.Draft202012Validator(schema.of_file(name)) for name in RULES}
ODD: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 70_000), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", " ", "0,50", "yes", "2026-12-31", "2026-13-99"]), st.just([]), st.just({}), st.just(["x"]),
)  # fmt: skip


def right(rule: Rule) -> st.SearchStrategy[object]:
    """Mostly values that the rule allows."""
    match rule.kind:
        case "text" | "any":
            return st.sampled_from(["x", "gpt-5-mini", "memory/", "09:00"])
        case "integer":
            return st.integers(int(rule.least or 0), int(rule.most or 9_999))
        case "number" | "money":
            return st.integers(int(rule.least or 0), int(rule.most or 99)) | st.floats(rule.least or 0, rule.most or 99)
        case "boolean":
            return st.booleans()
        case "choice":
            return st.sampled_from(rule.choices)
        case "date":
            return st.dates().map(str)
        case "list":
            return st.lists(values(rule.items or Rule("any")), max_size=3)
        case "map":
            return st.dictionaries(st.sampled_from(["a", "b-c"]), values(rule.items or Rule("any")), max_size=2)
        case "table":
            return table(rule.keys or {})


def values(rule: Rule) -> st.SearchStrategy[object]:
    return st.integers(0, 19).flatmap(lambda chance: ODD if chance == 0 else right(rule))


def table(keys: dict[str, Rule] | object) -> st.SearchStrategy[object]:
    assert isinstance(keys, dict)
    known = {key: values(rule) for key, rule in keys.items()}
    some = st.lists(st.sampled_from(sorted(known)), max_size=4, unique=True) if known else st.just([])
    unknown = st.sampled_from([{}, {}, {}, {}, {}, {}, {}, {"no_such_key": 1}])
    return st.builds(lambda made, more: {**made, **more}, some.flatmap(
        lambda names: st.fixed_dictionaries({name: known[name] for name in names})), unknown)  # fmt: skip


FILES = st.sampled_from(sorted(RULES)).flatmap(lambda name: st.tuples(st.just(name), table(dict(RULES[name]))))


def beyond(value: object) -> bool:
    """Whether a value is one of which JSON Schema says less than the reader: 1.0, and days that no calendar has."""
    if isinstance(value, dict):
        return any(map(beyond, value.values()))
    if isinstance(value, list):
        return any(map(beyond, value))
    return (isinstance(value, float) and value == math.floor(value)) or value == "2026-13-99"


@settings(max_examples=600, deadline=None)
@given(FILES)
def test_a_schema_and_the_reader_agree(found: tuple[str, dict[str, object]]) -> None:
    name, stated = found
    allowed = VALIDATORS[name].is_valid({"schema_version": 2, **stated})

    findings = [each for each in check(stated, Rule("table", keys=RULES[name])) if each.severity == "error"]

    event(f"allowed: {allowed}")
    assert allowed or findings
    assert beyond(stated) or not allowed or not findings


@settings(max_examples=300, deadline=None)
@given(FILES)
def test_what_a_schema_refuses_is_refused_in_a_file(found: tuple[str, dict[str, object]]) -> None:
    name, stated = found
    document = parse(name, render({"schema_version": 2, **stated}, "# Settings"))
    as_json = json.loads(json.dumps(document.meta, default=lambda value: value.isoformat()))

    read = vault_settings.read(name, document)

    if not VALIDATORS[name].is_valid(as_json):
        assert [problem for problem in read.problems if problem.severity == "error"]


@pytest.mark.parametrize("name", RULES)
def test_each_schema_is_one(name: str) -> None:
    found = schema.of_file(name)

    jsonschema.Draft202012Validator.check_schema(found)
    assert VALIDATORS[name].is_valid({"schema_version": 2, "tags": ["a"]})
    assert not VALIDATORS[name].is_valid({})


def test_a_day_of_yaml_is_a_day() -> None:
    assert not list(check(datetime.date(2026, 1, 1), Rule("date")))
