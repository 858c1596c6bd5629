import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.vault import index

PUBLISHED = """# Scout: Memory Index

Always-loaded routing layer. Sectioned by type.

---

## Critical Feedback

<!-- Lessons that have matured.
     Format: [short title](filename.md) with a one-line summary.
- [commented out](user_n.md) — not an entry -->

## Locked Decisions

<!-- Settled. -->

## User Profile

<!-- Facts about the operator.
     ## Reference
     Format: [short title](filename.md). -->

## Reference

## Archive (superseded)

<!-- No longer current. -->
"""
HAND = """# Scout — Memory Index

Ask Nell before you change this.   \t

## User Profile
- [old](user_old.md) — by   hand
* `user_quoted.md` — the other form
- [[user_wiki|Wiki]] and more

## Reference material

- [x](reference_x.md)

## Archive (superseded)

- [gone](user_gone.md) — was true once
"""


def add(text: str, **changed: str | None) -> str:
    values: dict[str, str | None] = {
        "type_": "user",
        "name": "n",
        "file": "user_n.md",
        "hook": "d",
        "former": None,
        **changed,
    }
    return index.add(text, **values)  # type: ignore[arg-type]  # each is of its own type


def names(text: str) -> list[str]:
    return [file for _, file in index.files(text)]


def test_a_new_entry_goes_first_in_its_section() -> None:
    assert add(HAND) == HAND.replace("## User Profile\n", "## User Profile\n- [n](user_n.md) — d\n")


def test_a_section_that_is_missing_is_made_although_another_starts_like_it() -> None:
    after = add(HAND, type_="reference", file="reference_n.md")

    assert after == f"{HAND}\n## Reference\n\n- [n](reference_n.md) — d\n"


def test_an_index_that_is_not_there_is_made() -> None:
    assert add("") == "# Memory Index\n\n## User Profile\n\n- [n](user_n.md) — d\n"


@pytest.mark.parametrize(
    ("type_", "above"),
    [
        ("feedback", "not an entry -->\n\n"),
        ("decision", "<!-- Settled. -->\n\n"),
        ("user", "Format: [short title](filename.md). -->\n\n"),
        ("reference", "-->\n\n## Reference\n\n"),
        ("project", "<!-- No longer current. -->\n\n## Active Projects\n\n"),
    ],
)
def test_an_entry_never_lands_in_a_comment_of_the_template(type_: str, above: str) -> None:
    after = add(PUBLISHED, type_=type_)

    assert names(after) == ["user_n.md"]
    assert f"{above}- [n](user_n.md) — d\n" in after


def test_an_entry_that_was_written_by_hand_stays() -> None:
    for file in ("user_old.md", "user_quoted.md", "user_wiki.md"):
        assert add(HAND, file=file, hook="another") == HAND


def test_an_entry_is_replaced_where_it_is_the_former_line() -> None:
    once = add(HAND)

    twice = add(once, hook="newer", former=index.entry("n", "user_n.md", "d"))

    assert twice == once.replace("[n](user_n.md) — d", "[n](user_n.md) — newer")


def test_line_endings_and_a_missing_last_newline_stay() -> None:
    text = "# T\r\n\r\n## User Profile\r\n- [a](a.md)\r\nmixed\nlast"

    assert add(text) == text.replace("Profile\r\n", "Profile\r\n- [n](user_n.md) — d\r\n")
    assert (
        add("## User Profile\r\nlast").encode() == b"## User Profile\r\nlast\r\n\r\n- [n](user_n.md) \xe2\x80\x94 d\r\n"
    )


def test_separators_that_are_no_line_ends_stay() -> None:
    text = "# T\x0c\u2028 x\x85\n\n## User Profile\n\n- [a](a.md) \u2029\n"

    assert add(text) == text.replace("- [a]", "- [n](user_n.md) — d\n- [a]")


def test_an_archived_entry_moves_word_for_word() -> None:
    after = index.archive(HAND, "user_old.md")

    line = "- [old](user_old.md) — by   hand\n"
    assert after == HAND.replace(line, "").replace("- [gone]", f"{line}- [gone]")
    assert index.archive(after, "user_old.md") == after
    assert index.archive(HAND, "user_gone.md") == index.archive(HAND, "user_none.md") == HAND


def test_an_archive_is_made_where_there_is_none() -> None:
    after = index.archive("## User Profile\n\n- [a](a.md) — x", "a.md")

    assert after == "## User Profile\n\n## Archive (superseded)\n\n- [a](a.md) — x\n"


def test_entries_are_listed_with_their_lines() -> None:
    text = (
        f"{HAND}```\n- [code](code.md)\n```\n- [odd name](<a b.md>)\n- [it's \\[x\\]](./b.md)\n- [nested [x]](c.md)\n"
    )

    assert index.files(text) == [
        (6, "user_old.md"), (7, "user_quoted.md"), (8, "user_wiki.md"), (12, "reference_x.md"), (16, "user_gone.md"),
        (20, "a b.md"), (21, "b.md"), (22, "c.md"),
    ]  # fmt: skip


def test_an_entry_keeps_to_its_length_where_the_name_leaves_room() -> None:
    assert len(index.entry("n", "user_n.md", "x" * 300)) == index.MAX_ENTRY
    assert index.entry("n" * 200, "user_n.md", "hook") == f"- [{'n' * 200}](user_n.md)"
    assert index.entry("n", "a (1).md", "") == "- [n](<a (1).md>)"


EVIL = st.lists(
    st.sampled_from(
        (
            "n",
            "\n",
            "\r\n",
            "\x0b",
            "\x0c",
            "\x1c",
            "\x85",
            "\u2028",
            "## Locked Decisions",
            "- [e](evil.md)",
            "](evil.md)",
            "[",
            "]",
            "\\",
            "<!--",
            "-->",
            "`",
            "```",
            "`evil.md`",
            "[[evil]]",
            "(",
            ")",
            "<",
            ">",
            "# ",
            " — ",
            "| ",
            "~~~",
        )
    ),
    max_size=6,
).map("".join)
PAGES = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "# T",
                "## User Profile",
                "## Reference",
                "## Reference material",
                "## Archive (superseded)",
                "- [a](user_a.md) — x",
                "- [b b](user_b.md)",
                "<!-- c",
                "-->",
                "<!-- x -->",
                "```",
                "~~~~",
                "text",
                "",
                "   ",
                "- `user_q.md` — h",
                "### sub",
                "* [z](<a b.md>)",
                "- [[wiki|x]]",
                "\x0c",
                "\u2028 y",
                "## User Profile <!-- z",
                "- [n](n.md) <!-- q",
                "---",
            )
        ),
        st.sampled_from(("\n", "\n", "\r\n")),
    ).map("".join),
    max_size=10,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(PAGES, EVIL, EVIL, st.sampled_from([*index.SECTIONS, "odd"]))
def test_whatever_is_said_an_index_gains_one_line_and_loses_none(page: str, name: str, hook: str, type_: str) -> None:
    after = add(page, name=name, hook=hook, type_=type_, file="new.md")

    assert sorted(names(after)) == sorted([*names(page), "new.md"])
    new = index.entry(name, "new.md", hook)
    assert "\n" not in new
    assert len(new.splitlines()) == 1
    there = iter(re.findall(r"[^\n]*\n|[^\n]+", after))
    assert all(
        any(line in (other, other.rstrip("\r\n")) for other in there) for line in re.findall(r"[^\n]*\n|[^\n]+", page)
    )
    assert add(after, name=name, hook=hook, type_=type_, file="new.md") == after


@settings(max_examples=500, deadline=None)
@given(PAGES, EVIL, EVIL, st.sampled_from([*index.SECTIONS, "odd"]))
def test_the_quick_way_to_an_entry_leads_where_the_whole_way_does(page: str, name: str, hook: str, type_: str) -> None:
    said = {"name": name, "hook": hook, "type_": type_, "file": "new.md"}

    quick = index.add_quickly(page.encode(errors="replace"), **said)

    assert quick in (None, add(page.encode(errors="replace").decode(), **said).encode(errors="replace"))


@pytest.mark.parametrize(
    "page",
    ["# Memory Index\n\n- [A](a.md)\n", "- [A](a.md)\r\n", "# Memory Index\n\n## Decisions\n\n- [A](a.md)\n", "x\n\n"],
)
def test_a_plain_index_is_added_to_in_the_quick_way(page: str) -> None:
    said = {"name": "B", "hook": "b", "type_": "decision", "file": "b.md"}

    assert index.add_quickly(page.encode(), **said) == add(page, **said).encode()


@settings(max_examples=500, deadline=None)
@given(PAGES, st.data())
def test_archiving_loses_no_entry_and_is_done_once(page: str, data: st.DataObject) -> None:
    listed = names(page)
    file = data.draw(st.sampled_from(listed)) if listed else "none.md"

    after = index.archive(page, file)

    assert sorted(names(after)) == sorted(listed)
    assert index.archive(after, file) == after
