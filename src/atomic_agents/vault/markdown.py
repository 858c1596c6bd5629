"""Markdown as the published format uses it: sections, bullets and fenced blocks, each with its line."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_HEADING = re.compile(r"(#{1,6})(?:[ \t]+(.*))?")
_OPENING = re.compile(r"[ \t]*(`{3,}+|~{3,}+)[ \t]*(.*)")
_BULLET = re.compile(r"[ \t]{0,3}[-*+][ \t]+(.*)")
_TAG = re.compile(r"\{?\.?([\w.+-]*)")
_COMMENT_MARK = re.compile(r"<!--|-->")


class Line(NamedTuple):
    """A line of a body: its number in the file, its text without comments, the tag of the fence it is in, or None."""

    number: int
    text: str
    fence: str | None = None


class Fence(NamedTuple):
    """A fenced block: its tag in lower case, the file line of its first line, its text, and whether it ends."""

    tag: str
    line: int
    text: str
    closed: bool = True


class Section(NamedTuple):
    """A heading (level 0 for what stands before the first) and the lines below it up to the next one."""

    title: str
    level: int
    line: int
    lines: tuple[Line, ...]

    def bullets(self) -> Iterator[tuple[int, str]]:
        """File line and text of each bullet, outside fences; empty ones and those wholly in parentheses are prose."""
        for line in self.lines:
            found = _BULLET.fullmatch(line.text) if line.fence is None else None
            text = found[1].strip() if found else ""
            if text and not _is_aside(text):
                yield line.number, text

    def prose(self) -> Iterator[Line]:
        """The lines outside fences that are neither blank nor headings."""
        return (line for line in self.lines if line.fence is None and line.text.strip() and line.text[0] != "#")


def sections(body: str, first_line: int = 1) -> list[Section]:
    """Split a body at its headings of level 2, as the published readers do; HTML comments are blanked, fences kept."""
    found: list[Section] = []
    title, level, start, lines = "", 0, first_line, list[Line]()
    for line in lines_of(body, first_line):
        heading = heading_of(line)
        if heading and heading[0] == 2:
            found.append(Section(title, level, start, tuple(lines)))
            title, level, start, lines = heading[1], 2, line.number, []
        else:
            lines.append(line)
    found.append(Section(title, level, start, tuple(lines)))
    return found


def heading_of(line: Line) -> tuple[int, str] | None:
    """Level and title of a heading; None for any other line."""
    found = _HEADING.fullmatch(line.text.rstrip()) if line.fence is None else None
    if found is None:
        return None
    title = found[2] or ""
    bare = title.rstrip("#")
    return len(found[1]), (bare if not bare or bare[-1] in " \t" else title).strip()


def fences(body: str, first_line: int = 1) -> list[Fence]:
    """Every fenced block."""
    found: list[Fence] = []
    inside: list[Line] = []
    mark = ""
    for line in lines_of(body, first_line):
        if line.fence is None:
            continue
        inside.append(line)
        if len(inside) == 1:
            mark = _mark(line.text)
        elif _closes(line.text, mark):
            found.append(_fence(inside, closed=True))
            inside = []
    return [*found, _fence(inside, closed=False)] if inside else found


def open_end(body: str, first_line: int = 1) -> tuple[int, str] | None:
    """The line of a fence or an HTML comment that does not end, and which of them; None where all do."""
    mark, opened, comment = "", first_line, 0
    for line, inside in _scan(body, first_line):
        if line.fence is None:
            comment = 0 if not inside else comment or line.number
        elif not mark:
            mark, opened = _mark(line.text), line.number
        elif _closes(line.text, mark):
            mark = ""
    if mark:
        return opened, "code block"
    return (comment, "HTML comment") if comment else None


def lines_of(body: str, first_line: int = 1) -> Iterator[Line]:
    """The body's lines; those of a fence, its two fence lines included, carry the fence's tag."""
    return (line for line, _ in _scan(body, first_line))


def _scan(body: str, first_line: int) -> Iterator[tuple[Line, bool]]:
    """Each line, and whether a comment is open at its end."""
    mark, tag, comment = "", "", False
    for number, raw in enumerate(_split(body), first_line):
        if mark:
            yield Line(number, raw, tag), False
            mark = "" if _closes(raw, mark) else mark
            continue
        text, comment = _without_comments(raw, open_before=comment)
        mark = _mark(text)
        if mark:
            tag = _tag(text)
            yield Line(number, text, tag), False
        else:
            yield Line(number, text), comment


def _split(body: str) -> list[str]:
    """Lines end with a line feed, as editors count them; other separators are part of the text."""
    lines = [line.removesuffix("\r") for line in body.split("\n")]
    return lines if lines[-1] else lines[:-1]


def _mark(text: str) -> str:
    found = _OPENING.fullmatch(text)
    return found[1] if found and not (found[1][0] == "`" and "`" in found[2]) else ""


def _tag(text: str) -> str:
    opening = _OPENING.fullmatch(text)
    found = _TAG.match(opening[2]) if opening else None
    return found[1] if found else ""


def _closes(text: str, mark: str) -> bool:
    text = text.strip()
    return len(text) >= len(mark) and not text.strip(mark[0])


def _fence(inside: list[Line], *, closed: bool) -> Fence:
    text = "".join(f"{line.text}\n" for line in (inside[1:-1] if closed else inside[1:]))
    return Fence((inside[0].fence or "").lower(), inside[0].number + 1, text, closed)


def _without_comments(text: str, *, open_before: bool) -> tuple[str, bool]:
    kept: list[str] = []
    inside, start = open_before, 0
    for mark in _COMMENT_MARK.finditer(text):
        if (mark[0] == "-->") == inside:
            kept += [] if inside else [text[start : mark.start()]]
            inside, start = not inside, mark.end()
    return "".join(kept if inside else [*kept, text[start:]]), inside


def _is_aside(text: str) -> bool:
    """Whether the parenthesis that a text opens with ends where the text does."""
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return letter == ")" and position == len(text) - 1
    return False
