"""The lines in which one text differs from another, and how they are found again in a text that went on changing."""

import re
from collections.abc import Callable, Sequence

Patch = list[list[object]]
"""For each place: its line from 0, the lines before it there, the lines to take away, and those to put there."""

_CONTEXT = 2


def make(text: str, wanted: str) -> Patch:
    """What makes `wanted` of `text`."""
    start = text.rfind("\n", 0, _common_start(text, wanted)) + 1
    end = _common_end(text[start:], wanted[start:])
    left, right = _lines(text[start : len(text) - end]), _lines(wanted[start : len(wanted) - end])
    if not left and not right:
        return []
    above = start
    for _ in range(_CONTEXT):
        above = text.rfind("\n", 0, max(above - 1, 0)) + 1
    line, context = text.count("\n", 0, start), _lines(text[above:start])
    if not left or not right:
        return [[line, context, left, right]]
    import difflib  # noqa: PLC0415 - 4 ms that few changes need

    codes = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    differing = (code[1:] for code in codes if code[0] != "equal")
    return [[line + i, (context + left[:i])[-_CONTEXT:], left[i:j], right[k:m]] for i, j, k, m in differing]


def apply(text: str, patch: Patch) -> str | None:
    """The text with every place changed; None where one is not to be found any more.

    A place is where it was, or else at the one spot that has the lines to take away, or the lines that stood before it.
    """
    lines = _lines(text)
    for line, above, gone, new in reversed(patch):
        before, old, fresh = (list(map(str, part)) for part in (above, gone, new) if isinstance(part, list))
        at = _find(lines, int(str(line)), before, old)
        if at is None:
            return None
        lines[at : at + len(old)] = fresh
    return "".join(lines)


def _find(lines: Sequence[str], line: int, before: Sequence[str], old: Sequence[str]) -> int | None:
    def fits(at: int) -> bool:
        return list(lines[at : at + len(old)]) == old and list(lines[max(at - len(before), 0) : at]) == before

    if fits(line):
        return line
    exact = [at for at in range(len(lines) + 1) if fits(at)]
    if not exact and old:
        exact = [at for at in range(len(lines)) if list(lines[at : at + len(old)]) == old]
    return exact[0] if len(exact) == 1 else None


def _common_start(one: str, other: str) -> int:
    """How many characters both begin with."""
    return _most(min(len(one), len(other)), lambda size: one.startswith(other[:size]))


def _common_end(one: str, other: str) -> int:
    """How many characters of whole lines both end with."""
    size = _most(min(len(one), len(other)), lambda size: size == 0 or one.endswith(other[-size:]))
    while size and not all(len(text) == size or text[-size - 1] == "\n" for text in (one, other)):
        following = one.find("\n", len(one) - size)
        size = 0 if following < 0 else len(one) - following - 1
    return size


def _most(size: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `size` for which something holds that holds for every smaller one."""
    low = 0
    while low < size:
        middle = (low + size + 1) // 2
        low, size = (middle, size) if holds(middle) else (low, middle - 1)
    return low


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)
