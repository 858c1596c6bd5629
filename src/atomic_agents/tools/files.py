"""Files as tools: read, list and search below read paths, write, edit and move below write paths."""

import os
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
        Tool(_spec("list_files", listed, {"path": _PATH}), files.show_list, parallel=True),
        Tool(_spec("search_files", search, {"text": wanted, "path": _PATH}, "text"), files.search, parallel=True),
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
        skipped: list[str] = []
        found = list(islice(self._below(arguments, skipped), _LISTED + 1))
        more = f"\n(more than {_LISTED}; name a folder)" if len(found) > _LISTED else ""
        listed = "\n".join(map(_one_line, found[:_LISTED])) if found else "there is no file to read"
        return as_data(str(arguments.get("path", "files")), f"{listed}{more}{_unreadable(skipped)}")

    def search(self, arguments: Mapping[str, object]) -> str:
        wanted = str(arguments["text"]).casefold()
        skipped: list[str] = []
        hits = list(islice(self._hits(arguments, wanted, skipped), _HITS + 1))
        more = f"\n(more than {_HITS}; name a folder, or more of the text)" if len(hits) > _HITS else ""
        matches = "\n".join(hits[:_HITS]) if hits else "nothing matches"
        return as_data("search", f"{matches}{more}{_unreadable(skipped)}", wanted=wanted)

    def _hits(self, arguments: Mapping[str, object], wanted: str, skipped: list[str]) -> Iterator[str]:
        for path in islice(self._below(arguments, skipped), _SEARCHED):
            try:
                data = self._bytes(path) or b""
            except (AtomicAgentsError, OSError):
                skipped.append(path)
                continue
            if b"\0" in data:
                continue
            for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
                if wanted in line.casefold():
                    yield f"{_one_line(path)}:{number}: {line.strip()[:_LINE]}"

    def _below(self, arguments: Mapping[str, object], skipped: list[str]) -> Iterator[str]:
        """The readable files below the folder that is asked for; without one, all that the read paths allow.

        Folders that cannot be read are added to `skipped`.
        """
        asked = arguments.get("path")
        if asked is None:
            yield from (path for path in self.store.paths() if self.paths.may_read(path))
            for folder in self.paths.outside:
                yield from outside.files(self.paths, folder, _SEARCHED, skipped)
            return
        folder = self.paths.locate(str(asked))
        if os.path.isabs(folder):
            if self.paths.outside_of(folder) is None:
                raise PathRefused(f"tools.md does not let you read {folder}")
            yield from outside.files(self.paths, folder, _SEARCHED, skipped)
            return
        prefix = f"{folder}/" if folder else ""
        yield from (path for path in self.store.paths(prefix) if self.paths.may_read(path))

    def _bytes(self, path: str) -> bytes | None:
        if os.path.isabs(path):
            return outside.read(self.paths, path)
        if not self.paths.may_read(path):
            raise PathRefused(f"tools.md does not let you read {path}")
        blob = self.store.read(path)
        return blob.data if blob else None


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


def _unreadable(skipped: list[str]) -> str:
    count = len(skipped)
    return f"\n({count:,} that cannot be read {'was' if count == 1 else 'were'} skipped)" if count else ""


def _text(path: str, data: bytes) -> str:
    if b"\0" in data:
        raise ValueError(f"{path} is no text")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no UTF-8 text") from None


def _one_line(path: str) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in path)
