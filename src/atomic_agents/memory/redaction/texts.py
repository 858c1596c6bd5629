"""The words of people and models in a text, edited; links, paths, tags and the form of records stay as they are."""

import bisect
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from atomic_agents.core.values import parse_date
from atomic_agents.memory.redaction.json_strings import edit_strings
from atomic_agents.memory.redaction.phrase import Phrase
from atomic_agents.memory.redaction.renames import Renames

STRUCTURE = frozenset((
    "schema_version", "type", "captured", "last_seen", "expires_at", "confidence", "provenance", "pinned", "archived",
    "accepted", "superseded_by", "supersedes", "supersedes_list", "merge_into", "status", "state", "kind", "role",
    "event", "trigger", "model", "model_id", "default_model", "fallback_model", "provider", "agent", "agent_name",
    "ts", "at", "started", "last", "date", "run_id", "id", "key", "path", "paths", "file", "files", "tool_name", "tool",
    "rule", "where", "source_hashes", "stale_sources", "sha256", "fingerprint", "binding", "cron", "schedule",
    "left_out", "tools", "targets", "idempotency_key", "conversation_id", "transcript_hash", "resumed_hash", "finish",
))  # fmt: skip
"""Keys, in front matter and in JSON, whose values say what something is: never a text of somebody's."""

_TABLES = frozenset(("sections", "tools"))
"""Keys of JSON below which nothing is anybody's text."""

_TEXTS = frozenset((
    "text", "work_item", "summary", "error", "partial", "content", "message", "body", "description", "title", "system",
    "said", "diff", "reason", "words", "why", "note", "question", "answer", "query", "tags", "before", "after",
    "patch",
))  # fmt: skip
"""Keys of JSON whose values are texts, be they one word."""

_GIVEN = frozenset(("arguments", "tool_arguments", "input"))
"""Keys below which every value was given to a tool by a model."""

_IDENTITIES = frozenset(("idempotency_key", "conversation_id", "key", "targets"))
"""Keys whose values somebody chose, and by which something is found again."""

_PATH = re.compile(r"\S*/\S*|[^\s@]+\.[a-z]{1,5}", re.IGNORECASE)
_CODE = re.compile(r"[a-z][a-z0-9-]*(?=: )")
_CAPTURE = re.compile(
    r"^[ \t]*(?P<marks>`{3,})[ \t]*atomic_capture[ \t]*\r?\n(?P<block>.*?)(?=(?P=marks)|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_KEPT = re.compile(
    r"""
    \]\([ \t]*(?:<(?P<angled>[^<>\n]*)>|(?P<link>[^()<>\s]*(?:\([^()\s]*\)[^()<>\s]*)*))
    | \[\[(?P<page>[^\[\]|\#\n]+)
    | ^[ \t]*\[\^(?P<cited>[^\]\s]+)\]:[ \t]*(?P<source>raw/.+?)(?=[ \t]+[—–-]+[ \t]+["“])
    | ^[ \t]*\[(?!\^)[^\]\n]+\]:[ \t]*(?P<reference>\S+)
    | \[\^(?P<mark>[^\]\s]+)\]
    | \b(?P<url>[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s<>"')\]]+)
    | \b(?:href|src)=["'](?P<attribute>[^"'\n]*)
    """,
    re.VERBOSE | re.MULTILINE,
)
"""What in a text leads elsewhere, and would lead nowhere with other words in it."""

_FORM = re.compile(
    r"""
    ^[ \t>]*(?:`{3,}|~{3,})[ \t]*[\w.+-]+
    | <!--[ \t]*(?:run-\d{8}|[\w-]*;[ \t]*\$)[^\n]*?-->
    | <document\b[^<>\n]*>
    """,
    re.VERBOSE | re.MULTILINE,
)
"""What programs wrote around the words: tags of code blocks, the facts of a turn, the fence around a document."""

_NAMED = re.compile(r'\b(?:name|title|description)="([^"]*)"')
_HEAD = re.compile(r"(?:\A|<document\b[^<>\n]*>\n)---\n(?P<head>(?:[ \t#-].*\n|[\w-]+:.*\n)*)---$", re.MULTILINE)
_HEAD_LINE = re.compile(r"^(?P<key>[\w-]+):.*$", re.MULTILINE)


@dataclass
class Redactor:
    """Edits texts of one agent. `kept` gathers what held the words and had to stay, as line and what it is."""

    phrase: Phrase
    renames: Renames
    kept: list[tuple[int, str]] = field(default_factory=list)
    count: int = 0

    def has_work(self, raw: str) -> bool:
        """Whether anything of a JSON text may have to change, told without reading it."""
        return self.phrase.may_stand_in(raw) or self.renames.follow(raw) != raw

    @contextlib.contextmanager
    def at(self, line: int, *, whole: bool = False) -> Iterator[None]:
        """Count the lines of what has to stay from a line of the document; all of it stands on it where `whole`."""
        mark = len(self.kept)
        yield
        self.kept[mark:] = [(line if whole else line - 1 + number, what) for number, what in self.kept[mark:]]

    def text(self, text: str, *, folder: str = "", form: re.Pattern[str] | None = None) -> str:
        """A text of Markdown, or a plain one; `form` matches what else of it is the form of a record."""
        text = self.renames.follow(text, folder=folder)
        if not self.phrase.found_in(text):
            return text
        if (blocks := list(_CAPTURE.finditer(text))) and not form:
            return "".join(self._with_captures(text, blocks, folder))
        return self._words(text, form)

    def json_text(self, text: str, *, given: bool = False) -> str:
        """A text that is JSON; where all of it was `given` to a tool, every value that is no name or path is a text."""
        if not self.has_work(text):
            return text

        def edit(keys: tuple[str, ...], value: str) -> str:
            return self.value(keys, value, given=given)

        return edit_strings(text, edit)

    def value(self, keys: tuple[str, ...], value: str, *, given: bool = False) -> str:
        """A string of a JSON document, below these keys."""
        key = keys[-1] if keys else ""
        given = given or not _GIVEN.isdisjoint(keys)
        if is_json(value):
            return self.json_text(value, given=True)
        if not _is_text(keys, value, given=given):
            named = value if key in _IDENTITIES else self.renames.follow(value)
            if named == value and (given or key in _IDENTITIES) and key not in STRUCTURE - _IDENTITIES:
                self.kept += [(0, key)] if self.phrase.found_in(value) else []
            return named
        if key == "error" and (code := _CODE.match(value)):
            return code[0] + self.text(value[code.end() :])
        return self.text(value)

    def _with_captures(self, text: str, blocks: list[re.Match[str]], folder: str) -> Iterator[str]:
        """A text with captures in fences, which keep their form."""
        end = 0
        for block in blocks:
            start, stop = block.span("block")
            yield self._words(text[end:start], None)
            inner = block["block"]
            yield self.json_text(inner, given=True) if is_json(inner) else self._words(inner, None)
            end = stop
        yield self.text(text[end:], folder=folder) if end < len(text) else ""

    def _words(self, text: str, form: re.Pattern[str] | None) -> str:
        stays = _joined(_spans(text, form))
        starts = [start for start, _, _ in stays]

        def may_go(found: re.Match[str]) -> bool:
            at = bisect.bisect_left(starts, found.end()) - 1
            if at >= 0 and stays[at][1] > found.start():
                if what := stays[at][2]:
                    self.kept.append((text.count("\n", 0, found.start()) + 1, what))
                return False
            self.count += 1
            return True

        return self.phrase.substitute(text, may_go)


def is_json(text: str) -> bool:
    """Whether a text is an object or a list of JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def is_structure(key: str, value: object) -> bool:
    """Whether a key says what something is, or its value is a day, a number or nothing."""
    return key in STRUCTURE or not isinstance(value, str) or parse_date(value) is not None


def _is_text(keys: tuple[str, ...], value: str, *, given: bool) -> bool:
    """Whether a value of JSON is somebody's text: its key says so, or it has several words and the key says nothing."""
    key = keys[-1] if keys else ""
    if key in STRUCTURE or not _TABLES.isdisjoint(keys):
        return False
    if key in _TEXTS:
        return True
    if parse_date(value) is not None:
        return False
    return (given and _PATH.fullmatch(value) is None) or len(value.split()) > 1


def _spans(text: str, form: re.Pattern[str] | None) -> Iterator[tuple[int, int, str]]:
    """Start and end of what stays in a text, and what it is; "" for what is nobody's words."""
    for found in _KEPT.finditer(text):
        yield from ((*found.span(name), what) for name, what in _WHAT.items() if found[name] is not None)
    for pattern in filter(None, (_FORM, form)):
        for found in pattern.finditer(text):
            yield from _around(found)
    for head in _HEAD.finditer(text):
        for line in _HEAD_LINE.finditer(text, *head.span("head")):
            yield (line.start(), line.end() if line["key"] in STRUCTURE else line.end("key"), "")


def _joined(spans: Iterator[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """The spans in order, those that overlap as one."""
    joined: list[tuple[int, int, str]] = []
    for start, end, what in sorted(spans):
        if joined and start < joined[-1][1]:
            first, last, before = joined.pop()
            joined.append((first, max(last, end), before and what))
        else:
            joined.append((start, end, what))
    return joined


def _around(found: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """What a program wrote, without the names that it quotes."""
    start = found.start()
    if found[0].startswith("<document"):
        for named in _NAMED.finditer(found.string, found.start(), found.end()):
            yield (start, named.start(1), "")
            start = named.end(1)
    yield (start, found.end(), "")


_WHAT: Mapping[str, str] = {
    "angled": "a link", "link": "a link", "page": "a link", "source": "a citation", "reference": "a link",
    "mark": "a footnote's mark", "cited": "a footnote's mark", "url": "an address", "attribute": "a link",
}  # fmt: skip
