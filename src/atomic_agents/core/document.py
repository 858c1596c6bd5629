"""A Markdown document as bytes, its YAML front matter edited in place."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import yaml

from atomic_agents.core import frontmatter
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.frontmatter import FrontMatter, FrontMatterError, Span

MAX_BYTES = 8 * 1024 * 1024
"""No document of the format is near this; a larger one is a mistake and is not read."""

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDE = 2**31 - 1
_BOM = "\ufeff"
_FENCE = re.compile(r"-{3,}[ \t]*\r?\n?\Z")


class _Remove:
    """The value that takes a key away."""


REMOVE = _Remove()


@dataclass(frozen=True)
class Document:
    """Text with optional front matter.

    `meta` holds the front matter's values, `{}` where there is none; `body` is everything after it.
    """

    path: str
    text: str
    head: str
    """The front matter's lines without the two fences; empty where there is no front matter."""
    head_line: int
    """The line of the file, from 1, on which `head` starts; 0 where there is no front matter."""
    body: str
    parsed: FrontMatter

    @property
    def meta(self) -> Mapping[str, object]:
        """Front matter values by key."""
        return self.parsed.values

    @property
    def has_front_matter(self) -> bool:
        """Whether the document opens with a front matter block, be it empty."""
        return self.head_line > 0

    @cached_property
    def data(self) -> bytes:
        """The document as it stands on disk."""
        return self.text.encode()

    @cached_property
    def newline(self) -> str:
        """The document's own line ending: that of its first line."""
        return "\r\n" if self.text.partition("\n")[0].endswith("\r") else "\n"

    @cached_property
    def body_line(self) -> int:
        """The line of the file, from 1, on which the body starts."""
        return self.text[: len(self.text) - len(self.body)].count("\n") + 1

    def line_of(self, key: str) -> int:
        """The line of the file that `key` stands on; that of the front matter's start where it has none of its own."""
        span = self.parsed.spans.get(key)
        return self.head_line + span[0] if span else max(self.head_line - 1, 1)

    def edit(self, changes: Mapping[str, object]) -> "Document":
        """Set front matter keys, or take them away with `REMOVE`.

        Only the lines of keys whose value really changes differ afterwards; comments, order, quoting, line endings and
        body stay as they are. New keys go last. A document without front matter gets one.
        """
        wanted = {key: value for key, value in changes.items() if value is not REMOVE}
        expected = {key: value for key, value in self.meta.items() if changes.get(key) is not REMOVE} | wanted
        changed = {
            key: value for key, value in wanted.items() if key not in self.meta or not _same(self.meta[key], value)
        }
        removed = {key for key, value in changes.items() if value is REMOVE and key in self.meta}
        if not changed and not removed:
            return self
        head = _edit_lines(self.head.splitlines(keepends=True), self.parsed, changed, removed, self.newline)
        edited = self._reparsed(head) if head is not None else None
        if edited is None or edited.meta != expected:
            edited = parse(self.path, self._with_head(_render(expected).replace("\n", self.newline)).encode())
        return edited

    def with_body(self, body: str) -> "Document":
        """The same front matter over another body."""
        return parse(self.path, (self.text[: len(self.text) - len(self.body)] + body).encode())

    def _reparsed(self, head: str) -> "Document | None":
        try:
            return parse(self.path, self._with_head(head).encode())
        except DocumentUnreadable:
            return None

    def _with_head(self, head: str) -> str:
        if not self.has_front_matter:
            bom = _BOM if self.text.startswith(_BOM) else ""
            newline = self.newline
            gap = "" if not self.body or self.body.startswith(("\n", "\r\n")) else newline
            return f"{bom}---{newline}{head}---{newline}{gap}{self.body}"
        before = self.text.splitlines(keepends=True)[: self.head_line - 1]
        start = sum(map(len, before))
        return self.text[:start] + head + self.text[start + len(self.head) :]


def parse(path: str, data: bytes) -> Document:
    """Read a document's bytes.

    Raises:
        DocumentUnreadable: not UTF-8 text, too large, or front matter that does not end or is not a YAML mapping.
    """
    text = _decode(path, data)
    head = _find_head(text)
    if head is None:
        body = text.removeprefix(_BOM)
        return Document(path, text, "", 0, body, FrontMatter({}, {}))
    start, end, body_start = head
    head_line = text.count("\n", 0, start) + 1
    if end < 0:
        raise _unreadable(path, head_line - 1, "front matter does not end", "add a line with --- after the last key")
    block = text[start:end]
    try:
        parsed = frontmatter.read(block)
    except FrontMatterError as error:
        line = head_line + error.line - 1
        raise _unreadable(path, line, str(error), "correct the line in a text editor") from error
    return Document(path, text, block, head_line, text[body_start:], parsed)


def render(meta: Mapping[str, object], body: str) -> bytes:
    """A new document: `meta` in its order, a blank line, `body` with one newline at its end."""
    return f"---\n{_render(meta)}---\n\n{body.strip()}\n".encode()


def _decode(path: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        size = f"{len(data) / 1_048_576:,.0f} MiB"
        raise _unreadable(
            path, 0, f"is {size}; a document may hold {MAX_BYTES // 1_048_576} MiB", "move it out of the vault"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise _unreadable(path, line, message, f"save it as UTF-8: iconv -t UTF-8 {path}") from error
    if "\0" in text:
        raise _unreadable(path, 0, "is binary: it holds NUL bytes", "move it out of the vault")
    return text


def _unreadable(path: str, line: int, message: str, hint: str) -> DocumentUnreadable:
    where = f"{path}:{line}" if line else path
    context = {"path": path, "line": line, "message": message}
    return DocumentUnreadable(f"{where}: {message}", hint=hint, context=context)


def _find_head(text: str) -> tuple[int, int, int] | None:
    """Start and end of the front matter's lines and the start of the body; end is -1 where the block is not closed."""
    start = 1 if text.startswith(_BOM) else 0
    while text.startswith(("\n", "\r\n"), start):
        start = text.index("\n", start) + 1
    if not text.startswith("---", start):
        return None
    first = text.find("\n", start) + 1 or len(text)
    if not _FENCE.match(text, start, first):
        return None
    position = first
    while position < len(text):
        following = text.find("\n", position) + 1 or len(text)
        if text.startswith("---", position) and _FENCE.match(text, position, following):
            return first, position, following
        position = following
    return first, -1, -1


def _edit_lines(
    lines: list[str], parsed: FrontMatter, changed: Mapping[str, object], removed: set[str], newline: str
) -> str | None:
    """The block with the lines of `changed` and `removed` keys replaced; None where that cannot be done by lines."""
    replacements: dict[Span, list[str]] = {}
    tail: list[str] = []
    for key, value in changed.items():
        span = parsed.spans.get(key)
        if span is None:
            if key in parsed.values:
                return None
            tail += _entry(key, value, newline)
        else:
            replacements[span] = _replace_entry(lines[span[0] : span[1]], key, parsed.values[key], value, newline)
    for key in removed:
        span = parsed.spans.get(key)
        if span is None:
            return None
        replacements[span] = []
    for (first, end), new in sorted(replacements.items(), reverse=True):
        lines[first:end] = new
    if lines and tail and not lines[-1].endswith("\n"):
        lines[-1] += newline
    return "".join(lines + tail)


_SCALAR_LINE = re.compile(
    r"(?P<lead>[^:\s]+:[ \t]+)"
    r"(?P<value>'(?:[^']|'')*'|\"[^\"\\]*\"|[^\s'\"\[{|>&*!#][^#\r\n]*?)"
    r"(?P<tail>(?:[ \t]+#[^\r\n]*)?[ \t]*\r?\n?)"
)


def _replace_entry(old: list[str], key: str, was: object, value: object, newline: str) -> list[str]:
    if isinstance(value, list) and isinstance(was, list):
        if len(value) > len(was) > 0 and value[: len(was)] == was and old[-1].lstrip().startswith("- "):
            indent = old[-1][: len(old[-1]) - len(old[-1].lstrip())]
            return old + [f"{indent}- {_inline(item)}{newline}" for item in value[len(was) :]]
        if old[0].partition(":")[2].strip().startswith("[") and len(old) == 1:
            return [f"{key}: [{', '.join(_inline(item, flow=True) for item in value)}]{newline}"]
    elif len(old) == 1 and not isinstance(value, list | dict):
        line = _SCALAR_LINE.fullmatch(old[0])
        if line:
            return [line["lead"] + _like(line["value"], value) + line["tail"]]
    return _entry(key, value, newline)


def _like(old: str, value: object) -> str:
    """`value` as a scalar, in the quotes that `old` has where those can hold it."""
    text = value.isoformat() if isinstance(value, datetime.date) else value
    if isinstance(text, str) and "\n" not in text:
        if old.startswith("'"):
            return "'" + text.replace("'", "''") + "'"
        if old.startswith('"') and not re.search(r'["\\]', text):
            return f'"{text}"'
    return _inline(value)


def _entry(key: str, value: object, newline: str) -> list[str]:
    if isinstance(value, int) and not isinstance(value, bool):
        return [f"{key}: {value}{newline}"]
    return [line + newline for line in _render({key: value}).splitlines()]


def _inline(value: object, *, flow: bool = False) -> str:
    if flow or not isinstance(value, str):
        dumped: str = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=_WIDE)
        return dumped.strip()[1:-1]
    return _render({"k": value}).removeprefix("k: ").rstrip("\n")


def _render(meta: Mapping[str, object]) -> str:
    if not meta:
        return ""
    dumped: str = yaml.dump(dict(meta), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDE)
    return dumped


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b
