from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.change import Append, Change, ChangeSet, Delete, Put


def diff(there: Mapping[str, bytes], *changes: Change) -> list[str]:
    return list(ChangeSet("why", changes).diff(there.get))


def test_a_put_shows_the_lines_that_change() -> None:
    shown = diff({"a": b"one\ntwo\nthree\nfour\n"}, Put("a", b"one\ntwo\n3\nfour\n"))

    assert shown == ["--- a", "+++ a", "@@ -2,3 +2,3 @@", " two", "-three", "+3", " four"]


def test_what_is_made_or_taken_away_stands_against_nothing() -> None:
    shown = diff({"old": b"x\n"}, Put("new", b"y\n"), Delete("old"))

    assert shown == [
        "--- /dev/null",
        "+++ new",
        "@@ -0,0 +1 @@",
        "+y",
        "--- old",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-x",
    ]


def test_an_empty_document_shows_as_it_comes_and_goes() -> None:
    shown = diff({"old": b""}, Put("new", b""), Delete("old"))

    assert shown == ["--- /dev/null", "+++ new", "--- old", "+++ /dev/null"]


def test_nothing_shows_where_nothing_changes() -> None:
    assert diff({"a": b"x"}, Put("a", b"x"), Delete("b")) == []


def test_a_later_change_is_shown_against_the_earlier_one() -> None:
    shown = diff({"a": b"1\n"}, Put("a", b"2\n"), Append("a", "3"), Put("a", b"2\n3\n4\n"))

    assert shown == [
        "--- a", "+++ a", "@@ -1 +1 @@", "-1", "+2", "+++ a (appended)", "+3", "--- a", "+++ a", "@@ -2 +2,2 @@",
        " 3", "+4",
    ]  # fmt: skip


def test_other_line_endings_and_a_missing_newline_show() -> None:
    shown = diff({"a": b"x\r\ny\r\n"}, Put("a", b"x\ny"))

    assert shown == [
        "--- a", "+++ a", "@@ -1,2 +1,2 @@", "-x\\r", "-y\\r", "+x", "+y", "\\ no newline at the end",
    ]  # fmt: skip


def test_line_endings_that_stay_are_not_shown() -> None:
    assert diff({"a": b"x\r\n"}, Put("a", b"y\r\n"))[3:] == ["-x", "+y"]


def test_bytes_that_are_no_text_show_what_they_are() -> None:
    assert diff({"a": b"\xe9\n"}, Put("a", b"\xe8\n"))[3:] == ["-\\xe9", "+\\xe8"]


def test_a_document_cannot_speak_to_the_terminal() -> None:
    shown = diff({}, Put("a", "\x1b[2J\x9b\x00 \u2028 tab\t\n".encode()), Append("b", "\x1b]0;x\x07\r"))

    assert shown[3:] == ["+\\x1b[2J\\x9b\\x00 \\u2028 tab\t", "+++ b (appended)", "+\\x1b]0;x\\x07\\r"]


@pytest.mark.parametrize("data", [b"x" * 300_000, b"x\n" * 20_000])
def test_a_change_of_a_large_document_is_summed_up(data: bytes) -> None:
    assert diff({"a": b"one\n"}, Put("a", data)) == ["--- a", "+++ a", f"@@ 4 bytes become {len(data):,} @@"]


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_every_change_of_bytes_shows_and_each_line_is_one(before: bytes, after: bytes) -> None:
    shown = diff({"a": before}, Put("a", after))

    assert (len(shown) > 2) == (before != after)
    assert not any("\n" in line or "\r" in line for line in shown)


def test_a_change_set_names_each_document_once() -> None:
    changes = ChangeSet("why", (Put("b", b""), Append("a", "x"), Delete("b")))

    assert (changes.paths, len(changes), list(changes)) == (("b", "a"), 3, list(changes.changes))
