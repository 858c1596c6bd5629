"""What a redaction does to the parts of a vault that hang together."""

import base64
import json
import re

import pytest

from atomic_agents.core.change import ChangeSet, Delete, Put, revision
from atomic_agents.core.document import parse
from atomic_agents.core.errors import Busy, ProviderFailed, UsageError
from atomic_agents.core.model import Answer, ToolCall, Usage
from atomic_agents.memory import edits, history
from atomic_agents.memory.redaction.phrase import Phrase
from atomic_agents.operations import changes, evidence, finishing, record
from atomic_agents.operations.redaction import plan
from atomic_agents.operations.redaction.plan import Redaction
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.order import Order, Result
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.scripted import Script
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace
from atomic_agents.tools import edits as tool_edits

NAME = "caldwell"
LOG = f"{NAME}/log/2026-11/2026-11-22.jsonl"
FIELDS = {
    "type": "user", "name": "Green tea", "description": "drinks tea", "confidence": "high", "sources": ["operator"],
    "body": "Green tea at four.",
}  # fmt: skip


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_agent(store)
    return store


def put(store: MemoryStore, documents: dict[str, str]) -> None:
    store.apply(ChangeSet("plant", tuple(Put(path, text.encode()) for path, text in documents.items())))


def text(store: MemoryStore, path: str) -> str:
    blob = store.read(path)
    return blob.data.decode() if blob else ""


def redact(store: MemoryStore, words: str, replacement: str = "(redacted)") -> Redaction:
    return plan.carry_out(scripted_workspace(store, []), NAME, Phrase(words, replacement))


def add(store: MemoryStore, **fields: object) -> Workspace:
    opened = scripted_workspace(store, [])
    changes.do(opened, NAME, lambda book: edits.add(book, {**FIELDS, **fields}), what="add", reason="a test")
    return opened


def ran(store: MemoryStore, script: Script, work_item: str = "about tea", **order: object) -> Result:
    return run(scripted_workspace(store, script), work_item, order=Order(work_item, **order))  # type: ignore[arg-type]


def states(store: MemoryStore) -> list[str]:
    return [each.verdict.state for each in evidence.verify(scripted_workspace(store, []))]


def left(found: Redaction) -> list[tuple[str, str]]:
    return [(each.path, each.why) for each in found.left]


def test_money_keys_and_states_of_a_log_stay(store: MemoryStore) -> None:
    line = (
        '{"ts":"2026-11-22T10:00:00+00:00","run_id":"run-20261122-100000-000001-00000001","primitive":"agent_call",'
        '"status":"ok","summary":"the cost of ok tea","model":"gpt-5-mini","cost_usd":0.950,"cost_source":"actor",'
        '"trigger":"cron","agent_name":"caldwell","error":"cost-cap: the cost, ok"}\n{"torn": "cost\n'
    )
    put(store, {LOG: line})

    found = redact(store, "cost")
    redact(store, "ok")

    expected = line.replace("the cost of ok", "the (redacted) of (redacted)")
    assert text(store, LOG) == expected.replace("the cost, ok", "the (redacted), (redacted)")
    assert left(found) == [(f"{LOG}:2", "a line that is no record holds it")]


def test_a_transcript_is_chained_again_and_says_what_was_done(store: MemoryStore) -> None:
    result = ran(store, [Answer("Tea is ok.", (), Usage(10, 10))])
    before = record.show(scripted_workspace(store, []), result.run_id)

    redact(store, "tea")

    lines = [json.loads(line) for line in text(store, result.transcript).splitlines()]
    assert states(store) == ["sound"]
    assert "tea" not in text(store, result.transcript).lower()
    assert lines[-1]["event"] == "redacted"
    assert lines[-1]["former_hash"] == before.line.text("transcript_hash")
    after = record.show(scripted_workspace(store, []), result.run_id)
    assert (after.line.cost, after.line.status) == (before.line.cost, before.line.status)


def test_a_transcript_that_was_redacted_can_be_redacted_again_and_not_edited(store: MemoryStore) -> None:
    result = ran(store, [Answer("Tea is fine.", (), Usage(10, 10))])
    redact(store, "tea")
    redact(store, "fine")
    assert states(store) == ["sound"]

    whole = text(store, result.transcript)
    for edited in (
        whole.replace('"event": "redacted"', '"event": "other"'),
        "".join(line + "\n" for line in whole.splitlines()[:-1]),
        whole.replace("about", "above", 1),
    ):
        put(store, {result.transcript: edited})
        assert states(store) == ["broken"]


def test_a_transcript_that_was_edited_is_left_and_named(store: MemoryStore) -> None:
    result = ran(store, [Answer("Tea is fine.", (), Usage(10, 10))])
    put(store, {result.transcript: text(store, result.transcript).replace("fine", "good")})

    found = redact(store, "tea")

    assert states(store) == ["broken"]
    assert "Tea is good" in text(store, result.transcript)
    assert (result.transcript, "holds it, and is not as it was written") in left(found)
    assert f"atomic-agents runs verify {result.run_id}" in [each.hint for each in found.left]


def test_a_run_that_goes_on_with_another_still_does(store: MemoryStore) -> None:
    call = Answer("Tea first.", (ToolCall("1", "list_index", "{}"),), Usage(10, 10), "tool_calls")
    first = ran(store, [call, ProviderFailed("down", context={"status": 400})])
    opened = scripted_workspace(store, [ProviderFailed("down", context={"status": 400})])
    second = finishing.resume(opened, first.run_id, finishing.Wish(), on_text=lambda _: None, on_notice=lambda _: None)

    redact(store, "tea")
    assert states(store) == ["sound", "sound"]

    opened = scripted_workspace(store, [Answer("All done.", (), Usage(10, 10))])
    third = finishing.resume(opened, second.run_id, finishing.Wish(), on_text=lambda _: None, on_notice=lambda _: None)
    assert (third.ending, third.text) == ("ok", "(redacted) first.\n\nAll done.")
    assert states(store) == ["sound"] * 3


def test_an_answer_under_a_key_is_kept_under_it(store: MemoryStore) -> None:
    key = replay.key("tea-of-the-day", work_item="about tea")
    ran(store, [Answer("Tea is fine.", (), Usage(10, 10))], key=key)

    found = redact(store, "tea")

    kept = replay.kept(store, NAME, key)
    assert kept is not None
    assert kept.text == "(redacted) is fine."
    assert sum(why == "idempotency_key holds it" for _, why in left(found)) == 2
    assert sum(why == "key holds it" for _, why in left(found)) == 1


def test_a_note_whose_name_holds_it_is_renamed_and_every_link_follows(store: MemoryStore) -> None:
    add_agent(store, "other")
    opened = add(store)
    body = "Not [green](user_green_tea.md), see [[user_green_tea|it]] or `user_green_tea.md`."
    add(store, name="Black tea", body=body)
    changes.do(
        opened, NAME, lambda book: edits.supersede(book, "user_black_tea", "user_green_tea"), what="x", reason=""
    )
    changes.do(opened, NAME, lambda book: edits.edit(book, "user_green_tea", {}, "Tea again."), what="x", reason="")
    put(store, {
        f"{NAME}/persona/USER.md": "See [tea](../memory/user_green_tea.md) and teapots.\n",
        "other/memory/reference_x.md": "[his](../../caldwell/memory/user_green_tea.md) [mine](user_green_tea.md)\n",
    })  # fmt: skip

    found = redact(store, "tea")

    folder = f"{NAME}/memory/"
    names = [path.removeprefix(folder) for path in store.paths(folder)]
    assert [name for name in names if "tea" in name] == []
    assert dict(found.renamed) == {
        f"{folder}user_black_tea.md": f"{folder}user_black_redacted.md",
        f"{folder}user_green_tea.md": f"{folder}user_green_redacted.md",
    }
    black = parse("x.md", text(store, f"{folder}user_black_redacted.md").encode())
    assert black.meta["superseded_by"] == "user_green_redacted.md"
    assert black.body.strip() == (
        "Not [green](user_green_redacted.md), see [[user_green_redacted|it]] or `user_green_redacted.md`."
    )
    assert [each.rule for each in changes.examine(scripted_workspace(store, []), NAME, audited=False)] == []
    assert text(store, f"{NAME}/persona/USER.md") == "See [tea](../memory/user_green_redacted.md) and teapots.\n"
    assert text(store, "other/memory/reference_x.md") == (
        "[his](../../caldwell/memory/user_green_redacted.md) [mine](user_green_tea.md)\n"
    )
    assert (f"{NAME}/persona/USER.md", "is a file of yours that holds it") in left(found)


def test_two_names_that_would_become_one_stay_two(store: MemoryStore) -> None:
    for name in ("Tea", "Redacted"):
        add(store, name=name, body=f"All of {name}.")

    redact(store, "tea")

    names = [path for path in store.paths(f"{NAME}/memory/") if ".versions" not in path]
    assert [name.rpartition("/")[2] for name in names] == ["INDEX.md", "user_redacted.md", "user_redacted_2.md"]
    assert text(store, f"{NAME}/memory/INDEX.md").count("](user_redacted_2.md)") == 1


def test_earlier_changes_can_still_be_taken_back(store: MemoryStore) -> None:
    opened = add(store)
    body = "Coffee and tea."
    changes.do(opened, NAME, lambda book: edits.edit(book, "user_green_tea", {}, body), what="edit", reason="")
    changes.do(opened, NAME, lambda book: edits.pin(book, "user_green_tea"), what="pin", reason="")

    redact(store, "tea")
    for _ in range(2):
        verb, undone = changes.undo(opened, NAME, "")
        changes.do(opened, NAME, verb, what="undo", reason="", undoes=undone)

    note = parse("x.md", text(store, f"{NAME}/memory/user_green_redacted.md").encode())
    assert note.body.strip() == "Green (redacted) at four."
    assert [entry.what for entry in history.entries(opened.vault, NAME)][2] == "redact"


def test_what_a_tool_wrote_can_still_be_taken_back(store: MemoryStore) -> None:
    path = f"{NAME}/memory/reference_list.md"
    before, after = b"A list without front matter: tea.\n", b"A list without front matter: tea, milk.\n"
    change = {"path": path, "before": base64.b64encode(before).decode(), "after": revision(after)}
    undo = f"{NAME}/runs/changes/run-20261122-100000-000001-00000001-001.json"
    put(store, {path: after.decode(), undo: json.dumps({"reason": "edit_file", "changes": [change]})})

    redact(store, "tea")
    store.apply(tool_edits.undo(store, undo))

    assert text(store, path) == "A list without front matter: (redacted).\n"


def test_what_waits_for_the_operator_is_not_changed_under_them(store: MemoryStore) -> None:
    result = ran(store, [Answer("Tea is fine.", (), Usage(10, 10))])
    pointer = {"agent": NAME, "path": f"{NAME}/vault/escalations/x/y.md", "run_id": result.run_id}
    request = "---\nstate: pending\n---\n\n# tea\n"
    put(store, {"_waiting/y.json": json.dumps(pointer), pointer["path"]: request})
    before = text(store, result.transcript)

    found = redact(store, "tea")

    assert (text(store, result.transcript), text(store, pointer["path"])) == (before, request)
    waits = "holds it, and the run waits for your answer"
    assert [path for path, why in left(found) if why == waits] == [pointer["path"], result.transcript]


def test_a_request_that_is_answered_keeps_its_form(store: MemoryStore) -> None:
    path = f"{NAME}/vault/escalations/x/y.md"
    proposal = json.dumps({"tool_name": "resolution", "tool_arguments": {"text": "the resolution", "path": "a/b"}})
    request = (
        f"---\nstate: resolved\ntool: resolution\n---\n\n## Proposal\n\n```yaml\n{proposal}\n```\n\n## Resolution\n"
    )
    put(store, {path: f"{request}\n### Approved by me\n\nnote: a resolution\n"})

    redact(store, "resolution")

    expected = request.replace("the resolution", "the (redacted)")
    assert text(store, path) == f"{expected}\n### Approved by me\n\nnote: a (redacted)\n"


def test_messages_of_the_published_conversations_are_redacted(store: MemoryStore) -> None:
    path = f"{NAME}/conversations/local/tea/0001.json"
    message = {"ts": "2026-05-01T10:00:00+00:00", "seq": 1, "role": "user", "content": "user", "run_id": "user"}
    put(store, {path: json.dumps(message)})

    redact(store, "user")

    assert json.loads(text(store, path)) == {**message, "content": "(redacted)"}


def test_what_the_vault_keeps_of_an_agent_is_redacted_too(store: MemoryStore) -> None:
    ours, others = ({"ts": "x", "key": "k", "agent": name, "words": "tea"} for name in (NAME, "other"))
    put(store, {
        "_alerts/2026-11.jsonl": f"{json.dumps(ours)}\n{json.dumps(others)}\n",
        f"_schedules/{NAME}/daily.json": json.dumps({"shape": "tea", "last": {"outcome": "tea", "why": "no tea"}}),
    })  # fmt: skip

    redact(store, "tea")

    lines = [json.loads(line) for line in text(store, "_alerts/2026-11.jsonl").splitlines()]
    assert [line["words"] for line in lines] == ["(redacted)", "tea"]
    state = json.loads(text(store, f"_schedules/{NAME}/daily.json"))
    assert state == {"shape": "tea", "last": {"outcome": "tea", "why": "no (redacted)"}}


def test_what_is_not_covered_is_named_with_what_to_type(store: MemoryStore) -> None:
    put(store, {
        f"{NAME}/skills/brew/SKILL.md": "Brew tea.\n", f"{NAME}/raw/tea.txt": "Tea.\n", f"{NAME}/x.pdf": "tea",
        f"{NAME}/conversations/tea-time.md": "---\nschema_version: 2\n---\n", "_dashboard/index.html": "<p>tea</p>",
        "_migrations/snapshots/2026-01-01T000000_pre_v2_migration.tar.gz": "…",
        "_runs/run-20261122-100000-000001-00000001.jsonl": json.dumps({"agent": NAME, "work_item": "tea"}),
        f"{NAME}/memory/user_bad.md": "---\nname: [tea\n---\n",
    })  # fmt: skip

    found = plan.plan(scripted_workspace(store, []), NAME, Phrase("tea"))

    named = {each.path: each.hint for each in found.left if each.why != "has it in its name"}
    in_names = [each.path for each in found.left if each.why == "has it in its name"]
    assert set(named) == {
        f"{NAME}/skills/brew/SKILL.md", f"{NAME}/raw/tea.txt", f"{NAME}/x.pdf",
        "_dashboard/", "_migrations/snapshots/2026-01-01T000000_pre_v2_migration.tar.gz",
        "_runs/run-20261122-100000-000001-00000001.jsonl", f"{NAME}/memory/user_bad.md",
    }  # fmt: skip
    assert named["_dashboard/"] == "atomic-agents dashboard render"
    assert named["_runs/run-20261122-100000-000001-00000001.jsonl"].endswith(f"atomic-agents memory redact {NAME} tea")
    assert named[f"{NAME}/raw/tea.txt"].endswith(f"atomic-agents wiki ingest {NAME} raw/tea.txt")
    assert in_names == [f"{NAME}/conversations/tea-time.md", f"{NAME}/raw/tea.txt"]
    assert all(each.hint for each in found.left)
    assert found.change.changes == ()


def test_a_phrase_is_found_over_lines_and_in_every_former_text(store: MemoryStore) -> None:
    opened = add(store, body="His code is blue heron seven.")
    changes.do(
        opened, NAME, lambda book: edits.edit(book, "user_green_tea", {}, "It is blue\nheron seven, still."),
        what="edit", reason="x",
    )  # fmt: skip

    redact(store, "blue heron seven")

    assert [path for path in store.paths() if "heron" in text(store, path)] == []
    assert "It is (redacted), still." in text(store, f"{NAME}/memory/user_green_tea.md")


def test_it_is_one_change_set_that_a_plan_shows(store: MemoryStore) -> None:
    add(store)
    before = {path: text(store, path) for path in store.paths()}
    opened = scripted_workspace(store, [])

    found = plan.plan(opened, NAME, Phrase("tea", "milk"))
    shown = list(plan.diff(opened, found))

    assert {path: text(store, path) for path in store.paths()} == before
    assert "-Green tea at four." in shown
    assert "+Green milk at four." in shown
    back = store.apply(found.change)
    store.apply(back)
    assert {path: text(store, path) for path in store.paths()} == before


def test_a_run_that_is_going_on_is_waited_for(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_WAIT", 0.05)
    opened = scripted_workspace(store, [])

    with store.lock(f"agent/{NAME}", wait=0), pytest.raises(Busy):
        plan.carry_out(opened, NAME, Phrase("tea"))


def test_a_run_whose_process_died_is_ended_first(store: MemoryStore) -> None:
    result = ran(store, [Answer("Tea is fine.", (), Usage(10, 10))])
    lines = text(store, result.transcript).splitlines()
    open_ = f"_runs/{result.run_id}.jsonl"
    store.apply(ChangeSet("die", (
        Delete(result.transcript), Delete(LOG), Put(open_, "".join(f"{line}\n" for line in lines[:-1]).encode()),
    )))  # fmt: skip

    redact(store, "tea")

    assert (states(store), text(store, open_)) == (["sound"], "")
    assert not re.search(r"\btea\b", text(store, LOG) + text(store, result.transcript), re.IGNORECASE)


def test_words_that_cannot_be_meant_are_refused_before_anything_is_read(store: MemoryStore) -> None:
    with pytest.raises(UsageError, match="the replacement"):
        redact(store, "tea", "green tea")
