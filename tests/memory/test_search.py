import datetime
import os
import re
import sqlite3
import subprocess
import sys
import unicodedata
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.core.change import Delete, Put
from atomic_agents.core.document import render
from atomic_agents.core.model import Message, Request
from atomic_agents.core.store import Store
from atomic_agents.memory import words
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.providers.quote import QuoteModel
from atomic_agents.stores.files import FolderStore
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import apply
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace
from atomic_agents.vault.vault import Vault

TODAY = datetime.date(2026, 11, 22)
AGENT = "caldwell"
REFRESH = """
import datetime, sys
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.stores.files import FolderStore
from atomic_agents.vault.vault import Vault
index = MemoryIndex(Vault(FolderStore(sys.argv[1])), sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
index.refresh("caldwell")
print(index.count("caldwell"), len(index.search("caldwell", "walrus", 1000, datetime.date(2026, 11, 22))))
"""


def note(body: str, **meta: object) -> bytes:
    fields = {"name": "A note", "description": "what it is", "type": "user", "last_seen": "2026-01-01"}
    return render({"schema_version": 2, **fields, **meta}, body)


def put(store: Store, **files: bytes) -> None:
    apply(store, *(Put(f"{AGENT}/{path.replace('__', '/')}.md", data) for path, data in files.items()))


class Memory:
    """An index over a folder, its database beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "vault"
        self.database = folder / "index.sqlite"
        self.store = FolderStore(self.root)
        self.index = self.open()

    def open(self) -> MemoryIndex:
        return MemoryIndex(Vault(self.store), str(self.database))

    def found(self, query: str, index: MemoryIndex | None = None) -> list[str]:
        index = index or self.index
        index.refresh(AGENT)
        return [passage.path.removeprefix(f"{AGENT}/") for passage in index.search(AGENT, query, 10, TODAY)]


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    found = Memory(tmp_path)
    put(found.store, memory__user_sea=note("The walrus sleeps."), memory__user_land=note("The fox runs."))
    return found


def test_a_note_is_found_by_its_body_name_description_and_tags(memory: Memory) -> None:
    put(memory.store, memory__user_x=note("body", name="Zebra crossing", description="an ostrich", tags=["giraffe"]))

    for query in ("zebra", "ostriches", "GIRAFFE", "body"):
        assert memory.found(query) == ["memory/user_x.md"]


def test_what_was_added_changed_renamed_and_deleted_is_seen(memory: Memory) -> None:
    memory.found("walrus")

    put(memory.store, memory__user_new=note("A second walrus."))
    assert memory.found("walrus") == ["memory/user_new.md", "memory/user_sea.md"]
    put(memory.store, memory__user_new=note("No such animal."))
    assert memory.found("walrus") == ["memory/user_sea.md"]
    os.rename(memory.root / AGENT / "memory/user_sea.md", memory.root / AGENT / "memory/user_ice.md")
    assert memory.found("walrus") == ["memory/user_ice.md"]
    apply(memory.store, Delete(f"{AGENT}/memory/user_ice.md"))
    assert memory.found("walrus") == []
    assert memory.index.count(AGENT) == 2


def test_wiki_pages_and_journal_days_are_found_too(memory: Memory) -> None:
    put(memory.store, wiki__tea=note("Oolong."), **{"journal__2026-11__2026-11-20": b"# A day\n\nWe had oolong.\n"})

    assert set(memory.found("oolong")) == {"wiki/tea.md", "journal/2026-11/2026-11-20.md"}


def test_notes_that_are_not_current_are_not_found(memory: Memory) -> None:
    put(
        memory.store,
        memory__a=note("walrus", archived=True),
        memory__b=note("walrus", superseded_by="user_sea.md"),
        memory__c=note("walrus", expires_at="2026-11-21"),
        memory__d=note("walrus", expires_at="2026-11-22"),
    )

    assert memory.found("walrus") == ["memory/d.md", "memory/user_sea.md"]


def test_recent_and_pinned_notes_are_current_and_in_order(memory: Memory) -> None:
    put(
        memory.store,
        memory__a=note("a", last_seen="2026-03-01"),
        memory__b=note("b", last_seen="2026-04-01"),
        memory__c=note("c", last_seen="2026-05-01", pinned=True),
        memory__d=note("d", last_seen="2026-06-01", archived=True, pinned=True),
        memory__e=note("e", last_seen="2026-07-01", expires_at="2026-08-01"),
    )
    memory.index.refresh(AGENT)

    assert memory.index.pinned(AGENT, TODAY, 5) == [f"{AGENT}/memory/c.md"]
    assert memory.index.recent(AGENT, TODAY, 2) == [f"{AGENT}/memory/b.md", f"{AGENT}/memory/a.md"]


def test_what_a_run_was_asked_is_not_found_by_asking_it_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "vault")
    add_agent(store)
    workspace = scripted_workspace(store, lambda _: "It hums the anthem.")

    run(workspace, "what does the ocelot hum?")

    workspace.memory.refresh(AGENT)
    assert workspace.memory.search(AGENT, "what does the ocelot hum?", 5, TODAY) == []


def test_a_hit_is_the_paragraph_with_most_of_the_words_and_its_line(memory: Memory) -> None:
    body = "# Animals\nA list.\n\nThe okapi eats.\r\nIt sleeps.\n\n## Okapi habits\nIt eats leaves\x0cdaily."
    put(memory.store, memory__user_okapi=note(body))
    memory.index.refresh(AGENT)

    eats, habits, name = (
        memory.index.search(AGENT, query, 1, TODAY)[0] for query in ("okapi sleeping", "okapi leaves", "animals")
    )

    assert eats.text == "The okapi eats.\nIt sleeps."
    assert habits.text == "It eats leaves\x0cdaily."
    assert name.text == "A list."
    for hit in (eats, habits, name):
        lines = (memory.root / hit.path).read_bytes().decode().split("\n")
        assert lines[hit.line - 1].startswith(hit.text.split("\n")[0])


def test_a_document_of_headings_alone_is_quoted_by_its_heading(memory: Memory) -> None:
    put(memory.store, wiki__titles=b"\n\n# Pangolins\n\n## And more\n")
    memory.index.refresh(AGENT)

    (hit,) = memory.index.search(AGENT, "pangolin", 5, TODAY)

    assert (hit.line, hit.text) == (3, "# Pangolins")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Das Café schließt früh.", "cafe"),
        ("das cafe\u0301s", "cafés"),
        ("私は日本語を話す。", "日本語"),
        ("私は日本語を話す。", "日本語は何ですか"),
        ("ฉันดื่มชาเขียว", "ชาเขียว"),
        ("मुझे किताब चाहिए", "किताब"),
        ("see some_identifier here", "identifier"),
        ("The Who played.", "the who"),
        ("C3PO and r2-d2", "R2-D2"),
    ],
)
def test_every_script_can_be_searched(memory: Memory, text: str, query: str) -> None:
    put(memory.store, memory__user_text=note(text, name="n", description="d"))

    assert memory.found(query)[0] == "memory/user_text.md"


@pytest.mark.parametrize("query", ["", "   ", '"', "' OR 1=1 --", "NEAR(", "a* ^b", "\ud800", "\0", "(", "—", "_"])
def test_no_query_is_an_error(memory: Memory, query: str) -> None:
    assert memory.found(query) == []


def folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Mn")


letters = st.text("abcdeé日本語ñ", min_size=1, max_size=5).filter(lambda word: word not in words._STOP_WORDS)
bodies = st.lists(st.lists(letters, min_size=1, max_size=8).map(" ".join), min_size=1, max_size=6)


@settings(deadline=None)
@given(bodies, st.data())
def test_recall_finds_every_document_that_a_full_scan_finds(bodies: list[str], data: st.DataObject) -> None:
    notes = {f"{AGENT}/memory/user_{n}.md": note(body, name="-", description="-") for n, body in enumerate(bodies)}
    store = MemoryStore(notes)
    index = MemoryIndex(Vault(store), ":memory:")
    index.refresh(AGENT)
    word = data.draw(st.sampled_from(" ".join(bodies).split()))

    found = {passage.path for passage in index.search(AGENT, word, 100, TODAY)}

    scan = {path for path, body in zip(notes, bodies, strict=True) if word in body.split()}
    starts = [folded(part)[0] for part in words.query_words(word)]
    texts = {path: folded(body) for path, body in zip(notes, bodies, strict=True)}
    assert scan <= found
    assert all(any(start in texts[path] for start in starts) for path in found)
    index.close()


def test_documents_that_cannot_be_read_are_named(memory: Memory) -> None:
    put(memory.store, memory__user_bad=b"\xff\xfe", memory__user_open=b"---\nname: x\n")
    memory.index.refresh(AGENT)

    problems = memory.index.problems(AGENT)

    assert [problem.path.rpartition("/")[2] for problem in problems] == ["user_bad.md", "user_open.md"]
    assert all(problem.message and problem.hint for problem in problems)
    assert memory.found("walrus") == ["memory/user_sea.md"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_note_that_may_not_be_read_is_named(memory: Memory) -> None:
    (memory.root / AGENT / "memory/user_sea.md").chmod(0)
    memory.index.refresh(AGENT)

    assert [problem.path for problem in memory.index.problems(AGENT)] == [f"{AGENT}/memory/user_sea.md"]


def damage_nothing(_: Path) -> None:
    """The control."""


def damage_truncate(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def damage_empty(database: Path) -> None:
    os.truncate(database, 0)


def damage_garbage(database: Path) -> None:
    database.write_bytes(b"not a database at all" * 500)


def damage_middle(database: Path) -> None:
    data = bytearray(database.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    database.write_bytes(data)


def damage_other_form(database: Path) -> None:
    database.unlink()
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE documents (mine TEXT)")
    connection.execute("CREATE VIRTUAL TABLE texts USING fts5 (other)")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()


def damage_same_form_other_tables(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("DROP TABLE texts")
    connection.execute("ALTER TABLE documents DROP COLUMN hint")
    connection.commit()
    connection.close()


def damage_delete(database: Path) -> None:
    database.unlink()


def damage_folder(database: Path) -> None:
    database.unlink()
    database.mkdir()


DAMAGES = [
    damage_nothing, damage_truncate, damage_empty, damage_garbage, damage_middle, damage_other_form,
    damage_same_form_other_tables, damage_delete, damage_folder,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_made_anew(memory: Memory, damage: object) -> None:
    memory.found("walrus")
    memory.index.close()
    assert callable(damage)
    damage(memory.database)

    again = memory.open()

    assert memory.found("walrus", again) == ["memory/user_sea.md"]
    assert again.count(AGENT) == 2
    again.close()


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one is not damage_folder])
def test_a_database_damaged_while_it_is_open_is_made_anew(memory: Memory, damage: object) -> None:
    memory.found("walrus")
    assert callable(damage)
    damage(memory.database)

    put(memory.store, memory__user_new=note("A second walrus."))

    assert memory.found("walrus") == ["memory/user_new.md", "memory/user_sea.md"]
    assert memory.index.pinned(AGENT, TODAY, 5) == []
    memory.index.close()


def test_a_search_in_a_database_that_was_damaged_since_finds_what_there_is(memory: Memory) -> None:
    memory.found("walrus")
    damage_same_form_other_tables(memory.database)

    assert [hit.path for hit in memory.index.search(AGENT, "walrus", 5, TODAY)] == [f"{AGENT}/memory/user_sea.md"]


def test_sums_are_forgotten_with_a_damaged_database_and_nothing_fails(memory: Memory) -> None:
    memory.found("walrus")
    memory.index.keep_spend("log", "1", Decimal("0.25"), "")
    assert memory.index.spend("log", "1") is not None
    damage_same_form_other_tables(memory.database)
    memory.found("walrus")
    damage_garbage(memory.database)
    memory.index.close()

    assert memory.index.spend("log", "1") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_nothing_can_be_written_the_index_is_in_memory(memory: Memory) -> None:
    (memory.root.parent / "locked").mkdir(mode=0o500)

    index = MemoryIndex(Vault(memory.store), str(memory.root.parent / "locked/deep/index.sqlite"))

    assert memory.found("walrus", index) == ["memory/user_sea.md"]


def test_a_database_that_cannot_be_made_leaves_the_index_in_memory(memory: Memory) -> None:
    (memory.root.parent / "file").write_text("")

    index = MemoryIndex(Vault(memory.store), str(memory.root.parent / "file/index.sqlite"))

    assert memory.found("walrus", index) == ["memory/user_sea.md"]


def test_a_database_that_another_process_holds_does_not_lose_what_it_has(memory: Memory) -> None:
    memory.found("walrus")
    holder = sqlite3.connect(memory.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    put(memory.store, memory__user_new=note("A second walrus."))
    memory.index._database._open().execute("PRAGMA busy_timeout = 20")

    assert len(memory.found("walrus")) == 2
    holder.execute("ROLLBACK")
    assert holder.execute("SELECT count(*) FROM documents").fetchone() == (2,)
    holder.close()


def test_processes_that_refresh_at_once_agree(memory: Memory) -> None:
    put(memory.store, **{f"memory__user_{n}": note(f"walrus number {n}") for n in range(300)})
    command = [sys.executable, "-c", REFRESH, str(memory.root), str(memory.database)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].split() for process in started]

    assert said == [["302", "301"]] * 4
    assert memory.index.count(AGENT) == 302
    texts = memory.index._database.rows("SELECT count(*) FROM texts")
    assert texts == [(302,)]


def test_what_another_process_indexed_is_not_indexed_again(memory: Memory) -> None:
    memory.index.refresh(AGENT)
    other = memory.open()
    put(memory.store, memory__user_new=note("A second walrus."))
    other.refresh(AGENT)

    before = memory.index._database.rows("SELECT id, path FROM documents ORDER BY id")
    assert memory.found("walrus") == ["memory/user_new.md", "memory/user_sea.md"]
    assert memory.index._database.rows("SELECT id, path FROM documents ORDER BY id") == before


@pytest.mark.parametrize("question", ["where does the walrus sleep", "fox"])
def test_the_embedded_model_quotes_what_stands_at_the_line_it_names(memory: Memory, question: str) -> None:
    put(memory.store, wiki__fox=note("Intro.\n\nA fox is red;\nthe fox hunts.\n\nEnd."))
    workspace = scripted_workspace(memory.store, ["never"])
    model = QuoteModel(lambda query, limit: workspace.memory.search(AGENT, query, limit, NOON.date()))
    workspace.memory.refresh(AGENT)

    text = model.ask(Request((), [Message("user", question)]), lambda _: None).text

    quotes = re.findall(r"((?:^>[^\n]*\n)+)— (\S+):(\d+)$", text, re.MULTILINE)
    assert quotes
    for quoted, path, line in quotes:
        lines = [part.removeprefix("> ") for part in quoted.splitlines()]
        stands = (memory.root / path).read_text().splitlines()[int(line) - 1 :]
        assert stands[: len(lines)] == lines
