"""Merge what two sides have made of one text, line by line; conflicts come back as values, never as markers in a text.

Line ends do not count as differences: the operator's lines keep theirs, and lines of the other side get the operator's.
"""

from collections.abc import Iterator
from typing import NamedTuple

_BOM = "\ufeff"


class Hunk(NamedTuple):
    """Lines that both sides have changed differently; `line` is where they start in the operator's text, from 1."""

    line: int
    base: tuple[str, ...]
    mine: tuple[str, ...]
    theirs: tuple[str, ...]


class Merge(NamedTuple):
    """`data` is the merged text; the operator's own where there are `hunks`, or where `why` says what is in the way."""

    data: bytes
    hunks: tuple[Hunk, ...] = ()
    why: str = ""


def merge(base: str, mine: bytes, theirs: str) -> Merge:
    """What `theirs` has changed in `base`, taken over into the operator's text."""
    try:
        text = mine.decode()
    except UnicodeDecodeError:
        return Merge(mine, why="it is not UTF-8 text")
    bom = _BOM if text.startswith(_BOM) else ""
    own = _lines(text[len(bom) :])
    was, yours, new = _words(_lines(base)), _words(own), _words(_lines(theirs))
    ending = "\r\n" if own and own[0].endswith("\r\n") else "\n"
    merged: list[str] = []
    hunks: list[Hunk] = []
    at_was = at_yours = at_new = 0
    for in_was, end_was, in_yours, end_yours, in_new, end_new in _common(was, yours, new):
        before, left, right = was[at_was:in_was], yours[at_yours:in_yours], new[at_new:in_new]
        if right in (before, left):
            merged += own[at_yours:in_yours]
        elif left == before:
            merged += [line + ending for line in right]
        else:
            hunks.append(Hunk(at_yours + 1, tuple(before), tuple(left), tuple(right)))
        merged += own[in_yours:end_yours]
        at_was, at_yours, at_new = end_was, end_yours, end_new
    if hunks:
        return Merge(mine, tuple(hunks))
    if merged == own:
        return Merge(mine)
    return Merge((bom + _joined(merged, ending, ends=not own or own[-1].endswith("\n"))).encode())


def _common(was: list[str], yours: list[str], new: list[str]) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Where all three texts agree: start and end of each stretch in `was`, in `yours` and in `new`; last, their ends.

    The stretches are those that both sides share with `was`: the first half of the algorithm of diff3, as Khanna, Kunal
    and Pierce describe it ("A Formal Investigation of Diff3", 2007).
    """
    import difflib  # noqa: PLC0415 - 4 ms that only templates that have changed need

    left, right = (
        difflib.SequenceMatcher(None, was, side, autojunk=False).get_matching_blocks() for side in (yours, new)
    )
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        mine, theirs = left[at_left], right[at_right]
        start, end = max(mine.a, theirs.a), min(mine.a + mine.size, theirs.a + theirs.size)
        if start < end:
            in_yours, in_new = mine.b + start - mine.a, theirs.b + start - theirs.a
            yield start, end, in_yours, in_yours + end - start, in_new, in_new + end - start
        if mine.a + mine.size < theirs.a + theirs.size:
            at_left += 1
        else:
            at_right += 1
    yield len(was), len(was), len(yours), len(yours), len(new), len(new)


def _lines(text: str) -> list[str]:
    """The lines with their ends; only a newline ends one."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    return lines if lines[-1] else lines[:-1]


def _words(lines: list[str]) -> list[str]:
    """What the lines say, without their ends."""
    return [line.removesuffix("\n").removesuffix("\r") for line in lines]


def _joined(lines: list[str], ending: str, *, ends: bool) -> str:
    """The lines as a text, whose last one ends where the operator's did."""
    whole = [line if line.endswith("\n") else line + ending for line in lines]
    if whole and not ends:
        whole[-1] = lines[-1].removesuffix("\r\n").removesuffix("\n")
    return "".join(whole)
