"""Values as JSON: one shape of each, whichever door shows it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the caller has what it shows; a command that shows none of it need not pay for all
    from atomic_agents.core.document import Document
    from atomic_agents.core.values import Problem
    from atomic_agents.memory.search import Passage
    from atomic_agents.operations.agents import AgentInfo, AgentLine
    from atomic_agents.operations.approvals import Item
    from atomic_agents.operations.costs import Costs, Sum
    from atomic_agents.operations.record import RunLine, Shown
    from atomic_agents.runtime.order import Result
    from atomic_agents.runtime.record import Event
    from atomic_agents.vault.note import Note

Json = dict[str, object]


def problems(found: "Sequence[Problem]") -> list[Json]:
    """What is wrong with documents."""
    return [problem.as_json() for problem in found]


def agent_line(line: "AgentLine") -> Json:
    """An agent in a list."""
    return {
        "name": line.name,
        "model": line.model or None,
        "notes": line.notes,
        "today_usd": float(line.today),
        "daily_cap_usd": None if line.cap is None else float(line.cap),
        "last_run": line.last_run,
        "problems": problems(line.problems),
    }


def agent(found: "AgentInfo") -> Json:
    """What holds for an agent."""
    return {
        "name": found.name,
        "mode": found.mode,
        "model": found.settings.model.model,
        "fallback_model": found.settings.model.fallback_model,
        "settings": {
            name: {"path": file.path, "version": file.version, "values": dict(file.values)}
            for name, file in found.settings.files.items()
        },
        "spent": {"day_usd": float(found.spent.day), "month_usd": float(found.spent.month)},
        "notes": found.notes,
        "wiki_pages": found.wiki_pages,
        "last_run": found.last_run,
        "last_status": found.last_status or None,
        "tools": list(found.tools),
        "mcp_servers": list(found.servers),
        "skills": list(found.skills),
        "schedules": list(found.schedules),
        "project": found.cascade or None,
        "problems": problems(found.settings.problems),
    }


def result(found: "Result") -> Json:
    """What came of a run."""
    value: Json = {
        "run_id": found.run_id,
        "replayed": found.replayed,
        "resumed_from": found.resumed_from or None,
        "agent": found.agent,
        "status": found.ending,
        "text": found.text,
        "model": found.model,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cost_usd": float(found.cost),
        "latency_ms": found.latency_ms,
        "captures": [{"became": o.became, "file": o.file, "message": o.message} for o in found.captures],
        "warnings": list(found.warnings),
        "transcript": found.transcript,
    }
    return value | ({"error": found.failure.as_json()} if found.failure else {})


def run_line(line: "RunLine") -> Json:
    """A run in a list."""
    return {
        "run_id": line.run_id or None,
        "agent": line.agent,
        "ts": line.at.isoformat() if line.at else None,
        "status": line.status,
        "continued_by": line.continued_by or None,
        "trigger": line.trigger,
        "model": line.model,
        "summary": line.summary,
        "cost_usd": None if line.cost is None else float(line.cost),
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "where": line.where,
    }


def run(shown: "Shown") -> Json:
    """A run with all that happened in it, and the runs that it started."""
    found = shown.record
    return {
        **run_line(shown.line),
        "log": dict(shown.line.facts),
        "transcript": found.path if found else None,
        "text": found.answer if found else None,
        "sections": [{"title": title, "tokens": tokens} for title, tokens in found.sections] if found else [],
        "documents": [{"path": seen.path, "how": seen.how} for seen in found.documents] if found else [],
        "events": [event(each) for each in found.events] if found else [],
        "torn": list(found.torn) if found else [],
        "resumed_by": shown.successor.run_id if shown.successor else None,
        "parent": run_line(shown.parent) if shown.parent else None,
        "children": [run(child) for child in shown.children],
    }


def event(found: "Event") -> Json:
    """One event of a run."""
    return {"event": found.name, "ts": found.at.isoformat() if found.at else None, "line": found.line, **found.facts}


def costs(found: "Costs") -> Json:
    """What was spent."""
    return {
        "since": found.since,
        "until": found.until,
        "by": found.by,
        "total": _sum(found.total),
        "groups": [
            {"name": name, **_sum(each), "share": float(each.cost / found.total.cost) if found.total.cost else None}
            for name, each in found.groups
        ],
        "days": [{"day": day, "cost_usd": float(cost)} for day, cost in found.days],
        "month": {
            "month": f"{found.month.first:%Y-%m}",
            "cost_usd": float(found.month.spent),
            "projected_usd": float(found.month.projected),
        },
        "caps": [
            {
                "agent": cap.agent,
                "period": cap.period,
                "limit_usd": float(cap.limit),
                "spent_usd": float(cap.spent),
                "action": cap.action,
            }
            for cap in found.caps
        ],
        "problems": problems(found.problems),
    }


def notes(found: "Sequence[Note]", wrong: "Sequence[Problem]") -> Mapping[str, object]:
    """The notes of an agent, and those that cannot be read."""
    listed = [
        {"file": n.file, "name": n.name, "type": n.type, "last_seen": n.last_seen, "pinned": n.pinned,
         "provenance": n.provenance, "hidden": n.hidden}
        for n in found
    ]  # fmt: skip
    return {"notes": listed, "problems": problems(wrong)}


def note(found: "Document") -> Json:
    """One note as its document."""
    return {"path": found.path, "front_matter": dict(found.meta), "body": found.body.strip()}


def passages(found: "Sequence[Passage]") -> list[Json]:
    """What a search has found."""
    return [{"path": hit.path, "line": hit.line, "score": hit.score, "text": hit.text} for hit in found]


def approval(item: "Item") -> Json:
    """A request to the operator."""
    return {
        "id": item.id,
        "agent": item.agent,
        "run_id": item.run_id,
        "tool": item.tool,
        "class": item.kind,
        "arguments": dict(item.arguments),
        "why": item.why,
        "state": item.state,
        "waits": item.waits,
        "resumable": item.resumable,
        "asked_at": item.asked,
        "expires_at": item.expires.isoformat() if item.expires else None,
        "by": item.reply.by,
        "note": item.reply.note,
        "problem": item.reply.problem,
        "path": item.path,
    }


def _sum(each: "Sum") -> Json:
    return {
        "runs": each.runs,
        "input_tokens": each.input_tokens,
        "output_tokens": each.output_tokens,
        "cost_usd": float(each.cost),
    }
