from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.core.document import MAX_BYTES, REMOVE, Document, parse, render, same
from atomic_agents.core.errors import DocumentUnreadable

ROOT = Path(__file__).parents[2]
REAL = tuple(
    sorted(
        (*(ROOT / "src/atomic_agents/samples").rglob("*.md"), *(ROOT / "tests/vaults/v0").rglob("*.md"),
         *(ROOT / "tests/vaults/v1").rglob("*.md"))
    )
)  # fmt: skip
"""Documents that somebody wrote."""

VALUES = (
    "[a, b]", "['x # y', 2]", "[a, b] # c", "{a: 1}", "[a,\n  b]", "\n  - a\n  - b", "\n- a\n- b # c",
    "\n- a\n- - b\n  - c", "\n- k: v\n  l: w\n- x", "\n  k: v\n  l:\n    - 1", "plain\n  over two lines",
    "'quoted\n  over two'", "|\n  line\n  two", "|+\n  line\n\n", ">-\n  fold\n  ed\n", "\n  # inside\n  - a",
    "!!str 5", "\n\n- z", "x", "'q # r'", '"d q"', "5", "yes", "~", "", "2026-05-05", "a b # c", "'it''s' # c",
    "a#b", "é 日本 😀", '"esc \\" x"', "'a\u2028b'", ".nan", "1.5",
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Documents with front matter in every form that YAML has for it, each key once, and bodies of any kind."""
    newline = draw(st.sampled_from(("\n", "\n", "\r\n")))
    indent = draw(st.sampled_from(("", "", "", "  ")))
    written: list[str] = []
    for key in draw(
        st.lists(st.sampled_from(("a", "b", "c", "long-key", "'q k'", "schema_version")), unique=True, max_size=5)
    ):
        if draw(st.booleans()):
            written.append(draw(st.sampled_from(("", "# about the next key", "   ", "#x: y"))))
        value = draw(st.sampled_from(VALUES))
        entry = f"{key}:{'' if not value or value.startswith(chr(10)) else ' '}{value}"
        written += [f"{indent}{line}" if line else "" for line in entry.split("\n")]
    head = "".join(line + newline for line in written)
    fence = draw(st.sampled_from(("---", "---  ", "-----")))
    body = draw(st.sampled_from(("", "\nbody\n", "no newline", "\n---\nrule\n", "\r\nmixed\n", "\n\u2028 \x0c\n")))
    before = draw(st.sampled_from(("", "", "\ufeff")))
    return f"{before}---{newline}{head}{fence}{newline if body or draw(st.booleans()) else ''}{body}"


wanted = st.one_of(
    st.sampled_from(
        (
            "x",
            "it's",
            'say "so"',
            "a: b",
            "# c",
            "2026-05-05",
            "yes",
            "",
            "  sp ",
            "two\nlines\n",
            "\u2028x\x85",
            "\ttab",
            "-",
            "- x",
            "?",
            "|",
            "%",
            "@",
            "a #b",
            "null",
            "0x1f",
            "1_000",
            "é😀",
            "\x07",
            "\ufeffx",
            5,
            True,
            False,
            None,
            1.5,
        )
    ),
    st.text(max_size=20),
    st.integers(-(10**9), 10**9),
    st.lists(st.one_of(st.booleans(), st.integers(0, 9), st.text(max_size=5)), max_size=3),
    st.dates(),
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.lists(st.integers(0, 3), max_size=2), max_size=2),
)


NOTE = """---
# who wrote this
name: 'Day rate'   # as on the invoice
description: "£280 a day"
pinned: yes
tags: [money, rates]  # two
sources:
- talk_2026-02-02
- ledger
schema_version: 1
---

A day is £280.
"""


def read(text: str) -> Document:
    return parse("note.md", text.encode())


def lines_kept(before: Document, after: Document, changed: set[str]) -> bool:
    """Whether every line of the head that belongs to no changed key still stands, in order."""
    spans = before.parsed.spans
    gone = {number for key in changed if key in spans for number in range(*spans[key])}
    kept = [line for number, line in enumerate(before.head.splitlines(keepends=True)) if number not in gone]
    if "|+" in before.head:  # there, blank lines below a removed key would become part of the text above it
        kept = [line for line in kept if line.strip()]
    there = iter(after.head.splitlines(keepends=True))
    return all(any(line == other for other in there) for line in kept)


@settings(max_examples=1000, deadline=None)
@given(documents(), st.data())
def test_an_edit_changes_the_lines_of_its_keys_and_nothing_else(text: str, data: st.DataObject) -> None:
    before = read(text)
    keys = data.draw(st.lists(st.sampled_from([*before.meta, "new", "new key"]), unique=True, min_size=1, max_size=3))
    changes = {key: data.draw(st.one_of(wanted, st.just(REMOVE))) for key in keys}

    after = before.edit(changes)

    expected = {key: value for key, value in (dict(before.meta) | changes).items() if value is not REMOVE}
    assert same(expected, dict(after.meta))
    assert after.body == before.body
    assert after.text.startswith("\ufeff") == before.text.startswith("\ufeff")
    assert lines_kept(before, after, set(changes))
    assert after.edit(changes).data == after.data


def test_a_key_below_a_text_that_keeps_its_blank_lines_can_be_taken_away() -> None:
    before = read("---\na: [x, y]\nc: |+\n  line\n\nlong-key: 1\n\nlast: 'q'\n---\nbody\n")

    after = before.edit({"long-key": REMOVE})

    assert after.text == "---\na: [x, y]\nc: |+\n  line\n\nlast: 'q'\n---\nbody\n"


@settings(max_examples=500, deadline=None)
@given(documents(), st.data())
def test_a_new_key_that_is_taken_away_again_leaves_the_bytes_as_they_were(text: str, data: st.DataObject) -> None:
    before = read(text)

    after = before.edit({"new": data.draw(wanted)}).edit({"new": REMOVE})

    assert after.data == before.data


@settings(max_examples=300, deadline=None)
@given(documents())
def test_reading_keeps_every_byte_and_an_edit_to_the_same_values_does_nothing(text: str) -> None:
    document = read(text)

    assert document.data == text.encode()
    assert document.edit(dict(document.meta)) is document


@settings(max_examples=300, deadline=None)
@given(documents(), st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30))
def test_another_body_leaves_the_front_matter_alone(text: str, body: str) -> None:
    document = read(text)

    other = document.with_body(body)

    assert (other.body, other.head) == (body, document.head)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("-\n\r x:\ufeff#"), max_size=12), st.text(st.sampled_from("-\n\r x:#"), max_size=12))
def test_a_body_is_never_taken_for_front_matter(text: str, body: str) -> None:
    try:
        document = read(text)
    except DocumentUnreadable:
        return

    assert document.with_body(body).body == body
    assert dict(document.with_body(body).meta) == dict(document.meta)


@pytest.mark.parametrize("path", REAL, ids=lambda path: "/".join(path.parts[-3:]))
def test_real_documents_survive_an_edit_and_its_reverse(path: Path) -> None:
    document = parse(path.name, path.read_bytes())
    texts = {key: value for key, value in document.meta.items() if isinstance(value, str)}

    there = document.edit(dict.fromkeys(texts, "elsewhere"))
    back = there.edit(texts)

    assert same(dict(back.meta), dict(document.meta))
    assert back.body == document.body
    assert lines_kept(document, there, set(texts)) or "&" in document.head


def test_quotes_comments_and_list_style_of_a_changed_value_stay() -> None:
    changes = {"name": "It's the rate", "description": "£300", "pinned": False, "tags": ["money"], "schema_version": 2}

    after = read(NOTE).edit({**changes, "sources": ["talk_2026-02-02", "ledger", "a: b"], "confidence": "high"})

    assert after.text == (
        NOTE.replace("'Day rate'", "'It''s the rate'")
        .replace('"£280 a day"', '"£300"')
        .replace("pinned: yes", "pinned: false")
        .replace("[money, rates]", "[money]")
        .replace("- ledger\n", "- ledger\n- 'a: b'\n")
        .replace("schema_version: 1\n", "schema_version: 2\nconfidence: high\n")
    )


def test_a_changed_value_changed_back_gives_the_bytes_back() -> None:
    document = read(NOTE)
    changes = {"name": "x", "description": "y", "tags": ["z"], "schema_version": 9}

    back = document.edit(changes).edit({key: document.meta[key] for key in changes})

    assert back.text == NOTE


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("---\r\na: 1\r\n# c\r\n---\r\nx\r\n", {"b": ["y"]}, "---\r\na: 1\r\n# c\r\nb:\r\n- y\r\n---\r\nx\r\n"),
        ("\ufeff---\na: 1\n---\nx", {"a": 2}, "\ufeff---\na: 2\n---\nx"),
        ("---\na: 1\n---", {"a": 2}, "---\na: 2\n---"),
        ("---\n---\n", {"a": 2}, "---\na: 2\n---\n"),
        ("# Title\n", {"a": 1}, "---\na: 1\n---\n\n# Title\n"),
        ("\ufeff\r\n# Title\r\n", {"a": 1}, "\ufeff---\r\na: 1\r\n---\r\n\r\n# Title\r\n"),
        ("", {"a": 1}, "---\na: 1\n---\n"),
        ("---\na: 1\nb: 2\na: 3\n---\n", {"a": REMOVE}, "---\nb: 2\n---\n"),
        ("---\n# c\n{a: 1, b: 2}\n---\n", {"b": 3}, "---\n# c\na: 1\nb: 3\n---\n"),
        ("---\n<<: {a: 1}\n# c\nb: 2\n---\n", {"a": 5}, "---\n<<: {a: 1}\n# c\nb: 2\na: 5\n---\n"),
        ("---\n  a: 1 # c\n  b: 2\n---\n", {"a": 5, "n": "x"}, "---\n  a: 5 # c\n  b: 2\n  n: x\n---\n"),
        ("---\na: |\n  one\n  two\n# c\nb: 2\n---\n", {"a": "x"}, "---\na: x\n# c\nb: 2\n---\n"),
        ("---\na: one\n  two\nb: 2\n---\n", {"a": "x"}, "---\na: x\nb: 2\n---\n"),
        ("---\na: &x [1]\nb: *x\n---\n", {"b": 2}, "---\na: &x [1]\nb: 2\n---\n"),
        ("---\na: 'x' # c\n---\n", {"a": "two\nlines"}, '---\na: "two\\nlines" # c\n---\n'),
        ("---\na: 1\n---\n", {"a": date(2026, 5, 5)}, "---\na: 2026-05-05\n---\n"),
        ("---\na: '2026-05-05'\n---\n", {"a": "2026-05-06"}, "---\na: '2026-05-06'\n---\n"),
        ("---\non: 1\n---\n", {"on": 2}, "---\non: 2\n---\n"),
        ("---\na: 1\n---\n", {"a": True}, "---\na: true\n---\n"),
    ],
)
def test_an_edit_keeps_the_form_it_finds(text: str, changes: dict[str, object], expected: str) -> None:
    assert read(text).edit(changes).text == expected


def test_an_anchor_that_is_used_elsewhere_is_written_out_when_it_must_go() -> None:
    after = read("---\na: &x\n- 1\nb: *x\n---\n").edit({"a": "gone"})

    assert dict(after.meta) == {"a": "gone", "b": [1]}


def test_half_a_character_does_not_cost_a_note() -> None:
    made = parse("note.md", render({"name": "smile \ud83d"}, "body \udc00"))

    assert (made.meta["name"], made.body.strip()) == ("smile ?", "body ?")
    assert made.edit({"name": "\ud83d"}).with_body("\udc00").text == "---\nname: '?'\n---\n?"


@pytest.mark.parametrize(
    "text", ["", "\n", "# x", "----x\n", "--\na: 1\n--\n", "text\n---\na: 1\n---\n", " ---\na: 1\n---\n"]
)
def test_a_document_without_front_matter_is_all_body(text: str) -> None:
    document = read(text)

    assert (document.has_front_matter, document.body, dict(document.meta)) == (False, text, {})


@pytest.mark.parametrize(
    ("text", "meta", "body", "body_line"),
    [
        ("---\na: 1\n---\nx\n", {"a": 1}, "x\n", 4),
        ("---\na: 1\n---", {"a": 1}, "", 3),
        ("----\na: 1\n------  \nx", {"a": 1}, "x", 4),
        ("\n\r\n---\na: 1\n---\nx", {"a": 1}, "x", 6),
        ("\ufeff---\r\na: 1\r\n---\r\nx", {"a": 1}, "x", 4),
        ("---\n---\nx", {}, "x", 3),
        ("---\na: 1\n---\nx\n---\ny: 2\n---\n", {"a": 1}, "x\n---\ny: 2\n---\n", 4),
    ],
)
def test_front_matter_ends_at_its_first_fence(text: str, meta: dict[str, object], body: str, body_line: int) -> None:
    document = read(text)

    assert (dict(document.meta), document.body, document.body_line) == (meta, body, body_line)


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"---", 1, "front matter does not end"),
        (b"---\n", 1, "front matter does not end"),
        (b"\n---\na: 1\n", 2, "front matter does not end"),
        (b"---\n- a\n---\n", 2, "not a list of `key: value` lines"),
        (b"---\nwords\n---\n", 2, "not a list of `key: value` lines"),
        (b"\n---\na: 1\nb: [\n---\n", 5, "not YAML"),
        (b"a\nb \xe9\n", 2, "is not UTF-8 text (byte 0xe9)"),
        ("a\n".encode("utf-16"), 1, "is UTF-16 text, as some Windows editors save it"),
        ("a\n".encode("utf-16-le"), 0, "is binary"),
        (b"\x89PNG\r\n", 1, "is not UTF-8 text"),
        (b"x" * (MAX_BYTES + 1), 0, "is 8 MiB; a document may hold 8 MiB"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(data: bytes, line: int, said: str) -> None:
    with pytest.raises(DocumentUnreadable) as caught:
        parse("a/note.md", data)

    where = f"a/note.md:{line}: " if line else "a/note.md: "
    assert caught.value.message.startswith(where)
    assert said in caught.value.message
    assert (caught.value.context["line"], bool(caught.value.hint)) == (line, True)


def test_the_line_of_a_key_is_that_of_the_file() -> None:
    document = read("\n---\na: 1\nb:\n  c: 2\n---\n")

    found = [document.line_of("a"), document.line_of("b"), document.line_of("b", "c"), document.line_of("b", "x")]

    assert [*found, document.line_of("none"), read("x").line_of("a")] == [3, 4, 5, 4, 2, 1]


def test_a_value_is_the_same_only_in_its_own_type() -> None:
    pairs = [(1, True), (1, 1.0), ([1], [True]), ({"a": 1}, {"a": 1.0}), (float("nan"), float("nan")), ([1, 2], [1])]

    assert [same(one, other) for one, other in pairs] == [False, False, False, False, True, False]
