"""A run on a terminal: what it was asked, what it had read, what it called, said, kept and cost, line by line."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation

from atomic_agents.cli import render
from atomic_agents.operations.record import RunLine, Shown
from atomic_agents.operations.tail import Happened
from atomic_agents.runtime import record
from atomic_agents.runtime.record import Event, Record

_LABEL = 12
_MOST_LINES = 12
_MOST_WIDTH = 400
_MOST_TAILED = 160

_FURTHER = (
    ("replayed_run_id", "answer of"),
    ("resumed_from", "goes on with"),
    ("conversation_id", "conversation"),
    ("error", "error"),
    ("skip_reason", "skipped"),
    ("idempotency_key", "key"),
)

Lines = Iterator[tuple[str, str]]


def whole(shown: Shown, *, full: bool) -> Iterator[str]:
    """A run from start to end, the runs that it started below it; without `full` long texts are shortened."""
    yield from _head(shown)
    if shown.record is None:
        yield ""
        yield from _labelled("no record", "there is no transcript of this run; this is all its log line says")
    else:
        for event in shown.record.events:
            yield ""
            yield from _event(event, full=full)
    if shown.children:
        yield ""
        yield from tree(shown)


def happened(each: Happened) -> Iterator[str]:
    """An event of one of several runs, in few lines."""
    first, *_ = [*_words(each.event), ("", "")]
    label, text = first
    line = " ".join(text.split())
    line = line if len(line) <= _MOST_TAILED else f"{line[:_MOST_TAILED]}…"
    yield f"{_clock(each.event.at)} {each.agent} {each.run_id[-8:]} {label}: {line}"


def tree(shown: Shown, depth: int = 0) -> Iterator[str]:
    """A run and those that it started, one a line."""
    line = shown.line
    cost = "" if line.cost is None else f", {render.money(line.cost)}"
    yield f"{'  ' * depth}{'└ ' if depth else ''}{line.run_id} {line.agent}, {line.ending}{cost}: {line.summary}"
    for child in shown.children:
        yield from tree(child, depth + 1)


def when(at: datetime.datetime | None) -> str:
    """A point in time in the operator's zone, to the second."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at else "not stated"


def _head(shown: Shown) -> Iterator[str]:
    line = shown.line
    yield f"{line.run_id or line.where} {line.agent}, {line.ending or 'no status stated'}"
    yield from _labelled("ended" if line.status != "open" else "began", when(line.at))
    yield from _labelled("model", line.model or "not stated")
    yield from _labelled("trigger", line.trigger or "not stated")
    yield from _labelled("cost", _cost(line))
    latency = line.facts.get("latency_ms")
    if isinstance(latency, int | float):
        yield from _labelled("took", render.duration(latency))
    for key, label in _FURTHER:
        if line.text(key):
            yield from _labelled(label, line.text(key))
    if shown.successor:
        yield from _labelled("went on as", f"{shown.successor.run_id}, {shown.successor.ending}")
    elif shown.can_be_resumed:
        yield from _labelled("finish it", f"atomic-agents runs resume {line.run_id}")
    if shown.parent:
        yield from _labelled("part of", f"{shown.parent.run_id} of {shown.parent.agent}")
    if shown.record is None:
        yield from _labelled("asked", line.summary)
        yield from _labelled("log line", line.where)
    elif shown.record.documents:
        yield from _labelled("had read", "\n".join(f"{seen.path} ({seen.how})" for seen in shown.record.documents))
    if shown.record is not None and shown.record.torn:
        lines = ", ".join(f"{number:,}" for number in shown.record.torn)
        yield from _labelled("torn", f"line {lines} of {shown.record.path}, as a crash leaves it")


def _cost(line: RunLine) -> str:
    cost = "not stated" if line.cost is None else render.money(line.cost)
    return f"{cost}, {line.input_tokens:,} tokens in, {line.output_tokens:,} out"


def _event(event: Event, *, full: bool) -> Iterator[str]:
    clock = _clock(event.at)
    for label, text in _words(event):
        for number, line in enumerate(_labelled(label, text if full else _short(text))):
            yield f"{clock if number == 0 else '':8} {line}".rstrip()
            clock = ""


def _words(event: Event) -> Lines:
    """What an event says, each part with its label."""
    yield from _EVENTS.get(event.name, _other)(event)


def _started(event: Event) -> Lines:
    yield "asked", event.text("work_item")


def _asking(event: Event) -> Lines:
    found = Record("", "", (event,), (), ended=True)
    if found.sections:
        yield "prompt", ", ".join(f"{title} {tokens:,}" for title, tokens in found.sections) + " tokens"
    quote = _money(event.text("quote"))
    attempt = f", attempt {event.text('attempt')}" if event.text("attempt") else ""
    yield "request", f"{event.text('iteration')}{attempt}: {event.text('model')}, at most {quote}"


def _answered(event: Event) -> Lines:
    tokens = (f"{event.text(key)} {word}" for key, word in (("input_tokens", "tokens in"), ("output_tokens", "out")))
    yield "answer", f"{_money(event.text('cost'))}, {', '.join(tokens)}, {event.text('finish')}"
    if event.text("text").strip():
        yield "said", event.text("text").strip()
    for call in event.items("calls"):
        if isinstance(call, Mapping):
            yield "calls", f"{call.get('name')} {call.get('arguments')}"
    for capture in event.items("captures"):
        yield "capture", str(capture)


def _called(event: Event) -> Lines:
    failed = " failed" if event.facts.get("failed") is True else ""
    read = [seen.path for seen in record.documents(event)]
    yield "result", f"{event.text('tool_name')}{failed}" + (f": {', '.join(read)}" if read else "")
    yield "", event.text("text")


def _failed(event: Event) -> Lines:
    yield "failed", f"{event.text('error')}, {_money(event.text('cost'))}"
    if event.text("partial"):
        yield "had said", event.text("partial")


def _reserved(event: Event) -> Lines:
    yield "set aside", f"{_money(event.text('quote'))} of what all agents may spend"


def _waiting(event: Event) -> Lines:
    yield "waited", f"{event.text('seconds')} s, to try again"


def _closed(event: Event) -> Lines:
    torn = "; a torn last line was left out" if event.facts.get("torn") else ""
    cost = event.text("cost_usd")
    yield "ended", event.text("status") + (f", {_money(cost)} in all" if cost else "") + torn


def _redacted(event: Event) -> Lines:
    former = event.text("former_hash")[:12]
    yield "redacted", f"{event.text('lines')} lines, by memory redact; the hash of the last line was {former}…"


def _other(event: Event) -> Lines:
    facts = ", ".join(f"{key} {value}" for key, value in event.facts.items() if value not in (None, "", [], {}))
    yield event.name[:_LABEL] or "event", facts


_EVENTS: Mapping[str, Callable[[Event], Lines]] = {
    "started": _started,
    "asking": _asking,
    "answered": _answered,
    "called": _called,
    "failed": _failed,
    "reserved": _reserved,
    "waiting": _waiting,
    "closed": _closed,
    "redacted": _redacted,
}


def _labelled(label: str, text: str) -> Iterator[str]:
    """A text with its label at the left of its first line."""
    first, *rest = text.splitlines() or [""]
    yield f"{label:<{_LABEL}} {first}".rstrip()
    yield from (f"{'':<{_LABEL}} {line}".rstrip() for line in rest)


def _short(text: str) -> str:
    lines = text.splitlines()
    kept = [line if len(line) <= _MOST_WIDTH else f"{line[:_MOST_WIDTH]}…" for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        kept.append(f"… {render.count(len(lines) - _MOST_LINES, 'more line')}; --full shows all")
    return "\n".join(kept)


def _clock(at: datetime.datetime | None) -> str:
    return f"{at.astimezone():%H:%M:%S}" if at else ""


def _money(text: str) -> str:
    try:
        return render.money(Decimal(text or "0"))
    except InvalidOperation:
        return text
