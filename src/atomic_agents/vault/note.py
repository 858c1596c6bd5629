"""Atomic notes and wiki pages: their fields, what is wrong with them, and the file names they get."""

import datetime
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from atomic_agents.core.document import Document
from atomic_agents.core.values import Problem, parse_date

TYPES = ("user", "feedback", "project", "decision", "reference")
CONFIDENCES = ("high", "medium", "low")
PROVENANCES = ("operator", "document", "inference", "tool")
MAX_NAME = 80
MAX_DESCRIPTION = 200
_SLUG_BYTES = 180


@dataclass(frozen=True, slots=True)
class Note:
    """A note or wiki page as any schema version states it; fields that are absent or wrong have their empty value."""

    path: str
    file: str
    name: str
    description: str
    type: str
    captured: datetime.date | None
    last_seen: datetime.date | None
    expires: datetime.date | None
    confidence: str
    provenance: str
    pinned: bool
    archived: bool
    superseded_by: str
    supersedes: tuple[str, ...]
    sources: tuple[str, ...]
    tags: tuple[str, ...]
    body: str

    def is_current(self, today: datetime.date) -> bool:
        """Whether it may be loaded: neither archived, superseded nor expired."""
        return not (self.archived or self.superseded_by or (self.expires is not None and self.expires < today))


def read(document: Document, file: str) -> Note:
    """The note that a document holds, whatever is missing in it."""
    meta = document.meta
    return Note(
        path=document.path,
        file=file,
        name=_text(meta, "name") or _text(meta, "title") or file.removesuffix(".md"),
        description=_text(meta, "description"),
        type=_text(meta, "type"),
        captured=parse_date(meta.get("captured")),
        last_seen=parse_date(meta.get("last_seen")),
        expires=parse_date(meta.get("expires_at")),
        confidence=_text(meta, "confidence"),
        provenance=_text(meta, "provenance"),
        pinned=meta.get("pinned") is True,
        archived=meta.get("archived") is True,
        superseded_by=_text(meta, "superseded_by"),
        supersedes=texts(meta.get("supersedes")),
        sources=texts(meta.get("sources")),
        tags=texts(meta.get("tags")),
        body=document.body.strip(),
    )


def texts(value: object) -> tuple[str, ...]:
    """A list of texts; a single text counts as a list of one."""
    if isinstance(value, str):
        return (value,) if value.strip() else ()
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _text(meta: Mapping[str, object], key: str) -> str:
    value = meta.get(key)
    return "" if value is None else str(value)


def problems(document: Document, *, wiki: bool) -> list[Problem]:
    """What keeps a note or wiki page from meaning what its owner thinks, each with its line."""
    if not document.has_front_matter:
        return [Problem(document.path, 1, "has no front matter", "atomic-agents migrate --to v2 gives it one")]
    return [
        Problem(document.path, document.line_of(key), message, hint)
        for key, message, hint in _wrong(document.meta, wiki=wiki)
    ]


def _wrong(meta: Mapping[str, object], *, wiki: bool) -> Iterator[tuple[str, str, str]]:
    """Key, message and hint of everything that is wrong with the fields."""
    required = ("name", "description", "type") if wiki else ("name", "description", "type", "confidence", "sources")
    for key in required:
        if meta.get(key) in (None, "", []):
            yield key, f"{key} is missing", f"add a line `{key}: …` to its front matter"
    yield from _wrong_values(meta, wiki=wiki)


def _wrong_values(meta: Mapping[str, object], *, wiki: bool) -> Iterator[tuple[str, str, str]]:
    kinds = ("wiki_page",) if wiki else TYPES
    if meta.get("type") not in (None, "", *kinds):
        yield "type", f"type is {meta['type']}; it can be {', '.join(kinds)}", f"write type: {kinds[-1]}"
    if not wiki and meta.get("confidence") not in (None, "", *CONFIDENCES):
        found = meta["confidence"]
        yield "confidence", f"confidence is {found}; it can be high, medium, low", "write confidence: medium"
    for key in ("captured", "last_seen", "expires_at"):
        if meta.get(key) not in (None, "") and parse_date(meta[key]) is None:
            yield key, f"{key} is {meta[key]!r}; a day is needed", f"write {key}: '2026-12-31'"
    for key in ("pinned", "archived"):
        if key in meta and not isinstance(meta[key], bool):
            yield key, f"{key} is {meta[key]!r}; true or false is needed", f"write {key}: true"
    for key in ("sources", "tags"):
        if meta.get(key) is not None and not isinstance(meta[key], list):
            yield key, f"{key} is not a list", f"write it as lines that start with a dash below {key}:"


def slug(name: str) -> str:
    """A name as part of a file name: lower case, accents folded, other scripts kept, everything else one underscore.

    Plain ASCII names come out as the published format derives them. A name without a letter gets a short hash.
    """
    folded = "".join(
        unicodedata.normalize("NFKD", letter)[0] if unicodedata.normalize("NFKD", letter)[0].isascii() else letter
        for letter in unicodedata.normalize("NFC", name).lower()
    )
    text = re.sub(r"[^\w]+|_+", "_", folded).strip("_")
    while len(text.encode()) > _SLUG_BYTES:
        text = text[: -max(1, (len(text.encode()) - _SLUG_BYTES) // 4)].rstrip("_")
    return text or hashlib.sha256(name.encode()).hexdigest()[:8]


def file_name(type_: str, name: str, taken: frozenset[str] | set[str] = frozenset()) -> str:
    """The file name of a new note; a number is added where another note has the name already."""
    stem = f"{type_}_{slug(name)}"
    candidate, number = f"{stem}.md", 2
    lowered = {file.lower() for file in taken} if taken else taken
    while candidate.lower() in lowered:
        candidate, number = f"{stem}_{number}.md", number + 1
    return candidate
