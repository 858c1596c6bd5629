import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from httpx2 import AsyncByteStream, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.providers.openai_replies import OpenAIReply
from atomic_agents.providers.replies import EventDecoder, readable

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


class Counted(AsyncByteStream):
    """A body in pieces that counts how often somebody began to read it."""

    def __init__(self, *pieces: bytes) -> None:
        self.begun = 0
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun += 1
        for piece in self._pieces:
            yield piece


def test_what_follows_the_end_mark_is_read_on_and_never_begun_anew() -> None:
    body = Counted(b'data: {"choices": []}\n\ndata: [DONE]\n\n', b": more\n\n", b": and more\n\n")
    sent = Response(200, stream=body, request=Request("POST", "http://127.0.0.1/v1/chat/completions"))
    response = readable(sent, OpenAIReply())

    async def read() -> bytes:
        assert isinstance(response.stream, AsyncByteStream)
        async for piece in response.stream:
            if b"[DONE]" in piece:
                break
        return b"".join([rest async for rest in response.stream])

    assert asyncio.run(read()) == b": more\n\n: and more\n\n"
    assert body.begun == 1
