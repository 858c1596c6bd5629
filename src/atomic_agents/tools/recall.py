"""The tools with which an agent looks into its memory: recall, read_note, read_wiki, read_journal, list_index."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from atomic_agents.core.model import ToolSpec
from atomic_agents.core.values import parse_date
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory.search import Passage
from atomic_agents.tools.pages import fenced, page
from atomic_agents.tools.tool import MAX_RESULT, Tool, shortened
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Vault

Search = Callable[[str, int], Sequence[Passage]]
Used = Callable[[str], None]
"""Told the path of each document that the model was shown something of."""

_HITS = 10
_NO_HIT = "nothing in the notes, the wiki, the sources, the journal or past conversations matches"
_NEWEST = 5


@dataclass(frozen=True, slots=True)
class Memory:
    """An agent's memory as it may look at it."""

    vault: Vault
    agent: str
    search: Search
    paths: PathPolicy
    used: Used

    def tools(self) -> tuple[Tool, ...]:
        """All of them; they change nothing."""
        return (
            _tool("recall", _RECALL, {"query": _text("a few words, or a question; dates count")}, self.recall, "query"),
            _tool("read_note", _READ_NOTE, {"file": _text("its file name"), **_OFFSET}, self.read_note, "file"),
            _tool("read_wiki", _READ_WIKI, {"page": _text("its file name"), **_OFFSET}, self.read_wiki, "page"),
            _tool("read_journal", _READ_JOURNAL, {"day": _text("as 2026-12-31"), **_OFFSET}, self.read_journal),
            _tool("list_index", _LIST_INDEX, {"file": _text("INDEX.md where left out"), **_OFFSET}, self.list_index),
        )

    def recall(self, arguments: Mapping[str, object]) -> str:
        """The passages that match a query, within the size of a result."""
        found: list[str] = []
        room = MAX_RESULT
        hits = [hit for hit in self.search(str(arguments["query"]), 2 * _HITS) if self.paths.may_read(hit.path)]
        for number, hit in enumerate(hits[:_HITS]):
            most = room // (min(len(hits), _HITS) - number) - 2
            part = partial(shortened, hit.text, rest="read the document for the whole")
            found.append(fenced(hit.path, most, part, line=str(hit.line)))
            room -= len(found[-1]) + 2
            self.used(hit.path)
        return "\n\n".join(found) or _NO_HIT

    def read_note(self, arguments: Mapping[str, object]) -> str:
        """A note; a page or a day of the journal too, by its path."""
        name = self._inside(arguments["file"])
        inner = name.removeprefix("memory/")
        candidates = [layout.note(self.agent, inner)]
        if name.startswith(("wiki/", "journal/")):
            candidates.append(f"{self.agent}/{name}")
        return self._page(candidates, arguments, "read_note", f"there is no note {inner}; list_index has their files")

    def read_wiki(self, arguments: Mapping[str, object]) -> str:
        """A page of the wiki."""
        name = self._inside(arguments["page"]).removeprefix("wiki/")
        file = name if name.endswith(".md") else f"{name}.md"
        hint = f"there is no page {file}; list_index with wiki/INDEX.md has their files"
        return self._page([layout.wiki(self.agent) + file], arguments, "read_wiki", hint)

    def read_journal(self, arguments: Mapping[str, object]) -> str:
        """A day of the journal, the newest where none is named."""
        days = self.vault.journal_days(self.agent)
        asked = str(arguments.get("day") or "").rpartition("/")[2].removesuffix(".md")
        day = parse_date(asked) if asked else days[0][0] if days else None
        if day is None:
            raise ValueError(f"{asked} is no day; write it as 2026-12-31" if asked else "the journal is empty yet")
        newest = ", ".join(f"{each}" for each, _ in days[:_NEWEST])
        hint = f"nothing was written on {day}; the newest days are {newest}" if days else "the journal is empty yet"
        return self._page([layout.journal_day(self.agent, day)], arguments, "read_journal", hint)

    def list_index(self, arguments: Mapping[str, object]) -> str:
        """An index: of the notes, one of its parts, or of the wiki."""
        name = self._inside(arguments.get("file") or "INDEX.md").removeprefix("memory/")
        path = f"{self.agent}/{name}" if name.startswith("wiki/") else layout.memory(self.agent) + name
        if not layout.is_index(path.rpartition("/")[2]):
            raise ValueError(f"{name} is no index; there are INDEX.md, the parts it names, and wiki/INDEX.md")
        return self._page([path], arguments, "list_index", f"there is no {name} yet")

    def _inside(self, name: object) -> str:
        return str(name).removeprefix(f"{self.agent}/")

    def _page(self, candidates: Sequence[str], arguments: Mapping[str, object], tool: str, missing: str) -> str:
        offset = arguments.get("offset")
        for path in candidates:
            if ".." in path or not self.paths.may_read(path):
                raise PermissionError(f"tools.md does not let you read {path}")
            document = self.vault.document(path)
            if document is not None:
                self.used(path)
                return page(path, document.text, offset if isinstance(offset, int) else 0, tool=tool)
        raise FileNotFoundError(missing)


def _tool(
    name: str, description: str, properties: Mapping[str, object], handle: Callable[[Mapping[str, object]], str],
    *required: str,
) -> Tool:  # fmt: skip
    schema = {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}
    return Tool(ToolSpec(name, description, schema), handle, parallel=True)


def _text(description: str) -> dict[str, object]:
    return {"type": "string", "minLength": 1, "description": description}


_OFFSET = {"offset": {"type": "integer", "minimum": 0, "description": "characters to leave out before"}}
_RECALL = (
    "Search your notes, wiki, sources, journal and past conversations. Returns the passages that match best, each with "
    "its file and line. Ask again in other words when what you look for is not among them."
)
_READ_NOTE = (
    "Read one note in full, by the file name that INDEX.md or recall gives. Of a long document you get a part, and the "
    "offset at which the rest begins."
)
_READ_WIKI = "Read one page of your wiki in full, by the file name that wiki/INDEX.md or recall gives."
_READ_JOURNAL = "Read one day of your journal, the newest where no day is given."
_LIST_INDEX = "Read an index: INDEX.md of your notes, a part INDEX_….md that it names, or wiki/INDEX.md."
