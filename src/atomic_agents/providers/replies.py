"""Replies of model servers, read as they are really sent and passed on as their protocol has them.

Servers that imitate a protocol answer a streamed question with one JSON object, a web page, an error under status 200
or a stream with faults. What is an answer becomes a stream that keeps the protocol; anything else raises what was said.
"""

import codecs
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Protocol

from httpx2 import AsyncByteStream, Response

from atomic_agents.providers.reply_errors import (
    ErrorInside,
    ReplyCutOff,
    ReplyFailed,
    error_in,
    error_of_text,
    wait_asked,
    words_of,
)

_LINE_END = re.compile(r"\r\n|\n|\r(?!$)")
_FIELDS = ("data:", "event:", "id:", "retry:", ":")
_OWN_HEADERS = {"content-encoding", "content-length", "content-type", "transfer-encoding"}
_BYTE_ORDER_MARK = "\ufeff"


class ReplyReader(Protocol):
    """One reply in one protocol: reads what is sent, and gives what should have been."""

    @property
    def begun(self) -> bool:
        """Whether a part of an answer has come."""
        ...

    def read(self, name: str, data: Mapping[str, object]) -> Iterable[bytes]:
        """Take an event of the stream."""
        ...

    def read_whole(self, data: Mapping[str, object]) -> Iterable[bytes] | None:
        """Take one JSON object that came instead of a stream; None where it is no answer."""
        ...

    def done(self) -> None:
        """Take the mark that the stream is complete."""
        ...

    def finish(self) -> Iterable[bytes]:
        """Give what remains once the stream has ended.

        Raises:
            ReplyCutOff: it ended before the answer did.
        """
        ...


def readable(response: Response, reader: ReplyReader) -> Response:
    """The response with a body that keeps the protocol, which is read from the server as it is asked for."""
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OWN_HEADERS]
    return Response(
        response.status_code,
        headers=[*headers, ("content-type", "text/event-stream")],
        stream=_Body(response, reader),
        request=response.request,
        extensions=response.extensions,
        history=response.history,
    )


class _Body(AsyncByteStream):
    def __init__(self, response: Response, reader: ReplyReader) -> None:
        self._response = response
        self._reader = reader
        self._raw = response.aiter_bytes()
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:  # a client that has had the end mark reads on, so that the connection can be used again
            async for rest in self._raw:
                yield rest
            return
        self._begun = True
        async for piece in _passed_on(self._raw, self._response, self._reader):
            yield piece

    async def aclose(self) -> None:
        await self._response.aclose()


async def _passed_on(raw: AsyncIterator[bytes], response: Response, reader: ReplyReader) -> AsyncIterator[bytes]:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    start = ""
    events: EventDecoder | None = None
    async for each in raw:
        text = decode(each)
        if events is None:
            start += text
            if _is_undecided(start) or not _is_stream(start, response):
                continue
            events, text = EventDecoder(), start.lstrip(_BYTE_ORDER_MARK)
        for name, data in events.feed(text):
            for piece in _read(reader, name, data, response):
                yield piece
            if data.startswith("[DONE]"):
                for piece in reader.finish():
                    yield piece
                return
    rest = _rest(reader, events, response) if events else _whole(start + decode(b"", final=True), reader, response)
    for piece in rest:
        yield piece


def _is_undecided(start: str) -> bool:
    """Whether too little has come to tell a stream from anything else."""
    text = start.lstrip("\ufeff \t\r\n")
    return not text or any(field.startswith(text) for field in _FIELDS)


def _is_stream(start: str, response: Response) -> bool:
    text = start.lstrip("\ufeff \t\r\n")
    said = response.headers.get("content-type", "").partition(";")[0].strip() == "text/event-stream"
    return text.startswith(_FIELDS) or (said and not text.startswith(("{", "[", "<")))


def _read(reader: ReplyReader, name: str, data: str, response: Response) -> Iterable[bytes]:
    if data.startswith("[DONE]"):
        reader.done()
        return ()
    if not data.strip():
        return ()
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError) as error:
        if name == "error" or not (reader.begun or data.lstrip().startswith("{")):
            raise _failed(error_of_text(data), reader, response) from error
        raise ReplyCutOff("a piece of the answer is not JSON", begun=reader.begun) from error
    if failure := error_in(parsed, named=name == "error"):
        raise _failed(failure, reader, response)
    return reader.read(name, parsed) if isinstance(parsed, Mapping) else ()


def _rest(reader: ReplyReader, events: "EventDecoder", response: Response) -> Iterator[bytes]:
    """What a stream without an end mark comes to: an event that was cut off is none."""
    for name, data in events.finish():
        if _is_json(data):
            yield from _read(reader, name, data, response)
        elif data.startswith("[DONE]"):
            reader.done()
    yield from reader.finish()


def _whole(text: str, reader: ReplyReader, response: Response) -> Iterable[bytes]:
    """What a reply that is no stream comes to."""
    text = text.strip("\ufeff \t\r\n")
    if not text:
        raise ReplyCutOff("the reply is empty", begun=False)
    if not text.startswith(("{", "[")):
        raise _failed(error_of_text(text), reader, response)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReplyCutOff("the reply is not whole", begun=True) from error
    if failure := error_in(data):
        raise _failed(failure, reader, response)
    answer = reader.read_whole(data) if isinstance(data, Mapping) else None
    if answer is None:
        words = words_of(data) or words_of(json.dumps(data)) or text
        failure = error_in({"error": data}) or ErrorInside(words)
        raise _failed(failure, reader, response)
    return answer


def _failed(error: ErrorInside, reader: ReplyReader, response: Response) -> ReplyFailed:
    if error.retry_after is None:
        error = ErrorInside(error.words, error.status, error.quota, wait_asked(response.headers))
    return ReplyFailed(error, begun=reader.begun)


def _is_json(data: str) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


class EventDecoder:
    """Server-sent events out of text that comes in pieces of any length: name and data of each."""

    def __init__(self) -> None:
        self._buffer: list[str] = []
        self._name = ""
        self._data: list[str] = []

    def feed(self, text: str) -> Iterator[tuple[str, str]]:
        """Take a piece; give the events that are complete."""
        if "\n" not in text and "\r" not in text and not (self._buffer and self._buffer[-1].endswith("\r")):
            self._buffer.append(text)
            return
        *lines, rest = _LINE_END.split("".join(self._buffer) + text)
        self._buffer = [rest]
        for line in lines:
            yield from self._line(line)

    def finish(self) -> Iterator[tuple[str, str]]:
        """Give the event that was under way, without the empty line that should end it."""
        yield from self._line("".join(self._buffer).rstrip("\r"))
        yield from self._line("")

    def _line(self, line: str) -> Iterator[tuple[str, str]]:
        if not line:
            if self._data or self._name:
                yield self._name, "\n".join(self._data)
            self._name, self._data = "", []
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif line.startswith("{"):  # a proxy that fails in the middle writes its error as it is
            yield "", line
