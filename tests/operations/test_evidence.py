import datetime
import json

import pytest

from atomic_agents.core.change import ChangeSet, Delete
from atomic_agents.core.errors import DocumentMissing
from atomic_agents.core.model import Answer
from atomic_agents.operations import evidence
from atomic_agents.operations.evidence import Checked
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.workspaces import add_agent, run, scripted_workspace

RUN = "run-20261121-230000-000000-0badcafe"
LATE = datetime.datetime(2026, 11, 21, 23, 0, tzinfo=datetime.UTC)
LOG = "caldwell/log/2026-11/2026-11-22.jsonl"


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_agent(store)
    return store


def after_a_run(store: MemoryStore) -> tuple[Workspace, str, str]:
    """A workspace in which one run has ended, its id and its transcript."""
    opened = scripted_workspace(store, [Answer("yes")])
    result = run(opened, "go")
    return opened, result.run_id, result.transcript


def replace(store: MemoryStore, path: str, before: str, after: str) -> None:
    blob = store.read(path)
    assert blob is not None
    text = blob.data.decode()
    assert before in text
    put(store, **{path.replace("/", "__"): text.replace(before, after)})


def states(found: list[Checked]) -> list[str]:
    return [checked.verdict.state for checked in found]


def said(found: list[Checked]) -> list[str]:
    return [f"{problem.where}: {problem.message}" for checked in found for problem in checked.verdict.problems]


def test_a_run_is_sound_and_its_log_line_states_its_last_hash(store: MemoryStore) -> None:
    opened, run_id, path = after_a_run(store)

    assert evidence.verify(opened) == evidence.verify(opened, [run_id]) == evidence.verify(opened, agent="caldwell")
    (checked,) = evidence.verify(opened)
    assert (checked.path, checked.verdict.state, checked.verdict.notes) == (path, "sound", ())


def test_what_it_said_cannot_be_changed_unseen(store: MemoryStore) -> None:
    opened, _, path = after_a_run(store)
    replace(store, path, '"text": "yes"', '"text": "no"')

    found = evidence.verify(opened)

    assert (states(found), said(found)) == (["broken"], [f"{path}:3: was edited"])


@pytest.mark.parametrize(
    ("before", "after"),
    [('"transcript_hash"', '"other"'), ('"status":"ok"', '"status":"error"'), ('"cost_usd":0.0', '"cost_usd":9.5')],
)
def test_the_log_line_is_held_against_the_transcript(before: str, after: str, store: MemoryStore) -> None:
    opened, _, _ = after_a_run(store)
    replace(store, LOG, before, after)

    found = evidence.verify(opened)

    assert states(found) == ["broken"]
    assert said(found)[0].startswith(f"{LOG}:1: was edited: ")


def test_a_transcript_that_is_gone_is_missed(store: MemoryStore) -> None:
    opened, run_id, path = after_a_run(store)
    store.apply(ChangeSet("hide it", (Delete(path),)))

    assert states(evidence.verify(opened)) == states(evidence.verify(opened, [run_id])) == ["missing"]


def test_a_log_line_that_is_gone_is_said(store: MemoryStore) -> None:
    opened, run_id, _ = after_a_run(store)
    store.apply(ChangeSet("hide it", (Delete(LOG),)))

    for found in (evidence.verify(opened), evidence.verify(opened, [run_id])):
        assert [checked.verdict.notes for checked in found] == [("its log line is not there",)]


def test_a_run_whose_process_died_is_sound_and_says_what_was_left_out(store: MemoryStore) -> None:
    transcript = Transcript(store, "caldwell", RUN, [])
    transcript.record("started", LATE, agent="caldwell", work_item="go")
    transcript.record("asking", LATE, quote="0.5")
    replace(store, f"_runs/{RUN}.jsonl", transcript.lines[1], transcript.lines[1] + '\n{"ts": "2026-11')
    opened = scripted_workspace(store, [])

    assert evidence.verify(opened, [RUN])[0].verdict.notes == (
        "line 3 is torn, as a crash leaves it; the lines around it fit",
    )
    assert opened.close_crashed_runs() == [RUN]
    (checked,) = evidence.verify(opened)
    assert (checked.verdict.state, checked.verdict.notes) == (
        "sound",
        ("the line that its process had begun when it died was left out",),
    )


def test_older_transcripts_and_those_of_others_are_not_called_broken(store: MemoryStore) -> None:
    older, other = RUN.replace("cafe", "0001"), RUN.replace("cafe", "0002")
    put(
        store,
        **{
            f"caldwell__runs__2026-11__{older}.jsonl": '{"event": "started"}\n{"event": "closed"}\n',
            "caldwell__log__2026-11__2026-11-21.jsonl": json.dumps({"run_id": other, "status": "ok"}) + "\n",
        },
    )
    opened = scripted_workspace(store, [])

    assert states(evidence.verify(opened)) == ["unverifiable"]
    assert [checked.verdict.state for checked in evidence.verify(opened, [older, other])] == ["unverifiable"] * 2


def test_a_run_that_is_not_there_is_an_error(store: MemoryStore) -> None:
    with pytest.raises(DocumentMissing, match="there is no run 0badcafe"):
        evidence.verify(scripted_workspace(store, []), ["0badcafe"])
