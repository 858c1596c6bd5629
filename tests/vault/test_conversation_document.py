import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.document import Document, parse
from atomic_agents.core.errors import UsageError
from atomic_agents.vault import conversation
from atomic_agents.vault.conversation import Conversation, Summary, Turn

PATH = "caldwell/conversations/kitchen.md"
AT = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)

LINES = st.sampled_from([
    "## 2026-11-22 12:00:00+00:00 — asked",
    "## 2026-11-22 12:00:00+00:00 — answered, interrupted",
    "## 2026-11-22 12:00:00+00:00 — summary of 3 turns",
    "\\## 2026-11-22 12:00:00+00:00 — asked",
    "\\\\## 2026-1",
    "<!-- run-1; $3 -->",
    "---",
    "",
    "\r",
])  # fmt: skip
SOUND = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(st.text(SOUND), st.lists(st.one_of(LINES, st.text(SOUND, max_size=5)), max_size=6).map("\n".join))
TIMES = st.datetimes(
    datetime.datetime(1980, 1, 1),  # noqa: DTZ001 - the strategy gives the zone
    datetime.datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([datetime.UTC, datetime.timezone(datetime.timedelta(hours=-9, minutes=-30))]),
).map(lambda at: at.replace(microsecond=0))
TURNS = st.builds(
    Turn,
    asked=TEXTS,
    answer=TEXTS,
    at=TIMES,
    answered_at=TIMES,
    run_id=st.sampled_from(["", "run-20261122-120000-000000-abcdef01"]),
    ended=st.sampled_from(["ok", "interrupted", "error"]),
    cost=st.integers(0, 10**9).map(lambda micro: Decimal(micro) / 10**6),
    captured=st.sampled_from([(), ("user_tea.md",), ("user_tea.md", "decision_2026.md")]),
)
SUMMARIES = st.builds(Summary, text=TEXTS, covers=st.integers(1, 3), at=TIMES, run_id=st.just("run-1"))


def written(parts: list[Turn | Summary]) -> Document | None:
    document = None
    for part in parts:
        if isinstance(part, Turn):
            document = conversation.with_turn(document, part, agent="caldwell", path=PATH)
        elif document is not None:
            document = conversation.with_summary(document, part)
    return document and parse(PATH, document.data)


def read(document: Document) -> Conversation:
    return conversation.read(document, agent="caldwell", name="kitchen")


def turn(asked: str = "hello", answer: str = "hi") -> Turn:
    return Turn(asked, answer, AT, AT, "run-1")


@given(st.lists(TURNS, min_size=1, max_size=4), SUMMARIES)
def test_what_was_said_is_read_back_as_it_was_said(turns: list[Turn], summary: Summary) -> None:
    document = written([*turns, summary])
    assert document is not None

    found = read(document)

    assert list(found.turns) == turns
    assert found.summary is not None
    assert (found.summary.text, found.summary.covers) == (summary.text, min(summary.covers, len(turns)))
    assert (found.started, found.last) == (turns[0].at, turns[-1].answered_at)


@given(st.lists(TURNS, min_size=1, max_size=3), TURNS)
def test_a_turn_is_added_at_the_end_of_what_stands_there(turns: list[Turn], more: Turn) -> None:
    before = written([*turns])
    assert before is not None

    after = conversation.with_turn(before, more, agent="caldwell", path=PATH)

    assert after.body.startswith(before.body)
    assert list(read(after).turns) == [*turns, more]


def test_a_conversation_reads_like_one() -> None:
    document = written([Turn("Oak or ash?", "Oak.", AT, AT, "run-1", cost=Decimal("0.0003"), captured=("a.md",))])

    assert document is not None
    assert document.text.splitlines() == [
        "---",
        "schema_version: 2",
        "agent: caldwell",
        "title: Oak or ash?",
        "started: '2026-11-22T12:00:00+00:00'",
        "last: '2026-11-22T12:00:00+00:00'",
        "---",
        "",
        "## 2026-11-22 12:00:00+00:00 — asked",
        "<!-- run-1 -->",
        "",
        "Oak or ash?",
        "",
        "## 2026-11-22 12:00:00+00:00 — answered",
        "<!-- run-1; $0.0003; captured a.md -->",
        "",
        "Oak.",
    ]


def test_what_a_person_writes_above_or_changes_inside_stays() -> None:
    document = written([turn("one", "two")])
    assert document is not None
    edited = document.text.replace("\n\n## ", "\n\nMy own words.\n\n## ", 1).replace("two", "two and a half")

    after = conversation.with_turn(parse(PATH, edited.encode()), turn("three", "four"), agent="caldwell", path=PATH)

    assert "My own words." in after.text
    assert [(one.asked, one.answer) for one in read(after).turns] == [("one", "two and a half"), ("three", "four")]


def test_a_file_with_windows_lines_keeps_them() -> None:
    document = written([turn("one", "two")])
    assert document is not None

    crlf = parse(PATH, document.text.replace("\n", "\r\n").encode())
    after = conversation.with_turn(crlf, turn("three\nfour"), agent="caldwell", path=PATH)

    assert "\n" not in after.text.replace("\r\n", "")
    assert [one.asked for one in read(after).turns] == ["one", "three\nfour"]


def test_half_a_turn_is_read_as_far_as_it_stands() -> None:
    document = written([turn("one", "two")])
    assert document is not None
    heading = "## 2026-11-22 12:00:00+00:00 — {}\n\n{}\n"
    text = document.text + "\n" + heading.format("asked", "three") + "\n" + heading.format("asked", "four")

    found = read(parse(PATH, text.encode()))

    assert [(one.asked, one.answer) for one in found.turns] == [("one", "two"), ("three", ""), ("four", "")]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("Kitchen", "kitchen"), ("kitchen.md", "kitchen"), ("u\u0308ber-holz", "über-holz"), ("new", "20261122-120000-")],
)
def test_an_id_has_one_form_on_every_file_system(typed: str, expected: str) -> None:
    found = conversation.conversation_id(typed, AT)

    assert found.startswith(expected)


@pytest.mark.parametrize(
    "typed", ["", " ", "../x", "a/b/c", "a/", "/a", "a/../b", "a:b", ".hidden", "con", "a\nb", "a" * 200]
)
def test_an_id_that_is_no_file_name_is_refused(typed: str) -> None:
    with pytest.raises(UsageError):
        conversation.conversation_id(typed, AT)
