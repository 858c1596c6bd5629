"""Files as tools: read, list and search below read paths, write, edit and move below write paths."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from atomic_agents.core.errors import AtomicAgentsError, PathRefused
from atomic_agents.core.model import ToolSpec
from atomic_agents.core.store import Store
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.tools import outside
from atomic_agents.tools.edits import Edits
from atomic_agents.tools.pages import as_data, page
from atomic_agents.tools.tool import Tool

_LISTED = 300
_HITS = 60
_SEARCHED = 5_000  # files
_SECONDS = 20.0  # for a list or a search
_LINE = 300
_PATH = {"type": "string", "minLength": 1, "description": "relative to your own folder, or as other tools name it"}
_TEXT = {"type": "string"}


def reading(store: Store, paths: PathPolicy) -> tuple[Tool, ...]:
    """The tools that only look."""
    files = _Files(store, paths)
    offset = {"type": "integer", "minimum": 0, "description": "characters to leave out before"}
    read = "Read a text file that you may read. Of a long one you get a part, and the offset at which the rest begins."
    listed = "The files that you may read, all or those below a folder."
    search = "Find a text, its case ignored, in the files that you may read, all or those below a folder."
    wanted = {"type": "string", "minLength": 2}
    return (
        Tool(_spec("read_file", read, {"path": _PATH, "offset": offset}, "path"), files.show, parallel=True),
        Tool(_spec("list_files", listed, {"path": _PATH}), files.show_list, parallel=True, seconds=2 * _SECONDS),
        Tool(
            _spec("search_files", search, {"text": wanted, "path": _PATH}, "text"),
            files.search,
            parallel=True,
            seconds=2 * _SECONDS,
        ),
    )


def writing(edits: Edits) -> tuple[Tool, ...]:
    """The tools that write; none where the agent may write nothing."""
    if not edits.paths.write:
        return ()
    write = "Write a whole text file, new or instead of what it said."
    edit = "Replace a passage of a text file. `old` must stand in it exactly once, to the letter."
    move = "Move or rename a file. Nothing is overwritten."
    passage = {"type": "string", "minLength": 1}
    return (
        _writer("write_file", write, {"path": _PATH, "text": _TEXT}, _write(edits)),
        _writer("edit_file", edit, {"path": _PATH, "old": passage, "new": _TEXT}, _edit(edits)),
        _writer("move_file", move, {"path": _PATH, "to": _PATH}, _move(edits)),
    )


def _spec(name: str, description: str, properties: Mapping[str, object], *required: str) -> ToolSpec:
    schema = {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}
    return ToolSpec(name, description, schema)


def _writer(
    name: str, description: str, properties: Mapping[str, object], handle: Callable[[Mapping[str, object]], str]
) -> Tool:
    return Tool(_spec(name, description, properties, *properties), handle, kind="reversible_write")


@dataclass(frozen=True, slots=True)
class _Files:
    store: Store
    paths: PathPolicy

    def show(self, arguments: Mapping[str, object]) -> str:
        path = self.paths.locate(str(arguments["path"]))
        data = self._bytes(path)
        if data is None:
            raise FileNotFoundError(f"there is no file {path}; list_files shows which there are")
        offset = arguments.get("offset")
        return page(path, _text(path, data), offset if isinstance(offset, int) else 0, tool="read_file")

    def show_list(self, arguments: Mapping[str, object]) -> str:
        look = _Look()
        found = list(islice(self._below(arguments, look), _LISTED + 1))
        if len(found) > _LISTED:
            look.notes.append(f"more than {_LISTED}; name a folder")
        listed = [_one_line(path) for path in found[:_LISTED]] or ["there is no file to read"]
        return as_data(str(arguments.get("path", "files")), "\n".join([*listed, *look.lines()]))

    def search(self, arguments: Mapping[str, object]) -> str:
        wanted = str(arguments["text"]).casefold()
        look = _Look()
        hits = list(islice(self._hits(arguments, wanted, look), _HITS + 1))
        if len(hits) > _HITS:
            look.notes.append(f"more than {_HITS}; name a folder, or more of the text")
        return as_data("search", "\n".join([*(hits[:_HITS] or ["nothing matches"]), *look.lines()]), wanted=wanted)

    def _hits(self, arguments: Mapping[str, object], wanted: str, look: "_Look") -> Iterator[str]:
        for number, path in enumerate(self._below(arguments, look)):
            if number == _SEARCHED:
                look.notes.append(f"no more than {_SEARCHED:,} files were searched; name a folder")
                return
            try:
                data = self._bytes(path) or b""
            except (AtomicAgentsError, OSError):
                look.unreadable += 1
                continue
            if b"\0" in data:
                look.no_text += 1
                continue
            for line_number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
                if wanted in line.casefold():
                    yield f"{_one_line(path)}:{line_number}: {line.strip()[:_LINE]}"

    def _below(self, arguments: Mapping[str, object], look: "_Look") -> Iterator[str]:
        """The readable files at or below what is asked for; without that, all that the read paths allow."""
        for path in self._found(arguments, look):
            if look.is_late:
                look.notes.append(f"stopped after {_SECONDS:g} s; name a folder")
                return
            yield path

    def _found(self, arguments: Mapping[str, object], look: "_Look") -> Iterator[str]:
        asked = arguments.get("path")
        if asked is None:
            yield from (path for path in self.store.paths() if self.paths.may_read(path))
            for folder in self.paths.outside:
                try:
                    yield from outside.files(self.paths, folder, look.count_unreadable)
                except PathRefused:  # a link into the vault
                    look.count_unreadable()
            return
        folder = self.paths.locate(str(asked))
        if os.path.isabs(folder):
            yield from outside.files(self.paths, folder, look.count_unreadable)
            return
        found = [
            path for path in self.store.paths(folder) if _is_at_or_below(path, folder) and self.paths.may_read(path)
        ]
        if not found and folder and not self.paths.may_read(folder):
            raise PathRefused(f"tools.md does not let you read {folder}")
        yield from found

    def _bytes(self, path: str) -> bytes | None:
        if os.path.isabs(path):
            return outside.read(self.paths, path)
        if not self.paths.may_read(path):
            raise PathRefused(f"tools.md does not let you read {path}")
        blob = self.store.read(path)
        return blob.data if blob else None


class _Look:
    """What a list or a search left out, and when it has to end."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.unreadable = 0
        self.no_text = 0
        self._until = time.monotonic() + _SECONDS

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self._until

    def count_unreadable(self) -> None:
        self.unreadable += 1

    def lines(self) -> list[str]:
        """What is to be said of it, a line each."""
        left_out = [f"{self.unreadable:,} that cannot be read"] if self.unreadable else []
        left_out += [f"{self.no_text:,} that are no text"] if self.no_text else []
        notes = [*self.notes, f"left out: {', '.join(left_out)}"] if left_out else self.notes
        return [f"({note})" for note in notes]


def _is_at_or_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _write(edits: Edits) -> Callable[[Mapping[str, object]], str]:
    def handle(arguments: Mapping[str, object]) -> str:
        path = _target(edits, arguments["path"])
        before = edits.read(path)
        data = str(arguments["text"]).encode(errors="replace")
        diff = edits.apply(f"write {path}", {path: before}, {path: data})
        return _said(f"{'wrote' if before is None else 'rewrote'} {path}", diff)

    return handle


def _edit(edits: Edits) -> Callable[[Mapping[str, object]], str]:
    def handle(arguments: Mapping[str, object]) -> str:
        path = _target(edits, arguments["path"])
        before = edits.read(path)
        if before is None:
            raise FileNotFoundError(f"there is no file {path}; write_file makes one")
        text, old, new = _text(path, before), str(arguments["old"]), str(arguments["new"])
        if "\r\n" in text and old not in text:
            old, new = (part.replace("\r\n", "\n").replace("\n", "\r\n") for part in (old, new))
        count = text.count(old)
        if count != 1:
            how = "does not stand" if not count else f"stands {count} times"
            raise ValueError(f"`old` {how} in {path}; read_file shows it, and more of the passage makes it one")
        data = text.replace(old, new).encode(errors="replace")
        return _said(f"edited {path}", edits.apply(f"edit {path}", {path: before}, {path: data}))

    return handle


def _move(edits: Edits) -> Callable[[Mapping[str, object]], str]:
    def handle(arguments: Mapping[str, object]) -> str:
        path, to = _target(edits, arguments["path"]), _target(edits, arguments["to"])
        before, there = edits.read(path), edits.read(to)
        if before is None:
            raise FileNotFoundError(f"there is no file {path}")
        if there is not None or path == to:
            raise FileExistsError(f"there is a file {to} already")
        edits.apply(f"move {path} to {to}", {path: before, to: None}, {path: None, to: before})
        return f"moved {path} to {to}"

    return handle


def _target(edits: Edits, path: object) -> str:
    found = edits.paths.locate(str(path))
    if os.path.isabs(found):
        raise PathRefused(f"{path} is outside the vault, where you may write nothing")
    return found


def _said(done: str, diff: str) -> str:
    if not diff:
        return "it said that already; nothing was written"
    plus, minus = (
        sum(line.startswith(sign) and not line.startswith(sign * 3) for line in diff.splitlines()) for sign in "+-"
    )
    return f"{done} (+{plus} -{minus} lines)"


def _text(path: str, data: bytes) -> str:
    if b"\0" in data:
        raise ValueError(f"{path} is no text")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text") from None


def _one_line(path: str) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in path)
