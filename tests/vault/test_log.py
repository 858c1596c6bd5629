import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.vault import log

RECORD = {
    "agent_name": "scout", "agent_mode": "reactive", "trigger": "manual", "cost_estimated_via_fallback": True,
    "cache_miss_tokens": 1000, "cache_hit_tokens": 0, "latency_ms": 1211.0, "cost_source": "actor",
    "cost_usd": Decimal("0.03"), "output_tokens": 1000, "input_tokens": 1000, "model": "fake-1",
    "summary": "www...", "status": "ok", "primitive": "other", "run_id": "run-20261122-195515-804721-6b63dcaa",
    "ts": "2026-11-22T19:55:17.019761+00:00", "fallback": False, "mandate_id": None, "critical": False,
    "conversation_id": None,
}  # fmt: skip
PUBLISHED = (
    '{"ts":"2026-11-22T19:55:17.019761+00:00","run_id":"run-20261122-195515-804721-6b63dcaa","primitive":"other","status":"ok",'
    '"summary":"www...","model":"fake-1","input_tokens":1000,"output_tokens":1000,"cost_usd":0.03,"cost_source":"actor",'
    '"latency_ms":1211.0,"cache_hit_tokens":0,"cache_miss_tokens":1000,"trigger":"manual","agent_name":"scout",'
    '"agent_mode":"reactive","cost_estimated_via_fallback":true}'
)


def test_a_record_is_written_as_it_was_published() -> None:
    assert log.render(RECORD) == PUBLISHED


def test_what_costs_nothing_says_so() -> None:
    line = log.render(
        {"ts": "t", "status": "", "cost_usd": 0, "latency_ms": 0.0, "fallback": True, "extra": False, "none": None}
    )

    assert line == '{"ts":"t","status":"","cost_usd":0,"latency_ms":0.0,"fallback":true,"extra":false}'


def test_a_record_is_one_line_of_utf_8_whatever_it_says() -> None:
    line = log.render({"ts": "t", "summary": "two\nlines \u2028 é \ud83d", "error": "\udcff"})

    assert line.encode().count(b"\n") == 0
    assert json.loads(line) == {"ts": "t", "summary": "two\nlines \u2028 é ?", "error": "?"}


def test_what_is_no_number_or_text_has_no_place_in_a_line() -> None:
    with pytest.raises(TypeError, match="object has no place in a log line"):
        log.render({"x": object()})


@given(
    st.dictionaries(
        st.sampled_from((*log.KEYS, "agent_mode", "x")),
        st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    )
)
def test_known_keys_come_first_in_their_order_and_nothing_is_lost(record: dict[str, object]) -> None:
    keys = list(json.loads(log.render(record)))

    assert keys == [key for key in log.KEYS if key in keys] + [key for key in record if key not in log.KEYS]
    assert {key for key, value in record.items() if value is not False} <= set(keys)


@pytest.mark.parametrize(
    ("work_item", "expected"),
    [("x" * 80, "x" * 80), ("x" * 81, "x" * 77 + "..."), (" two\n lines ", "two lines"), ("", "")],
)
def test_a_summary_has_at_most_eighty_characters(work_item: str, expected: str) -> None:
    assert log.summary(work_item) == expected


def test_lines_that_are_no_records_are_problems_and_the_others_are_read() -> None:
    bad = [
        b'{"ts":"t',
        b"[]",
        b"5",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b"{]",
        b"[" * 100_000,
        b'{"n": ' + b"9" * 5000 + b"}",
    ]
    data = b'{"a":1}\n' + b"\n".join(bad) + b'\n\n  \n{"b":2}\r\n\xef\xbb\xbf{"c":3}\n{"d":'

    found = list(log.read("a/log/x.jsonl", data))

    assert [line.record for line in found if line.problem is None] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [line.number for line in found if line.problem] == [*range(2, 11), 15]
    assert {line.problem.message for line in found if line.problem} == {"is not a log record"}
    assert next(line.problem.where for line in found if line.problem) == "a/log/x.jsonl:2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.03", Decimal("0.03")),
        ("0", Decimal(0)),
        ("12", Decimal(12)),
        ("null", Decimal(0)),
        ("1e-7", Decimal("1e-7")),
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("-0.01", None),
        ('"0.5"', None),
        ("true", None),
        ("[]", None),
        ("1e400", None),
        ("1e308", None),
        ("9" * 400, None),
    ],
)
def test_a_cost_is_a_sum_of_money_or_unknown(text: str, expected: Decimal | None) -> None:
    assert log.cost(json.loads(f'{{"cost_usd": {text}}}')) == expected


def test_a_record_that_states_no_cost_has_none() -> None:
    assert log.cost({}) == Decimal(0)
