"""A Markdown document edited as what it is: the texts of its front matter, its prose, the entries of an index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from atomic_agents.core.document import Document, parse
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.memory.redaction.phrase import REPLACEMENT
from atomic_agents.memory.redaction.texts import Redactor, is_json, is_structure
from atomic_agents.vault import index, layout, note
from atomic_agents.vault.kinds import Kind

_LIMITS = {"name": note.MAX_NAME, "description": note.MAX_DESCRIPTION}
_LINKED = frozenset(("supersedes", "supersedes_list", "superseded_by", "related"))
_NAMES = frozenset(("name", "aliases", "author"))
_WHO = re.compile(
    r"(?:operator|document|inference|tool|model|self|observ\w*|infer\w*|guess\w*|assum\w*|unknown|none|n/?a"
    r"|run-\d{8}-[\w-]+|(?:\S*/\S*|[^\s@]+\.[a-z]{1,5})|\[\[.*\]\])",
    re.IGNORECASE,
)
"""Sources that say who or which file, rather than what somebody said."""

_JOURNAL = re.compile(
    r"^\# \d{4}-\d\d-\d\d — .* journal$|^\#\# \d\d:\d\d — .* run$|^Asked: |^It ended early: "
    r"|^- \S+, \$[\d.,]+, \w+$",
    re.MULTILINE,
)
_CONVERSATION = re.compile(
    r"^\#\# \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* — (?:asked|answered|summary of \d+ turns?).*$", re.MULTILINE
)
_HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)
_TITLES = "|".join(re.escape(title) for title in (*index.SECTIONS.values(), index.ARCHIVE))
_INDEX = re.compile(
    rf"^\# (?:Memory|Wiki) Index\b.*$|^\#\# (?:{_TITLES}|Recently Promoted.*)$|^.*\]\(INDEX_[^()\s]+\).*$", re.MULTILINE
)
_CITATION = re.compile(
    r"^(?P<lead>\[\^[\w-]+\]:[ \t]*raw/.+?[ \t]+[—–-]+[ \t]+[\"“])(?P<quote>.+)(?P<end>[\"”][ \t]*)$", re.MULTILINE
)
_FORMS: Mapping[Kind, re.Pattern[str]] = {
    Kind.JOURNAL: _JOURNAL, Kind.CONVERSATION: _CONVERSATION, Kind.INDEX: _INDEX,
    Kind.WIKI: _CITATION,
}  # fmt: skip
_BLOCK = re.compile(r"^(?P<open>`{3,}\w*\n)(?P<inside>.*?)(?=^`{3,}[ \t]*$)", re.DOTALL | re.MULTILINE)


class Unreadable(Exception):
    """A document cannot be edited without being read first."""


@dataclass
class Documents:
    """Edits the Markdown documents of one agent. `entries` are lines of its indexes as they were and become."""

    redactor: Redactor
    entries: dict[str, str] = field(default_factory=dict)

    def edit(self, path: str, data: bytes, kind: Kind) -> bytes:
        """The document without the words; `path` is below the agent.

        Raises:
            Unreadable: it is not what the format says.
        """
        if b"\\" not in data and not self._has_work(data.decode(errors="replace")):
            return data
        try:
            document = parse(path, data)
        except DocumentUnreadable as error:
            raise Unreadable(str(error.context["message"])) from error
        head = self._with_head(document, kind) if document.has_front_matter else document
        above = head.text[: len(head.text) - len(head.body)]
        with self.redactor.at(document.body_line):
            body = self._body(path, head.body, kind)
        after = (above + body).encode(errors="surrogateescape")
        if document.has_front_matter and parse(path, after).meta.keys() != document.meta.keys():
            raise Unreadable("its front matter could not be read any more")
        if after != data and path.startswith(("memory/", "wiki/")) and layout.is_note(path.partition("/")[2]):
            self._learn_entry(path, document, parse(path, after))
        return after

    def _has_work(self, text: str) -> bool:
        return self.redactor.phrase.found_in(text) or self.redactor.renames.follow(text) != text

    def line(self, text: str, *, folder: str = "memory") -> str:
        """A line of an index, or several, as the index will have them; `folder` is the one that it stands in."""
        edited = []
        for number, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", text), 1):
            with self.redactor.at(number, whole=True):
                edited.append(self._entry(line, folder))
        return "".join(edited)

    def _learn_entry(self, path: str, before: Document, after: Document) -> None:
        """Remember the line that an index has for a note, as programs write it."""
        folder, _, file = path.partition("/")
        new_file = self.redactor.renames.path(path).removeprefix(f"{folder}/")
        old, new = note.read(before, file), note.read(after, new_file)
        self.entries[index.entry(old.name, file, old.description)] = index.entry(new.name, new_file, new.description)

    def _with_head(self, document: Document, kind: Kind) -> Document:
        changes = {}
        for key, value in document.meta.items():
            with self.redactor.at(document.line_of(key), whole=True):
                changes[key] = self._value(key, value, kind)
        edited = document.edit(changes)
        lines = [
            self.redactor.text(line) if line.lstrip().startswith("#") else line
            for line in edited.head.splitlines(keepends=True)
        ]
        head = "".join(lines)
        return edited if head == edited.head else parse(edited.path, edited.text.replace(edited.head, head, 1).encode())

    def _value(self, key: str, value: object, kind: Kind) -> object:
        """A value of front matter without the words; notes may have texts under any key, others under known ones."""
        if isinstance(value, list):
            return [self._value(key, each, kind) for each in value]
        if isinstance(value, dict):
            return {inner: self._value(str(inner), each, kind) for inner, each in value.items()}
        if not isinstance(value, str):
            return value
        if key in _LINKED:
            return self.redactor.renames.follow(value)
        if is_structure(key, value) or (key == "sources" and _WHO.fullmatch(value)):
            return self.redactor.renames.follow(value) if key == "sources" else value
        free = kind in (Kind.NOTE, Kind.WIKI, Kind.ARCHIVE) or key in _NAMES
        new = self.redactor.text(value) if free else self.redactor.value((key,), value)
        if new == value:
            return value
        most = _LIMITS.get(key, 0)
        return _short(new if new.strip() else REPLACEMENT, most if len(value) <= most else len(new))

    def _body(self, path: str, body: str, kind: Kind) -> str:
        if kind is Kind.INDEX:
            return self.line(body, folder=path.partition("/")[0])
        if path.startswith("vault/"):
            return self._request(body)
        if kind is Kind.WIKI:
            body = _CITATION.sub(self._citation, body)
        return self.redactor.text(body, folder=path.partition("/")[0], form=_FORMS.get(kind))

    def _request(self, body: str) -> str:
        """A request to the operator: its headings are its form, and what it proposes is JSON."""
        pieces, end = [], 0
        for block in _BLOCK.finditer(body):
            inside = block["inside"]
            pieces.append(self.redactor.text(body[end : block.start("inside")], form=_HEADING))
            pieces.append(self.redactor.json_text(inside) if is_json(inside) else self.redactor.text(inside))
            end = block.end("inside")
        return "".join((*pieces, self.redactor.text(body[end:], form=_HEADING)))

    def _citation(self, found: re.Match[str]) -> str:
        """A citation with the longest part of its words that the source still has: the source stays as it is."""
        phrase, quote = self.redactor.phrase, found["quote"]
        if not phrase.found_in(quote):
            return found[0]
        parts = [part.strip() for part in phrase.pattern.split(quote)]
        longest = max(parts, key=len)
        if not any(map(str.isalnum, longest)):
            self.redactor.kept.append((found.string.count("\n", 0, found.start()) + 1, "a citation"))
            return found[0]
        self.redactor.count += 1
        return f"{found['lead']}{longest}{found['end']}"

    def _entry(self, line: str, folder: str) -> str:
        """A line of an index; one that programs wrote follows its note, and none becomes longer than a line may be."""
        bare = line.rstrip("\r\n")
        if (known := self.entries.get(bare)) is not None:
            self.redactor.count += known != bare
            return known + line[len(bare) :]
        return _cut(self.redactor.text(bare, folder=folder, form=_INDEX), bare) + line[len(bare) :]


def _cut(new: str, before: str) -> str:
    """A line within the length that its former text had kept to; what links is never cut."""
    if len(new) <= index.MAX_ENTRY or len(before) > index.MAX_ENTRY or " — " not in new:
        return new
    links, _, hook = new.partition(" — ")
    room = index.MAX_ENTRY - len(links) - 3
    return f"{links} — {hook[: room - 1].rstrip()}…" if room > 1 and "](" not in hook else new


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
