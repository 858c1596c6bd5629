"""An index that has grown long: sections move whole to pages `INDEX_<slice>.md`, and INDEX.md points to them.

Every line goes with its section, word for word and in order: prose, headings below it, hooks written by hand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.vault import index, layout, note
from atomic_agents.vault.markdown import heading_of, lines_of

_NAMES = {"decision": "decisions", "project": "projects"}
_SLICES = {title: _NAMES.get(type_, type_) for type_, title in index.SECTIONS.items()}
_POINTER = re.compile(r"\]\((INDEX_[^()/<>\s]+\.md)\)")
_HEAD = 4
"""Lines of a page before the lines of its section."""


def pointers(text: str) -> tuple[str, ...]:
    """The pages that INDEX.md points to, in order, each once."""
    return tuple(dict.fromkeys(_POINTER.findall(text)))


def pointer(text: str, title: str) -> str:
    """The page that a section of INDEX.md points to first; "" where it points to none."""
    if "](INDEX_" not in text:
        return ""
    section = next((part for part in _parts(text) if part.title.lower() == title.lower()), None)
    found = _POINTER.search("".join(section.lines)) if section else None
    return found[1] if found else ""


@dataclass
class _Part:
    """A section of level 2 with its heading line, or what stands before the first (title "")."""

    title: str
    lines: list[str]

    @property
    def entries(self) -> int:
        """How many notes it lists."""
        return sum(not layout.is_index(file) for _, file in index.files("".join(self.lines)))


def joined(pages: Mapping[str, str]) -> str:
    """INDEX.md as it would be if it were not split: each pointer gives way to what its page holds.

    `pages` has INDEX.md under the name "INDEX.md" and the others under theirs.
    """
    parts = []
    for part in _parts(pages["INDEX.md"]):
        lines: list[str] = []
        for line in part.lines:
            found = _POINTER.search(line)
            page = pages.get(found[1]) if found and line.lstrip().startswith(("-", "*")) else None
            lines += [line] if page is None else _content(page)
        parts.append("".join(lines))
    return "".join(parts)


def split(text: str, most: int = index.MAX_LINES) -> dict[str, str]:
    """The pages of a joined index, by file name; only "INDEX.md" where it is within `most` lines.

    The sections with most lines move first, and only as many as must; a page that is too long is followed by others.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    parts = _parts(text)
    pages: dict[str, str] = {}
    for part in sorted(parts, key=lambda part: -len(part.lines)):
        if sum(len(each.lines) for each in parts) <= most:
            break
        if part.title and part.entries > 1:
            _move(part, pages, most, newline)
    return {"INDEX.md": "".join("".join(part.lines) for part in parts), **pages}


def _move(part: _Part, pages: dict[str, str], most: int, newline: str) -> None:
    """Put the lines of a section into pages, and pointers in their place."""
    heading, *rest = part.lines
    last = len(rest)
    while last and not rest[last - 1].strip():
        last -= 1
    first = next(at for at, line in enumerate(rest) if line.strip())
    slice_name = _SLICES.get(part.title, note.slug(part.title))
    shown: list[str] = []
    for number, lines in enumerate(_chunks(rest[first:last], most - _HEAD), 1):
        file = f"INDEX_{slice_name}{f'_{number}' if number > 1 else ''}.md"
        head = [f"# Memory Index: {part.title}", "", f"## {part.title}", ""]
        body = "".join(line if line.endswith("\n") else line + newline for line in lines)
        pages[file] = "".join(line + newline for line in head) + body
        count = sum(not layout.is_index(listed) for _, listed in index.files(pages[file]))
        title = part.title if number == 1 else f"{part.title}, {number}"
        shown.append(f"- [{title}]({file}) — {count:,} notes are listed there: read_note {file}{newline}")
    heading = heading if heading.endswith("\n") else heading + newline
    part.lines = [heading, newline, *shown, *(rest[last:] or [newline])]


def _chunks(lines: list[str], most: int) -> list[list[str]]:
    """Lines in portions; where there are comments or code blocks, which a cut could tear, in one."""
    if any(mark in line for line in lines for mark in ("<!--", "-->", "```", "~~~")):
        return [lines]
    return [lines[at : at + most] for at in range(0, len(lines), most)]


def _content(page: str) -> list[str]:
    """The lines of a page's sections, without its title, headings and the blank lines that `split` has put there."""
    found: list[str] = []
    for part in _parts(page):
        lines = part.lines[1:] if part.title else []
        while lines and not lines[0].strip():
            lines = lines[1:]
        found += lines
    return found


def _parts(text: str) -> list[_Part]:
    raw = re.findall(r"[^\n]*\n|[^\n]+", text)
    found = [_Part("", [])]
    for line, whole in zip(lines_of(text), raw, strict=True):
        heading = heading_of(line)
        if heading and heading[0] == 2:
            found.append(_Part(heading[1], []))
        found[-1].lines.append(whole)
    return found
