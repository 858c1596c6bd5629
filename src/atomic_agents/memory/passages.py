"""A document in passages: its paragraphs, and the lines of a list or of a talk each for itself, in sections."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from atomic_agents.memory import dates
from atomic_agents.vault import journal

MOST = 4_000
"""Passages of a section; a longer one goes on as another."""

_LONG = 900
_FILLED = re.compile(r"[^\n]*\S[^\n]*")
_HEADING = re.compile(r"(#{1,6})\s")
_SECTION = 2
_TURN = re.compile(r"## (\d{4}-\d\d-\d\d) [\d:+-]+ — (?:asked|answered|summary)")
_NAME = r"(?:\*\*|__)?([^\W\d_][\w.' -]{0,39}?)(?:\*\*|__)?:(?:\*\*|__)?\s"
_ITEM = re.compile(rf"\s*(?:[-*+•]|\d+[.)])\s|{_NAME}")
_SPEAKER = re.compile(rf"\s*(?:[-*+•]\s+)?{_NAME}")
_QUESTION = re.compile(r"[?？؟;][\"'”’)\]*_\s]*\Z")
_END = re.compile(r"[.!?。！？]\s+|[。！？]|\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage, word for word, its line, and the heading it stands first under; `who` says it, if anybody does."""

    line: int
    text: str
    heading: str = ""
    who: str = ""

    @property
    def asks(self) -> bool:
        """Whether it ends with a question."""
        return _QUESTION.search(self.text) is not None

    @property
    def dated(self) -> bool:
        """Whether it says when something was."""
        return dates.says_when(self.text)


@dataclass(slots=True)
class Section:
    """Passages that belong together. `day` is stated in the document, "" where it is not."""

    day: str = ""
    pieces: list[Piece] = field(default_factory=list)


def sections(kind: str, body: str, first_line: int) -> list[Section]:
    """What is worth finding in a document's body, at least one passage; of a journal nothing that runs wrote there."""
    first_line += body[: len(body) - len(body.lstrip())].count("\n")
    body = body.strip()
    if kind == "journal":
        body = journal.without_runs(body)
    found = [Section()]
    for line, heading, level, paragraph in _paragraphs(body, first_line):
        turn = _TURN.match(heading) if kind == "conversation" else None
        if turn and turn[1] != found[-1].day:
            found.append(Section(turn[1]))
        elif level and level <= _SECTION and not turn and found[-1].pieces:
            found.append(Section(found[-1].day))
        for piece in _pieces(line, paragraph, "" if turn else heading):
            if len(found[-1].pieces) >= MOST:
                found.append(Section(found[-1].day))
            found[-1].pieces.append(piece)
    kept = [_spoken(section) for section in found if section.pieces]
    return kept or [Section(pieces=[Piece(first_line, "")])]


def _paragraphs(body: str, first_line: int) -> Iterator[tuple[int, str, int, str]]:
    """Line, heading, its level and text of each paragraph; a heading is told to the first paragraph below it alone.

    A heading without a text below it is a paragraph too.
    """
    start, lines, heading, level = first_line, list[str](), "", 0
    at = number = first_line
    end = 0
    for found in _FILLED.finditer(body):
        below = body.count("\n", end, found.start())
        number, end, line = number + below, found.end(), found[0]
        mark = _HEADING.match(line) if line.startswith("#") else None
        if lines and (mark or below > 1):
            yield start, heading, level, "\n".join(lines)
            lines, heading, level = [], "", 0
        if mark is None:
            start = start if lines else number
            lines.append(line.rstrip("\r"))
            continue
        if heading and not _TURN.match(heading):
            yield at, "", level, heading
        at, heading, level = number, line.strip(), len(mark[1])
    if lines:
        yield start, heading, level, "\n".join(lines)
    elif heading and not _TURN.match(heading):
        yield at, "", level, heading


def _pieces(line: int, paragraph: str, heading: str) -> Iterator[Piece]:
    """The items of a paragraph where it is a list, else the paragraph; what is very long in parts."""
    for number, text in _items(line, paragraph):
        if text.startswith("<!--") and text.endswith("-->"):
            continue
        at = number
        for part in _parts(text):
            yield Piece(at, part, heading)
            at += part.count("\n")
            heading = ""


def _items(line: int, paragraph: str) -> Iterator[tuple[int, str]]:
    lines = paragraph.split("\n")
    if len(lines) == 1 or not all(_ITEM.match(each) or each[:1].isspace() for each in lines):
        yield line, paragraph
        return
    start = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or not lines[end][:1].isspace():
            yield line + start, "\n".join(lines[start:end])
            start = end


def _parts(text: str) -> Iterator[str]:
    """A text in parts of at most some length, cut where a sentence ends if there is such a place."""
    start = 0
    while len(text) - start > _LONG:
        cut = start + _LONG
        for end in _END.finditer(text, start + _LONG // 2, cut):
            if not end[0].isspace() or cut == start + _LONG:
                cut = end.end()
        yield text[start:cut]
        start = cut
    yield text[start:]


def _spoken(section: Section) -> Section:
    """With who says what, where lines begin with a name that comes again."""
    names = [(found[1] if (found := _SPEAKER.match(piece.text)) else "") for piece in section.pieces]
    again = {name for name in names if name and names.count(name) > 1} if any(names) else set[str]()
    if again:
        pairs = zip(section.pieces, names, strict=True)
        section.pieces = [
            Piece(piece.line, piece.text, piece.heading, name) if name in again else piece for piece, name in pairs
        ]
    return section
