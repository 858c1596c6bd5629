"""A folder of another program as an agent: what each of its files becomes. Nothing of it is changed or lost.

A text keeps its body byte for byte; front matter keeps its keys. What has no place in an agent goes to `raw/imported/`,
as it is. Only what is no part of the layout stays behind, and the report says so.
"""

import datetime
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from atomic_agents.core.document import MAX_BYTES, Document, parse
from atomic_agents.core.errors import DocumentUnreadable, PathRefused, StorageFailed, UsageError
from atomic_agents.core.store import check_new_path, normal_name
from atomic_agents.guard import secrets
from atomic_agents.vault import index, layout, note

Layout = Literal["claude-code", "openclaw", "letta", "obsidian"]

_MOST_FILES, _MOST_BYTES = 20_000, 256 << 20
_SKIPPED = frozenset((".git", ".obsidian", ".trash", "node_modules", "__pycache__", ".venv", ".DS_Store", ".stfolder"))
_SECRET = re.compile(r"\.env(\..*)?|.*\.(pem|key)|id_(rsa|ed25519)|\.?credentials.*", re.IGNORECASE)
_DAY = re.compile(r"(\d{4}-\d{2})-\d{2}\.md")
_CLAUDE = re.compile(r"(?:.*/)?(?:CLAUDE(?:\.local)?|AGENTS)\.md")
_HARD = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]|[. ]+(?=/|$)')
_PINNED = 5


class Moved(NamedTuple):
    """A file of the source and where it went, "" where it stays behind; `why` says as what, or why not."""

    source: str
    target: str
    why: str


@dataclass
class Import:
    """What an import makes: documents by their path in the agent, and what became of each file."""

    layout: Layout
    files: dict[str, bytes] = field(default_factory=dict)
    moved: list[Moved] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    """Where what is taken in looks like a key or a password: files of the source, with the line."""


def read(
    folder: Path, templates: Mapping[str, str], today: datetime.date, known: Sequence[str] = ()
) -> Import:  # fmt: skip
    """What the agent gets of a folder. `templates` are the files that it has anyway, for the indexes.

    `known` are secrets to look for, beside what has the shape of one.

    Raises:
        UsageError: it is no folder, or none of the layouts that are known.
        StorageFailed: it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="atomic-agents init my-agent --from ~/notes")
    paths = list(_walk(folder))
    kind = _layout(folder, paths)
    work = _Work(folder, Import(kind), today, dict(templates), known)
    for path in paths:
        work.take(path)
    work.finish()
    return work.made


def _layout(folder: Path, paths: Sequence[str]) -> Layout:
    """Which program's folder it is, told by the files that only it has."""
    there = set(paths)
    if {"SOUL.md", "IDENTITY.md", "USER.md", "HEARTBEAT.md"} & there:
        return "openclaw"
    if any(path.startswith(("system/", "memory/system/")) and path.endswith(".md") for path in paths):
        return "letta"
    if "CLAUDE.md" in there or any(path.startswith(".claude/") for path in paths):
        return "claude-code"
    if {"AGENTS.md", "MEMORY.md"} & there:
        return "openclaw"
    if (folder / ".obsidian").is_dir() or any(path.endswith(".md") for path in paths):
        return "obsidian"
    raise UsageError(
        f"{folder} holds none of what can be imported",
        hint="name a folder of Claude Code (CLAUDE.md), OpenClaw (AGENTS.md), Letta (system/) or Obsidian (*.md)",
    )


@dataclass
class _Work:
    folder: Path
    made: Import
    today: datetime.date
    templates: dict[str, str]
    known: Sequence[str] = ()
    _instructions: list[tuple[str, str]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _folders: dict[str, str] = field(default_factory=dict)
    """How a folder was spelt first, where another differs only in case."""
    _pinned: int = 0

    def take(self, path: str) -> None:
        """Find a place for one file."""
        name = path.rpartition("/")[2]
        if _SECRET.fullmatch(name):
            self._left(path, "may hold a key: atomic-agents secrets set")
            return
        if self.made.layout == "claude-code" and not (_CLAUDE.fullmatch(path) or path.startswith(".claude/")):
            self._left(path, "belongs to the project, not to its agent")
            return
        data = _bytes(self.folder, path)
        lines = secrets.lines_with_secrets(data.decode(errors="replace"), self.known)
        self.made.secrets += [f"{path}:{line}" for line in lines]
        try:
            document = parse(path, data) if name.endswith(".md") and len(data) <= MAX_BYTES else None
        except DocumentUnreadable:
            document = None
        if document is None:
            self._raw(path, data)
        else:
            _PLACES[self.made.layout](self, path, document)

    def finish(self) -> None:
        """Write what several files go into: the instructions."""
        if len(self._instructions) == 1:
            self.made.files["AGENTS.md"] = self._instructions[0][1].encode()
        elif self._instructions:
            parts = (f"<!-- {path} -->\n\n{text.rstrip()}\n" for path, text in self._instructions)
            self.made.files["AGENTS.md"] = "\n".join(parts).encode()
        for path, text in self.templates.items():
            if layout.is_index(path.rpartition("/")[2]):
                self.made.files[path] = text.encode()

    def openclaw(self, path: str, found: Document) -> None:
        """AGENTS.md, SOUL.md, IDENTITY.md, USER.md and others are instructions; memory/ has days and notes."""
        name = path.rpartition("/")[2]
        day = _DAY.fullmatch(name)
        if path in layout.PERSONA_FILES:
            self._put(path, f"persona/{path}", found.data, "persona")
        elif path in ("AGENTS.md", "TOOLS.md", "HEARTBEAT.md", "BOOT.md", "BOOTSTRAP.md"):
            self._instruct(path, found)
        elif path.startswith("skills/"):
            self._put(path, path, found.data, "skill")
        elif day and path == f"memory/{name}":
            self._put(path, f"journal/{day[1]}/{name}", found.data, "journal")
        else:
            self._note(path, found, pinned=path == "MEMORY.md")

    def claude_code(self, path: str, found: Document) -> None:
        """CLAUDE.md is what the operator says; skills are skills; agents, commands and rules are read when needed."""
        if _CLAUDE.fullmatch(path) and not path.startswith(".claude/"):
            self._instruct(path, found)
        elif path.startswith(".claude/skills/"):
            self._put(path, path.removeprefix(".claude/"), found.data, "skill")
        elif path in (".claude/CLAUDE.md", ".claude/CLAUDE.local.md") or path.startswith(".claude/rules/"):
            self._instruct(path, found)
        else:
            self._note(path, found)

    def letta(self, path: str, found: Document) -> None:
        """Blocks in system/ are always in front of the model: persona, human, and pinned notes; the rest is memory."""
        inner = path.removeprefix("memory/")
        if inner in ("system/persona.md", "system/human.md"):
            target = "persona/SOUL.md" if inner.endswith("persona.md") else "persona/USER.md"
            self._put(path, target, found.data, "persona")
        else:
            self._note(path, found, pinned=inner.startswith("system/"))

    def obsidian(self, path: str, found: Document) -> None:
        """A page of the wiki each, where it stood."""
        target = self._free(f"wiki/{_allowed(path)}")
        if layout.is_index(target.rpartition("/")[2]) or layout.is_private(target.rpartition("/")[0]):
            self._raw(path, found.data)
            return
        name = path.rpartition("/")[2].removesuffix(".md")
        page = self._with(found, path, {"name": name, "type": "wiki_page", "provenance": "document"})
        self._put(path, target, page.data, "wiki page")
        entry = index.entry(name, target.removeprefix("wiki/"), _hook(found.body))
        self.templates["wiki/INDEX.md"] = (
            self.templates.get("wiki/INDEX.md", "# Wiki Index\n").rstrip() + f"\n{entry}\n"
        )

    def _instruct(self, path: str, found: Document) -> None:
        self._instructions.append((path, found.text))
        self.made.moved.append(Moved(path, "AGENTS.md", "instructions"))

    def _note(self, path: str, found: Document, *, pinned: bool = False) -> None:
        name = (found.text_of("name") or path.rpartition("/")[2].removesuffix(".md"))[: note.MAX_NAME]
        stated = found.meta.get("type")
        type_ = str(stated) if stated in note.TYPES else "reference"
        target = self._free(f"memory/{note.file_name(type_, name)}")
        pinned, self._pinned = pinned and self._pinned < _PINNED, self._pinned + pinned
        wanted = {"name": name, "type": type_, "confidence": "medium", "provenance": "document",
                  "captured": self.today, "last_seen": self.today, **({"pinned": True} if pinned else {})}  # fmt: skip
        made = self._with(found, path, wanted)
        self._put(path, target, made.data, "pinned note" if pinned else "note")
        page, file = "memory/INDEX.md", target.removeprefix("memory/")
        before = self.templates.get(page, "# Memory Index\n")
        self.templates[page] = index.add(before, type_=type_, name=name, file=file, hook=made.written("description"))

    def _with(self, found: Document, path: str, wanted: Mapping[str, object]) -> Document:
        """A text with the front matter that it needs here; a key of its own that means something else is kept aside."""
        own = dict(found.meta)
        described = "" if isinstance(own.get("description"), list | dict) else found.text_of("description")
        fixed: dict[str, object] = {
            "schema_version": 2, **wanted, "sources": [f"imported:{path}"], "supersedes": [],
            "description": described or _hook(found.body) or path,
        }  # fmt: skip
        aside = {f"imported_{key}": own[key] for key in fixed if key in own and own[key] != fixed[key]}
        if described:
            aside.pop("imported_description", None)
        return found.edit({**aside, **fixed})

    def _raw(self, path: str, data: bytes) -> None:
        self._put(path, self._free(f"raw/imported/{_allowed(path)}"), data, "as it is")

    def _put(self, source: str, target: str, data: bytes, why: str) -> None:
        self.made.files[target] = data
        self._names.add(_key(target))
        self.made.moved.append(Moved(source, target, why))

    def _left(self, path: str, why: str) -> None:
        self.made.moved.append(Moved(path, "", why))

    def _free(self, target: str) -> str:
        """A path that no other document of the import has, in any case or Unicode form."""
        folder, _, name = target.rpartition("/")
        spelt = ""
        for part in folder.split("/"):
            spelt = self._folders.setdefault(_key(f"{spelt}/{part}"), f"{spelt}/{part}")
        target = f"{spelt}/{name}".removeprefix("/")
        stem, dot, ending = target.rpartition(".") if "." in target.rpartition("/")[2] else (target, "", "")
        number, candidate = 2, target
        while _key(candidate) in self._names:
            candidate, number = f"{stem}-{number}{dot}{ending}", number + 1
        return candidate


_PLACES: Mapping[Layout, Callable[[_Work, str, Document], None]] = {
    "claude-code": _Work.claude_code,
    "openclaw": _Work.openclaw,
    "letta": _Work.letta,
    "obsidian": _Work.obsidian,
}


def _walk(folder: Path) -> Iterator[str]:
    """The files of a folder in order of path; links and what programs keep for themselves are not looked at."""
    count = size = 0
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not Path(where, name).is_symlink())
        for name in sorted(names):
            path = Path(where, name)
            if name in _SKIPPED or path.is_symlink() or not path.is_file():
                continue
            count, size = count + 1, size + path.stat().st_size
            if count > _MOST_FILES or size > _MOST_BYTES:
                raise UsageError(f"{folder} holds more than {_MOST_FILES:,} files or {_MOST_BYTES >> 20:,} MiB",
                                 hint="name the folder of one agent")  # fmt: skip
            yield path.relative_to(folder).as_posix()


def _bytes(folder: Path, path: str) -> bytes:
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise StorageFailed(f"{folder / path}: {error.strerror}", hint=f"chmod u+r {folder / path}") from error


def _allowed(path: str) -> str:
    """A path that the vault can hold."""
    path = normal_name(path)
    try:
        return check_new_path(path)
    except PathRefused:
        changed = _HARD.sub("_", path)
        try:
            return check_new_path(changed)
        except PathRefused:
            return "/".join(note.slug(part.rpartition(".")[0] or part) for part in path.split("/")) + ".md"


def _key(path: str) -> str:
    return normal_name(normal_name(path).casefold())


def _hook(body: str) -> str:
    """The first line of a text that says something."""
    lines = (line.strip(" #>*-\t") for line in body.splitlines())
    return next((line for line in lines if line), "")[: note.MAX_DESCRIPTION]
