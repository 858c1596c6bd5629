"""The words that are to go: where they stand in a text or in the name of a file, and what stands there instead."""

import functools
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from atomic_agents.core.errors import UsageError
from atomic_agents.vault import note

REPLACEMENT = "(redacted)"
_LEAST_PART = 3
_MARKS = range(0x300, 0x1F000)
"""Code points among which all the marks of scripts are."""
_SEPARATOR = re.compile(r"[_\-.\s]")
# Scripts that put no space between words: Thai to Myanmar, Khmer, kana, and Chinese characters.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_GAP = r"(?:[\s>]|(?<=\n)[+-])+"
"""What may stand between two words: white space, quoting, the signs of a diff."""


@dataclass(frozen=True)
class Phrase:
    """A word or several, and their replacement.

    Whole words unless `parts`; upper and lower case are the same unless `match_case`. Both Unicode forms of a letter
    are the same. Where a script puts no space between words, a word is found inside others.
    """

    text: str
    replacement: str = REPLACEMENT
    parts: bool = False
    match_case: bool = False

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: there is no word in the text, it is too short for a part, or the replacement holds it.
        """
        if not any(sign.isalnum() or unicodedata.category(sign) == "So" for sign in self.text):
            raise UsageError(f"{self.text!r} has no word in it", hint="name the word or phrase that is to go")
        short = len(self.text.strip()) < _LEAST_PART and not _IS_UNSPACED.search(self.text)
        if self.parts and short:
            message = f"{self.text!r} is too short to be taken out of words"
            raise UsageError(message, hint="leave out --parts, or name a longer text")
        if re.search(r"[\x00-\x1f\x7f\u2028\u2029]", self.replacement):
            raise UsageError("the replacement has line breaks or control characters", hint="--with '(redacted)'")
        if self.found_in(self.replacement) or self.in_name(self.replacement):
            message = f"the replacement {self.replacement!r} holds {self.text!r}"
            raise UsageError(message, hint="name another: --with '(removed)'")

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the phrase in a text."""
        return _compile(self.text, parts=self.parts, match_case=self.match_case)

    def found_in(self, text: str) -> bool:
        """Whether a text holds it."""
        return self.pattern.search(text) is not None

    def may_stand_in(self, raw: str) -> bool:
        """Whether JSON could hold it, told without reading it: False only where it cannot."""
        return "\\u" in raw or self._raw is None or self._raw.search(raw) is not None

    def substitute(self, text: str, may_go: Callable[[re.Match[str]], bool] = lambda _: True) -> str:
        """The text without it, but where `may_go` says no."""
        return self.pattern.sub(lambda found: self.replacement if may_go(found) else found[0], text)

    def in_name(self, stem: str) -> bool:
        """Whether the name of a file, without its ending, holds it."""
        return bool(self._spans(stem))

    def rename(self, stem: str) -> str:
        """The name of a file without it, the replacement spelt as names are."""
        new, end = "", 0
        instead = note.slug(self.replacement) if any(map(str.isalnum, self.replacement)) else ""
        for start, after in self._spans(stem):
            new += stem[end:start] + instead
            end = after
        new = re.sub(r"([_.-])[_.-]+", r"\1", new + stem[end:]).strip("_.-")
        return new or "redacted"

    def _spans(self, stem: str) -> list[tuple[int, int]]:
        spaced = _SEPARATOR.sub(" ", stem)
        spans = sorted(found.span() for pattern in self._name_patterns for found in pattern.finditer(spaced))
        apart: list[tuple[int, int]] = []
        for start, end in spans:
            if not apart or start >= apart[-1][1]:
                apart.append((start, end))
        return apart

    @cached_property
    def _raw(self) -> re.Pattern[str] | None:
        """Matches wherever JSON has the words, inside of others too; None where JSON spells them otherwise."""
        if re.search(r"[\"\\\x00-\x1f]", self.text.strip()):
            return None
        gap = r"(?:[\s>+-]|\\[nrtbf])+"
        return re.compile(gap.join(map(_word, self.text.split())), re.IGNORECASE)

    @cached_property
    def _name_patterns(self) -> tuple[re.Pattern[str], ...]:
        """Names have their words as they are, or spelt as `slug` spells them; case never tells two apart."""
        spelt = [_SEPARATOR.sub(" ", self.text)]
        if any(map(str.isalnum, self.text)):
            spelt.append(note.slug(self.text).replace("_", " "))
        spelt = [each for each in dict.fromkeys(spelt) if each.strip()]
        return tuple(_compile(each, parts=self.parts, match_case=False) for each in spelt)


def _compile(text: str, *, parts: bool, match_case: bool) -> re.Pattern[str]:
    text = text.strip()
    words = _GAP.join(map(_word, text.split()))
    if not parts:
        words = _boundary(text[0], before=True) + words + _boundary(text[-1], before=False)
    return re.compile(words, 0 if match_case else re.IGNORECASE)


def _word(word: str) -> str:
    forms = dict.fromkeys((word, *(unicodedata.normalize(form, word) for form in ("NFC", "NFD"))))
    return f"(?:{'|'.join(map(re.escape, forms))})"


def _boundary(sign: str, *, before: bool) -> str:
    """What keeps a match from standing inside a word, given the sign at its edge."""
    look = "(?<!{})" if before else "(?!{})"
    if _IS_UNSPACED.match(sign):
        return "" if before else look.format(f"[{_marks()}]")
    if not (sign.isalnum() or sign == "_" or unicodedata.combining(sign)):
        return ""
    letter, mark = look.format(rf"[^\W{_UNSPACED}]"), look.format(f"[{_marks()}]")
    return letter + mark


@functools.cache
def _marks() -> str:
    """The signs that belong to the letter before them, as ranges of a character class."""
    codes = [code for code in _MARKS if unicodedata.category(chr(code))[0] == "M"]
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
