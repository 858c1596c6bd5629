import datetime
import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.memory import audit, edits, inventory, lint, mending
from atomic_agents.memory.inventory import Finding
from atomic_agents.memory.notebook import Notebook
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import index, slices
from atomic_agents.vault.vault import Vault

TODAY = datetime.date(2026, 11, 22)
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
TEXT = "The ferry leaves the north quay at nine and comes back before the bell rings twice."


def note(name: str, body: str = "", **meta: object) -> str:
    fields = {
        "schema_version": 2, "name": name, "description": f"about {name}", "type": "user", "captured": "2026-11-01",
        "last_seen": "2026-11-20", "sources": "[letter]", "confidence": "high", "provenance": "inference", **meta,
    }  # fmt: skip
    head = "".join(f"{key}: {value}\n" for key, value in fields.items() if value is not None)
    return f"---\n{head}---\n\n{body or f'What {name} means is told in a letter about {name} alone.'}\n"


def vault(files: Mapping[str, str], *, persona: str = "# C\n") -> Vault:
    listed = "".join(f"- [{file}]({file}) — x\n" for file in files if not file.startswith("INDEX"))
    memory = {"INDEX.md": f"# Memory Index\n\n## User Profile\n\n{listed}", **files}
    documents = {f"c/memory/{file}": text.encode() for file, text in memory.items()}
    return Vault(MemoryStore({"c/persona/IDENTITY.md": persona.encode(), **documents}))


def found(files: Mapping[str, str], *, persona: str = "# C\n") -> list[Finding]:
    memory = inventory.take(vault(files, persona=persona), "c", TODAY)
    return [*lint.run(memory), *audit.run(memory)]


def rules(files: Mapping[str, str], *, persona: str = "# C\n") -> set[tuple[str, str]]:
    return {(finding.rule, finding.path.rpartition("/")[2]) for finding in found(files, persona=persona)}


def test_sound_notes_have_nothing_to_mend() -> None:
    files = {
        "user_a.md": note("a", "See [b](user_b.md), [[user_b]] and `[x](gone.md)`.\n\n```\n[y](gone.md)\n```"),
        "user_b.md": note("b", supersedes="[user_c.md]"),
        "user_c.md": note("c", superseded_by="user_b.md"),
        "INDEX.md": "# Index\n\n- [a](user_a.md)\n* `user_b.md` — b\n\n## Archive (superseded)\n\n- [c](user_c.md)\n",
    }

    assert found(files) == []


@pytest.mark.parametrize(
    ("file", "text", "rule", "line"),
    [
        ("user_a.md", note("a", "See [b](user_gone.md)."), "link-broken", 13),
        ("user_a.md", note("a", "\nSee [[user_gone|b]]."), "link-broken", 14),
        ("user_a.md", note("a", superseded_by="user_gone.md"), "link-broken", 11),
        ("user_a.md", note("a", supersedes="[user_gone.md]"), "link-broken", 11),
        ("user_a.md", note("a", confidence="sure"), "schema", 9),
        ("user_a.md", note("a", provenance=None), "schema", 1),
        ("user_a.md", "---\nname: a\n", "unreadable", 1),
        ("user_a.md", note("a", sources="[observation]"), "provenance", 8),
        ("user_a.md", note("a", provenance="tool"), "held", 10),
        ("user_a.md", note("a", last_seen="2026-10-01"), "dates", 7),
        ("user_a.md", note("a", captured="2027-01-01", last_seen="2027-01-01"), "dates", 6),
        ("user_a.md", note("a", expires_at="2026-11-21"), "expired", 11),
        ("user_a.md", note("a", captured="2026-01-01", last_seen="2026-05-01"), "stale", 7),
        ("user_a (conflicted copy).md", note("a"), "conflict-copy", 0),
        ("user_a.sync-conflict-20261122-1.md", note("a"), "conflict-copy", 0),
        ("user_a.md", note("a", f"{TEXT} The key is sk-{'a1b2c3d4' * 4}."), "secret", 13),
        ("user_a.md", note("a", "The door's password is tr0ub4dor."), "secret", 13),
        ("user_a.md", note("a", captured="2026-09-01", last_seen="2026-09-01"), "never-recalled", 7),
        ("user_a.md", note("a", f'<document path="c/memory/user_b.md">\n{TEXT}\n</document>'), "recall-loop", 12),
    ],
)
def test_what_is_wrong_with_a_note_is_told_with_its_line(file: str, text: str, rule: str, line: int) -> None:
    assert (rule, file, line) in {
        (each.rule, each.path.removeprefix("c/memory/"), each.line) for each in found({file: text})
    }


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"user_a.md": note("a", TEXT), "user_b.md": note("b", TEXT.replace("nine", "noon"))}, "near-duplicate"),
        ({"user_a.md": note("a", TEXT), "user_b.md": note("b", f"{TEXT.upper()}")}, "duplicate"),
        ({"user_a.md": note("a", f"{TEXT} {' '.join(WORDS)}"), "user_b.md": note("b", TEXT)}, "recall-loop"),
        (
            {
                "decision_a.md": note("Ledger database", "Postgres.", type="decision"),
                "user_b.md": note("Database of the ledger", "SQLite.", type="decision"),
            },
            "contradiction",
        ),
        ({"user_a.md": note("a"), "user_b.md": note("b", supersedes="[user_a.md]")}, "supersession"),
        ({"user_b.md": note("b", superseded_by="user_a.md"), "user_a.md": note("a")}, "supersession"),
    ],
)
def test_what_is_wrong_between_notes_is_told_of_the_newer(files: Mapping[str, str], told: str) -> None:
    assert (told, "user_b.md") in rules(files)


def test_a_note_that_repeats_the_persona_is_told() -> None:
    assert ("persona", "user_a.md") in rules(
        {"user_a.md": note("a", TEXT)}, persona=f"# C\n\nI know: {TEXT} I am old.\n"
    )


@pytest.mark.parametrize(
    ("text", "rule", "where"),
    [
        ("- [a](user_a.md)\n- [x](user_gone.md)\n", "index-missing", "INDEX.md"),
        ("- [a](user_a.md)\n- [b](user_a.md)\n", "index-drift", "INDEX.md"),
        ("## Archive\n\n- [a](user_a.md)\n", "index-drift", "INDEX.md"),
        ("# nothing\n", "index-orphan", "user_a.md"),
        ("- [a](user_a.md)\n" + "x\n" * 150, "index-long", "INDEX.md"),
        (f"- [a](user_a.md) — {'x' * 150}\n", "index-long", "INDEX.md"),
    ],
)
def test_an_index_that_drifted_is_told(text: str, rule: str, where: str) -> None:
    assert {(rule, where)} == rules({"user_a.md": note("a"), "INDEX.md": text})


def test_a_copy_that_a_sync_tool_made_is_never_loaded_beside_the_note() -> None:
    files = {"user_a.md": note("a", TEXT), "user_a (conflicted copy).md": note("a", TEXT.replace("nine", "noon"))}
    memory = MemoryIndex(vault(files), ":memory:")

    memory.refresh("c")

    assert memory.recent("c", TODAY, 5) == ["c/memory/user_a.md"]
    assert [hit.path for hit in memory.search("c", "ferry quay", 5, TODAY)] == ["c/memory/user_a.md"]
    memory.close()


def test_what_can_be_mended_is_and_then_nothing_is_found() -> None:
    files = {
        "user_a.md": note("a", TEXT, captured="2026-10-01"), "user_b.md": note("b", TEXT),
        "user_c.md": note("c", supersedes="[user_d.md, user_gone.md]"), "user_d.md": note("d"),
        "user_e.md": note("e", expires_at="2026-11-02"),
        "INDEX.md": "# I\n\n- [x](user_gone.md)\n- [a](user_a.md) — mine\n",
    }  # fmt: skip
    opened = vault(files)
    memory = inventory.take(opened, "c", TODAY)
    book = Notebook(opened, "c", lambda _: True, TODAY)

    mending.mend(book, memory, [*lint.run(memory), *audit.run(memory)])
    mended = {path.removeprefix("c/memory/"): (book.read(path) or b"").decode() for path in book.changed}

    assert rules(files | {file: text for file, text in mended.items() if ".versions" not in file}) == set()
    assert "- [a](user_a.md) — mine" in mended["INDEX.md"]


LINES = st.sampled_from(
    [
        "# Mine", "## User Profile", "## Locked Decisions", "## My own", "## Archive (superseded)", "prose", "",
        "<!-- c",
        "-->", "```", "### sub", "- [a](user_a.md) — by hand", "* `user_b.md` — also by hand", "- [c](user_c.md)",
        "- [gone](user_gone.md) — hook", "- plain bullet", "- [site](https://example.com/x.md)",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=30), st.sampled_from(["\n", "\r\n"]), st.integers(10, 40))
def test_a_regenerated_index_keeps_hooks_order_and_sections(lines: list[str], newline: str, most: int) -> None:
    text = "".join(line + newline for line in lines)
    files = {f"user_{name}.md": note(name) for name in "abc"} | {"INDEX.md": text}
    opened = vault(files)
    book = Notebook(opened, "c", lambda _: True, TODAY)

    mending.reindex(book, inventory.take(opened, "c", TODAY))

    after = (book.read("c/memory/INDEX.md") or b"").decode()
    there = {file for _, file in index.files(after)}
    assert {"user_a.md", "user_b.md", "user_c.md"} <= there
    rest = iter(after.split(newline))
    kept = [line for line in lines if line and "](user" not in line and "`user" not in line]
    assert all(line in rest for line in kept)
    pages = slices.split(after, most)
    assert re.sub(r"\s+", " ", slices.joined(pages)).strip() == re.sub(r"\s+", " ", after).strip()


def test_a_long_index_is_split_into_pages_that_it_points_to() -> None:
    files = {f"decision_{n}.md": note(f"n{n}", type="decision") for n in range(300)}
    lines = "".join(f"- [n{n}](decision_{n}.md) — hook {n} by hand\n" for n in range(300))
    text = f"# Mine\n\nread this first\n\n## Locked Decisions\n\nall of them hold\n\n{lines}\n## Reference\n\nmore\n"

    pages = slices.split(text)

    assert list(pages) == ["INDEX.md", "INDEX_decisions.md", "INDEX_decisions_2.md", "INDEX_decisions_3.md"]
    assert all(len(page.splitlines()) <= index.MAX_LINES for page in pages.values())
    assert "read this first" in pages["INDEX.md"]
    assert "- [Locked Decisions](INDEX_decisions.md) — " in pages["INDEX.md"]
    assert slices.joined(pages) == text
    memory = inventory.take(vault({**files, **pages}), "c", TODAY)
    assert list(lint.index_entries(memory)) == list(lint.index_size(memory)) == []


def test_a_new_note_goes_to_the_page_of_its_section() -> None:
    lines = "".join(f"- [n{n}](user_{n}.md)\n" for n in range(200))
    opened = vault({"user_0.md": note("n0"), **slices.split(f"# Mine\n\n## User Profile\n\n{lines}")})
    book = Notebook(opened, "c", lambda _: True, TODAY)
    memory = inventory.take(opened, "c", TODAY)

    edits.add(
        book, {"type": "user", "name": "New", "description": "d", "confidence": "high", "sources": ["x"], "body": "b"}
    )
    edits.archive(book, "user_0")

    assert "- [New](user_new.md) — d" in (book.read("c/memory/INDEX_user.md") or b"").decode()
    main = (book.read("c/memory/INDEX.md") or b"").decode()
    assert "user_new.md" not in main
    assert "## Archive (superseded)\n\n- [n0](user_0.md)\n" in main
    assert memory.pages.keys() == {"c/memory/INDEX.md", "c/memory/INDEX_user.md", "c/memory/INDEX_user_2.md"}


def test_a_hook_that_says_what_a_note_was_described_as_before_is_named_and_brought_up_to_date() -> None:
    text = "# Memory Index\n\n## User Profile\n\n- [tea](user_tea.md) — black\n- [oak](user_oak.md) — by hand\n"
    files = {"user_tea.md": note("tea", description="green"), "user_oak.md": note("oak", description="likes oak")}
    former = {"user_tea.md": frozenset({"black"}), "user_oak.md": frozenset({"likes elm"})}
    opened = vault({**files, "INDEX.md": text})
    memory = inventory.take(opened, "c", TODAY, former)
    book = Notebook(opened, "c", lambda _: True, TODAY)

    named = [(each.line, each.message) for each in lint.index_hooks(memory)]
    mending.reindex(book, memory)

    assert named == [(5, "says of user_tea.md what its description was before it was edited")]
    after = (book.read("c/memory/INDEX.md") or b"").decode()
    assert after == text.replace("— black", "— green")


def test_the_index_knows_what_a_note_was_described_as_before_it_was_edited_by_hand() -> None:
    opened = vault({"user_tea.md": note("tea", description="black")})
    index_of = MemoryIndex(opened, ":memory:")
    index_of.refresh("c")
    edited = note("tea", description="green").encode()
    opened.store.apply(ChangeSet("edit", (Put("c/memory/user_tea.md", edited),)))
    index_of.refresh("c")

    assert index_of.former_hooks("c") == {"user_tea.md": {"black"}}


@pytest.mark.parametrize(
    "end",
    [
        " 2",
        " 12",
        " (1)",
        " (12)",
        "(1)",
        " copy",
        " copy 2",
        " (Case Conflict)",
        " (Case Conflict 1)",
        " (Ann's conflicted copy 2026-01-02)",
        " (conflicted copy 2026-01-02 101010)",
        ".sync-conflict-20260102-101010-ABCDEFG",
        "_conflict-20260102-101010",
        " (Selective Sync Conflict)",
        " (Unicode Encoding Conflict)",
        " (Anns Konfliktkopie 2026-01-02)",
        " (copie en conflit de Ann 2026-01-02)",
        " [Conflict]",
        "-DESKTOP-AB12CD3",
        "-LAPTOP-AB12CD34",
    ],
)
def test_the_copy_of_a_sync_tool_is_no_note_beside_the_one_it_copied(end: str) -> None:
    name = f"user_tea{end}.md"
    opened = vault({"user_tea.md": note("tea"), name: note("tea")})

    beside = inventory.take(opened, "c", TODAY)

    assert (list(beside.notes), beside.copies) == (["user_tea.md"], (f"c/memory/{name}",))
    assert [each.file for each in opened.notes("c")[0]] == ["user_tea.md"]


@pytest.mark.parametrize(
    "name",
    ["Chapter 2.md", "Gaza (conflict since 2023).md", "tea (1).md", "a copy.md", "Case (Conflict).md", "2026-11-30.md"],
)
def test_a_name_like_that_of_a_copy_without_the_other_is_a_note(name: str) -> None:
    opened = vault({name: note("two"), "Other.md": note("other")})
    alone = inventory.take(opened, "c", TODAY)

    assert (set(alone.notes), alone.copies) == ({name, "Other.md"}, ())
    assert {each.file for each in opened.notes("c")[0]} == {name, "Other.md"}


def test_a_copy_that_came_before_its_original_is_not_searched_any_more() -> None:
    opened = vault({"user_tea 2.md": note("tea")})
    index_of = MemoryIndex(opened, ":memory:")
    index_of.refresh("c")
    assert index_of.count("c") == 1
    opened.store.apply(ChangeSet("sync", (Put("c/memory/user_tea.md", note("tea").encode()),)))

    index_of.refresh("c")

    assert index_of.recent("c", TODAY, 9) == ["c/memory/user_tea.md"]
