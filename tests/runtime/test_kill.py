import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each attempt is a fork")

DRIVER = Path(__file__).with_name("kill_driver.py")
COST = 0.002
QUOTE = (2 * COST, 6 * COST)
"""Between what a request that was not answered counts: up to 4,000 tokens out, and what went in."""
ASKED = 5
SOME, ALL = 8, 0

Attempt = dict[str, Any]
Look = dict[str, Any]


@pytest.fixture(
    scope="module",
    params=[pytest.param(SOME, id="some-moments"), pytest.param(ALL, id="every-moment", marks=pytest.mark.soak)],
)
def attempts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Attempt]:
    """What was found after a run, and the run that went on with it, were killed at some or all of their disk calls."""
    command = [sys.executable, str(DRIVER), str(tmp_path_factory.mktemp("killed")), str(request.param)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stderr
    found: list[Attempt] = json.loads(done.stdout)
    return found


@pytest.fixture
def looks(attempts: list[Attempt]) -> list[Look]:
    return [look for attempt in attempts for look in attempt["looks"]]


def statuses(look: Look) -> list[str]:
    return [line["ending"] for line in look["log"]]


def ended(look: Look) -> bool:
    return "ok" in statuses(look)


def test_runs_are_killed_before_while_and_after_they_ask_and_while_they_end(attempts: list[Attempt]) -> None:
    first = [statuses(attempt["looks"][0]) for attempt in attempts]
    chains = {tuple(statuses(attempt["looks"][-1])) for attempt in attempts}

    assert {tuple(found) for found in first} == {(), ("crashed",), ("ok",)}
    assert {answered(attempt["looks"][0]) for attempt in attempts} >= {0, 2, ASKED}
    assert chains >= {("ok",), ("crashed", "ok"), ("crashed", "crashed", "ok")}


def answered(look: Look) -> int:
    """How many answers are recorded, in all runs together."""
    return sum(events.count("answered") for events in look["events"])


def test_a_run_that_began_has_exactly_one_log_line(looks: list[Look]) -> None:
    for look in looks:
        ids = [line["run_id"] for line in look["log"]]
        transcripts = [path for path in look["files"] if path.startswith("caldwell/runs/2026-11/")]
        assert len(ids) == len(set(ids)) == len(transcripts), look
        assert (look["closed"], look["again"]) == (1 if look["begun"] else 0, 0), look
        assert [events[-1] for events in look["events"]] == ["closed"] * len(ids), look


def test_what_was_paid_is_counted_once(looks: list[Look]) -> None:
    for look in looks:
        for line, events in zip(look["log"], look["events"], strict=True):
            known = COST * events.count("answered")
            if events.count("asking") > events.count("answered"):
                assert known + QUOTE[0] < line["cost_usd"] < known + QUOTE[1], look
            else:
                assert line["cost_usd"] == pytest.approx(known), look
        assert sum(line["cost_usd"] for line in look["log"]) >= COST * look["asked"] - 1e-9, look


def test_captures_journal_and_turn_are_all_there_or_not_at_all(looks: list[Look]) -> None:
    for look in looks:
        notes = [path for path in look["files"] if path.startswith("caldwell/memory/user_")]
        entries = [name for name in ("Fenced", "Called") if look["index"].count(f"[{name}]") == 1]

        assert len(notes) == len(entries) == (2 if ended(look) else 0), look
        assert look["journal"] == look["turns"] == (1 if ended(look) else 0), look
        assert "- [Old](user_old.md) — old" in look["index"], look


def test_a_run_that_was_cut_off_is_finished(attempts: list[Attempt]) -> None:
    for attempt in attempts:
        *_, last = attempt["looks"]
        assert (not last["log"]) or ended(last), attempt
        assert last["kept"] == (["First.\n\nThen.\n\nDone."] if last["log"] else []), attempt
        before = [line["run_id"] for line in last["log"]]
        assert [line.get("resumed_from") for line in last["log"]] == [None, *before][: len(before)], attempt


def test_the_model_is_not_asked_again_what_it_has_answered(attempts: list[Attempt]) -> None:
    for attempt in attempts:
        for before, after in zip(attempt["looks"], attempt["looks"][1:], strict=False):
            if ended(after):
                assert after["asked"] - before["asked"] == ASKED - answered(before), attempt
            assert answered(after) <= ASKED, attempt


def test_no_tool_is_called_again_that_has_answered(looks: list[Look]) -> None:
    for look in looks:
        assert sum(events.count("called") for events in look["events"]) <= 6, look


def test_a_key_names_the_run_that_was_cut_off_and_is_free_where_going_on_died_too(looks: list[Look]) -> None:
    for look in looks:
        last = statuses(look)
        first = [line["run_id"] for line in look["log"]][:1]

        assert look["cut_off"] == (first if last == ["crashed"] else []), look


def test_no_transcript_is_taken_for_one_that_was_changed(looks: list[Look]) -> None:
    for look in looks:
        assert look["verdicts"] == ["sound"] * len(look["events"]), look


def test_no_litter_is_left(looks: list[Look]) -> None:
    expected = {".atomic/.gitignore", ".atomic/apply.lock"}

    for look in looks:
        assert set(look["ours"]) <= expected, look
        assert not [path for path in look["files"] if path.startswith("_runs/") or ".tmp" in path], look
        assert len(look["files"]) <= 14 + len(look["log"]), look
