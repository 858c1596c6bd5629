import datetime
import json
from collections.abc import Iterator

import pytest

from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import AgentMissing, DocumentMissing, UsageError
from atomic_agents.core.model import Answer, ToolCall, Usage
from atomic_agents.operations import record, tail
from atomic_agents.operations.record import Shown
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.record import Seen
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.scripted import Script
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace

TODAY = NOON.date()
RUNS = tuple(f"run-202611{day}-100000-000000-{day}cafe{day}" for day in (10, 17, 21))


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_agent(store, memory__user_tea="---\nschema_version: 2\nname: Tea\ntype: user\n---\nGreen tea at four.\n")
    add_agent(store, "muse")
    return store


def logged(store: MemoryStore, day: str, *lines: dict[str, object], agent: str = "caldwell") -> None:
    text = "".join(json.dumps({"ts": f"{day}T10:00:00+00:00", **line}) + "\n" for line in lines)
    put(store, **{f"{agent}__log__{day[:7]}__{day}.jsonl": text})


def line(run_id: str, **facts: object) -> dict[str, object]:
    return {"run_id": run_id, "status": "ok", "trigger": "manual", "cost_usd": 0.5, "summary": "go", **facts}


def of_others(store: MemoryStore) -> Workspace:
    """A vault whose log was written by somebody who keeps no transcripts."""
    for run_id in RUNS:
        day = f"2026-11-{run_id[10:12]}"
        logged(store, day, line(run_id), line(f"{run_id[:-1]}x", trigger="tool_call", parent_run_id=run_id))
    return scripted_workspace(store, [])


def ids(found: record.RunList) -> list[str]:
    return [each.run_id for each in found.runs]


def ended(store: MemoryStore, script: Script, work_item: str = "tea?") -> Shown:
    """A run that has ended."""
    opened = scripted_workspace(store, script)
    return record.show(opened, run(opened, work_item).run_id)


def test_runs_are_listed_newest_first_without_their_parts(store: MemoryStore) -> None:
    opened = of_others(store)
    logged(store, "2026-11-18", line("run-muse"), agent="muse")

    assert ids(record.list_runs(opened)) == [RUNS[2], "run-muse", RUNS[1], RUNS[0]]
    assert ids(record.list_runs(opened, "muse")) == ["run-muse"]
    assert ids(record.list_runs(opened, since=datetime.date(2026, 11, 18))) == [RUNS[2], "run-muse"]
    with pytest.raises(AgentMissing):
        record.list_runs(opened, "nobody")


def test_a_list_says_that_there_is_more(store: MemoryStore) -> None:
    opened = of_others(store)

    two, three = record.list_runs(opened, limit=2), record.list_runs(opened, limit=3)

    assert (ids(two), two.more) == ([RUNS[2], RUNS[1]], True)
    assert (len(three.runs), three.more) == (3, False)


def test_runs_are_chosen_by_how_they_ended(store: MemoryStore) -> None:
    opened = of_others(store)
    logged(store, "2026-11-01", line("run-bad", status="error"))

    assert ids(record.list_runs(opened, status="error")) == ["run-bad"]


def test_lines_that_cannot_be_read_are_named(store: MemoryStore) -> None:
    opened = of_others(store)
    put(store, **{"caldwell__log__2026-11__2026-11-19.jsonl": "{\n"})

    assert [problem.where for problem in record.list_runs(opened).problems] == [
        "caldwell/log/2026-11/2026-11-19.jsonl:1"
    ]


def test_a_run_that_is_open_is_listed_with_what_it_has_cost(store: MemoryStore) -> None:
    transcript = Transcript(store, "caldwell", RUNS[0], [])
    transcript.record("started", NOON, agent="caldwell", model="m", trigger="cron", work_item="go")
    transcript.record("answered", NOON, cost="0.25", input_tokens=7)

    (found,) = record.list_runs(scripted_workspace(store, [])).runs

    assert (found.status, found.trigger, str(found.cost), found.input_tokens) == ("open", "cron", "0.25", 7)


@pytest.mark.parametrize(
    ("said", "number"),
    [
        (RUNS[1], 1),
        ("run-20261117", 1),
        ("20261117", 1),
        ("17cafe17", 1),
        ("last", 2),
        ("caldwell:last", 2),
        ("caldwell/log/2026-11/2026-11-10.jsonl:1", 0),
    ],
)
def test_a_run_has_several_names(said: str, number: int, store: MemoryStore) -> None:
    assert record.show(of_others(store), said).line.run_id == RUNS[number]


def test_a_name_that_fits_several_runs_or_none_is_an_error(store: MemoryStore) -> None:
    opened = of_others(store)

    with pytest.raises(UsageError, match=r"3 runs are called run-2026…") as several:
        record.show(opened, "run-2026")
    assert RUNS[0] in several.value.hint
    for said in ("run-2027", "muse:last", "run-", "caldwell/log/2026-11/2026-11-10.jsonl:9"):
        with pytest.raises(DocumentMissing):
            record.show(opened, said)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2026-11-17", "2026-11-17"),
        ("today", "2026-11-22"),
        ("yesterday", "2026-11-21"),
        ("tuesday", "2026-11-17"),
        ("last Tuesday", "2026-11-17"),
        ("Sunday", "2026-11-15"),
        ("saturday", "2026-11-21"),
    ],
)
def test_a_day_is_said_as_a_person_says_it(said: str, day: str) -> None:
    assert record.day_of(said, TODAY) == datetime.date.fromisoformat(day)


def test_what_is_no_day_is_refused() -> None:
    with pytest.raises(UsageError, match="'some day' is no day"):
        record.day_of("some day", TODAY)


def test_the_runs_of_a_day_are_shown_in_order(store: MemoryStore) -> None:
    opened = of_others(store)
    logged(
        store,
        "2026-11-17",
        line(RUNS[1]),
        line("run-early", ts="2026-11-17T08:00:00+00:00"),
        line("run-no-time", ts=None),
    )

    found = record.shown_at(opened, "caldwell", record.day_of("tuesday", TODAY))

    assert [shown.line.run_id for shown in found] == ["run-no-time", "run-early", RUNS[1]]
    with pytest.raises(DocumentMissing, match="muse has no run on 2026-11-17"):
        record.shown_at(opened, "muse", record.day_of("tuesday", TODAY))


def test_a_run_without_a_transcript_is_what_its_line_says(store: MemoryStore) -> None:
    shown = record.show(of_others(store), RUNS[1])

    assert (shown.record, shown.line.where) == (None, "caldwell/log/2026-11/2026-11-17.jsonl:1")


def test_a_run_tells_what_it_had_read_and_how(store: MemoryStore) -> None:
    calls = (
        ToolCall("1", "recall", '{"query": "tea"}'),
        ToolCall("2", "read_note", '{"file": "user_tea.md"}'),
        ToolCall("3", "read_note", '{"file": "none.md"}'),
    )
    put(store, **{"caldwell__journal__2026-11__2026-11-20.md": "# Thursday\n\nTea & cake.\n"})

    shown = ended(store, [Answer("", calls, Usage(), "tool_calls"), Answer("Green.")])

    assert shown.record is not None
    assert shown.record.documents == (
        Seen("caldwell/memory/user_tea.md", "prompt"),
        Seen("caldwell/journal/2026-11/2026-11-20.md", "prompt"),
    )
    assert [title for title, tokens in shown.record.sections if tokens] == [
        "IDENTITY.md", "conduct", "tools.md", "recent notes", "recent journal", "now",
    ]  # fmt: skip
    assert shown.record.answer == "Green."


def test_a_document_that_only_a_tool_gave_says_so(store: MemoryStore) -> None:
    put(store, **{"caldwell__wiki__tea.md": "---\nschema_version: 2\nname: Tea\n---\nOolong is brewed thrice.\n"})
    calling = Answer("", (ToolCall("1", "recall", '{"query": "oolong"}'),), Usage(), "tool_calls")

    shown = ended(store, [calling, Answer("Thrice.")])

    assert shown.record is not None
    assert Seen("caldwell/wiki/tea.md", "recall") in shown.record.documents


def test_a_transcript_of_before_there_were_sections_can_be_read(store: MemoryStore) -> None:
    of_others(store)
    events = [
        {"event": "started", "work_item": "go"},
        {"event": "asking", "system": ["x"]},
        "torn",
        {"event": "closed"},
    ]
    text = "".join(f"{json.dumps(event) if isinstance(event, dict) else '{'}\n" for event in events)
    put(store, **{f"caldwell__runs__2026-11__{RUNS[1]}.jsonl": text})

    found = record.show(scripted_workspace(store, []), RUNS[1]).record

    assert found is not None
    assert ([event.name for event in found.events], found.torn, found.sections) == (
        ["started", "asking", "closed"], (3,), (),
    )  # fmt: skip


def test_runs_and_those_they_started_are_a_tree(store: MemoryStore) -> None:
    parent, child, grandchild = RUNS
    logged(
        store,
        "2026-11-17",
        line(parent),
        line("", trigger="delegate", parent_run_id=parent, delegate_run_id=child),
        line("run-helper", trigger="helper", parent_run_id=parent),
    )
    logged(store, "2026-11-17", line(child, trigger="delegate"), line(grandchild, parent_run_id=child), agent="muse")

    shown = record.show(scripted_workspace(store, []), parent)

    (below,) = shown.children
    assert (below.line.run_id, below.line.agent) == (child, "muse")
    assert [each.line.run_id for each in below.children] == [grandchild]
    up = record.show(scripted_workspace(store, []), grandchild).parent
    assert (up.run_id if up else None) == child


def test_runs_that_name_each_other_end(store: MemoryStore) -> None:
    logged(store, "2026-11-17", line(RUNS[0], parent_run_id=RUNS[1]), line(RUNS[1], parent_run_id=RUNS[0]))

    shown = record.show(scripted_workspace(store, []), RUNS[0])

    assert [[each.line.run_id for each in child.children] for child in shown.children] == [[]]


def test_the_tail_has_the_last_events_of_open_and_ended_runs(store: MemoryStore) -> None:
    ended(store, [Answer("yes")])
    transcript = Transcript(store, "muse", RUNS[0], [])
    transcript.record("started", NOON + datetime.timedelta(minutes=1), agent="muse", work_item="go")
    opened = scripted_workspace(store, [])

    names = [(each.agent, each.event.name) for each in tail.tail(opened, limit=3)]

    assert names == [("caldwell", "answered"), ("caldwell", "closed"), ("muse", "started")]
    assert [each.agent for each in tail.tail(opened, "muse")] == ["muse"]
    assert tail.tail(opened, limit=0) == []


def test_following_tells_each_event_once_as_it_happens(store: MemoryStore) -> None:
    opened = scripted_workspace(store, [Answer("quick")])
    slow = Transcript(store, "muse", RUNS[0], [])
    slow.record("started", NOON, agent="muse", work_item="go")

    def happen() -> Iterator[None]:
        slow.record("asking", NOON)
        yield
        run(opened, "go")
        yield
        slow.record("answered", NOON, cost="0")
        end = slow.closing(NOON, {"ts": NOON.isoformat(), "status": "ok", "ending": "ok"})
        store.apply(ChangeSet("end", end))
        yield

    happening = happen()
    told: list[tuple[str, str]] = []
    with store.lock("agent/muse", wait=0), pytest.raises(RuntimeError, match="StopIteration"):
        told.extend((each.agent, each.event.name) for each in tail.follow(opened, pause=lambda: next(happening)))

    assert [name for agent, name in told if agent == "muse"] == ["started", "asking", "answered", "closed"]
    assert [name for agent, name in told if agent == "caldwell"] == ["started", "asking", "answered", "closed"]
