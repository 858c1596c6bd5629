"""Markdown as the published format uses it: sections, bullets and fenced blocks, each with its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*$")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([\w.+-]*)[ \t]*$")
_BULLET = re.compile(r"[ \t]{0,3}[-*+][ \t]+(.*)$")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the body: its number in the file, its text, and the tag of the fence it is in, None outside fences."""

    number: int
    text: str
    fence: str | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its tag in lower case, the file line of its first line, and its text."""

    tag: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading (level 0 for what stands before the first) and the lines below it up to the next one."""

    title: str
    level: int
    line: int
    lines: tuple[Line, ...]

    def bullets(self) -> Iterator[tuple[int, str]]:
        """File line and text of each bullet, outside fences; empty ones and those in parentheses are prose."""
        for line in self.lines:
            found = _BULLET.match(line.text) if line.fence is None else None
            text = found[1].strip() if found else ""
            if text and not (text.startswith("(") and text.endswith(")")):
                yield line.number, text

    def prose(self) -> Iterator[Line]:
        """The lines outside fences that are neither blank nor headings."""
        return (line for line in self.lines if line.fence is None and line.text.strip() and line.text[0] != "#")


def sections(body: str, first_line: int = 1) -> list[Section]:
    """Split a body at its headings of level 2, as the published readers do; HTML comments are blanked, fences kept."""
    found: list[Section] = []
    title, level, start, lines = "", 0, first_line, list[Line]()
    for line in _lines(body, first_line):
        heading = _HEADING.match(line.text) if line.fence is None else None
        if heading and len(heading[1]) == 2:
            found.append(Section(title, level, start, tuple(lines)))
            title, level, start, lines = heading[2], len(heading[1]), line.number, []
        else:
            lines.append(line)
    found.append(Section(title, level, start, tuple(lines)))
    return found


def fences(body: str, first_line: int = 1) -> list[Fence]:
    """Every fenced block that is closed."""
    found: list[Fence] = []
    inside: list[Line] = []
    for line in _lines(body, first_line):
        if line.fence is None:
            continue
        inside.append(line)
        if len(inside) > 1 and line.text.strip() == _mark(inside[0]):
            text = "".join(f"{part.text}\n" for part in inside[1:-1])
            found.append(Fence((line.fence or "").lower(), inside[0].number + 1, text))
            inside = []
    return found


def _mark(opening: Line) -> str:
    found = _FENCE.match(opening.text.strip())
    return found[1] if found else ""


def _lines(body: str, first_line: int) -> Iterator[Line]:
    """The body's lines; those of a fence, its two fence lines included, carry the fence's tag."""
    closing: str | None = None
    tag = ""
    comment = False
    for number, raw in enumerate(body.splitlines(), first_line):
        if closing is not None:
            yield Line(number, raw, tag)
            if raw.strip() == closing:
                closing = None
            continue
        text, comment = _blank_comments(raw, open_before=comment)
        fence = _FENCE.match(text.strip())
        if fence:
            closing, tag = fence[1], fence[2]
            yield Line(number, text, tag)
        else:
            yield Line(number, text)


def _blank_comments(text: str, *, open_before: bool) -> tuple[str, bool]:
    kept = ""
    inside = open_before
    while text:
        before, mark, text = text.partition("-->" if inside else "<!--")
        if not inside:
            kept += before
        if mark:
            inside = not inside
    return kept, inside
