import datetime
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal

import pytest

from atomic_agents.core.change import ChangeSet
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import transcript
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.scripted import ScriptedModel
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace

RUN = "run-20261121-230000-000000-0badcafe"
LATE = datetime.datetime(2026, 11, 21, 23, 0, tzinfo=datetime.UTC)
LOG = "caldwell/log/2026-11/2026-11-21.jsonl"


def died(store: MemoryStore, *events: dict[str, object], agent: str = "caldwell", run_id: str = RUN) -> None:
    """Leave the file of a run whose process died after these events."""
    started = {"event": "started", "agent": agent, "model": "m", "trigger": "cron", "work_item": "go", "critical": True}
    lines = [{"ts": LATE.isoformat(), **event} for event in (started, *events)]
    put(store, **{f"_runs__{run_id}.jsonl": "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)})


def asking(quote: str) -> dict[str, object]:
    return {"event": "asking", "quote": quote}


def answered(cost: str, text: str = "") -> dict[str, object]:
    return {"event": "answered", "cost": cost, "input_tokens": 10, "output_tokens": 2, "text": text}


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_agent(store)
    return store


def workspace(store: MemoryStore) -> Workspace:
    return scripted_workspace(store, [])


def lines(store: MemoryStore, path: str = LOG) -> list[dict[str, object]]:
    blob = store.read(path)
    return [json.loads(line) for line in blob.data.decode().split("\n") if line] if blob else []


@pytest.mark.parametrize(
    ("events", "cost"),
    [
        ([], "0"),
        ([asking("0.5")], "0.5"),
        ([asking("0.5"), answered("0.2")], "0.2"),
        ([asking("0.5"), answered("0.2"), {"event": "called"}], "0.2"),
        ([asking("0.5"), answered("0.2"), asking("0.7")], "0.9"),
        ([asking("0.5"), answered("0.2"), asking("0.7"), {"event": "failed", "cost": "0.7"}], "0.9"),
        ([asking("0.5"), {"event": "failed", "cost": "0"}], "0"),
    ],
)
def test_a_run_whose_process_died_is_charged_what_it_paid_and_the_most_of_what_was_open(
    store: MemoryStore, events: list[dict[str, object]], cost: str
) -> None:
    died(store, *events)

    assert workspace(store).close_crashed_runs() == [RUN]

    (line,) = lines(store)
    assert (line["ending"], Decimal(str(line.get("cost_usd", 0)))) == ("crashed", Decimal(cost))
    assert (line["run_id"], line["trigger"], line["critical"]) == (RUN, "cron", True)
    assert line["error"] == "the process died before the run ended"
    assert [event["event"] for event in lines(store, f"caldwell/runs/2026-11/{RUN}.jsonl")] == [
        "started", *(str(event["event"]) for event in events), "closed",
    ]  # fmt: skip
    assert store.read(f"_runs/{RUN}.jsonl") is None


def test_it_is_charged_to_the_day_it_died_on(store: MemoryStore) -> None:
    died(store, asking("0.5"))

    workspace(store).close_crashed_runs()

    assert str(lines(store)[0]["ts"]).startswith("2026-11-21T23:00")
    assert store.read("caldwell/log/2026-11/2026-11-22.jsonl") is None


@pytest.mark.parametrize("ts", ["", "soon", "2026-11-21", "2099-01-01T00:00:00+00:00"])
def test_a_time_that_cannot_be_is_not_believed(store: MemoryStore, ts: str) -> None:
    died(store, {"event": "asking", "quote": "0.5", "ts": ts})

    workspace(store).close_crashed_runs()

    paths = [entry.path for entry in store.list("caldwell/log/")]
    assert len(paths) == 1
    assert paths[0] in (LOG, "caldwell/log/2026-11/2026-11-22.jsonl")


def test_a_line_that_the_crash_tore_is_left_out(store: MemoryStore) -> None:
    died(store, asking("0.5"), answered("0.2"))
    blob = store.read(f"_runs/{RUN}.jsonl")
    assert blob is not None
    put(store, **{f"_runs__{RUN}.jsonl": blob.data.decode() + '{"event": "asking", "quo'})

    workspace(store).close_crashed_runs()

    assert lines(store)[0]["cost_usd"] == 0.2
    assert len(lines(store, f"caldwell/runs/2026-11/{RUN}.jsonl")) == 4


def test_text_with_other_line_breaks_is_one_line(store: MemoryStore) -> None:
    died(store, asking("0.5"), answered("0.2", "one\u2028two\x85three\x0cfour"))

    workspace(store).close_crashed_runs()

    kept = lines(store, f"caldwell/runs/2026-11/{RUN}.jsonl")
    assert kept[2]["text"] == "one\u2028two\x85three\x0cfour"


def test_a_run_that_is_alive_is_left_alone(store: MemoryStore) -> None:
    died(store, asking("0.5"))

    with store.lock("agent/caldwell", wait=0):
        assert workspace(store).close_crashed_runs() == []

    assert lines(store) == []
    assert store.read(f"_runs/{RUN}.jsonl") is not None


class Watched(MemoryStore):
    """Says when somebody starts to wait for a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()

    def lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:
        if wait:
            self.waiting.set()
        return super().lock(name, wait=wait)


def test_what_a_run_spent_that_died_while_another_waited_counts_for_the_other() -> None:
    store = Watched()
    add_agent(store, caps="daily_cap_usd: 1")
    put(store, **{"prices.toml": '["scripted:model"]\ninput = 0\noutput = 100\n'})
    died(store, {"ts": NOON.isoformat(), **asking("0.9")})
    busy = scripted_workspace(store, ScriptedModel([], local=False))
    with ThreadPoolExecutor() as pool:
        with store.lock("agent/caldwell", wait=0):
            other = pool.submit(run, busy, "go")
            assert store.waiting.wait(10)
        result = other.result(10)

    assert (result.ending, "$0.9000 is spent" in result.reason) == ("skipped", True)
    assert [line["ending"] for line in lines(store, "caldwell/log/2026-11/2026-11-22.jsonl")] == ["crashed", "skipped"]


def test_one_run_that_cannot_be_closed_does_not_keep_the_others_open(store: MemoryStore) -> None:
    died(store, agent="../outside", run_id="run-20261121-000000-000000-00000000")
    died(store, agent="busy", run_id="run-20261121-000000-000000-00000001")
    put(store, **{"_runs__readme.txt": "what is this", "_runs__empty.jsonl": "", "_runs__odd.jsonl": "[]\n"})
    died(store)

    with store.lock("agent/busy", wait=0):
        assert workspace(store).close_crashed_runs() == [RUN]


def test_a_line_can_hold_what_is_no_text(store: MemoryStore) -> None:
    written = Transcript(store, "caldwell", RUN, [])
    written.record("started", NOON, agent="caldwell", work_item="half \ud800", cost=Decimal("0.1"))

    record = transcript.run_record(RUN, "caldwell", NOON, {}) | {"status": "ok", "ending": "ok"}
    store.apply(ChangeSet("end", written.closing(NOON, record)))

    kept = lines(store, f"caldwell/runs/2026-11/{RUN}.jsonl")
    assert (kept[0]["work_item"], kept[0]["cost"]) == ("half \ud800", "0.1")
