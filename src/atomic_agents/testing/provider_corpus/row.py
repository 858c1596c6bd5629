"""A row of the corpus: the bytes that a server sends, and what is right for us to make of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from atomic_agents.budget.prices import Rates
from atomic_agents.core.ending import Ending
from atomic_agents.core.model import Finish, Message, Request, ToolSpec, Usage
from atomic_agents.core.values import Usd

STREAM, JSON, HTML, PLAIN = "text/event-stream", "application/json", "text/html; charset=utf-8", "text/plain"
CHAT = ("openai", "ollama")
"""The adapters for servers that speak OpenAI's protocol: one by network, one for servers on this machine."""

RATES = Rates(Decimal(1), Decimal(10))
"""What every row is paid at, in USD for a million tokens."""

SHORT = Request(("You are brief. " * 18,), (Message("user", "What is the weather like today"),), (), 1000)
"""300 bytes of prompt: 100 tokens where they are estimated, 118 where they are reserved."""
LONG = Request(("You are brief. " * 400,), (Message("user", "What is the weather like today"),), (), 1000)
"""6,030 bytes of prompt: 2,010 tokens where they are estimated."""
WITH_TOOL = Request(
    SHORT.system, SHORT.messages, (ToolSpec("weather", "The weather in a city", {"type": "object"}),), 1000
)
ANSWER = "It is sunny and warm in Rome."
"""29 bytes: 10 tokens where they are estimated."""

FAIR = {"prompt_tokens": 90, "completion_tokens": 8, "total_tokens": 98}
FAIR_USAGE = Usage(90, 8)
ESTIMATED = Usage(100, 10)
QUOTE = Decimal("0.0101475")
"""The most that SHORT can cost: 118 tokens written to a cache, and 1,000 of output."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A response. `cut` ends the connection after the body, though more was announced."""

    body: bytes
    content_type: str = STREAM
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed request says of itself. `words` have to be in the message, `unwanted` must not be."""

    words: str
    status: int | None = None
    retryable: bool = False
    retry_after: float | None = None
    billable: bool = False
    unwanted: str = "<"


@dataclass(frozen=True, slots=True)
class Expected:
    """What is right: an answer, or a failure.

    `usage` is what counts once the report has been judged, `doubted` whether it was not believed, and `cost` what is
    paid at `RATES`: at most the reservation. `ending` is how a run ends whose every request is answered so; where tools
    are called, the next request is answered in words.
    """

    ending: Ending
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: Finish = "stop"
    refusal: str = ""
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    doubted: bool = False
    cost: Usd = Decimal(0)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that servers do, and the adapters that have to cope with it."""

    name: str
    wires: tuple[str, ...]
    sent: Sent
    expected: Expected
    request: Request = SHORT


def price(usage: Usage) -> Usd:
    """What a usage costs at RATES."""
    return (usage.input_tokens * RATES.input + usage.output_tokens * RATES.output) / 1_000_000


def answered(text: str = ANSWER, usage: Usage = FAIR_USAGE, ending: Ending = Ending.OK, **more: object) -> Expected:
    """The expectation of an answer, with its cost."""
    return Expected(ending, text, usage=usage, **{"cost": price(usage), **more})  # type: ignore[arg-type]


def failed(words: str, status: int | None = None, **more: object) -> Expected:
    """The expectation of a failure that costs nothing, or where it is billable, all that was reserved."""
    failure = Failure(words, status, **more)  # type: ignore[arg-type]
    return Expected(Ending.ERROR, failure=failure, cost=QUOTE if failure.billable else Decimal(0))


def chunk(
    delta: Mapping[str, object] | None = None, finish: str | None = None, usage: object = None, **more: object
) -> dict[str, object]:
    """A chunk of a streamed chat completion; one without a delta has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    data: dict[str, object] = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**data, "choices": choices, **({"usage": usage} if usage is not None else {}), **more}


def stream(*events: Mapping[str, object] | str | bytes, done: bool = True) -> bytes:
    """Server-sent events: objects as JSON, text as data, bytes as they are."""
    raw = b""
    for event in events:
        if isinstance(event, bytes):
            raw += event
        else:
            raw += f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
    return raw + (b"data: [DONE]\n\n" if done else b"")


def named(*events: tuple[str, Mapping[str, object]]) -> bytes:
    """Server-sent events with names."""
    return b"".join(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in events)


def pieces(*texts: str, finish: str | None = "stop", usage: object = FAIR, done: bool = True) -> Sent:
    """A streamed answer in pieces of text."""
    chunks = [chunk({"role": "assistant", "content": text}) for text in texts]
    return deltas(*chunks, finish=finish, usage=usage, done=done)


def deltas(
    *chunks: Mapping[str, object] | str, finish: str | None = "stop", usage: object = FAIR, done: bool = True
) -> Sent:
    """A streamed answer out of chunks, with its end and its usage where there is one."""
    ends = [chunk({}, finish)] if finish else []
    counts = [chunk(usage=usage)] if usage is not None else []
    return Sent(stream(*chunks, *ends, *counts, done=done))


def completion(message: Mapping[str, object], finish: str | None = "stop", usage: object = FAIR) -> Sent:
    """An answer that is not streamed."""
    choices = [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}]
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
    return Sent(json.dumps(body).encode(), JSON)


def reply(body: object, status: int = 200, content_type: str = JSON, **headers: str) -> Sent:
    """A response with a body of JSON, or with a text."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    names = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Sent(raw, content_type, status, names)


def call(name: str | None, arguments: object, *, id_: object = None, index: object = 0) -> dict[str, object]:
    """A piece of a tool call."""
    function = {"name": name, "arguments": arguments} if name is not None else {"arguments": arguments}
    return {"index": index, "id": id_, "type": "function", "function": function}


def calling(*lists: Sequence[Mapping[str, object]]) -> Sent:
    """A streamed answer that calls tools; each list is what one chunk has of them."""
    return deltas(*(chunk({"tool_calls": list(each)}) for each in lists), finish="tool_calls")
