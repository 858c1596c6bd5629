"""How a note comes into being, is revised and is superseded; everything here returns changes and never writes."""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import ABSENT, Change, Put, revision
from atomic_agents.core.document import Document, parse, render
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory import schema
from atomic_agents.vault import index, layout, note
from atomic_agents.vault.settings import version_of
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
    _listed: set[str] = field(default_factory=set)

    def add(self, capture: object) -> Outcome:
        """Take a capture in, or say why not. Nothing of a refused capture is kept, and the model is told."""
        before = dict(self._texts)
        try:
            outcome = self._add(capture)
        except _Refused as refused:
            outcome = Outcome("rejected", "", f"not remembered: {refused}")
        except AtomicAgentsError as error:
            outcome = Outcome("rejected", "", f"not remembered: {error.message}")
        if outcome.became == "rejected":
            self._texts = before
        else:
            self.taken.append(capture)
        self.outcomes.append(outcome)
        return outcome

    def over(self, fresh: "Captures") -> "Captures":
        """The same captures folded into `fresh`, over the documents as they are now.

        The model cannot be asked any more, so one whose target is gone meanwhile becomes a note of its own.
        """
        fresh.outcomes += [outcome for outcome in self.outcomes if outcome.became == "rejected"]
        for capture in self.taken:
            if fresh.add(capture).became == "rejected" and isinstance(capture, dict):
                plain = {key: value for key, value in capture.items() if key not in ("merge_into", "supersedes")}
                if plain != capture and fresh.add(plain).became != "rejected":
                    del fresh.outcomes[-2]
        return fresh

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
            raise _Refused(wrong)
        if not self.paths.may_write(layout.note(self.agent, "user_x.md")):
            raise _Refused("tools.md allows no writing in memory/")
        superseded = self._superseded(capture)
        merge_into = capture.get("merge_into")
        if merge_into:
            return self._revise(capture, str(merge_into).rpartition("/")[2], superseded)
        return self._write(capture, superseded)

    def _write(self, capture: Mapping[str, object], superseded: Sequence[Document]) -> Outcome:
        taken = self._files()
        file = note.file_name(str(capture["type"]), str(capture["name"]))
        existing = self._document(layout.note(self.agent, file)) if file in taken else None
        if existing is not None and not superseded and _says_the_same(existing, capture):
            self._put(existing.edit({"last_seen": self.today.isoformat()}))
            return Outcome("known", file, f"known already: {file}")
        file = note.file_name(str(capture["type"]), str(capture["name"]), taken)
        meta = self._meta(capture)
        if superseded:
            meta["supersedes"] = [_file(document) for document in superseded]
        self._put(parse(layout.note(self.agent, file), render(meta, str(capture["body"]))))
        self._index(capture, file, former=None)
        self._supersede(superseded, file)
        message = f"remembered as {file}"
        if existing is not None and existing.path not in [document.path for document in superseded]:
            other = _file(existing)
            message += (
                f"; {other} has the same name: if both say the same, send the joined text with merge_into {other}"
            )
        return Outcome("written", file, message)

    def _revise(self, capture: Mapping[str, object], file: str, superseded: Sequence[Document]) -> Outcome:
        document = self._document(layout.note(self.agent, file)) if is_note_file(file) else None
        if document is None:
            raise _Refused(f"there is no note {file} to merge into; see INDEX.md")
        before = note.read(document, file)
        if before.superseded_by or before.archived:
            hint = f"merge into {before.superseded_by}" if before.superseded_by else "send it without merge_into"
            raise _Refused(f"{file} is not current any more: {hint}")
        superseded = [other for other in superseded if other.path != document.path]
        changes: dict[str, object] = {
            "description": _one_line(capture["description"]),
            "confidence": capture["confidence"],
            "last_seen": self.today.isoformat(),
            "sources": list(dict.fromkeys([*before.sources, *note.texts(capture["sources"])])),
            "schema_version": CURRENT_SCHEMA_VERSION,
            "provenance": self._provenance(capture),
        }
        obsolete = list(dict.fromkeys([*before.supersedes, *(_file(other) for other in superseded)]))
        if obsolete or "supersedes" in document.meta:
            changes["supersedes"] = obsolete
        if capture.get("tags"):
            changes["tags"] = list(dict.fromkeys([*before.tags, *note.texts(capture["tags"])]))
        changes |= {key: capture[key] for key in ("pinned", "expires_at") if capture.get(key)}
        self._keep_version(document, file)
        body = re.sub(r"\r\n?|\n", document.newline, f"\n{str(capture['body']).strip()}\n")
        self._put(document.edit(changes).with_body(body))
        former = index.entry(before.name, file, before.description)
        self._index({**capture, "name": before.name, "type": before.type}, file, former=former)
        self._supersede(superseded, file)
        return Outcome("revised", file, f"revised {file}; its former text is kept in .versions")

    def _superseded(self, capture: Mapping[str, object]) -> list[Document]:
        found = []
        for name in dict.fromkeys(note.texts(capture.get("supersedes"))):
            file = name.rpartition("/")[2]
            document = self._document(layout.note(self.agent, file)) if is_note_file(file) else None
            if document is None:
                raise _Refused(f"there is no note {file} to supersede; see INDEX.md")
            found.append(document)
        return found

    def _supersede(self, superseded: Sequence[Document], file: str) -> None:
        """Let the old notes name the new one, and the index keep them among what is archived."""
        path = layout.memory_index(self.agent)
        for document in superseded:
            self._put(document.edit({"superseded_by": file}))
            text = (self._read(path) or b"").decode(errors="surrogateescape")
            self._texts[path] = index.archive(text, _file(document)).encode(errors="surrogateescape")

    def _meta(self, capture: Mapping[str, object]) -> dict[str, object]:
        day = self.today.isoformat()
        meta: dict[str, object] = {
            "schema_version": CURRENT_SCHEMA_VERSION,
            "name": _one_line(capture["name"]),
            "description": _one_line(capture["description"]),
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
        return "inference" if claimed == "operator" and not self._was_said(str(capture["body"])) else claimed

    def _was_said(self, text: str) -> bool:
        """Whether the operator said these words in this order, whatever stands between them."""
        said, words = (" ".join(re.findall(r"\w+", part.casefold())) for part in (self.said_by_operator, text))
        return bool(words) and f" {words} " in f" {said} "

    def _keep_version(self, document: Document, file: str) -> None:
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")
        name = f"{stamp}_{revision(document.data)[:8]}.md"
        self._texts[layout.note_versions(self.agent, file) + name] = document.data

    def _index(self, capture: Mapping[str, object], file: str, *, former: str | None) -> None:
        path = layout.memory_index(self.agent)
        text = (self._read(path) or b"").decode(errors="surrogateescape")
        type_, name, hook = (str(capture[key]) for key in ("type", "name", "description"))
        new = index.add(text, type_=type_, name=name, file=file, hook=hook, former=former)
        self._texts[path] = new.encode(errors="surrogateescape")

    def _files(self) -> set[str]:
        folder = layout.memory(self.agent)
        if not self._listed:
            self._listed = {entry.path.removeprefix(folder) for entry in self.vault.store.list(folder)}
        return self._listed | {path.removeprefix(folder) for path in self._texts if path.startswith(folder)}

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
        if not self.paths.may_write(document.path):
            raise _Refused(f"tools.md allows no writing in {_file(document)}")
        blob = self._read(document.path)
        if blob is not None and version_of(parse(document.path, blob)) > CURRENT_SCHEMA_VERSION:
            raise _Refused(f"{_file(document)} was written by a newer version of this program")
        self._texts[document.path] = document.data


class _Refused(Exception):
    """Why a capture is not taken, in words for the model."""


def _file(document: Document) -> str:
    return document.path.rpartition("/")[2]


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _says_the_same(existing: Document, capture: Mapping[str, object]) -> bool:
    before = note.read(existing, _file(existing))
    current = not (before.superseded_by or before.archived)
    return current and before.body == str(capture["body"]).strip() and before.type == capture["type"]


def _wrong(capture: object) -> str:
    """What is wrong with a capture, "" where nothing is; strings are strings and lists are lists."""
    if isinstance(capture, str):
        return "the block is not JSON; send it again as one JSON object"
    errors = schema.wrong(capture, CAPTURE_SCHEMA, name="capture")
    if not errors and isinstance(capture, dict):
        errors += _wrong_words(capture)
    return "; ".join(errors)


def _wrong_words(capture: Mapping[str, object]) -> Iterator[str]:
    """What a schema cannot say."""
    texts = [text for value in capture.values() for text in note.texts(value)]
    if any("\ud800" <= sign <= "\udfff" or sign == "\0" for text in texts for sign in text):
        yield "capture: a text has signs that cannot be kept"
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", str(capture["name"])):
        yield "name: a name is one line, without line breaks or control characters"
    yield from (f"{key}: is empty" for key in ("name", "description", "body") if not str(capture[key]).strip())
    if capture.get("expires_at"):
        try:
            datetime.date.fromisoformat(str(capture["expires_at"]))
        except ValueError:
            yield "expires_at: a day as YYYY-MM-DD is needed"
