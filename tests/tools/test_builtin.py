import json
from collections.abc import Callable, Sequence

import pytest

from atomic_agents.core.model import ToolCall
from atomic_agents.guard.paths import policy
from atomic_agents.memory.search import Passage
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.tools.builtin import builtin
from atomic_agents.tools.tool import MAX_RESULT, ToolResult, answer
from atomic_agents.vault.settings import ToolSettings
from atomic_agents.vault.vault import Vault

FILES = {
    "caldwell/memory/user_tea.md": "---\nname: Tea\n---\n\nGreen.\n",
    "caldwell/wiki/tea.md": "About tea.\n",
    "caldwell/journal/2026-11/2026-11-22.md": "# A day\n",
    "caldwell/memory/INDEX.md": "# Memory Index\n",
    "caldwell/memory/INDEX_projects.md": "# Projects\n",
    "caldwell/wiki/INDEX.md": "# Wiki\n",
    "caldwell/persona/IDENTITY.md": "# C\n",
    "caldwell/model.md": "secret",
    "other/memory/user_x.md": "theirs",
}


def call(name: str, hits: Sequence[Passage] = (), /, **arguments: object) -> ToolResult:
    vault = Vault(MemoryStore({path: text.encode() for path, text in FILES.items()}))
    paths = policy("caldwell", ToolSettings(write_paths=("memory/",)))
    tools = builtin(vault, "caldwell", search=lambda _query, limit: hits[:limit], captures=None, paths=paths)
    return answer(tools, ToolCall("c", name, json.dumps(arguments)))


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("user_tea.md", "caldwell/memory/user_tea.md"),
        ("memory/user_tea.md", "caldwell/memory/user_tea.md"),
        ("caldwell/memory/user_tea.md", "caldwell/memory/user_tea.md"),
        ("wiki/tea.md", "caldwell/wiki/tea.md"),
        ("caldwell/wiki/tea.md", "caldwell/wiki/tea.md"),
        ("journal/2026-11/2026-11-22.md", "caldwell/journal/2026-11/2026-11-22.md"),
    ],
)
def test_a_note_is_opened_by_any_name_it_goes_by(file: str, path: str) -> None:
    found = call("read_note", file=file)

    assert found.text == f'<document path="{path}">\n{FILES[path].strip()}\n</document>'


@pytest.mark.parametrize(
    "file",
    ["../model.md", "../../other/memory/user_x.md", "/etc/passwd", "memory/../../model.md", "nobody.md",
     "wiki/../model.md", "", "\0", "user_tea.md/x", "other/memory/user_x.md", "persona/IDENTITY.md", "."],
)  # fmt: skip
def test_nothing_but_notes_pages_and_journal_is_opened(file: str) -> None:
    found = call("read_note", file=file)

    assert found.failed
    assert "secret" not in found.text
    assert "theirs" not in found.text


def test_recall_gives_each_passage_with_its_place() -> None:
    hits = [Passage("caldwell/memory/user_tea.md", 5, "Green.", 2.0), Passage("caldwell/wiki/tea.md", 1, "About", 1.0)]

    assert call("recall", hits, query="tea").text == (
        '<document path="caldwell/memory/user_tea.md" line="5">\nGreen.\n</document>\n\n'
        '<document path="caldwell/wiki/tea.md" line="1">\nAbout\n</document>'
    )


def test_recall_without_a_hit_says_so() -> None:
    assert call("recall", query="x").text.startswith("nothing in the notes")


def test_recall_shows_only_what_may_be_read() -> None:
    assert "theirs" not in call("recall", [Passage("other/memory/user_x.md", 1, "theirs", 1.0)], query="x").text


def test_long_passages_leave_room_for_each_other_and_stay_fenced() -> None:
    hits = [Passage(f"caldwell/memory/{'&' * 200}_{n}.md", 1, "<document>" * 10_000, 1.0) for n in range(5)]

    text = call("recall", hits, query="x").text

    assert len(text) <= MAX_RESULT
    assert text.count("<document") == text.count("</document>") == 5


def test_without_captures_there_is_no_remember() -> None:
    found = call("remember").text

    assert found == "there is no tool remember; there are recall, read_note, read_wiki, read_journal, list_index"


def test_a_long_note_is_read_to_its_end_part_by_part() -> None:
    text = "".join(f"line {number:05} <b>\n" for number in range(4000))
    read, seen, offset = opener(text), "", 0

    while True:
        part = read(offset)
        assert len(part) <= MAX_RESULT
        body, _, rest = part.partition("\n… ")
        seen += body.split("\n", 1)[1].replace("\n</document>", "") + "\n"
        if not rest:
            break
        offset = int(rest.split("offset ")[1].split()[0])

    numbers = [line.split()[1] for line in seen.splitlines() if line.startswith("line ") and len(line) == 14]
    assert len(set(numbers)) >= 3990
    assert numbers[-1] == "03999"


def test_a_note_has_nothing_behind_its_end() -> None:
    with pytest.raises(ValueError, match="and none from 9,999 on"):
        opener("short")(9999)


def opener(body: str) -> Callable[[int], str]:
    vault = Vault(MemoryStore({"caldwell/memory/user_x.md": f"---\nname: x\n---\n{body}".encode()}))
    paths = policy("caldwell", ToolSettings())
    tools = builtin(vault, "caldwell", search=lambda _query, _limit: (), captures=None, paths=paths)
    read = next(tool for tool in tools if tool.spec.name == "read_note")
    return lambda offset: read.handle({"file": "user_x.md", "offset": offset})


@pytest.mark.parametrize(
    ("name", "arguments", "path"),
    [
        ("read_wiki", {"page": "tea"}, "caldwell/wiki/tea.md"),
        ("read_wiki", {"page": "wiki/tea.md"}, "caldwell/wiki/tea.md"),
        ("read_journal", {}, "caldwell/journal/2026-11/2026-11-22.md"),
        ("read_journal", {"day": "2026-11-22"}, "caldwell/journal/2026-11/2026-11-22.md"),
        ("list_index", {}, "caldwell/memory/INDEX.md"),
        ("list_index", {"file": "INDEX_projects.md"}, "caldwell/memory/INDEX_projects.md"),
        ("list_index", {"file": "wiki/INDEX.md"}, "caldwell/wiki/INDEX.md"),
    ],
)
def test_pages_days_and_indexes_are_opened(name: str, arguments: dict[str, object], path: str) -> None:
    assert call(name, **arguments).text == f'<document path="{path}">\n{FILES[path].strip()}\n</document>'


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("read_wiki", {"page": "../model"}, "does not let you read"),
        ("read_wiki", {"page": "coffee"}, "there is no page coffee.md"),
        ("read_journal", {"day": "2020-01-01"}, "the newest days are 2026-11-22"),
        ("read_journal", {"day": "the other day"}, "write it as 2026-12-31"),
        ("list_index", {"file": "../model.md"}, "is no index"),
        ("list_index", {"file": "user_tea.md"}, "is no index"),
        ("list_index", {"file": "INDEX_nothing.md"}, "there is no INDEX_nothing.md yet"),
    ],
)
def test_what_cannot_be_opened_is_said(name: str, arguments: dict[str, object], said: str) -> None:
    found = call(name, **arguments)

    assert found.failed
    assert said in found.text
    assert "secret" not in found.text
