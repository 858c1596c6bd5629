"""A Markdown document as bytes, its YAML front matter edited in place."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

from atomic_agents.core import frontmatter, inplace
from atomic_agents.core.block import FrontMatter, FrontMatterError
from atomic_agents.core.errors import DocumentUnreadable

MAX_BYTES = 8 * 1024 * 1024
"""No document of the format is near this; a larger one is a mistake and is not read."""

_BOM = "\ufeff"
_FENCE = re.compile(r"-{3,}[ \t]*\r?\n?\Z")
_HEAD_START = re.compile(rf"{_BOM}?(?:\r?\n)*---[^\n]*\n")


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

    @property
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

    def text_of(self, key: str) -> str:
        """A front matter value that is meant as a text, as it is written: `name: 007` is 007, `name: no` is no.

        "" where the key is absent or empty.
        """
        value = self.meta.get(key)
        if value is None or isinstance(value, str):
            return value or ""
        written = [] if isinstance(value, list | dict) else frontmatter.written(self.head, key)
        return written[0] if written else str(value)

    def written(self, key: str) -> str:
        """As `text_of`, where a name is meant: `name: null` and `name: ~` are what is written too."""
        if self.meta.get(key, "") is not None:
            return self.text_of(key)
        return "".join(frontmatter.written(self.head, key)[:1])

    def texts_of(self, key: str) -> tuple[str, ...]:
        """A front matter list that is meant as texts, as they are written; a single text is a list of one.

        Empty items do not count.
        """
        value = self.meta.get(key)
        items = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if any(not isinstance(item, str) for item in items):
            if any(isinstance(item, list | dict) for item in items):
                return tuple(str(item) for item in items if item is not None and str(item).strip())
            written = frontmatter.written(self.head, key)
            items = [text for item, text in zip(items, written, strict=True) if item is not None]
        return tuple(item for item in items if item.strip())

    def line_of(self, key: str, *below: str) -> int:
        """The line of the file that `key` stands on, or a key `below` its value.

        Where a key has no line of its own, the one above it; at last that of the front matter's start.
        """
        span = self.parsed.spans.get(key)
        if span is None:
            return max(self.head_line - 1, 1)
        inner = frontmatter.line_of(self.head, key, *below) if below else 0
        return self.head_line + (inner - 1 if inner else span[0])

    def edit(self, changes: Mapping[str, object]) -> "Document":
        """Set front matter keys, or take them away with `REMOVE`.

        Only the lines of keys whose value really changes differ afterwards; comments, order, quoting, line endings and
        body stay as they are. New keys go last. A document without front matter gets one. Where the block's form does
        not allow that (one line for several keys, an anchor that is used elsewhere), it is written anew.
        """
        wanted = {key: value for key, value in changes.items() if value is not REMOVE}
        expected = {key: value for key, value in self.meta.items() if changes.get(key) is not REMOVE} | wanted
        changed = {
            key: value for key, value in wanted.items() if key not in self.meta or not same(self.meta[key], value)
        }
        removed = {key for key, value in changes.items() if value is REMOVE and key in self.meta}
        if not changed and not removed:
            return self
        for gently in (True, False):
            edited = self._with_lines(changed, removed, gently=gently)
            if edited is not None and same(edited.meta, expected):
                return edited
        head = inplace.opening_comments(self.head) + inplace.block(expected, self.newline)
        return parse(self.path, _bytes(self._with_head(head)))

    def with_body(self, body: str) -> "Document":
        """The same front matter over another body; a body that looks like front matter gets an empty one above it."""
        above = self.text[: len(self.text) - len(self.body)]
        if self.has_front_matter:
            gap = "" if above.endswith("\n") else self.newline
            return parse(self.path, _bytes(above + gap + body))
        fences = f"---{self.newline}---{self.newline}" if _find_head(body) is not None else ""
        return parse(self.path, _bytes(above + fences + body))

    def _with_lines(
        self, changed: Mapping[str, object], removed: AbstractSet[str], *, gently: bool
    ) -> "Document | None":
        """The document with the lines of some keys replaced; None where that leaves no front matter."""
        lines = inplace.edit(self.head, self.parsed, changed, removed, newline=self.newline, gently=gently)
        if lines is None:
            return None
        try:
            edited = parse(self.path, _bytes(self._with_head(lines)))
        except DocumentUnreadable:
            return None
        uncovered = removed & edited.meta.keys()  # the former ones of equal keys
        return edited._with_lines({}, uncovered, gently=gently) if uncovered else edited  # noqa: SLF001 - its own kind

    def _with_head(self, head: str) -> str:
        if not self.has_front_matter:
            bom = _BOM if self.text.startswith(_BOM) else ""
            newline = self.newline
            gap = "" if not self.body or self.body.startswith(("\n", "\r\n")) else newline
            return f"{bom}---{newline}{head}---{newline}{gap}{self.body}"
        start = _HEAD_START.match(self.text)
        position = start.end() if start else 0
        return self.text[:position] + head + self.text[position + len(self.head) :]


def same(one: object, other: object) -> bool:
    """Whether two values are equal in type too: True is not 1, and NaN is itself."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, str):
        return bool(one == other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - NaN


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
        line = text.count("\n", 0, start - 1) + 1
        raise _unreadable(path, line, "front matter does not end", "add a line with --- after the last key")
    block = text[start:end]
    try:
        parsed = frontmatter.read(block)
    except FrontMatterError as error:
        line = head_line + error.line - 1
        raise _unreadable(path, line, str(error), "correct the line in a text editor") from error
    return Document(path, text, block, head_line, text[body_start:], parsed)


def peek(data: bytes, key: str) -> int | None:
    """The whole number that a front matter key has, six times faster than `parse`.

    None where that cannot be told for sure without `parse`, whether because the key is absent, the front matter is of
    an uncommon form, or the document is one that `parse` refuses.
    """
    if len(data) > MAX_BYTES or b"\0" in data:
        return None
    try:
        return frontmatter.peek(data.decode(), key)
    except UnicodeDecodeError:
        return None


def render(meta: Mapping[str, object], body: str) -> bytes:
    """A new document: `meta` in its order, a blank line, `body` with one newline at its end."""
    return _bytes(f"---\n{inplace.block(meta)}---\n\n{body.strip()}\n")


def _bytes(text: str) -> bytes:
    """UTF-8; the half of a character that a model may send becomes a question mark."""
    return text.encode(errors="replace")


def _decode(path: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        size = f"{len(data) / 1_048_576:,.0f} MiB"
        raise _unreadable(
            path, 0, f"is {size}; a document may hold {MAX_BYTES // 1_048_576} MiB", "move it out of the vault"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        import shlex  # noqa: PLC0415 - 1 ms that only a mistake needs

        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text (byte 0x{data[error.start]:02x})"
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        message = "is UTF-16 text, as some Windows editors save it" if wide else message
        hint = f"save it as UTF-8: iconv -f {'UTF-16' if wide else 'WINDOWS-1252'} -t UTF-8"
        hint = f"{hint} {shlex.quote(path)} >saved && mv saved {shlex.quote(path)}"
        raise _unreadable(path, line, message, hint) from error
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
    position = first - 1
    while True:
        position = text.find("\n---", position) + 1
        if not position:
            return first, -1, -1
        following = text.find("\n", position) + 1 or len(text)
        if _FENCE.match(text, position, following):
            return first, position, following
