"""Captures as fenced blocks in an answer: kept out of what the user reads, while it streams and afterwards.

A block opens with a line of three or more backticks and `atomic_capture`, in any case and indented or not. It ends with
a line that ends in at least as many backticks, or with the answer.
"""

import json
import re
from collections.abc import Callable

_OPENING = re.compile(r"[ \t]*(`{3,})[ \t]*atomic_capture[ \t]*\r?\n?", re.IGNORECASE)
_TAG = "atomic_capture"
_START = re.compile(r"[ \t]*(?:(?P<few>`{0,2})|`{3,}[ \t]*(?P<tag>\w*)(?P<after>[ \t]*\r?))", re.ASCII)
_CLOSING = re.compile(r"(?P<before>.*?)(?P<marks>`{3,})[ \t]*\r?\n?", re.DOTALL)


class CaptureFilter:
    """Takes an answer in pieces and hands its text to `on_text`, line by line where a block could begin.

    `captures` has the blocks that have ended: the JSON value of each, or its text where that is not JSON.
    """

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self.captures: list[object] = []
        self._on_text = on_text
        self._line = ""
        self._passing = False
        self._marks = ""
        self._block: list[str] = []

    def feed(self, text: str) -> None:
        """Take a piece of text."""
        for piece in re.findall(r"[^\n]*\n|[^\n]+", text):
            if self._passing:
                self._on_text(piece)
                self._passing = not piece.endswith("\n")
            else:
                self._line += piece
                self._look(whole=piece.endswith("\n"))

    def finish(self) -> None:
        """The answer is over: what was held back is text, or a block that was never closed."""
        self._look(whole=True)
        if self._marks:
            capture, rest = _unclosed("".join(self._block))
            self._end(capture)
            if rest.strip():
                self._on_text(rest)

    def _look(self, *, whole: bool) -> None:
        if self._marks:
            if whole:
                self._take_line()
        elif whole and (opening := _OPENING.fullmatch(self._line)):
            self._marks, self._line = opening[1], ""
        elif self._line and (whole or not _may_open(self._line)):
            self._on_text(self._line)
            self._passing, self._line = not self._line.endswith("\n"), ""

    def _take_line(self) -> None:
        line, self._line = self._line, ""
        closing = _CLOSING.fullmatch(line)
        if closing is None or len(closing["marks"]) < len(self._marks):
            self._block.append(line)
            return
        self._block.append(closing["before"])
        self._end(_value("".join(self._block)))

    def _end(self, capture: object) -> None:
        self.captures.append(capture)
        self._marks, self._block = "", []


def split_blocks(text: str) -> tuple[str, list[object]]:
    """An answer without its fenced captures, and the captures; one whose JSON is broken is its text."""
    kept: list[str] = []
    blocks = CaptureFilter(kept.append)
    blocks.feed(text)
    blocks.finish()
    if not blocks.captures:
        return text, []
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip(), blocks.captures


def _may_open(line: str) -> bool:
    """Whether more text could make the start of a line the opening of a block."""
    start = _START.fullmatch(line)
    if start is None:
        return False
    tag = (start["tag"] or "").lower()
    return tag == _TAG if start["after"] and tag else _TAG.startswith(tag)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()


def _unclosed(text: str) -> tuple[object, str]:
    """The capture of a block that the answer's end closes, and what stands behind its JSON object."""
    start = len(text) - len(text.lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return text.strip(), ""
    return (value, text[end:]) if isinstance(value, dict) else (_value(text), "")
