"""Dreams as the published format has them: a whole new memory and a list of what was done, here as hunks.

Such a dream keeps no text of before. A note that has no unchanged copy in it and was written after the dream began is
taken for changed since.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace

from atomic_agents.core.document import Document, parse
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.values import parse_date
from atomic_agents.memory import dream, revise
from atomic_agents.memory.dream import Dream, Hunk, HunkKind, Piece, State
from atomic_agents.memory.revise import Held
from atomic_agents.vault import layout, note
from atomic_agents.vault.vault import Vault

_KEYS: Mapping[str, HunkKind] = {"consolidated": "merge", "promoted": "promote", "marked_stale": "stale"}


def is_published(found: Dream) -> bool:
    """Whether it has no hunks of its own yet, and something that can become one."""
    return "hunks" not in found.facts and any(found.facts.get(key) for key in _KEYS)


def adopted(vault: Vault, found: Dream, today: datetime.date) -> Dream:
    """The dream with its decisions as hunks over the notes there are now; none is open where it was applied already."""
    dreamed = _Dreamed(vault, found)
    state: State = "applied" if found.facts.get("applied_at") else "open"
    hunks: list[Hunk] = []
    for key, kind in _KEYS.items():
        listed = found.facts.get(key)
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict):
                taken = {piece.file for hunk in hunks for piece in hunk.pieces if piece.before is None}
                hunk = dreamed.hunk(kind, entry, len(hunks) + 1, today, taken)
                twice = {piece.file for other in hunks for piece in other.pieces} & {
                    piece.file for piece in hunk.pieces
                }
                if twice and not hunk.blocked:
                    hunk = replace(hunk, blocked=f"{min(twice)} stands in another hunk too")
                hunks.append(replace(hunk, state=state, pieces=() if hunk.blocked else hunk.pieces))
    return found.having(hunks, **{dream.ADOPTED: True})


@dataclass(frozen=True, slots=True)
class _Dreamed:
    """One dream's new memory beside the notes there are."""

    vault: Vault
    dream: Dream

    def hunk(
        self, kind: HunkKind, entry: Mapping[str, object], number: int, today: datetime.date, taken: set[str]
    ) -> Hunk:
        """One entry of the manifest as a hunk."""
        reason = str(entry.get("reason") or "not seen for a long time")
        if kind == "stale":
            return self._stale(entry, number, reason)
        new = self._copy(str(entry.get("new") or ""))
        if new is None:
            return Hunk(
                number, kind, reason, (), note.texts(entry.get("new")), blocked="the dream does not have its text"
            )
        found = note.read(new, str(entry["new"]))
        if kind == "promote":
            days = note.texts(entry.get("from_journal_entries"))
            listed = {path.removeprefix(self._memory) for path in self.vault.store.paths(self._memory)}
            type_ = found.type if found.type in note.TYPES else "feedback"
            file = note.file_name(type_, found.name, listed | taken)
            piece = revise.written(
                file, today, type_=type_, name=found.name, description=found.description or found.name,
                confidence=found.confidence or "medium", sources=found.sources or days, body=found.body,
            )  # fmt: skip
            return Hunk(number, kind, reason, (piece,), (file, *days))
        return self._merge(entry, number, reason, found)

    def _merge(self, entry: Mapping[str, object], number: int, reason: str, found: note.Note) -> Hunk:
        files = note.texts(entry.get("supersedes"))
        held = [each for each in map(self._held, files) if each is not None]
        gone = [file for file in files if file not in {each.file for each in held}]
        blocked = f"there is no note {gone[0]} any more" if gone else "it names no notes" if not held else ""
        blocked = blocked or next(filter(None, map(self._changed, held)), "")
        if blocked:
            return Hunk(number, "merge", reason, (), files, blocked=blocked)
        current = [each for each in held if not each.note.hidden]
        into = next((each for each in current if each.file == found.file), (current or held)[0])
        others = [each for each in held if each is not into]
        pieces = revise.merged(into, others, name=found.name, description=found.description, body=found.body)
        left = dream.left_out([each.note for each in held], [found.name, found.description, found.body])
        return Hunk(number, "merge", reason, pieces, (into.file, *(each.file for each in others)), left)

    def _stale(self, entry: Mapping[str, object], number: int, reason: str) -> Hunk:
        file = str(entry.get("note") or "")
        held, day = self._held(file), parse_date(entry.get("new_expires_at"))
        blocked = f"there is no note {file} any more" if held is None else self._changed(held)
        if held is None or day is None or blocked:
            return Hunk(number, "stale", reason, (), (file,), blocked=blocked or "it states no day")
        piece: Piece = revise.expiring(held, day)
        return Hunk(number, "stale", reason, (piece,), (file,))

    def _changed(self, held: Held) -> str:
        """Why a note is taken for changed since, "" where it is not."""
        copy = self._copy(held.file)
        if (
            copy is not None
            and copy.body.strip() == held.note.body
            and copy.meta.get("name") == held.document.meta.get("name")
        ):
            return ""
        begun = _moment(self.dream.facts.get("started_at"))
        modified = next((entry.modified for entry in self.vault.store.list(held.note.path)), None)
        if begun is not None and modified is not None and modified < begun.timestamp():
            return ""
        return f"{held.file} was written after the dream began"

    @property
    def _memory(self) -> str:
        return layout.memory(self.dream.agent)

    def _held(self, file: str) -> Held | None:
        document = self._document(layout.note(self.dream.agent, file), file)
        return None if document is None else Held(note.read(document, file), document)

    def _copy(self, file: str) -> Document | None:
        return self._document(layout.dream(self.dream.agent, self.dream.id, f"memory/{file}"), file)

    def _document(self, path: str, file: str) -> Document | None:
        if not layout.is_note(file) or not set(file.split("/")).isdisjoint(("", ".", "..")):
            return None
        blob = self.vault.store.read(path)
        try:
            return None if blob is None else parse(path, blob.data)
        except DocumentUnreadable:
            return None


def _moment(value: object) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.astimezone()
