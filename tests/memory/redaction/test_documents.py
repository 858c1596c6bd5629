"""A document without the words is still the document that it was."""

import pytest

from atomic_agents.core.document import parse
from atomic_agents.memory.redaction import renames
from atomic_agents.memory.redaction.documents import Documents, Unreadable
from atomic_agents.memory.redaction.phrase import Phrase
from atomic_agents.memory.redaction.texts import Redactor
from atomic_agents.vault import index
from atomic_agents.vault.kinds import Kind

NOTE = """---
# about tea, by hand
schema_version: 2
name: 'Green tea'
description: "tea: always"   # said so
type: user
captured: '2026-03-01'
last_seen: 2026-03-01
sources: [operator, a letter about tea]
confidence: high
provenance: operator
supersedes:
- user_tea.md
aliases: [tea, chai]
tea: 4
---

Tea; instead. [tea](user_tea.md#tea "tea") ![tea](img/tea.png) [[user_tea|tea]] [[Tea plan]] [^tea]
See <https://x.example/tea?tea=1>, user_tea.md, memory/user_tea.md and other/memory/user_tea.md.

[tea]: https://x.example/tea

```yaml
tea: 4
```
"""


def editor(word: str, *paths: str, agent: str = "caldwell") -> Documents:
    phrase = Phrase(word)
    return Documents(Redactor(phrase, renames.plan(agent, paths, phrase)))


def edited(text: str, word: str, *paths: str, path: str = "memory/user_x.md", kind: Kind = Kind.NOTE) -> str:
    return editor(word, *paths).edit(path, text.encode(), kind).decode()


def test_texts_go_and_keys_days_types_and_links_stay() -> None:
    after = edited(NOTE, "tea", "memory/user_tea.md", "memory/user_x.md").replace("(redacted)", "TEA")

    assert (
        after
        == """---
# about TEA, by hand
schema_version: 2
name: 'Green TEA'
description: "TEA: always"   # said so
type: user
captured: '2026-03-01'
last_seen: 2026-03-01
sources: [operator, a letter about TEA]
confidence: high
provenance: operator
supersedes:
- user_redacted.md
aliases: [TEA, chai]
tea: 4
---

TEA; instead. [TEA](user_redacted.md#tea "TEA") ![TEA](img/tea.png) [[user_redacted|TEA]] [[Tea plan]] [^tea]
See <https://x.example/tea?tea=1>, user_redacted.md, memory/user_redacted.md and other/memory/user_tea.md.

[TEA]: https://x.example/tea

```yaml
TEA: 4
```
"""
    )


@pytest.mark.parametrize("word", ["user", "operator", "high", "2026", "type", "2", "sources", "true", "name"])
def test_what_says_what_a_note_is_stays(word: str) -> None:
    before, after = parse("x.md", NOTE.encode()), parse("x.md", edited(NOTE, word).encode())

    told = ("schema_version", "type", "captured", "last_seen", "confidence", "provenance", "supersedes", "tea")
    assert before.meta.keys() == after.meta.keys()
    assert [before.meta[key] for key in told] == [after.meta[key] for key in told]


def test_line_ends_and_bytes_that_were_not_meant_stay() -> None:
    text = NOTE.replace("\n", "\r\n")

    assert edited(text, "cocoa") == text
    assert edited(text, "letter").replace("(redacted)", "letter") == text


def test_a_name_or_hook_does_not_grow_beyond_what_a_note_may_have() -> None:
    text = NOTE.replace("'Green tea'", "'" + "a b " * 20 + "'").replace('"tea: always"', '"' + "a b " * 50 + '"')

    meta = parse("x.md", edited(text, "a").encode()).meta

    assert (len(str(meta["name"])), len(str(meta["description"]))) <= (80, 200)


def test_an_entry_of_the_index_follows_its_note_and_stays_within_a_line() -> None:
    long = f"{'the tea ' * 20}of all"
    line = index.entry("Green tea", "user_green_tea.md", long)
    by_hand = f"- [Tea](user_green_tea.md) — {'a ' * 60}"
    text = f"# Memory Index\n\n## User Profile\n\n{line}\n{by_hand}\n- [[user_green_tea]]\n- `user_green_tea.md`\n"
    found = editor("tea", "memory/user_green_tea.md")
    note = NOTE.replace('"tea: always"', f'"{long}"')

    found.edit("memory/user_green_tea.md", note.encode(), Kind.NOTE)
    after = found.edit("memory/INDEX.md", text.encode(), Kind.INDEX).decode().splitlines()

    assert after[:4] == ["# Memory Index", "", "## User Profile", ""]
    assert [file for _, file in index.files("\n".join(after))] == ["user_green_redacted.md"] * 4
    assert max(map(len, after)) <= index.MAX_ENTRY
    assert "tea" not in "\n".join(after).lower()
    long_line = editor("a").edit("memory/INDEX.md", by_hand.encode(), Kind.INDEX).decode()
    assert len(long_line) <= index.MAX_ENTRY


@pytest.mark.parametrize("word", ["memory", "index", "user", "profile", "notes", "reference"])
def test_the_headings_of_an_index_are_its_form(word: str) -> None:
    text = "# Memory Index\n\n## User Profile\n\n- [Reference](INDEX_reference.md) — 3 notes are listed there: read\n"

    assert edited(text, word, path="memory/INDEX.md", kind=Kind.INDEX) == text


@pytest.mark.parametrize("word", ["manual", "run", "asked", "2026", "caldwell", "journal", "ok", "quote", "09"])
def test_what_programs_write_into_a_journal_is_its_form(word: str) -> None:
    text = (
        "# 2026-11-22 — caldwell journal\n\n## 09:00 — manual run\n<!-- run-20261122-090000-000000-00000001 -->\n\n"
        "Asked: what?\n\nNothing.\n\n- embedded:quote, $0.0000, ok\n"
    )

    assert edited(text, word, path="journal/2026-11/2026-11-22.md", kind=Kind.JOURNAL) == text


@pytest.mark.parametrize("word", ["asked", "2026", "answered", "summary", "interrupted", "captured", "run"])
def test_what_programs_write_into_a_conversation_is_its_form(word: str) -> None:
    text = (
        "---\nschema_version: 2\nagent: caldwell\ntitle: hello\nstarted: '2026-11-22T09:00:00+00:00'\n"
        "last: '2026-11-22T09:00:00+00:00'\n---\n\n## 2026-11-22 09:00:00+00:00 — asked\n"
        "<!-- run-20261122-090000-000000-00000001 -->\n\nhello\n\n"
        "## 2026-11-22 09:00:01+00:00 — answered, interrupted\n"
        "<!-- run-20261122-090000-000000-00000001; $0.01; captured user_x.md -->\n\nyes\n"
    )

    assert edited(text, word, path="conversations/x.md", kind=Kind.CONVERSATION) == text


def test_a_citation_keeps_words_that_the_source_has() -> None:
    text = 'Oil.[^1]\n\n[^1]: raw/oil.txt:14 — "Eight hours is too soon for it."\n[^2]: raw/oil.txt:1 — "Eight"\n'

    hours = edited(text, "hours", path="wiki/oil.md", kind=Kind.WIKI)
    eight = edited(text, "eight", path="wiki/oil.md", kind=Kind.WIKI)

    assert '[^1]: raw/oil.txt:14 — "is too soon for it."' in hours
    assert '[^1]: raw/oil.txt:14 — "hours is too soon for it."' in eight
    assert edited(text, "1", path="wiki/oil.md", kind=Kind.WIKI) == text
    assert edited(text, "oil", path="wiki/oil.md", kind=Kind.WIKI) == text.replace("Oil.", "(redacted).")


def test_a_citation_of_one_word_stays_and_is_named() -> None:
    found = editor("eight")

    text = b'[^2]: raw/oil.txt:1 \xe2\x80\x94 "Eight"\n'
    after = found.edit("wiki/oil.md", text, Kind.WIKI)

    assert (after, found.redactor.kept) == (text, [(1, "a citation")])


def test_addresses_that_hold_it_are_named_with_their_line() -> None:
    found = editor("tea")

    found.edit("memory/user_x.md", b"Tea\n\nsee https://tea.example\n", Kind.NOTE)

    assert found.redactor.kept == [(3, "an address")]


def test_a_document_that_cannot_be_read_is_not_guessed_at() -> None:
    for data in (b"---\nname: [tea\n---\n", b"\xff tea", b"---\nname: tea\n", b'---\nname: "\\q" [\n---\n'):
        with pytest.raises(Unreadable):
            editor("tea").edit("memory/user_x.md", data, Kind.NOTE)
