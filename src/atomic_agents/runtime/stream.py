"""Text on its way to the user, with the fenced captures held back."""

import re
from collections.abc import Callable

_OPENING = re.compile(r"[ \t]*(`{3,})[ \t]*atomic_capture[ \t]*$", re.IGNORECASE)
_COULD_OPEN = re.compile(r"[ \t]*(`{0,2}|`{3,}[ \t]*[A-Za-z_]*[ \t]*)$")


class CaptureFilter:
    """Passes text on line by line, or as it comes where the line cannot be the start of a capture."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._line = ""
        self._passing = False
        self._closing: str | None = None

    def feed(self, text: str) -> None:
        """Take a piece of text."""
        for piece in re.findall(r"[^\n]*\n|[^\n]+", text):
            self._take(piece)

    def finish(self) -> None:
        """Pass on what was held back and turned out to be text."""
        if self._line and self._closing is None and not _OPENING.match(self._line):
            self._on_text(self._line)
        self._line = ""

    def _take(self, piece: str) -> None:
        if self._passing:
            self._on_text(piece)
            self._passing = not piece.endswith("\n")
            return
        self._line += piece
        whole = self._line.endswith("\n")
        if self._closing is not None:
            if whole:
                self._closing = None if self._line.strip() == self._closing else self._closing
                self._line = ""
        elif whole and (opening := _OPENING.match(self._line.rstrip("\r\n"))):
            self._closing, self._line = opening[1], ""
        elif whole or not _COULD_OPEN.match(self._line):
            self._on_text(self._line)
            self._passing, self._line = not whole, ""
