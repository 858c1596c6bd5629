import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.runtime import chain
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.stores.memory import MemoryStore

NOON = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
RUN = "run-20261122-120000-000000-0badcafe"
PATH = f"caldwell/runs/2026-11/{RUN}.jsonl"
LOG = "caldwell/log/2026-11/2026-11-22.jsonl"


def written(events: int = 4) -> tuple[list[str], str]:
    """The lines of a transcript that has ended, and the hash of its last line as its log line states it."""
    store = MemoryStore()
    transcript = Transcript(store, "caldwell", RUN, [])
    transcript.record("started", NOON, agent="caldwell", work_item="go")
    for number in range(events):
        transcript.record("asking", NOON, iteration=number)
    record = {"ts": NOON.isoformat(), "run_id": RUN, "status": "ok", "ending": "ok", "cost_usd": 0.5}
    changes = transcript.closing(NOON, record)
    data, line = getattr(changes[0], "data", b""), getattr(changes[2], "line", "")
    return data.decode().splitlines(), json.loads(line)["transcript_hash"]


LINES, HEAD = written()


def verify(lines: list[str], head: str = HEAD) -> chain.Verdict:
    return chain.verify(PATH, RUN, "".join(f"{line}\n" for line in lines).encode(), head=head)


def said(verdict: chain.Verdict) -> list[str]:
    return [f"{problem.line}: {problem.message}" for problem in verdict.problems]


def edited(line: str) -> str:
    return json.dumps({**json.loads(line), "iteration": 99})


def test_what_was_written_is_sound() -> None:
    assert verify(LINES) == chain.Verdict("sound")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_an_edited_line_is_named(number: int) -> None:
    lines = [*LINES[: number - 1], edited(LINES[number - 1]), *LINES[number:]]

    assert (verify(lines).state, said(verify(lines))) == ("broken", [f"{number}: was edited"])


def test_the_last_line_is_held_against_the_log() -> None:
    assert said(verify([*LINES[:-1], edited(LINES[-1])])) == ["6: was edited; the log states another hash for it"]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_removed_line_is_named(number: int) -> None:
    lines = [*LINES[: number - 1], *LINES[number:]]

    assert said(verify(lines)) == [f"{number}: line {number} was removed before this one"]


def test_several_removed_lines_are_named() -> None:
    assert said(verify([LINES[0], *LINES[3:]])) == ["2: lines 2 to 3 were removed before this one"]


@pytest.mark.parametrize("head", [HEAD, ""])
def test_a_removed_end_is_found_with_and_without_the_log(head: str) -> None:
    assert said(verify(LINES[:-1], head)) == ["5: the lines after this one were removed"]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("follows", [True, False])
def test_an_inserted_line_is_named(number: int, *, follows: bool) -> None:
    prev = json.loads(LINES[number - 1])["prev"] if follows else "0" * 64
    inserted = json.dumps({"ts": "", "n": number, "prev": prev, "event": "called"})

    lines = [*LINES[: number - 1], inserted, *LINES[number - 1 :]]

    assert said(verify(lines)) == [f"{number}: was inserted"]


def test_an_edit_that_leaves_no_record_is_named() -> None:
    assert said(verify([*LINES[:2], "{", *LINES[3:]])) == ["3: was edited; it is no record any more"]
    assert said(verify([*LINES[:-1], "{"])) == ["6: was edited; it is no record any more"]


def test_a_torn_line_between_lines_that_fit_is_what_a_crash_leaves() -> None:
    found = verify([*LINES[:2], '{"ts": "2026', *LINES[2:]])

    assert (found.state, found.notes) == ("sound", ("line 3 is torn, as a crash leaves it; the lines around it fit",))


def test_a_transcript_without_hashes_cannot_be_verified() -> None:
    older = [json.dumps({"ts": "", "event": name}) for name in ("started", "closed")]

    assert verify(older, "").state == "unverifiable"


def test_one_that_was_continued_with_hashes_is_not_broken() -> None:
    older = json.dumps({"ts": "", "event": "started"})
    closed = json.dumps({"ts": "", "n": 2, "prev": chain.link(older), "event": "closed"})

    found = verify([older, closed], chain.link(closed))

    assert (found.state, found.notes) == ("unverifiable", ("1 of its lines were written without a hash",))


@given(st.data())
def test_no_change_of_a_line_goes_unseen(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(LINES) - 1))
    line = data.draw(
        st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))
    )

    replaced = [*LINES[:at], line, *LINES[at + 1 :]]

    assert (verify(replaced).state == "sound") == (replaced == LINES)


@given(st.permutations(LINES))
def test_no_other_order_goes_unseen(lines: list[str]) -> None:
    assert (verify(lines).state == "sound") == (lines == LINES)


@given(st.lists(st.sampled_from(LINES), max_size=8))
def test_no_other_choice_of_lines_goes_unseen(lines: list[str]) -> None:
    assert (verify(lines).state == "sound") == (lines == LINES)
