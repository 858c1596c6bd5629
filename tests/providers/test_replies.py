import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.providers.replies import EventDecoder

EVENTS = [("", '{"a": 1}'), ("error", "two\nlines"), ("", "[DONE]")]


def decode(pieces: list[str]) -> list[tuple[str, str]]:
    decoder = EventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + list(decoder.finish())


def raw(end: str) -> str:
    lines = ["data: " + EVENTS[0][1], "", ": a comment", "event: error", "id: 7", "data: two", "data: lines", ""]
    return end.join([*lines, "data: [DONE]", "", ""])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_the_same_wherever_the_bytes_are_cut(end: str) -> None:
    whole = raw(end)

    assert decode([whole]) == decode(list(whole)) == EVENTS
    assert all(decode([whole[:at], whole[at:]]) == EVENTS for at in range(len(whole)))


def test_an_event_at_the_very_end_needs_no_empty_line() -> None:
    assert decode(["data: last"]) == [("", "last")]


def test_an_object_that_stands_in_the_stream_as_it_is_counts_as_an_event() -> None:
    assert decode(['data: {}\n\n{"error": "boom"}\n\n']) == [("", "{}"), ("", '{"error": "boom"}')]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=5), st.integers(1, 9))
def test_whatever_is_in_an_event_comes_out_of_it(events: list[dict[str, str]], size: int) -> None:
    whole = "".join(f"data: {json.dumps(event)}\n\n" for event in events)

    came = decode([whole[at : at + size] for at in range(0, len(whole), size)])

    assert [json.loads(data) for _, data in came] == events
