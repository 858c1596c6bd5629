"""Records that have other documents in them, or the hashes of such: edited so that the way back still leads back."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.core.change import Revision, revision
from atomic_agents.memory.redaction.documents import Documents, Unreadable
from atomic_agents.memory.redaction.json_strings import edit_strings
from atomic_agents.vault import layout
from atomic_agents.vault.kinds import Kind


@dataclass
class Records:
    """Edits the records of one agent. `revisions` are those of all documents that were edited, old and new."""

    agent: str
    documents: Documents
    revisions: Mapping[Revision, Revision]

    def change(self, text: str) -> str:
        """The record of a change of notes; patches of documents that stay as they are stay too."""
        redactor, at = self.documents.redactor, [""]

        def edit(keys: tuple[str, ...], value: str) -> str:
            match keys:
                case ("documents", "path"):
                    at[0] = value
                    return redactor.renames.path(value)
                case ("documents", "kept"):
                    return redactor.renames.path(value)
                case ("documents", "before" | "after"):
                    return self.revisions.get(value, value)
                case ("documents", "patch"):
                    is_index = layout.is_index(at[0].rpartition("/")[2])
                    return self.documents.line(value, folder=at[0].partition("/")[0]) if is_index else value
                case ("reason",):
                    return redactor.text(value)
            return value

        return edit_strings(text, edit)

    def undo(self, text: str) -> str:
        """What takes back a change that a tool made: paths, former texts and the hashes of what it wrote."""
        at = [""]

        def edit(keys: tuple[str, ...], value: str) -> str:
            match keys:
                case ("changes", "path"):
                    at[0] = value.removeprefix(f"{self.agent}/")
                    own = value != at[0]
                    return f"{self.agent}/{self.documents.redactor.renames.path(at[0])}" if own else value
                case ("changes", "before"):
                    return self._encoded(at[0], value)
                case ("changes", "after"):
                    return self.revisions.get(value, value)
            return self.documents.redactor.text(value) if keys == ("reason",) else value

        return edit_strings(text, edit)

    def dream(self, text: str) -> str:
        """The manifest of a dream, whose hunks have whole notes in them."""
        redactor = self.documents.redactor

        def edit(keys: tuple[str, ...], value: str) -> str:
            if keys[:2] == ("hunks", "changes") and keys[-1] in ("before", "after"):
                return self._edited("dreams/note.md", value.encode(errors="replace")).decode()
            return redactor.value(keys, value)

        return edit_strings(text, edit)

    def _encoded(self, path: str, value: str) -> str:
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return value
        after = self._edited(path, data)
        return value if after == data else base64.b64encode(after).decode()

    def _edited(self, path: str, data: bytes) -> bytes:
        kind = Kind.INDEX if layout.is_index(path.rpartition("/")[2]) else Kind.NOTE
        try:
            return self.documents.edit(path, data, kind) if path.endswith(".md") else data
        except Unreadable:
            return data


def is_record(text: str) -> bool:
    """Whether a text is one JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def revisions(pairs: Mapping[bytes, bytes]) -> dict[Revision, Revision]:
    """The revisions of documents before and after."""
    return {revision(before): revision(after) for before, after in pairs.items()}
