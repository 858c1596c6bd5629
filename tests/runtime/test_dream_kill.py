import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each attempt is a fork")

ROOT = Path(__file__).parents[2]
COST = 0.002
KILLED = -9


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the next start found after a dream was killed at each of its steps; the last of each phase was not."""
    command = [sys.executable, "-m", "tests.runtime.dream_kill_driver", str(tmp_path_factory.mktemp("killed"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def of(attempts: list[dict[str, Any]], phase: str) -> list[dict[str, Any]]:
    found = [attempt for attempt in attempts if attempt["phase"] == phase]
    assert [attempt["code"] for attempt in found] == [KILLED] * (len(found) - 1) + [0]
    return found


def test_a_dream_that_is_killed_changes_no_note(attempts: list[dict[str, Any]]) -> None:
    for attempt in of(attempts, "have"):
        assert attempt["notes"] == attempts[0]["notes"], attempt
        assert attempt["kept"] == 0, attempt


def test_what_a_killed_dream_cost_is_counted_once(attempts: list[dict[str, Any]]) -> None:
    found = of(attempts, "have")

    assert {attempt["answers"] for attempt in found} == {0, 1, 2}
    for attempt in found:
        spent = sum(line["cost_usd"] for line in attempt["log"])
        assert {line["primitive"] for line in attempt["log"]} <= {"dream"}, attempt
        assert (attempt["again"], attempt["open"]) == (0, 0), attempt
        assert attempt["transcripts"] == len(attempt["log"]), attempt
        crashed = [line for line in attempt["log"] if line["ending"] == "crashed" and line["cost_usd"] > COST]
        assert spent >= COST * attempt["answers"] - 1e-9, attempt  # a quote where an answer never came to count
        assert spent == pytest.approx(COST * attempt["answers"]) or len(crashed) == 1, attempt


def test_what_an_answer_decides_is_kept_with_its_log_line(attempts: list[dict[str, Any]]) -> None:
    for attempt in of(attempts, "have"):
        understood = [line["ending"] for line in attempt["log"]] == ["ok", "ok"]

        assert attempt["dreams"] == ([["open", "open"]] if understood else []), attempt
        assert attempt["problems"] == 0, attempt


@pytest.mark.parametrize(
    ("phase", "before", "after"), [("apply", "accepted", "applied"), ("revert", "applied", "open")]
)
def test_a_patch_is_there_whole_or_not_at_all(
    attempts: list[dict[str, Any]], phase: str, before: str, after: str
) -> None:
    found = of(attempts, phase)
    untouched, done = found[0]["notes"], found[-1]["notes"]

    assert untouched != done
    assert {attempt["dreams"][0][0] for attempt in found} == {before, after}
    for attempt in found:
        is_done = attempt["dreams"] == [[after, after]]
        assert is_done or attempt["dreams"] == [[before, before]], attempt
        assert attempt["notes"] == (done if is_done else untouched), attempt
        assert attempt["kept"] == found[-1 if is_done else 0]["kept"], attempt


def test_the_way_back_leads_to_the_notes_of_before(attempts: list[dict[str, Any]]) -> None:
    start, end = attempts[0]["notes"], of(attempts, "revert")[-1]["notes"]

    assert {name: text for name, text in end.items() if name != "INDEX.md"} == {
        name: text for name, text in start.items() if name != "INDEX.md"
    }
    assert sorted(line for line in end["INDEX.md"].splitlines() if line.startswith("-")) == sorted(
        line for line in start["INDEX.md"].splitlines() if line.startswith("-")
    )
