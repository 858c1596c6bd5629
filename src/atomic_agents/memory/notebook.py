"""An agent's notes as they are about to be: changes folded over each other, one record of them, and the way back.

Nothing here writes. Every change of notes, a capture's or the operator's, is made in a notebook and ends as one change
set: the documents, the former text of each note in `.versions/`, and a record that `undo` reads.
"""

import datetime
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import ABSENT, Change, Delete, Put, revision
from atomic_agents.core.document import Document, parse
from atomic_agents.core.errors import PathRefused, VaultTooNew
from atomic_agents.memory import patches
from atomic_agents.vault import index, layout, note, slices
from atomic_agents.vault.note import Note
from atomic_agents.vault.settings import version_of
from atomic_agents.vault.vault import Vault

By = Literal["operator", "agent"]
_POINTS = b"](INDEX_"


@dataclass
class Notebook:
    """The documents that one change touches; a later edit sees what an earlier one wrote."""

    vault: Vault
    agent: str
    may_write: Callable[[str], bool]
    today: datetime.date
    _texts: dict[str, bytes | None] = field(default_factory=dict)
    _before: dict[str, bytes | None] = field(default_factory=dict)
    _searched: tuple[bytes, bool] | None = None

    def mark(self) -> dict[str, bytes | None]:
        """Where the notebook stands, for `back_to`."""
        return dict(self._texts)

    def back_to(self, mark: dict[str, bytes | None]) -> None:
        """Forget every edit since."""
        self._texts = mark

    def read(self, path: str) -> bytes | None:
        """A document's bytes as they are about to be."""
        if path in self._texts:
            return self._texts[path]
        return self._original(path)

    def was(self, path: str) -> bytes | None:
        """A document's bytes when it was first read here."""
        return self._before.get(path)

    def document(self, file: str) -> Document | None:
        """A note by its file name; None where there is none, or the name is not one of a note."""
        data = self.read(layout.note(self.agent, file)) if layout.is_note(file) else None
        return None if data is None else self.vault.parse(layout.note(self.agent, file), data)

    def note(self, file: str) -> Note | None:
        """A note by its file name, as what it means."""
        document = self.document(file)
        return None if document is None else note.read(document, file)

    def free_file(self, type_: str, name: str) -> str:
        """The file name of a new note; where the plain one is taken, in whatever case, a number is added."""
        taken: set[str] = set()
        while self._is_taken(file := note.file_name(type_, name, taken)):
            taken.add(file)
        return file

    def put(self, document: Document) -> None:
        """Write a document.

        Raises:
            PathRefused: tools.md allows no writing there.
            VaultTooNew: what is there was written by a newer package.
        """
        self._check(document.path)
        there = self.read(document.path)
        if there is not None and version_of(parse(document.path, there)) > CURRENT_SCHEMA_VERSION:
            raise VaultTooNew(f"{file_of(document)} was written by a newer version of this program")
        self._texts[document.path] = document.data

    def put_bytes(self, path: str, data: bytes | None) -> None:
        """Write bytes as they are, or with None take the document away."""
        self._check(path)
        self.read(path)
        self._texts[path] = data

    def keep_version(self, document: Document) -> None:
        """Keep a note's text in `.versions`."""
        self._texts[self._version_path(document.path, document.data)] = document.data

    def index(self, found: Note, former: Note | None = None) -> None:
        """List a note; where it is listed as `former` was, the line is renewed, and one written by hand stays."""
        entry = {"type_": found.type, "name": found.name, "file": found.file, "hook": found.description}
        page = self._page_for(found.type)
        data = None if self._is_split() else index.add_quickly(self.read(page) or b"", **entry)
        if data is None:
            page = self._page_with(found.file) or page
            old = None if former is None else index.entry(former.name, former.file, former.description)
            data = _encoded(index.add(self._text(page), former=old, **entry))
        self._texts[page] = data

    def index_archive(self, file: str) -> None:
        """Move the entry of a note to the archive section."""
        page = self._page_with(file)
        if page is None:
            return
        main = layout.memory_index(self.agent)
        if page == main:
            self._set_text(page, index.archive(self._text(page), file))
            return
        if line := index.line_of(self._text(page), file):
            self._set_text(page, index.remove(self._text(page), file))
            self._set_text(main, index.archived(self._text(main), line))

    def index_unarchive(self, found: Note) -> None:
        """Bring the entry of a note back from the archive section."""
        page = self._page_with(found.file)
        line = index.line_of(self._text(page), found.file) if page else ""
        if page is None or not line:
            self.index(found)
            return
        self._set_text(page, index.remove(self._text(page), found.file))
        place = self._page_for(found.type)
        self._set_text(place, index.insert(self._text(place), index.section(found.type), line))

    def index_remove(self, file: str) -> None:
        """Take the entry of a note away."""
        while (page := self._page_with(file)) is not None:
            text = index.remove(self._text(page), file)
            if text == self._text(page):
                return
            self._set_text(page, text)

    def index_pages(self) -> tuple[str, ...]:
        """The paths of INDEX.md and of the pages that it points to."""
        main = layout.memory_index(self.agent)
        if not self._is_split():
            return (main,)
        pages = (layout.note(self.agent, file) for file in slices.pointers(self._text(main)))
        return (main, *(path for path in pages if self.read(path) is not None))

    def set_index(self, pages: Mapping[str, str]) -> None:
        """Write pages of the index; those that are there and not among them are taken away."""
        for path in set(self.index_pages()) - pages.keys():
            self.put_bytes(path, None)
        for path, text in pages.items():
            self._set_text(path, text)

    @property
    def changed(self) -> tuple[str, ...]:
        """The documents that differ from what they were, in the order in which they were first touched."""
        return tuple(path for path, data in self._texts.items() if data != self._before.get(path))

    def changes(self) -> tuple[Change, ...]:
        """The edits so far, expecting the documents as they were read; the former text of each note is kept."""
        for path in self._altered:
            self._keep_former(path)
        return tuple(self._change(path) for path in self.changed)

    def record(self, what: str, *, by: By, reason: str, undoes: str = "") -> tuple[Change, ...]:
        """The record of `changes`, which the way back needs; none where nothing is changed.

        `what` is the verb, `reason` why in a line, `undoes` the ids of the changes that are taken back,
        joined by commas.
        """
        if not self._altered:
            return ()
        stamp = _stamp()
        record = {
            "id": stamp, "ts": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "what": what,
            "by": by, "reason": reason, **({"undoes": undoes} if undoes else {}),
            "documents": [self._recorded(path) for path in self._altered],
        }  # fmt: skip
        text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
        return (Put(f"{layout.memory_changes(self.agent)}{stamp}.json", _encoded(text), expect=ABSENT),)

    @property
    def _altered(self) -> list[str]:
        return [path for path in self.changed if not self._is_kept(path)]

    def _change(self, path: str) -> Change:
        before, data = self._before.get(path), self._texts[path]
        expect = ABSENT if before is None else revision(before)
        return Delete(path, expect) if data is None else Put(path, data, expect=expect)

    def _recorded(self, path: str) -> dict[str, object]:
        """What the way back needs of a document: its revisions, and where its former text is or which lines changed."""
        before, after = self._before.get(path), self._texts[path]
        facts: dict[str, object] = {
            "path": path.removeprefix(f"{self.agent}/"),
            "before": None if before is None else revision(before),
            "after": None if after is None else revision(after),
        }
        if before is None:
            return facts
        if kept := self._keep_former(path):
            return {**facts, "kept": kept.removeprefix(f"{self.agent}/")}
        return {**facts, "patch": patches.make(_decoded(after or b""), _decoded(before))}

    def _keep_former(self, path: str) -> str:
        """Where the former text of a note is kept; "" for what is no note, or is new."""
        before, folder = self._before.get(path), layout.memory(self.agent)
        if before is None or not path.startswith(folder) or not layout.is_note(path.removeprefix(folder)):
            return ""
        kept = next((other for other, data in self._texts.items() if data == before and self._is_kept(other)), "")
        if not kept:
            kept = self._version_path(path, before)
            self._texts[kept] = before
        return kept

    def _is_kept(self, path: str) -> bool:
        return path.startswith(f"{layout.memory(self.agent)}.versions/")

    def _version_path(self, path: str, data: bytes) -> str:
        name = f"{_now()}_{revision(data)[:8]}.md"
        return layout.note_versions(self.agent, path.removeprefix(layout.memory(self.agent))) + name

    def _original(self, path: str) -> bytes | None:
        if path not in self._before:
            blob = self.vault.store.read(path)
            self._before[path] = blob.data if blob else None
        return self._before[path]

    def _is_taken(self, file: str) -> bool:
        if self.read(layout.note(self.agent, file)) is not None:
            return True
        name = file.encode()
        data = self.read(self._page_for(file.partition("_")[0])) or b""
        lowered = data.lower()  # a file whose name differs by case alone is the same one on other systems
        at = lowered.find(name)
        while at >= 0 and data[at : at + len(name)] == name:
            at = lowered.find(name, at + 1)
        return at >= 0

    def _is_split(self) -> bool:
        """Whether INDEX.md points to pages; a long one is searched for that once."""
        data = self.read(layout.memory_index(self.agent)) or b""
        if self._searched is None or self._searched[0] is not data:
            self._searched = data, _POINTS in data
        return self._searched[1]

    def _page_for(self, type_: str) -> str:
        """The page of the index that new notes of a type go to."""
        main = layout.memory_index(self.agent)
        if not self._is_split():
            return main
        file = slices.pointer(self._text(main), index.section(type_))
        path = layout.note(self.agent, file)
        return path if file and self.read(path) is not None else main

    def _page_with(self, file: str) -> str | None:
        """The page of the index that lists a note."""
        stem = file.removesuffix(".md").encode()
        pages = (path for path in self.index_pages() if stem in (self.read(path) or b""))
        return next((path for path in pages if index.lists(self._text(path), file)), None)

    def _text(self, path: str) -> str:
        return _decoded(self.read(path) or b"")

    def _set_text(self, path: str, text: str) -> None:
        self._texts[path] = _encoded(text)

    def _check(self, path: str) -> None:
        if not self.may_write(path):
            raise PathRefused(f"tools.md allows no writing in {path.rpartition('/')[2]}", context={"path": path})


def file_of(document: Document) -> str:
    """The file name of a note's document."""
    return document.path.rpartition("/")[2]


def _decoded(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%fZ")


def _stamp() -> str:
    return f"{_now()}_{secrets.token_hex(4)}"
