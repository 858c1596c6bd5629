"""Pages: what agents remember, agent by agent and note by note; what reads everything is read only for who asks."""

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.core.store import Entry
from atomic_agents.memory import history
from atomic_agents.vault import layout
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.note import Note
from atomic_agents.web.dashboard.look import Look

if TYPE_CHECKING:
    from atomic_agents.memory.dream import Dream
    from atomic_agents.memory.search import Passage

_A_PAGE = 100
_HITS = 30


def memory(look: Look, _query: Mapping[str, str]) -> Mapping[str, object]:
    """What every agent remembers, in numbers, and the dreams that wait for a review."""
    rows = []
    for agent in look.agents:
        kept = look.of(agent, Kind.NOTE)
        changed = max((entry.modified for entry in kept), default=0.0)
        at = datetime.datetime.fromtimestamp(changed).astimezone() if changed else None
        pages = len(look.of(agent, Kind.WIKI))
        rows.append((agent, len(kept), sum(entry.size for entry in kept), pages, at, _to_review(look, agent)))
    return {"rows": rows}


def _to_review(look: Look, agent: str) -> "list[Dream]":
    if not any(entry.path.startswith(layout.dreams(agent)) for entry in look.of(agent, Kind.OTHER)):
        return []
    from atomic_agents.operations import dreams  # noqa: PLC0415 - 100 ms, and few vaults have a dream

    return [each for each in dreams.dreams(look.workspace, agent)[0] if each.count("open") or each.count("accepted")]


def notes(look: Look, query: Mapping[str, str]) -> Mapping[str, object]:
    """The notes of an agent, a page at a time, or what a search finds."""
    name, wanted = look.agent(query.get("agent", "")), query.get("q", "").strip()
    entries = sorted(look.of(name, Kind.NOTE), key=lambda entry: (-entry.modified, entry.path))
    pages = max((len(entries) + _A_PAGE - 1) // _A_PAGE, 1)
    page = min(max(int(query["page"]) if query.get("page", "").isdecimal() else 1, 1), pages)
    hits = _found(look, name, wanted) if wanted else []
    shown = [] if wanted else [_note(look, name, entry) for entry in entries[(page - 1) * _A_PAGE : page * _A_PAGE]]
    past = [] if wanted or page > 1 else history.entries(look.workspace.vault, name)[:20]
    return {
        "agent": name, "q": wanted, "hits": hits, "notes": shown, "page": page, "pages": pages, "total": len(entries),
        "past": past,
    }  # fmt: skip


def _found(look: Look, agent: str, wanted: str) -> "Sequence[Passage]":
    from atomic_agents.operations import memory as asking  # noqa: PLC0415 - 100 ms that only a search pays

    return asking.search(look.workspace, agent, wanted, _HITS)


def _note(look: Look, agent: str, entry: Entry) -> tuple[str, Note | None, str]:
    file = entry.path.removeprefix(f"{agent}/memory/")
    try:
        return file, look.workspace.vault.note(entry, file), ""
    except AtomicAgentsError as error:
        return file, None, error.message
