"""Atomic notes and wiki pages: their fields, what is wrong with them, and the file names they get."""

import datetime
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from atomic_agents.core.document import Document
from atomic_agents.core.store import normal_name
from atomic_agents.core.values import Problem, parse_date

TYPES = ("user", "feedback", "project", "decision", "reference")
CONFIDENCES = ("high", "medium", "low")
PROVENANCES = ("operator", "document", "inference", "tool")
MAX_NAME = 80
MAX_DESCRIPTION = 200
_SLUG_BYTES = 180
_NAMES = ("name", "description")
_EXPLICIT = 2
"""From this schema version on a note says who vouches for it, and `supersedes` is always a list."""


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
    accepted: bool
    """Whether the operator has accepted what a tool said."""
    body: str
    version: int
    """The schema version that it states; 0 where it states none."""

    @property
    def held(self) -> bool:
        """Whether it waits for the operator: what a tool said is loaded only when it is accepted."""
        return self.provenance == "tool" and not self.accepted

    @property
    def hidden(self) -> bool:
        """Whether it is not loaded, whatever the day: archived, superseded or held."""
        return self.archived or bool(self.superseded_by) or self.held

    def is_current(self, today: datetime.date) -> bool:
        """Whether it may be loaded: neither hidden nor expired."""
        return not (self.hidden or (self.expires is not None and self.expires < today))


def read(document: Document, file: str) -> Note:
    """The note that a document holds, whatever is missing in it."""
    meta = document.meta
    return Note(
        path=document.path,
        file=file,
        name=document.written("name") or document.written("title") or file.removesuffix(".md"),
        description=document.written("description"),
        type=document.text_of("type"),
        captured=parse_date(meta.get("captured")),
        last_seen=parse_date(meta.get("last_seen")),
        expires=parse_date(meta.get("expires_at")),
        confidence=document.text_of("confidence"),
        provenance=document.text_of("provenance"),
        pinned=meta.get("pinned") is True,
        archived=meta.get("archived") is True,
        superseded_by=document.text_of("superseded_by"),
        supersedes=tuple(dict.fromkeys((*document.texts_of("supersedes"), *document.texts_of("supersedes_list")))),
        sources=document.texts_of("sources"),
        tags=document.texts_of("tags"),
        accepted=meta.get("accepted") not in (None, "", False),
        body=document.body.strip(),
        version=_stated_version(meta.get("schema_version")),
    )


def _stated_version(stated: object) -> int:
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else 0


def texts(value: object) -> tuple[str, ...]:
    """A list of texts; a single text counts as a list of one, and empty items do not count."""
    items = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return tuple(str(item) for item in items if item is not None and str(item).strip())


def problems(document: Document, *, wiki: bool) -> list[Problem]:
    """What keeps a note or wiki page from meaning what its owner thinks, each with its line."""
    if not document.has_front_matter:
        return [Problem(document.path, 1, "has no front matter", "atomic-agents migrate --to v2 gives it one")]
    return [
        Problem(document.path, document.line_of(key), message, hint)
        for key, message, hint in _wrong(document, wiki=wiki)
    ]


def _wrong(document: Document, *, wiki: bool) -> Iterator[tuple[str, str, str]]:
    """Key, message and hint of everything that is wrong with the fields."""
    meta = document.meta
    required = ("name", "description", "type") if wiki else ("name", "description", "type", "confidence", "sources")
    for key in required:
        if meta.get(key) in (None, "", []) and not (key in _NAMES and document.written(key)):
            yield key, f"{key} is missing", f"add a line `{key}: …` to its front matter"
        elif key in _NAMES and isinstance(meta[key], list | dict):
            yield key, f"{key} is not a text", f"write {key}: and the text on one line, in quotes"
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
    for key in ("sources", "tags"):
        if meta.get(key) is not None and not isinstance(meta[key], list):
            yield key, f"{key} is not a list", f"write it as lines that start with a dash below {key}:"
    for key in ("pinned", "archived"):
        if key in meta and not isinstance(meta[key], bool):
            yield key, f"{key} is {meta[key]!r}; true or false is needed", f"write {key}: true"
    yield from _wrong_since_v2(meta) if _version(meta) >= _EXPLICIT else ()


def _wrong_since_v2(meta: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    found = meta.get("provenance")
    if found not in PROVENANCES:
        said = "is missing" if found in (None, "") else f"is {found}; it can be {', '.join(PROVENANCES)}"
        yield "provenance", f"provenance {said}", "write provenance: inference, or operator where you vouch for it"
    if meta.get("supersedes") is not None and not isinstance(meta["supersedes"], list):
        yield "supersedes", "supersedes is not a list", f"write supersedes: [{meta['supersedes']}]"


def _version(meta: Mapping[str, object]) -> int:
    stated = meta.get("schema_version")
    return stated if isinstance(stated, int) else 0


def slug(name: str) -> str:
    """A name as part of a file name: lower case, accents folded, other scripts kept, everything else one underscore.

    Plain ASCII names come out as the published format derives them. A name without a letter gets a short hash.
    """
    text = re.sub(r"_+", "_", "".join(_folded(name))).strip("_")
    while len(text.encode()) > _SLUG_BYTES:
        text = text[: -max(1, (len(text.encode()) - _SLUG_BYTES) // 4)].rstrip("_")
    return text or hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]


def _folded(name: str) -> Iterator[str]:
    """The letters of a slug; a mark stays only on a letter that is not Latin, where it is part of the spelling."""
    marked = False
    for letter in unicodedata.normalize("NFC", name).lower():
        plain = "".join(
            part for part in unicodedata.normalize("NFKD", letter).lower() if not unicodedata.combining(part)
        )
        if plain and plain.isascii():
            yield plain if plain.isalnum() else "_"
            marked = False
        elif letter.isalnum():
            yield letter
            marked = True
        elif not unicodedata.category(letter).startswith("M"):
            yield "_"
            marked = False
        elif marked:
            yield letter


def file_name(type_: str, name: str, taken: frozenset[str] | set[str] = frozenset()) -> str:
    """The file name of a new note; a number is added where another note has the name already, in any case or form."""
    stem = f"{type_}_{slug(name)}"
    candidate, number = f"{stem}.md", 2
    there = {_same_name(file) for file in taken}
    while _same_name(candidate) in there:
        candidate, number = f"{stem}_{number}.md", number + 1
    return candidate


def _same_name(file: str) -> str:
    """What file systems that ignore case and Unicode form take for one name."""
    return normal_name(normal_name(file).casefold())
