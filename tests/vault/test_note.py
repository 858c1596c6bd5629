import datetime
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.document import parse
from atomic_agents.core.store import check_new_path
from atomic_agents.vault import note
from atomic_agents.vault.note import Note

TODAY = datetime.date(2026, 5, 9)
RIGHT = {
    "name": "n", "description": "d", "type": "user", "captured": "'2026-05-01'", "last_seen": "2026-05-01",
    "confidence": "high", "sources": "[x]",
}  # fmt: skip


def text_of(meta: dict[str, str]) -> str:
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in meta.items()) + "---\n\nbody\n"


def read(text: str, file: str = "user_n.md") -> Note:
    return note.read(parse(f"a/memory/{file}", text.encode()), file)


def problems(meta: dict[str, str], *, wiki: bool = False) -> list[tuple[int, str]]:
    document = parse("a/memory/user_n.md", text_of(meta).encode())
    return [(problem.line, problem.message) for problem in note.problems(document, wiki=wiki)]


@pytest.mark.parametrize(
    ("type_", "name", "expected"),
    [
        ("feedback", "Bottom-line first", "feedback_bottom_line_first.md"),
        ("decision", "Q3 2026: Income Target!", "decision_q3_2026_income_target.md"),
        ("reference", "C++ / Rust", "reference_c_rust.md"),
        ("user", "  Ünïcode Näme  ", "user_unicode_name.md"),
        ("user", "日本", "user_日本.md"),
        ("user", "한국어 이름", "user_한국어_이름.md"),
        ("user", "नमस्ते दुनिया", "user_नमस्ते_दुनिया.md"),
        ("user", "สวัสดีชาวโลก", "user_สวัสดีชาวโลก.md"),
        ("user", "ﬁle Ａ ℂ K q̃uest", "user_file_a_c_k_quest.md"),
        ("user", "İstanbul Straße", "user_istanbul_straße.md"),
        ("user", "a_b__c", "user_a_b_c.md"),
    ],
)
def test_a_name_becomes_a_file_name(type_: str, name: str, expected: str) -> None:
    assert note.file_name(type_, name) == expected


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_an_ascii_name_becomes_what_the_published_format_makes_of_it(name: str) -> None:
    published = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")

    assert note.slug(name) == published or not published


@given(st.text(max_size=300))
def test_every_name_gives_a_file_name_that_every_system_can_hold(name: str) -> None:
    file = note.file_name("reference", name)

    assert check_new_path(file) == file
    assert file == unicodedata.normalize("NFC", file)
    assert note.slug(name) not in ("", "_")


def test_a_name_without_a_letter_gets_a_hash_of_its_own() -> None:
    found = {note.slug(name) for name in ("😀", "😎", "!!!", "")}

    assert len(found) == 4
    assert all(re.fullmatch(r"[0-9a-f]{8}", slug) for slug in found)


@pytest.mark.parametrize("name", ["x" * 1000, "日" * 1000, "é" * 1000])
def test_a_long_name_is_cut_between_letters(name: str) -> None:
    assert 150 < len(note.file_name("user", name).encode()) <= 190


def test_a_taken_name_gets_a_number() -> None:
    taken = {"user_a.md", "user_a_2.md"}

    assert note.file_name("user", "a", taken) == "user_a_3.md"


@pytest.mark.parametrize("there", ["USER_Й.md", unicodedata.normalize("NFD", "user_й.md"), "User_Й.MD"])
def test_names_that_one_disk_would_take_for_the_same_are_the_same(there: str) -> None:
    assert note.file_name("user", "й", {there}) == "user_й_2.md"


def test_a_note_says_what_its_front_matter_says() -> None:
    text = text_of(
        {
            **RIGHT,
            "expires_at": "2026-12-31",
            "pinned": "yes",
            "supersedes": "[a.md, b.md]",
            "tags": "[x, 1]",
            "provenance": "operator",
            "superseded_by": "c.md",
        }
    )

    assert read(text) == Note(
        path="a/memory/user_n.md", file="user_n.md", name="n", description="d", type="user",
        captured=datetime.date(2026, 5, 1), last_seen=datetime.date(2026, 5, 1),
        expires=datetime.date(2026, 12, 31), confidence="high", provenance="operator", pinned=True, archived=False,
        accepted=False,
        superseded_by="c.md", supersedes=("a.md", "b.md"), sources=("x",), tags=("x", "1"), body="body",
        version=0,
    )  # fmt: skip


def test_older_forms_mean_the_same() -> None:
    plain = read("# Title\n\ntext\n")
    single = read(text_of({**RIGHT, "supersedes": "a.md", "sources": "one"}))
    dreamt = read(text_of({**RIGHT, "supersedes": "a.md", "supersedes_list": "[a.md, b.md]"}))

    assert (plain.name, plain.type, plain.sources, plain.body) == ("user_n", "", (), "# Title\n\ntext")
    assert (single.supersedes, single.sources) == (("a.md",), ("one",))
    assert dreamt.supersedes == ("a.md", "b.md")


@pytest.mark.parametrize(
    "value",
    [
        "[1, [2]]",
        "{a: 1}",
        "5",
        "1.5",
        "true",
        "~",
        "2026-05-05",
        "''",
        "[~, '']",
        "!!binary aGk=",
        "!!set {a, b}",
        ".nan",
        '"x\\ny"',
    ],
)
def test_a_field_of_any_type_is_read_without_a_fall(value: str) -> None:
    found = read(
        text_of(
            dict.fromkeys((*RIGHT, "expires_at", "pinned", "archived", "supersedes", "tags", "superseded_by"), value)
        )
    )

    texts = (*found.sources, *found.tags, *found.supersedes)
    assert {type(text) for text in (found.name, found.type, *texts)} == {str}
    assert all(texts)


def test_a_list_of_texts_leaves_out_what_says_nothing() -> None:
    found = [note.texts(value) for value in ("x", " ", ["x", None, "", 5], None, {"a": 1}, 5)]

    assert found == [("x",), (), ("x", "5"), (), (), ()]


@pytest.mark.parametrize(
    ("meta", "current"),
    [
        ({}, True),
        ({"archived": "true"}, False),
        ({"superseded_by": "b.md"}, False),
        ({"superseded_by": "null"}, True),
        ({"expires_at": "2026-05-08"}, False),
        ({"expires_at": "2026-05-09"}, True),
        ({"expires_at": "soon"}, True),
    ],
)
def test_a_note_is_current_until_it_is_archived_superseded_or_expired(meta: dict[str, str], current: bool) -> None:
    assert read(text_of({**RIGHT, **meta})).is_current(TODAY) == current


def test_a_right_note_has_no_problems() -> None:
    assert problems(RIGHT) == []
    assert (
        problems(
            {"name": "n", "description": "d", "type": "wiki_page", "schema_version": "1", "provenance": "distilled"},
            wiki=True,
        )
        == []
    )
    assert problems({**RIGHT, "schema_version": "2", "provenance": "tool", "supersedes": "[x.md]"}) == []


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"name": "''"}, (2, "name is missing")),
        ({"name": "[n]"}, (2, "name is not a text")),
        ({"description": "{a: 1}"}, (3, "description is not a text")),
        ({"type": "opinion"}, (4, "type is opinion; it can be user, feedback, project, decision, reference")),
        ({"type": "[user]"}, (4, "type is ['user']; it can be user, feedback, project, decision, reference")),
        ({"confidence": "certain"}, (7, "confidence is certain; it can be high, medium, low")),
        ({"captured": "2026-5-1"}, (5, "captured is '2026-5-1'; a day is needed")),
        ({"last_seen": "'2026-99-99'"}, (6, "last_seen is '2026-99-99'; a day is needed")),
        ({"expires_at": "soon"}, (9, "expires_at is 'soon'; a day is needed")),
        ({"sources": "[]"}, (8, "sources is missing")),
        ({"sources": "one"}, (8, "sources is not a list")),
        ({"tags": "abc"}, (9, "tags is not a list")),
        ({"pinned": "'true'"}, (9, "pinned is 'true'; true or false is needed")),
        ({"archived": "1"}, (9, "archived is 1; true or false is needed")),
        ({"schema_version": "2"}, (1, "provenance is missing")),
        (
            {"schema_version": "2", "provenance": "distilled"},
            (10, "provenance is distilled; it can be operator, document, inference, tool"),
        ),
        ({"schema_version": "2", "provenance": "tool", "supersedes": "x.md"}, (11, "supersedes is not a list")),
    ],
)
def test_what_is_wrong_with_a_note_is_said_with_its_line(meta: dict[str, str], expected: tuple[int, str]) -> None:
    assert problems({**RIGHT, **meta}) == [expected]


def test_missing_fields_are_all_named() -> None:
    found = problems({"tags": "[x]"})

    assert [message.partition(" ")[0] for _, message in found] == [
        "name",
        "description",
        "type",
        "confidence",
        "sources",
    ]


def test_a_note_without_front_matter_says_how_to_get_one() -> None:
    (found,) = note.problems(parse("a/memory/x.md", b"text"), wiki=False)

    assert (found.line, found.message) == (1, "has no front matter")
