from hypothesis import event, given
from hypothesis import strategies as st

from atomic_agents.operations.threeway import Hunk, merge

BASE = "one\ntwo\nthree\nfour\n"
THEIRS = "one\ntwo\nthree\nFOUR\n"

words = st.sampled_from(("a", "b", "c", "", "<<<<<<< x", "=======", ">>>>>>> y", "||||||| z", " a", "a\r", "é\u2028"))
lines = st.lists(words, max_size=8)
texts = st.builds(lambda rows, end: "\n".join(rows) + end, lines, st.sampled_from(("", "\n")))


def test_what_only_the_other_side_changed_is_taken_over() -> None:
    assert merge(BASE, b"ONE\ntwo\nthree\nfour\n", THEIRS).data == b"ONE\ntwo\nthree\nFOUR\n"


def test_lines_that_both_changed_are_a_hunk_and_the_text_stays() -> None:
    mine = b"one\ntwo\nthree\nmy four\n"

    found = merge(BASE, mine, THEIRS)

    assert found.data == mine
    assert found.hunks == (Hunk(4, ("four",), ("my four",), ("FOUR",)),)


def test_what_both_changed_alike_is_no_conflict() -> None:
    assert merge(BASE, THEIRS.encode(), THEIRS) == (THEIRS.encode(), (), "")


def test_line_ends_stay_the_operators() -> None:
    mine = BASE.replace("\n", "\r\n").encode()

    assert merge(BASE, mine, THEIRS).data == THEIRS.replace("\n", "\r\n").encode()


def test_line_ends_that_are_mixed_stay_as_they_are() -> None:
    assert merge(BASE, b"one\r\ntwo\nthree\r\nfour\n", THEIRS).data == b"one\r\ntwo\nthree\r\nFOUR\r\n"


def test_a_last_line_without_an_end_stays_without() -> None:
    assert merge(BASE, BASE.rstrip("\n").encode(), THEIRS).data == THEIRS.rstrip("\n").encode()
    assert merge(BASE, b"ONE\ntwo\nthree\nfour", BASE + "five\n").data == b"ONE\ntwo\nthree\nfour\nfive"


def test_a_byte_order_mark_stays() -> None:
    assert merge(BASE, f"\ufeff{BASE}".encode(), THEIRS).data == f"\ufeff{THEIRS}".encode()


def test_what_is_not_text_is_left_alone() -> None:
    assert merge(BASE, b"one\n\xff\n", THEIRS) == (b"one\n\xff\n", (), "it is not UTF-8 text")


@given(texts, texts, texts)
def test_no_line_is_made_that_neither_side_had(base: str, mine: str, theirs: str) -> None:
    found = merge(base, mine.encode(), theirs)
    event("conflict" if found.hunks else "merged")
    known = {line.rstrip("\r") for text in (mine, theirs) for line in text.split("\n")}

    assert {line.rstrip("\r") for line in found.data.decode().split("\n")} <= known | {""}
    assert not found.hunks or found.data == mine.encode()


@given(texts, texts)
def test_without_changes_of_the_other_side_nothing_changes(base: str, mine: str) -> None:
    assert merge(base, mine.encode(), base) == (mine.encode(), (), "")


@given(texts, texts)
def test_without_changes_of_the_operator_the_other_side_is_taken_over(base: str, theirs: str) -> None:
    merged = merge(base, base.encode(), theirs)

    assert not merged.hunks
    assert _rows(theirs) == _rows(merged.data.decode())


@given(texts, texts, texts)
def test_a_second_time_nothing_changes(base: str, mine: str, theirs: str) -> None:
    once = merge(base, mine.encode(), theirs)

    assert once.hunks or merge(theirs, once.data, theirs).data == once.data


def _rows(text: str) -> list[str]:
    """The lines without their ends; whether the last one has one is the operator's to say."""
    return [line.removesuffix("\r") for line in text.replace("\r\n", "\n").rstrip("\n").split("\n")]
