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
KILLED = -9


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the next start found after a run was killed at each of its steps in turn; the last one was not killed."""
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run([sys.executable, DRIVER, folder], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert [attempt["code"] for attempt in found] == [KILLED] * (len(found) - 1) + [0]
    return found


def test_it_is_killed_before_while_and_after_it_asks_and_while_it_ends(attempts: list[dict[str, Any]]) -> None:
    endings = [[line["status"] for line in attempt["log"]] for attempt in attempts]

    assert {attempt["answers"] for attempt in attempts} == {0, 1, 2, 3}
    assert [endings.index(status) for status in ([], ["crashed"], ["ok"])] == sorted(
        endings.index(status) for status in ([], ["crashed"], ["ok"])
    )


def test_a_run_that_began_has_exactly_one_log_line(attempts: list[dict[str, Any]]) -> None:
    for attempt in attempts:
        lines = len(attempt["log"])
        assert (lines, attempt["again"]) == (1 if attempt["events"] else 0, 0), attempt
        assert attempt["closed"] == (1 if attempt["begun"] else 0), attempt
        assert [events[-1] for events in attempt["events"]] == ["closed"] * lines, attempt


def test_what_was_paid_is_counted_once(attempts: list[dict[str, Any]]) -> None:
    for attempt in attempts:
        cost = sum(line["cost_usd"] for line in attempt["log"])
        (events,) = attempt["events"] or [[]]
        known = COST * events.count("answered")
        if events.count("asking") > events.count("answered"):
            assert known + 2 * COST < cost < known + 4 * COST, attempt  # a quote: up to 4,000 tokens out
        else:
            assert cost == pytest.approx(known), attempt
        assert cost >= COST * attempt["answers"] - 1e-9, attempt


def test_captures_journal_and_turn_are_all_there_or_not_at_all(attempts: list[dict[str, Any]]) -> None:
    for attempt in attempts:
        ended = any(line["status"] == "ok" for line in attempt["log"])
        notes = [path for path in attempt["files"] if path.startswith("caldwell/memory/user_")]
        entries = [name for name in ("Fenced", "Called") if f"[{name}]" in attempt["index"]]

        assert len(notes) == len(entries) == (2 if ended else 0), attempt
        assert attempt["journal"] == attempt["turns"] == (1 if ended else 0), attempt
        assert "- [Old](user_old.md) — old" in attempt["index"], attempt


def test_an_answer_is_kept_under_its_key_with_the_end_of_its_run_or_not_at_all(attempts: list[dict[str, Any]]) -> None:
    for attempt in attempts:
        ended = any(line["status"] == "ok" for line in attempt["log"])

        assert attempt["kept"] == (["First.\n\nDone."] if ended else []), attempt


def test_no_transcript_is_taken_for_one_that_was_changed(attempts: list[dict[str, Any]]) -> None:
    for attempt in attempts:
        assert attempt["verdicts"] == ["sound"] * len(attempt["events"]), attempt


def test_no_litter_is_left(attempts: list[dict[str, Any]]) -> None:
    expected = {".atomic/.gitignore", ".atomic/apply.lock"}

    for attempt in attempts:
        assert set(attempt["ours"]) <= expected, attempt
        assert not [path for path in attempt["files"] if path.startswith("_runs/") or ".tmp" in path], attempt
        assert len(attempt["files"]) <= 12, attempt
