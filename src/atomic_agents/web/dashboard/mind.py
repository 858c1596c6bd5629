"""Pages: what one agent remembers, has read, was told and dreamt; each change with its diff before it is made."""

import itertools
from collections.abc import Mapping

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.memory import dream as dreaming
from atomic_agents.memory.dream import STATES
from atomic_agents.operations import changes, conversations, dreams, journal, memory, wiki
from atomic_agents.vault import note as notes
from atomic_agents.web.dashboard.look import Look

_MOST = 200
_LONGEST = 200_000


def note(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """One note or a former text of it, with what happened to it."""
    name, file, version = look.agent(query.get("agent", "")), query.get("file", ""), query.get("version", "")
    found = memory.show(look.workspace, name, file)
    file = found.path.removeprefix(f"{name}/memory/")
    past, versions = memory.past(look.workspace, name, file)
    diff: list[str] = []
    if version:
        former = memory.show(look.workspace, name, file, version)
        put = ChangeSet("", (Put(found.path, found.data),))
        diff = list(itertools.islice(put.diff(lambda _: former.data), 2000))
    return {
        "agent": name, "file": file, "document": found, "note": notes.read(found, file), "past": past[:_MOST],
        "versions": versions[:_MOST], "version": version, "diff": diff, "body": _cut(found.body.strip()),
    }  # fmt: skip


def lint(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """How the memory of an agent grew, and what is wrong with it."""
    name = look.agent(query.get("agent", ""))
    judged = [(what, changes.examine(look.workspace, name, audited=what == "audit")) for what in ("lint", "audit")]
    return {"agent": name, "judged": judged, "growth": _growth(look, name)}


def _growth(look: Look, agent: str) -> Mapping[str, object]:
    """How many notes there were at the end of each day on which one was captured."""
    found, _ = look.workspace.vault.notes(agent)
    days = sorted(day for each in found if (day := each.captured or each.last_seen) is not None)
    totals = {day.isoformat(): number for number, day in enumerate(days, 1)}
    return {"days": list(totals), "series": [{"label": "notes", "values": list(totals.values())}]}


def undo(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """What taking a change of notes back would do; or bringing a former text back."""
    name, what = look.agent(query.get("agent", "")), query.get("change", "")
    verb, change = changes.undo(look.workspace, name, what)
    plan = changes.plan(look.workspace, name, verb, what="undo", reason="by hand", undoes=change)
    return {"agent": name, "change": change, "words": plan.said, "diff": plan.diff[:2000]}


def pages(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """The wiki of an agent, and one page or source of it."""
    name, wanted = look.agent(query.get("agent", "")), query.get("page", "")
    found, sources = wiki.list_pages(look.workspace, name)
    text = _cut(wiki.show(look.workspace, name, wanted)) if wanted else ""
    return {"agent": name, "page": wanted, "text": text, "pages": found[:_MOST], "sources": sources[:_MOST]}


def days(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """The journal of an agent: the days there are, and one of them."""
    name = look.agent(query.get("agent", ""))
    known = look.workspace.vault.journal_days(name)
    wanted = next((day for day, _ in known if day.isoformat() == query.get("day")), known[0][0] if known else None)
    text = _cut(journal.show(look.workspace, name, wanted)[1]) if wanted else ""
    return {"agent": name, "day": wanted, "text": text, "days": [day for day, _ in known[:_MOST]]}


def talks(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """The conversations of an agent, and one of them."""
    name, wanted = look.agent(query.get("agent", "")), query.get("id", "")
    shown = conversations.show(look.workspace, name, wanted) if wanted else None
    listed = conversations.list_conversations(look.workspace, name)
    turns = (
        [(turn, _cut(turn.asked.strip(), 20_000), _cut(turn.answer.strip(), 20_000)) for turn in shown.turns[-60:]]
        if shown
        else []
    )
    return {"agent": name, "shown": shown, "turns": turns, "found": listed.found[:_MOST], "problems": listed.problems}


def dream(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """A dream of an agent, hunk by hunk."""
    name = look.agent(query.get("agent", ""))
    found = dreams.find(look.workspace, name, query.get("id") or None)
    hunks = [(hunk, list(itertools.islice(dreaming.diff(name, hunk), 400))) for hunk in found.hunks[:_MOST]]
    states = [(state, found.count(state)) for state in STATES if found.count(state)]
    return {
        "agent": name,
        "dream": found,
        "hunks": hunks,
        "states": states,
        "others": dreams.dreams(look.workspace, name)[0][:50],
    }


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} characters more"
