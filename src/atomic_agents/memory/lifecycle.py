"""How a note comes into being, is revised and is superseded; everything here returns changes and never writes."""

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import ABSENT, Change, Put, revision
from atomic_agents.core.document import Document, parse, render
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.vault import index, layout, note
from atomic_agents.vault.vault import Vault, is_note_file

Became = Literal["written", "revised", "known", "rejected"]

CAPTURE_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "name", "description", "confidence", "sources", "body"],
    "properties": {
        "type": {"type": "string", "enum": list(note.TYPES)},
        "name": {"type": "string", "minLength": 1, "maxLength": note.MAX_NAME},
        "description": {"type": "string", "minLength": 1, "maxLength": note.MAX_DESCRIPTION},
        "confidence": {"type": "string", "enum": list(note.CONFIDENCES)},
        "sources": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        "body": {"type": "string", "minLength": 1},
        "merge_into": {"type": ["string", "null"], "description": "file name of the note that this text replaces"},
        "supersedes": {
            "description": "file names of notes that this one makes obsolete",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
        },
        "pinned": {"type": "boolean"},
        "expires_at": {"type": ["string", "null"], "description": "YYYY-MM-DD"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "provenance": {"type": "string", "enum": list(note.PROVENANCES)},
    },
}
"""A capture as tools and fenced blocks carry it: the published fields and who vouches for the text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a capture: the note's file ("" where rejected) and, in words for the model, what and why."""

    became: Became
    file: str
    message: str


@dataclass
class Captures:
    """The captures of one run, folded into one change set: a later one sees what an earlier one wrote."""

    vault: Vault
    agent: str
    paths: PathPolicy
    today: datetime.date
    said_by_operator: str
    """The operator's own words in this run; only what they contain can be vouched for by the operator."""
    outcomes: list[Outcome] = field(default_factory=list)
    taken: list[object] = field(default_factory=list)
    _texts: dict[str, bytes | None] = field(default_factory=dict)
    _before: dict[str, bytes | None] = field(default_factory=dict)

    def add(self, capture: object) -> Outcome:
        """Take a capture in, or say why not. Nothing of a refused capture is kept, and the model is told."""
        outcome = self._add(capture)
        self.outcomes.append(outcome)
        if outcome.became != "rejected":
            self.taken.append(capture)
        return outcome

    def changes(self) -> tuple[Change, ...]:
        """What the captures so far change, expecting the documents as they were read."""
        return tuple(
            Put(path, data, expect=ABSENT if (before := self._before.get(path)) is None else revision(before))
            for path, data in self._texts.items()
            if data is not None and data != self._before.get(path)
        )

    def _add(self, capture: object) -> Outcome:
        wrong = _wrong(capture)
        if wrong or not isinstance(capture, dict):
            return Outcome("rejected", "", f"not remembered: {wrong}")
        index_path = layout.memory_index(self.agent)
        if not self.paths.may_write(layout.note(self.agent, "user_x.md")):
            return Outcome("rejected", "", "not remembered: tools.md allows no writing in memory/")
        try:
            superseded = self._superseded(capture)
            merge_into = capture.get("merge_into")
            return self._revise(capture, str(merge_into)) if merge_into else self._write(capture, superseded)
        except DocumentUnreadable as error:
            return Outcome("rejected", "", f"not remembered: {error.message}")
        except LookupError as error:
            return Outcome("rejected", "", f"not remembered: {error.args[0]}; see {index_path.rpartition('/')[2]}")

    def _write(self, capture: Mapping[str, object], superseded: Sequence[Document]) -> Outcome:
        taken = self._files()
        file = note.file_name(str(capture["type"]), str(capture["name"]))
        existing = self._document(layout.note(self.agent, file)) if file in taken else None
        if existing is not None and _says_the_same(existing, capture):
            self._put(existing.edit({"last_seen": self.today.isoformat()}))
            return Outcome("known", file, f"known already: {file}")
        if existing is not None:
            file = note.file_name(str(capture["type"]), str(capture["name"]), taken)
        path = layout.note(self.agent, file)
        meta = self._meta(capture)
        if superseded:
            meta["supersedes"] = [document.path.rpartition("/")[2] for document in superseded]
        self._put(parse(path, render(meta, str(capture["body"]))))
        for document in superseded:
            self._put(document.edit({"superseded_by": file}))
        self._index(capture, file, former=None, archived=[document.path for document in superseded])
        message = f"remembered as {file}"
        if existing is not None:
            other = existing.path.rpartition("/")[2]
            message += (
                f"; {other} has the same name: if both say the same, send the joined text with merge_into {other}"
            )
        return Outcome("written", file, message)

    def _revise(self, capture: Mapping[str, object], file: str) -> Outcome:
        file = file.rpartition("/")[2]
        path = layout.note(self.agent, file)
        document = self._document(path) if is_note_file(file) else None
        if document is None:
            raise LookupError(f"there is no note {file} to merge into")
        before = note.read(document, file)
        sources = list(dict.fromkeys([*before.sources, *note.texts(capture["sources"])]))
        changes = {
            "description": capture["description"],
            "confidence": capture["confidence"],
            "last_seen": self.today.isoformat(),
            "sources": sources,
            "schema_version": CURRENT_SCHEMA_VERSION,
            "provenance": self._provenance(capture),
        }
        if "supersedes" in document.meta:
            changes["supersedes"] = list(before.supersedes)
        if capture.get("tags"):
            changes["tags"] = list(dict.fromkeys([*before.tags, *note.texts(capture["tags"])]))
        self._keep_version(document, file)
        newline = document.newline
        self._put(document.edit(changes).with_body(newline + str(capture["body"]).strip() + newline))
        former = index.entry(before.name, file, before.description)
        self._index({**capture, "name": before.name, "type": before.type}, file, former=former)
        return Outcome("revised", file, f"revised {file}; its former text is kept in .versions")

    def _superseded(self, capture: Mapping[str, object]) -> list[Document]:
        found = []
        for name in note.texts(capture.get("supersedes")):
            file = name.rpartition("/")[2]
            document = self._document(layout.note(self.agent, file)) if is_note_file(file) else None
            if document is None:
                raise LookupError(f"there is no note {file} to supersede")
            found.append(document)
        return found

    def _meta(self, capture: Mapping[str, object]) -> dict[str, object]:
        day = self.today.isoformat()
        meta: dict[str, object] = {
            "schema_version": CURRENT_SCHEMA_VERSION,
            "name": " ".join(str(capture["name"]).split()),
            "description": " ".join(str(capture["description"]).split()),
            "type": capture["type"],
            "captured": day,
            "last_seen": day,
            "sources": list(note.texts(capture["sources"])),
            "confidence": capture["confidence"],
            "provenance": self._provenance(capture),
        }
        for key in ("pinned", "expires_at", "tags"):
            if capture.get(key):
                meta[key] = capture[key]
        return meta

    def _provenance(self, capture: Mapping[str, object]) -> str:
        """What the capture claims, but `operator` only for words that the operator really said in this run."""
        claimed = str(capture.get("provenance") or "inference")
        said = " ".join(self.said_by_operator.lower().split())
        body = " ".join(str(capture["body"]).lower().split())
        return "inference" if claimed == "operator" and body not in said else claimed

    def _keep_version(self, document: Document, file: str) -> None:
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")
        name = f"{stamp}_{revision(document.data)[:8]}.md"
        self._texts[layout.note_versions(self.agent, file) + name] = document.data

    def _index(
        self, capture: Mapping[str, object], file: str, *, former: str | None, archived: Sequence[str] = ()
    ) -> None:
        path = layout.memory_index(self.agent)
        text = (self._read(path) or b"").decode(errors="surrogateescape")
        new = index.add(
            text,
            type_=str(capture["type"]),
            name=str(capture["name"]),
            file=file,
            hook=str(capture["description"]),
            former=former,
        )
        for old in archived:
            new = index.archive(new, old.rpartition("/")[2])
        self._texts[path] = new.encode(errors="surrogateescape")

    def _files(self) -> set[str]:
        folder = layout.memory(self.agent)
        stored = {entry.path.removeprefix(folder) for entry in self.vault.store.list(folder)}
        return stored | {path.removeprefix(folder) for path in self._texts if path.startswith(folder)}

    def _document(self, path: str) -> Document | None:
        data = self._read(path)
        return None if data is None else parse(path, data)

    def _read(self, path: str) -> bytes | None:
        if path in self._texts:
            return self._texts[path]
        blob = self.vault.store.read(path)
        data = self._before[path] = blob.data if blob else None
        return data

    def _put(self, document: Document) -> None:
        self._texts[document.path] = document.data


_BLOCK = re.compile(
    r"^[ \t]*(?P<fence>`{3,})[ \t]*atomic_capture[ \t]*\r?\n(?P<json>.*?)(?:\r?\n[ \t]*(?P=fence)[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)


def split_blocks(text: str) -> tuple[str, list[object]]:
    """An answer without its fenced captures, and the captures; one whose JSON is broken is its text."""
    found: list[object] = []
    for block in _BLOCK.finditer(text):
        try:
            found.append(json.loads(block["json"]))
        except ValueError:
            found.append(block["json"])
    return re.sub(r"\n{3,}", "\n\n", _BLOCK.sub("", text)).strip() if found else text, found


def _says_the_same(document: Document, capture: Mapping[str, object]) -> bool:
    return document.body.strip() == str(capture["body"]).strip() and document.meta.get("type") == capture["type"]


def _wrong(capture: object) -> str:
    """What is wrong with a capture, "" where nothing is; strings are strings and lists are lists."""
    import jsonschema  # noqa: PLC0415 - 0.1 s that only runs with captures pay

    if isinstance(capture, str):
        return "the block is not JSON; send it again as one JSON object"
    validator = jsonschema.Draft202012Validator(CAPTURE_SCHEMA)
    errors = [
        f"{'.'.join(map(str, error.path)) or 'capture'}: {error.message[:200]}"
        for error in validator.iter_errors(capture)
    ]
    if not errors and isinstance(capture, dict) and capture.get("expires_at"):
        try:
            datetime.date.fromisoformat(str(capture["expires_at"]))
        except ValueError:
            errors.append("expires_at: a day as YYYY-MM-DD is needed")
    return "; ".join(errors)
