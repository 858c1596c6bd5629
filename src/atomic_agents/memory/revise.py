"""The notes that a dream's decision leads to: merged, overtaken, superseded or new, as texts before and after."""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.document import REMOVE, Document, render
from atomic_agents.memory import vouching
from atomic_agents.memory.dream import Piece
from atomic_agents.vault import note
from atomic_agents.vault.note import Note

GRACE = datetime.timedelta(days=30)
"""How long a note that is marked stale is still loaded."""


@dataclass(frozen=True, slots=True)
class Held:
    """A note and the document it stands in."""

    note: Note
    document: Document

    @property
    def file(self) -> str:
        """Its file name."""
        return self.note.file


def merged(into: Held, others: Sequence[Held], *, name: str, description: str, body: str) -> tuple[Piece, ...]:
    """One note with the text of all, and the others superseded by it."""
    members = (into, *others)
    changes: dict[str, object] = {
        "schema_version": CURRENT_SCHEMA_VERSION,
        "name": _one_line(name)[: note.MAX_NAME],
        "description": _one_line(description)[: note.MAX_DESCRIPTION],
        "sources": _joined([held.note.sources for held in members]),
        "provenance": _vouching(members, name, description, body),
        "supersedes": _joined([into.note.supersedes, [held.file for held in others]]),
        "supersedes_list": REMOVE,
        "superseded_by": REMOVE,
    }
    seen = max((held.note.last_seen for held in members if held.note.last_seen), default=None)
    if seen is not None:
        changes["last_seen"] = seen.isoformat()
    if tags := _joined([held.note.tags for held in members]):
        changes["tags"] = tags
    if any(held.note.pinned for held in members):
        changes["pinned"] = True
    accepted = [held.document.meta["accepted"] for held in members if held.note.accepted]
    if changes["provenance"] == "tool" and accepted:
        changes["accepted"] = accepted[0]
    newline = into.document.newline
    text = re.sub(r"\r\n?|\n", newline, f"\n{body.strip()}\n")
    after = into.document.edit(changes).with_body(text)
    return (
        Piece(into.file, into.document.text, after.text),
        *(superseded(held, by=into.file) for held in others),
    )


def superseded(held: Held, *, by: str) -> Piece:
    """A note that another one takes the place of; its text stays."""
    return Piece(held.file, held.document.text, held.document.edit({"superseded_by": by}).text)


def superseding(held: Held, others: Sequence[Held]) -> tuple[Piece, ...]:
    """A note that stands against others, which it takes the place of."""
    files = _joined([held.note.supersedes, [other.file for other in others]])
    after = held.document.edit({"supersedes": files, "supersedes_list": REMOVE})
    return (
        Piece(held.file, held.document.text, after.text),
        *(superseded(other, by=held.file) for other in others),
    )


def expiring(held: Held, day: datetime.date) -> Piece:
    """A note that is loaded until `day`."""
    return Piece(held.file, held.document.text, held.document.edit({"expires_at": day.isoformat()}).text)


def written(
    file: str, today: datetime.date, *, type_: str, name: str, description: str, confidence: str,
    sources: Sequence[str], body: str,
) -> Piece:  # fmt: skip
    """A new note, vouched for by nobody but the model that inferred it."""
    meta: dict[str, object] = {
        "schema_version": CURRENT_SCHEMA_VERSION,
        "name": _one_line(name)[: note.MAX_NAME],
        "description": _one_line(description)[: note.MAX_DESCRIPTION],
        "type": type_,
        "captured": today.isoformat(),
        "last_seen": today.isoformat(),
        "sources": list(sources),
        "confidence": confidence,
        "provenance": "inference",
    }
    return Piece(file, None, render(meta, body).decode())


def _joined(lists: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(item for each in lists for item in each))


def _vouching(members: Sequence[Held], name: str, description: str, body: str) -> str:
    """Who vouches for a merged note: who vouches least for any of its parts, the model included where it wrote one."""
    found = [held.note.provenance for held in members]
    said = {_one_line(text) for held in members for text in (held.note.name, held.note.description, held.note.body)}
    is_theirs = {_one_line(text) for text in (name, description, body)} <= said
    return vouching.weakest(found if is_theirs else [*found, vouching.DEFAULT])


def _one_line(text: str) -> str:
    return " ".join(text.split())
