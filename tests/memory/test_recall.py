"""What recall finds beyond words: who speaks, what stands near, days, links, every kind of document."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.core.change import Delete, Put
from atomic_agents.core.document import parse, render
from atomic_agents.memory.search import MemoryIndex, Passage
from atomic_agents.memory.tables import KINDS, Kind
from atomic_agents.stores.files import FolderStore
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import apply
from atomic_agents.vault import conversation, layout
from atomic_agents.vault.vault import Vault

TODAY = datetime.date(2026, 11, 22)
AGENT = "caldwell"
TALK = """# 2026-11-18

## 09:00

Ada: Where did you go with the boat?
Ben: To the island, with the children.
Ada: I have never been on the water.

## 18:00

Ben: The soup was cold.
Ada: I like the boat on your picture.
"""


def note(body: str, **meta: object) -> bytes:
    fields = {"name": "A note", "description": "what it is", "type": "user", "last_seen": "2026-01-01"}
    return render({"schema_version": 2, **fields, **meta}, body)


def search(files: dict[str, bytes], query: str, kinds: tuple[Kind, ...] = KINDS, limit: int = 10) -> list[Passage]:
    index = MemoryIndex(Vault(MemoryStore({f"{AGENT}/{path}": data for path, data in files.items()})), ":memory:")
    index.refresh(AGENT)
    found = index.search(AGENT, query, limit, TODAY, kinds)
    index.close()
    return found


def test_the_answer_to_a_question_is_found_though_it_has_no_word_of_it() -> None:
    found = search({"journal/2026-11/2026-11-18.md": TALK.encode()}, "where did Ben go with the boat?")

    assert (found[0].line, found[0].text) == (6, "Ben: To the island, with the children.")


def test_each_line_of_a_talk_is_found_for_itself() -> None:
    found = search({"journal/2026-11/2026-11-18.md": TALK.encode()}, "boat", limit=2)

    assert {hit.line for hit in found} <= {5, 6, 12}
    assert 5 in {hit.line for hit in found} or 12 in {hit.line for hit in found}


def test_who_is_named_is_who_speaks() -> None:
    talk = "Ada: I love tea.\nBen: I love tea.\nAda: Good.\nBen: Fine.\n"

    ada, ben = (search({"journal/2026-11/2026-11-18.md": talk.encode()}, f"what does {who} love")[0].line
                for who in ("Ada", "Ben"))  # fmt: skip

    assert (ada, ben) == (1, 2)


@pytest.mark.parametrize(
    ("query", "day"),
    [
        ("the roof last week", "2026-11-10"),
        ("the roof in May", "2026-05-04"),
        ("the roof on 4 May 2026", "2026-05-04"),
        ("the roof on 2026-11-20", "2026-11-20"),
        ("yesterday", "2026-11-21"),
        ("what happened in March 2025", "2025-03-09"),
        ("the roof two days ago", "2026-11-20"),
        ("roof in 2025", "2025-03-09"),
    ],
)
def test_a_date_in_a_question_finds_its_days(query: str, day: str) -> None:
    days = ("2026-05-04", "2026-11-10", "2026-11-20", "2025-03-09", "2026-11-21")
    files = {f"journal/{each[:7]}/{each}.md": f"# {each}\n\nThe roof.\n".encode() for each in days}

    found = search(files, query)

    assert found[0].path == f"{AGENT}/journal/{day[:7]}/{day}.md"


def test_what_is_linked_is_found_with_what_links_to_it() -> None:
    files = {
        "memory/user_boat.md": note("The boat lies at the quay. See [the key](user_key.md)."),
        "memory/user_key.md": note("It hangs behind the door."),
        "memory/user_other.md": note("Nothing of this."),
    }

    assert [hit.path.rpartition("/")[2] for hit in search(files, "boat")] == ["user_boat.md", "user_key.md"]


def test_an_irregular_form_is_found() -> None:
    assert search({"memory/user_a.md": note("She bought a lamp.")}, "what did she buy")


def conversation_of(*said: tuple[str, str]) -> bytes:
    at = datetime.datetime(2026, 11, 3, 9, tzinfo=datetime.UTC)
    path, document = layout.conversation(AGENT, "k"), None
    for asked, answer in said:
        document = conversation.with_turn(document, conversation.Turn(asked, answer, at, at), agent=AGENT, path=path)
    assert document is not None
    return document.data


FILES = {
    "memory/user_a.md": note("The walrus in a note."),
    "wiki/b.md": note("The walrus on a page.", type="wiki_page"),
    "raw/c.txt": b"The walrus of a source.\n",
    "raw/d.pdf.source.md": render({"sha256": "x"}, "The walrus of a scan."),
    "raw/e.pdf": b"%PDF walrus",
    "journal/2026-11/2026-11-18.md": b"# A day\n\nA walrus came.\n",
    "conversations/k.md": conversation_of(("Is there a walrus?", "There is one walrus.")),
}


@pytest.mark.parametrize(
    ("kinds", "paths"),
    [
        (KINDS, {"memory/user_a.md", "wiki/b.md", "raw/c.txt", "raw/d.pdf.source.md", "journal/2026-11/2026-11-18.md",
                 "conversations/k.md"}),
        (("wiki", "raw"), {"wiki/b.md", "raw/c.txt", "raw/d.pdf.source.md"}),
        (("journal",), {"journal/2026-11/2026-11-18.md"}),
    ],
)  # fmt: skip
def test_every_kind_of_document_is_searched(kinds: tuple[Kind, ...], paths: set[str]) -> None:
    assert {hit.path.removeprefix(f"{AGENT}/") for hit in search(FILES, "walrus", kinds, 50)} == paths


def test_a_hit_is_what_stands_at_its_line() -> None:
    for hit in search(FILES, "walrus", limit=50):
        stands = parse(hit.path, FILES[hit.path.removeprefix(f"{AGENT}/")]).text.split("\n")[hit.line - 1 :]

        assert "\n".join(stands).lstrip().startswith(hit.text)


def test_a_note_of_a_megabyte_is_found_by_its_last_words() -> None:
    body = "".join(f"Line {number} says nothing. " for number in range(45_000)) + "The narwhal is at the end."

    (hit,) = search({"memory/user_long.md": note(body)}, "narwhal")

    assert hit.text.endswith("The narwhal is at the end.")
    assert len(hit.text) < 2000


def test_other_scripts_and_directions_are_found_among_each_other() -> None:
    files = {
        "memory/user_he.md": note("הספינה נמצאת בנמל הישן.\n\nהמפתח תלוי מאחורי הדלת."),
        "memory/user_ja.md": note("鍵はドアの後ろにあります。"),
        "memory/user_de.md": note("Der Schlüssel hängt hinter der Tür."),
    }

    for query, file in (("הספינה בנמל", "user_he.md"), ("鍵はどこ", "user_ja.md"), ("SCHLUSSEL", "user_de.md")):
        assert search(files, query)[0].path == f"{AGENT}/memory/{file}"


files = st.sampled_from(
    ["memory/user_a.md", "memory/user_b.md", "wiki/c.md", "journal/2026-11/2026-11-18.md", "raw/d.md"]
)
bodies = st.lists(
    st.sampled_from(["The fox runs.", "A walrus?", "It sleeps.", "Ada: fox", "Ben: walrus", "# Head"]), max_size=6
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(files, st.none() | bodies.map("\n\n".join)), max_size=12))
def test_an_index_that_followed_every_edit_ranks_as_one_made_now(edits: list[tuple[str, str | None]]) -> None:
    store = MemoryStore({})
    followed = MemoryIndex(Vault(store), ":memory:")
    for path, body in edits:
        full = f"{AGENT}/{path}"
        if body is not None:
            apply(store, Put(full, note(body)))
        elif store.read(full) is not None:
            apply(store, Delete(full))
        followed.refresh(AGENT)
    now = MemoryIndex(Vault(store), ":memory:")
    now.refresh(AGENT)

    for query in ("fox", "what does Ada say of the walrus", "sleeping head"):
        expected = [(hit.path, hit.line, hit.score) for hit in now.search(AGENT, query, 50, TODAY)]
        assert sorted(expected) == sorted(
            (hit.path, hit.line, hit.score) for hit in followed.search(AGENT, query, 50, TODAY)
        )
    followed.close()
    now.close()


def test_an_agent_finds_nothing_of_another_one() -> None:
    store = MemoryStore({"ada/memory/user_x.md": note("walrus"), "ben/memory/user_x.md": note("walrus")})
    index = MemoryIndex(Vault(store), ":memory:")
    index.refresh("ada")
    index.refresh("ben")

    assert [hit.path for hit in index.search("ada", "walrus", 10, TODAY)] == ["ada/memory/user_x.md"]
    index.close()


@pytest.mark.soak
def test_a_hundred_thousand_notes_are_indexed_and_searched(tmp_path: Path) -> None:
    folder = tmp_path / "vault" / AGENT / "memory"
    folder.mkdir(parents=True)
    for number in range(100_000):
        (folder / f"user_{number:06}.md").write_bytes(
            note(f"Number {number} is of shelf {number % 97}.\n\nIt is kept.")
        )
    index = MemoryIndex(Vault(FolderStore(tmp_path / "vault")), str(tmp_path / "index.sqlite"))
    index.refresh(AGENT)

    found = index.search(AGENT, "which shelf has number 76543", 5, TODAY)

    assert found[0].path == f"{AGENT}/memory/user_076543.md"
    assert index.count(AGENT) == 100_000
    index.close()
