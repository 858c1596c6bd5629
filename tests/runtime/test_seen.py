"""Notes that a run was shown were seen on its day."""

import json

from atomic_agents.core.change import Put
from atomic_agents.core.document import parse, render
from atomic_agents.core.model import Answer, ToolCall, Usage
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import apply
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace

USED = Usage(10, 10)
NOTES = {
    "caldwell/memory/user_tea.md": "Tea is green.",
    "caldwell/memory/user_oak.md": "The oak is old.",
    "caldwell/memory/user_sea.md": "The sea is wide.",
}


def calling(name: str, /, **arguments: object) -> Answer:
    return Answer("", (ToolCall("c", name, json.dumps(arguments)),), USED, "tool_calls")


def house() -> MemoryStore:
    store = MemoryStore({})
    add_agent(store)
    for path, body in NOTES.items():
        meta = {"schema_version": 2, "name": body, "description": "d", "type": "user", "last_seen": "2026-01-01"}
        apply(store, Put(path, render(meta, body)))
    return store


def seen(store: MemoryStore) -> dict[str, str]:
    found = {}
    for path in NOTES:
        blob = store.read(path)
        assert blob is not None
        found[path.rpartition("_")[2]] = str(parse(path, blob.data).meta["last_seen"])
    return found


def test_notes_that_were_recalled_and_read_are_seen_on_the_day_of_the_run() -> None:
    store = house()

    run(
        scripted_workspace(store, [calling("recall", query="tea"), calling("read_note", file="user_oak.md"), "Done."]),
        "x",
    )

    today = NOON.date().isoformat()
    assert seen(store) == {"tea.md": today, "oak.md": today, "sea.md": "2026-01-01"}


def test_a_run_that_recalls_nothing_touches_no_note() -> None:
    store = house()

    run(scripted_workspace(store, ["Done."]), "x")

    assert set(seen(store).values()) == {"2026-01-01"}


def test_a_note_that_the_run_revised_is_written_once() -> None:
    store = house()
    revision = {"type": "user", "name": "Tea", "description": "d", "body": "Tea is black.", "confidence": "high",
                "sources": ["x"], "merge_into": "user_tea.md"}  # fmt: skip

    run(scripted_workspace(store, [calling("recall", query="tea"), calling("remember", **revision), "Done."]), "x")

    blob = store.read("caldwell/memory/user_tea.md")
    assert blob is not None
    assert "Tea is black." in blob.data.decode()
    assert seen(store)["tea.md"] == NOON.date().isoformat()
