import datetime

import pytest

from atomic_agents.cli import timeline
from atomic_agents.operations.record import RunLine, Shown
from atomic_agents.runtime.record import Event, Record

NOON = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)


def line(run_id: str = "run-1", **facts: object) -> RunLine:
    return RunLine(run_id, "scout", NOON, "ok", "cron", "m", "go", None, 5210, 87, "scout/log/x.jsonl:1", facts)


def told(*events: tuple[str, dict[str, object]], full: bool = False, children: tuple[Shown, ...] = ()) -> list[str]:
    found = tuple(Event(number, name, None, facts) for number, (name, facts) in enumerate(events, 1))
    shown = Shown(line(), Record("run-1", "p", found, (), ended=True), None, children)
    return [text.strip() for text in timeline.whole(shown, full=full)]


@pytest.mark.parametrize(
    ("name", "facts", "said"),
    [
        ("started", {"work_item": "go"}, "asked        go"),
        ("asking", {"iteration": 2, "model": "m", "quote": "0.5"}, "request      2: m, at most $0.5000"),
        ("asking", {"iteration": 1, "attempt": 3, "model": "m"}, "request      1, attempt 3: m, at most $0.0000"),
        ("waiting", {"seconds": 1.5}, "waited       1.5 s, to try again"),
        ("reserved", {"quote": "0.5"}, "set aside    $0.5000 of what all agents may spend"),
        ("failed", {"error": "overloaded", "cost": "0"}, "failed       overloaded, $0.0000"),
        ("called", {"tool_name": "recall", "failed": True, "text": "no"}, "result       recall failed"),
        ("closed", {"status": "crashed", "cost_usd": "2", "torn": 1},
         "ended        crashed, $2.00 in all; a torn last line was left out"),
        ("approved", {"by": "ruth", "empty": ""}, "approved     by ruth"),
        ("asking", {"quote": "much"}, "request      : , at most much"),
    ],
)  # fmt: skip
def test_each_event_has_its_words(name: str, facts: dict[str, object], said: str) -> None:
    assert said in told((name, facts))


def test_long_texts_are_shortened_unless_all_is_asked_for() -> None:
    text = "\n".join(f"line {number}" for number in range(1, 21))
    facts: dict[str, object] = {"text": text, "calls": ["odd", {"name": "recall", "arguments": "{}"}]}
    event = ("answered", facts)

    assert told(event)[-2:] == ["… 8 more lines; --full shows all", "calls        recall {}"]
    assert "line 20" in told(event, full=True)


def test_runs_that_it_started_stand_below_it() -> None:
    grandchild = Shown(line("run-3"), None, None, ())
    child = Shown(line("run-2"), None, line(), (grandchild,))

    assert told(children=(child,))[-3:] == [
        "run-1 scout, ok: go",
        "└ run-2 scout, ok: go",
        "└ run-3 scout, ok: go",
    ]


def test_a_run_without_a_transcript_says_all_that_its_line_says() -> None:
    shown = Shown(line(error="provider-failed: no", latency_ms=1400.0), None, line("run-0"), ())

    said = list(timeline.whole(shown, full=False))

    for part in ("took         1.4 s", "error        provider-failed: no", "part of      run-0 of scout",
                 "cost         not stated, 5,210 tokens in, 87 out", "log line     scout/log/x.jsonl:1"):  # fmt: skip
        assert part in said
