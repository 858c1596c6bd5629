"""Merge what two sides have made of one text, line by line; conflicts come back as values, never as markers in a text.

Line ends do not count as differences: the operator's lines keep theirs, and lines of the other side get the operator's.
"""

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
    from merge3 import Merge3  # noqa: PLC0415 - only templates that have changed need it

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
    for in_was, end_was, in_yours, end_yours, in_new, end_new in Merge3(was, yours, new).find_sync_regions():
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
    return Merge((bom + _joined(merged, ending, ends=text.endswith("\n"))).encode())


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
        whole[-1] = whole[-1].removesuffix("\n").removesuffix("\r")
    return "".join(whole)
