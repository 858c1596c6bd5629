import datetime
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from atomic_agents.core.errors import UsageError
from atomic_agents.core.model import Answer, Request, ToolCall, Usage
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.order import Order, Result
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.scripted import Script, ScriptedModel
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

RUN = "run-20261121-230000-000000-0badcafe"
LATE = datetime.datetime(2026, 11, 21, 23, 0, tzinfo=datetime.UTC)
LOG = "caldwell/log/2026-11/2026-11-22.jsonl"
TEA = {"type": "user", "name": "Tea", "description": "drinks tea", "confidence": "high", "sources": ["operator"],
       "body": "Green tea at four."}  # fmt: skip


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_agent(store)
    put(store, **{"prices.toml": '["scripted:model"]\ninput = 1.0\noutput = 1.0\n'})
    return store


def workspace(store: MemoryStore, script: Script) -> Workspace:
    return scripted_workspace(store, ScriptedModel(script, local=False))


def asked(opened: Workspace, work_item: str = "go", *, name: str = "k", model: str = "") -> Result:
    return run(opened, work_item, order=Order(work_item, key=replay.key(name, work_item=work_item, model=model)))


def log(store: MemoryStore) -> list[dict[str, object]]:
    blob = store.read(LOG)
    return [json.loads(line) for line in blob.data.decode().splitlines()] if blob else []


def test_the_same_key_gives_the_same_answer_and_asks_nobody(store: MemoryStore) -> None:
    remembering = Answer("", (ToolCall("c", "remember", json.dumps(TEA)),), Usage(1000, 1000), "tool_calls")
    opened = workspace(store, [remembering, Answer("forty-two", usage=Usage(1000, 1000))])

    first, second = asked(opened), asked(opened)

    assert (second.text, second.run_id, second.captures) == ("forty-two", first.run_id, first.captures)
    assert (first.replayed, second.replayed) == (False, True)
    assert (first.cost > 0, second.cost) == (True, Decimal(0))
    assert [(line["status"], line["idempotency_key"], line.get("replayed_run_id")) for line in log(store)] == [
        ("ok", "k", None),
        ("deduped", "k", first.run_id),
    ]
    assert "cost_usd" not in log(store)[1]


@pytest.mark.parametrize(("work_item", "model"), [("stop", ""), ("go", "scripted:model")])
def test_another_question_under_the_same_key_is_refused(work_item: str, model: str, store: MemoryStore) -> None:
    opened = workspace(store, [Answer("yes")])
    first = asked(opened)

    with pytest.raises(UsageError, match="the idempotency key k has answered another work item or model") as refused:
        asked(opened, work_item, model=model)

    assert first.run_id in refused.value.hint
    assert len(log(store)) == 1


def test_another_key_or_none_asks_again(store: MemoryStore) -> None:
    opened = workspace(store, [Answer("one"), Answer("two"), Answer("three")])

    texts = [asked(opened).text, asked(opened, name="other").text, run(opened, "go").text]

    assert texts == ["one", "two", "three"]


def test_a_key_belongs_to_an_agent(store: MemoryStore) -> None:
    add_agent(store, "muse")
    opened = workspace(store, [Answer("one"), Answer("two")])
    order = Order("go", key=replay.key("k", work_item="go"))

    assert [run(opened, "go", name, order=order).text for name in ("caldwell", "muse")] == ["one", "two"]


def test_a_run_that_failed_leaves_its_key_free(store: MemoryStore) -> None:
    answers = iter([None, "at last"])

    def answer(_request: Request) -> Answer:
        text = next(answers)
        if text is None:
            raise RuntimeError
        return Answer(text)

    opened = workspace(store, answer)

    assert [asked(opened).ending, asked(opened).text] == ["error", "at last"]


def test_the_key_of_a_run_that_died_is_free(store: MemoryStore) -> None:
    started = {"event": "started", "ts": LATE.isoformat(), "agent": "caldwell", "idempotency_key": "k"}
    put(store, **{f"_runs__{RUN}.jsonl": json.dumps(started) + "\n"})

    found = asked(workspace(store, [Answer("again")]))

    assert (found.text, found.replayed) == ("again", False)
    blob = store.read("caldwell/log/2026-11/2026-11-21.jsonl")
    assert blob is not None
    crashed = json.loads(blob.data)
    assert (crashed["ending"], crashed["idempotency_key"]) == ("crashed", "k")


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"run_id": 1}', "[" * 100_000])
def test_an_answer_that_cannot_be_read_does_not_hold_its_key(kept: str, store: MemoryStore) -> None:
    opened = workspace(store, [Answer("one"), Answer("two")])
    asked(opened)
    (path,) = store.paths("caldwell/runs/keys/")
    put(store, **{path.replace("/", "__"): kept})

    assert [asked(opened).text, asked(opened).text] == ["two", "two"]


def test_a_second_caller_waits_for_the_first_and_is_given_its_answer(store: MemoryStore) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(_request: Request) -> Answer:
        begun.set()
        assert go_on.wait(10)
        return Answer("once")

    first, second = workspace(store, answer), workspace(store, [])
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(asked, first)
        assert begun.wait(10)
        waiting = pool.submit(asked, second)
        go_on.set()
        found = [running.result(20), waiting.result(20)]

    assert [(each.text, each.replayed) for each in found] == [("once", False), ("once", True)]


@pytest.mark.parametrize("name", ["", "  ", "x" * 2049])
def test_a_key_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="an idempotency key has 1 to 2,048 characters"):
        replay.key(name, work_item="go")


def test_secrets_are_in_no_answer_that_is_kept(store: MemoryStore) -> None:
    asked(workspace(store, [Answer("it is sk-abcdefghij1234567890")]))

    kept = [blob.data for path in store.paths("caldwell/runs/") if (blob := store.read(path))]
    assert len(kept) == 2
    assert [b"sk-abc" in data for data in kept] == [False, False]
