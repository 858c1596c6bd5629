"""Pages: the runs there were, and one of them from start to end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import DocumentMissing
from atomic_agents.operations import record
from atomic_agents.operations.record import RunLine, Shown
from atomic_agents.runtime.record import Event, in_order
from atomic_agents.web.dashboard.look import Look

_A_PAGE = 100
_LONGEST = 20_000
"""Characters of one text; a page stays one that a phone can load."""
_MOST_EVENTS = 400
_WHOLE_PAGE = 200_000


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a timeline: `after` in milliseconds since the run began, and texts with their labels."""

    kind: str
    title: str
    after: float | None
    texts: tuple[tuple[str, str], ...] = ()
    cost: object = None


def runs(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """The runs of an agent, or of all, a page at a time, newest first."""
    agent = look.agent(query["agent"]) if query.get("agent") else ""
    status = query.get("status", "")
    page = min(max(int(query["page"]) if query.get("page", "").isdecimal() else 1, 1), 1000)
    if not look.live:
        newest = look.rollups.newest(_A_PAGE, agent)
        return {"agent": agent, "status": "", "page": 1, "more": False, "runs": newest, "endings": ()}
    names = (agent,) if agent else ("",) if set(look.agents) == set(look.survey.agents) else look.agents
    listed = [record.list_runs(look.workspace, name, status=status, limit=page * _A_PAGE + 1) for name in names]
    found = sorted((line for each in listed for line in each.runs), key=lambda line: in_order(line.at), reverse=True)
    return {
        "agent": agent, "status": status, "page": page, "more": len(found) > page * _A_PAGE,
        "endings": ("", *Ending),
        "runs": found[(page - 1) * _A_PAGE : page * _A_PAGE],
    }  # fmt: skip


def run(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """One run: its line, its timeline, what it read, and the runs around it."""
    shown = record.show(look.workspace, query.get("id", ""))
    if shown.line.agent not in look.agents:
        raise DocumentMissing(f"there is no run {query.get('id', '')}", hint="atomic-agents runs list")
    found = shown.record
    events = found.events if found else ()
    sections = found.sections if found else ()
    steps = list(_steps(events[:_MOST_EVENTS]))
    return {
        "shown": shown, "line": shown.line, "steps": steps, "left": len(events) - len(events[:_MOST_EVENTS]),
        "documents": found.documents[:200] if found else (), "sections": sections,
        "most": max((tokens for _, tokens in sections), default=1) or 1, "torn": found.torn if found else (),
        "asked": found.started.text("work_item") if found and found.started else shown.line.summary,
        "tree": [each for each in _tree(_root(shown), 0) if each[1].agent in look.agents],
    }  # fmt: skip


def _root(shown: Shown) -> Shown:
    return Shown(shown.parent, None, None, (shown,)) if shown.parent else shown


def _tree(shown: Shown, depth: int) -> Iterator[tuple[int, RunLine]]:
    yield depth, shown.line
    for child in shown.children:
        yield from _tree(child, depth + 1)


def _steps(events: tuple[Event, ...]) -> Iterator[Step]:
    begun = next((event.at for event in events if event.at), None)
    left = _WHOLE_PAGE
    for event in events:
        after = (event.at - begun).total_seconds() * 1000 if event.at and begun else None
        texts = []
        for label, text in _texts(event):
            most = min(_LONGEST, max(left, 500))
            texts.append(
                (label, text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} characters more")
            )
            left -= len(texts[-1][1])
        yield Step(event.name or "event", _title(event), after, tuple(texts), event.facts.get("cost"))


def _title(event: Event) -> str:
    match event.name:
        case "asking":
            return event.text("model")
        case "answered":
            return f"{event.text('input_tokens')} tokens in, {event.text('output_tokens')} out"
        case "calling" | "called":
            failed = " failed" if event.facts.get("failed") is True else ""
            return f"{event.text('tool_name') or 'a tool'}{failed}"
        case "failed":
            return f"the request failed: {event.text('error')}"
    return event.text("status") or event.text("reason") or event.text("error")


_TEXTS: Mapping[str, tuple[str, ...]] = {
    "started": ("work_item",),
    "asking": (),
    "answered": ("text",),
    "called": ("text",),
    "failed": ("partial",),
}
_QUIET = (
    "cost", "cost_usd", "status", "error", "tool_name", "model", "reason", "input_tokens", "output_tokens", "failed",
    "system", "messages", "sections", "tools",
)  # fmt: skip


def _texts(event: Event) -> Iterator[tuple[str, str]]:
    known = _TEXTS.get(event.name)
    if known is None:
        yield from (
            (key, str(value))
            for key, value in event.facts.items()
            if key not in _QUIET and value not in (None, "", [], {})
        )
        return
    yield from ((key.replace("_", " "), event.text(key).strip()) for key in known if event.text(key).strip())
    if event.name == "called" and event.text("arguments"):
        yield "arguments", event.text("arguments")
    for call in event.items("calls"):
        if isinstance(call, Mapping):
            yield f"calls {call.get('name')}", str(call.get("arguments") or "")
    for capture in event.items("captures"):
        yield "capture", str(capture)
