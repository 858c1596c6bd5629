"""Reasoning that a model writes into its answer between tags: taken apart while it streams, wherever the tags fall."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "reasoning"]
Piece = tuple[Kind, str]

TAGS = (
    ("<think>", "</think>"),  # DeepSeek, Qwen, most others
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),  # Gemini behind its OpenAI-compatible address
    ("[THINK]", "[/THINK]"),  # Mistral
)
_OPENERS = tuple(opener.lower() for opener, _ in TAGS)
_CLOSER = {opener.lower(): closer.lower() for opener, closer in TAGS}
_TAG_START = re.compile(r"[<\[]")
_FENCES = ("```", "~~~")
_LINE_START = 24
"""Characters at the start of a line that decide whether it opens a block of code, and whether a tag begins the line."""
_LONE_CLOSER = re.compile(r"^[ \t]*</think(?:ing)?>[ \t]*$", re.MULTILINE | re.IGNORECASE)


class ReasoningSplitter:
    """Takes the text of one answer in pieces and tells reasoning from answer.

    A tag counts at the start of the answer, after an earlier block of reasoning, or at the start of a line outside
    code. At the start an opening tag needs no closing one; on a later line it does, and without it is text.
    """

    def __init__(self) -> None:
        self._held = ""
        self._opener = ""
        """The opening tag of the reasoning that is being read."""
        self._at_start = True
        self._has_reasoned = False
        self._later = False
        """Whether the reasoning began after some text, and so may turn out to be text."""
        self._line = ""
        self._fence = ""

    def feed(self, piece: str) -> Iterator[Piece]:
        """Take the next piece; yield what is decided."""
        self._held += piece
        while (found := self._next()) is not None:
            if found[1]:
                yield found

    def finish(self) -> Iterator[Piece]:
        """Yield what was still undecided when the answer ended."""
        held, self._held = self._held, ""
        if self._at_start and not self._opener and self._has_reasoned:
            held = held.lstrip()
        if self._opener and self._later:
            yield "text", self._opener + held
        elif held:
            yield ("reasoning" if self._opener else "text"), held

    def _next(self) -> Piece | None:
        """The next step, or None where more text is needed; an empty piece says to look again."""
        if self._opener:
            return self._in_reasoning()
        return self._before_text() if self._at_start else self._in_text()

    def _in_reasoning(self) -> Piece | None:
        closer = _CLOSER[self._opener]
        lowered = self._held.lower()
        at = lowered.find(closer)
        if at >= 0:
            reasoning, self._held = self._held[:at], self._held[at + len(closer) :]
            self._opener, self._at_start, self._later, self._has_reasoned = "", True, False, True
            self._line = ""
            return "reasoning", reasoning
        if self._later:
            return None
        kept = _overlap(lowered, closer)
        sure = len(self._held) - kept
        if not sure:
            return None
        reasoning, self._held = self._held[:sure], self._held[sure:]
        return "reasoning", reasoning

    def _before_text(self) -> Piece | None:
        start = self._held.lstrip()
        lowered = start.lower()
        if opener := next((each for each in _OPENERS if lowered.startswith(each)), ""):
            self._held, self._opener = start[len(opener) :], opener
            return "text", ""
        if not start or any(each.startswith(lowered) for each in _OPENERS):
            return None
        self._at_start = False
        if self._has_reasoned:
            self._held = start
        return "text", ""

    def _in_text(self) -> Piece | None:
        if not self._held:
            return None
        for match in _TAG_START.finditer(self._held):
            at = match.start()
            rest = self._held[at : at + _LINE_START].lower()
            starts = [each for each in _OPENERS if each.startswith(rest) or rest.startswith(each)]
            if not starts or not self._begins_line(at):
                continue
            if opener := next((each for each in starts if rest.startswith(each)), ""):
                text, self._held = self._held[:at], self._held[at + len(opener) :]
                self._opener, self._later = opener, True
                self._pass_over(text)
                return "text", text
            text, self._held = self._held[:at], self._held[at:]
            self._pass_over(text)
            return ("text", text) if text else None
        text, self._held = self._held, ""
        self._pass_over(text)
        return "text", text

    def _begins_line(self, at: int) -> bool:
        """Whether nothing but blanks stands before `at` in its line, and no block of code is open there."""
        before = self._line + self._held[:at]
        if before.rpartition("\n")[2].strip():
            return False
        return not _open_fence(before.split("\n")[:-1], self._fence)

    def _pass_over(self, text: str) -> None:
        lines = (self._line + text).split("\n")
        self._fence = _open_fence(lines[:-1], self._fence)
        self._line = lines[-1][:_LINE_START]


@dataclass(frozen=True, slots=True)
class Parted:
    """An answer without its reasoning."""

    text: str
    reasoning: str


def without_lone_closer(text: str) -> Parted:
    """Part an answer whose opening tag stood in the prompt, so that only the closing one came, on a line of its own."""
    for match in _LONE_CLOSER.finditer(text):
        if not _open_fence(text[: match.start()].split("\n"), ""):
            return Parted(text[match.end() :].lstrip(), text[: match.start()].strip())
    return Parted(text, "")


def _open_fence(lines: list[str], fence: str) -> str:
    """The fence of the block of code that is open after `lines`, `fence` being open before them."""
    for line in lines:
        start = line.lstrip()[:3]
        if start in _FENCES and fence in {"", start}:
            fence = "" if fence else start
    return fence


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)
