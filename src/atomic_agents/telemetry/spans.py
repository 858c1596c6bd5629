"""A transcript as spans: one for the run, one for each request to a model, one for each tool call."""

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from atomic_agents.core.ending import Ending
from atomic_agents.telemetry.names import PROVIDERS, Name, Operation

Event = Mapping[str, object]
Value = str | int | float | Sequence[str]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FAILED_ENDINGS = frozenset({ending for ending in Ending if ending.log_status == "error"})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in a run. Times are nanoseconds since 1970, UTC.

    `error` is what went wrong, "" where nothing did; `parent` is 0 for what nothing else has started. The ids follow
    from those of the runs, so that a run finds its place below the one that started it, whichever process exports it.
    """

    name: str
    operation: Operation
    trace: int
    id: int
    parent: int
    start: int
    end: int
    attributes: Mapping[str, Value]
    error: str = ""


def of(run_id: str, root: str, events: Sequence[Event], *, content: bool) -> tuple[Span, ...]:
    """The spans of a run that has ended, its own first; none where the transcript does not say when it began.

    `root` is the run at the top of those that led to it, or itself. `content` says whether they carry what was said.
    """
    dated = [event for event in events if _time(event)]
    started = next((event for event in dated if event.get("event") == "started"), None)
    if started is None:
        return ()
    run = _run(run_id, _id(root, 16), started, dated)
    parts = _Parts(run, _text(started, "agent"), content)
    return (run, *parts.models(dated), *parts.tools(dated))


def _run(run_id: str, trace: int, started: Event, events: Sequence[Event]) -> Span:
    closed = next((event for event in reversed(events) if event.get("event") == "closed"), {})
    status, agent = _text(closed, "status"), _text(started, "agent")
    crashed = status == "crashed" and len(events) > 1  # what closed it came long after its end
    failures = [event for event in events if event.get("event") == "failed"]
    failed = status in _FAILED_ENDINGS
    return Span(
        name=f"{Operation.RUN} {agent}",
        operation=Operation.RUN,
        trace=trace,
        id=_id(run_id, 8),
        parent=_id(parent, 8) if (parent := _text(started, "parent_run_id")) else 0,
        start=_time(started),
        end=_time(events[-2 if crashed else -1]),
        attributes={
            Name.OPERATION: Operation.RUN,
            Name.AGENT: agent,
            **_model(_text(started, "model")),
            **_used(events),
            Name.COST: _number(closed.get("cost_usd")),
            Name.RUN: run_id,
            Name.TRIGGER: _text(started, "trigger"),
            Name.STATUS: status,
            **({Name.ERROR: status} if failed else {}),
        },
        error=(_text(failures[-1], "error") if failures and status == "error" else status) if failed else "",
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a run consists of."""

    run: Span
    agent: str
    content: bool

    def models(self, events: Sequence[Event]) -> Iterator[Span]:
        """A span for each request, from when it was made until it was answered, failed or nobody was left to hear."""
        for asked, after in pairwise([*events, {}]):
            if asked.get("event") == "asking":
                answered = after if after.get("event") in ("answered", "failed") else {}
                yield self._model(asked, answered)

    def _model(self, asked: Event, answered: Event) -> Span:
        model, failed = _model(_text(asked, "model")), answered.get("event") != "answered"
        attributes: dict[str, Value] = {Name.OPERATION: Operation.MODEL, Name.AGENT: self.agent, **model}
        attributes[Name.COST] = _number(answered.get("cost", asked.get("quote")))
        if failed:
            attributes[Name.ERROR] = _text(answered, "status") or "_OTHER"
        else:
            attributes |= {**_used([answered]), Name.FINISH_REASONS: (_text(answered, "finish"),)}
        if self.content:
            attributes |= _said(asked, answered)
        error = _text(answered, "error") or "it was never answered"
        return self._span(f"{Operation.MODEL} {model[Name.MODEL]}", Operation.MODEL, asked, answered, attributes,
                          error if failed else "")  # fmt: skip

    def tools(self, events: Sequence[Event]) -> Iterator[Span]:
        """A span for each tool call, from the answer that wants it until its result; calls run side by side."""
        wanted: dict[str, tuple[Event, str]] = {}
        for event in events:
            for call in _items(event, "calls") if event.get("event") == "answered" else ():
                wanted[_text(call, "id")] = event, _text(call, "arguments")
            if event.get("event") == "called":
                asked, arguments = wanted.pop(_text(event, "tool_use_id"), (event, ""))
                yield self._tool(asked, arguments, event)

    def _tool(self, asked: Event, arguments: str, called: Event) -> Span:
        tool, text, failed = _text(called, "tool_name"), _text(called, "text"), called.get("failed") is True
        attributes: dict[str, Value] = {
            Name.OPERATION: Operation.TOOL,
            Name.AGENT: self.agent,
            Name.TOOL: tool,
            Name.TOOL_TYPE: "function",
            Name.TOOL_CALL: _text(called, "tool_use_id"),
        }
        if failed:
            attributes[Name.ERROR] = "_OTHER"
        if self.content:
            attributes |= {Name.ARGUMENTS: arguments, Name.RESULT: text}
        # What a tool says went wrong is a result like any other.
        error = (text if self.content else "the tool failed") if failed else ""
        return self._span(f"{Operation.TOOL} {tool}", Operation.TOOL, asked, called, attributes, error)

    def _span(
        self, name: str, operation: Operation, start: Event, end: Event, attributes: Mapping[str, Value], error: str
    ) -> Span:
        begun = _time(start)
        key = f"{self.run.id}/{operation}/{_text(start, 'n')}/{_text(end, 'n')}"
        return Span(
            name, operation, self.run.trace, _id(key, 8), self.run.id, begun, max(begun, _time(end) or self.run.end),
            attributes, error,
        )  # fmt: skip


def _model(model_id: str) -> Mapping[str, str]:
    provider, _, name = model_id.partition(":")
    return {Name.PROVIDER: PROVIDERS.get(provider, provider), Name.MODEL: name}


def _used(events: Sequence[Event]) -> Mapping[str, int]:
    def total(key: str) -> int:
        return sum(value for event in events if isinstance(value := event.get(key), int))

    return {Name.INPUT_TOKENS: total("input_tokens"), Name.OUTPUT_TOKENS: total("output_tokens")}


def _said(asked: Event, answered: Event) -> Mapping[str, str]:
    """What was said, in the conventions' form. A transcript repeats neither the prompt nor earlier messages."""
    system = [{"type": "text", "content": part} for part in _strings(asked, "system")]
    messages = [_message(_text(message, "role"), _text(message, "text"), ()) for message in _items(asked, "messages")]
    said: dict[str, str] = {Name.INPUT: json.dumps(messages, ensure_ascii=False)}
    if system:
        said[Name.INSTRUCTIONS] = json.dumps(system, ensure_ascii=False)
    text, calls = _text(answered, "text") or _text(answered, "partial"), _items(answered, "calls")
    if text or calls:
        answer = _message("assistant", text, calls) | {"finish_reason": _text(answered, "finish") or "error"}
        said[Name.OUTPUT] = json.dumps([answer], ensure_ascii=False)
    return said


def _message(role: str, text: str, calls: Sequence[Event]) -> dict[str, object]:
    parts: list[dict[str, object]] = [{"type": "text", "content": text}] if text else []
    parts += [{"type": "tool_call", **{key: _text(call, key) for key in ("id", "name", "arguments")}} for call in calls]
    return {"role": role, "parts": parts}


def _id(text: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size]) or 1


def _time(event: Event) -> int:
    """When it happened, 0 where it does not say."""
    try:
        at = datetime.datetime.fromisoformat(str(event.get("ts")))
    except ValueError:
        return 0
    return (at.astimezone() - _EPOCH) // datetime.timedelta(microseconds=1) * 1000


def _text(event: Event, key: str) -> str:
    value = event.get(key)
    return "" if value is None else str(value)


def _items(event: Event, key: str) -> list[Event]:
    value = event.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _strings(event: Event, key: str) -> list[str]:
    value = event.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
