import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.vault import journal

DAY = datetime.date(2026, 5, 9)
TIME = datetime.datetime(2026, 5, 9, 10, 15, tzinfo=datetime.UTC)


def run(outcome: str = "Done.", work_item: str = "What now?") -> str:
    return journal.run_entry(
        TIME, run_id="run-1", trigger="manual", work_item=work_item, outcome=outcome, facts=["wrote x"]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "# 2026-05-09 — scout journal\n\nentry\nmore\n"),
        ("Nell was here.", "Nell was here.\n\nentry\nmore\n"),
        ("Nell was here.\n", "Nell was here.\n\nentry\nmore\n"),
        ("Nell was here.  \n\n\n", "Nell was here.  \n\n\nentry\nmore\n"),
        ("Nell\r\nwas here.\r\n", "Nell\r\nwas here.\r\n\r\nentry\r\nmore\r\n"),
    ],
)
def test_an_entry_goes_below_what_stands_there(text: str, expected: str) -> None:
    assert journal.append(text, "\nentry\nmore\n\n", day=DAY, agent="a/scout") == expected


@given(st.text(), st.text())
def test_what_stands_there_stays_byte_for_byte(text: str, entry: str) -> None:
    after = journal.append(text, entry, day=DAY, agent="scout")

    assert after.startswith(text) or not text.strip()
    assert after.endswith("\n")


def test_a_run_says_what_was_asked_and_what_it_did() -> None:
    assert run() == "## 10:15 — manual run\n<!-- run-1 -->\n\nAsked: What now?\n\nDone.\n\n- wrote x"


def test_an_answer_can_neither_end_its_entry_nor_hide_what_follows() -> None:
    text = run(outcome="# No\n## 11:00 — I was here\n<!-- hidden", work_item="<!--\n## x")

    assert text.count("\n## ") == 0
    assert text.count("<!--") == 1


def test_a_long_answer_is_cut() -> None:
    assert len(run(outcome="x" * 5000)) < 1000


def test_a_search_does_not_find_what_runs_wrote() -> None:
    text = f"# Day\n\nHand.\n\n{run()}\n\n## Later\n\nBy hand too.\n"

    found = journal.without_runs(text)

    assert found.count("\n") == text.count("\n")
    assert [line for line in found.splitlines() if line] == ["# Day", "Hand.", "## Later", "By hand too."]
