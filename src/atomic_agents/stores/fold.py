"""What a change set comes to: one step a document, its expectations checked, and the change set that undoes it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from atomic_agents.core.change import ABSENT, ANY, Append, Change, ChangeSet, Delete, Put, Revision, revision
from atomic_agents.core.errors import Conflict, InternalError
from atomic_agents.core.store import Blob
from atomic_agents.stores.names import check_creatable, check_writable

NOT_KEPT: Final = "not-kept"
"""The expectation, never met, of an undo whose old bytes were too many to keep."""


class Undo(ChangeSet):
    """A change set that puts back what was there, under whatever name it had."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One document before and after; no bytes after is no document. `mode` is asked for where it is new.

    `added` is what was appended where the document was there and nothing but lines was appended.
    """

    path: str
    before: Blob | None
    after: bytes | None
    after_revision: Revision | None
    mode: int | None = None
    added: bytes = b""

    @property
    def creates(self) -> bool:
        """Whether there was no document before."""
        return self.before is None

    @property
    def deletes(self) -> bool:
        """Whether there is no document afterwards."""
        return self.after is None


def fold(changes: ChangeSet, read: Callable[[str], Blob | None]) -> Iterator[Step]:
    """Every document the change set changes, one at a time, in order; changes of one document see those before them.

    Raises:
        Conflict: expectations that are not met; names every such path, when all the others have been given out.
        PathRefused: a path that must not be written, or a new one that some systems cannot hold.
    """
    more = {} if changes.once else _repeats(changes)
    folded: set[str] = set()
    stale: list[str] = []
    for change in changes:
        path = change.path
        if path in folded:
            if changes.once:
                raise InternalError(f"{path} is changed twice", context={"path": path})
            continue
        draft = _Draft(read(check_writable(path)))
        folded.add(path)
        mine = [change, *(changes.changes[number] for number in more.get(path, ()))]
        for one in mine:
            if not draft.meets(one):
                stale.append(path)
            draft.take(one)
        if draft.differs and not stale:
            if draft.before is None and not isinstance(changes, Undo):
                check_creatable(path)
            yield draft.step(path)
    if stale:
        raise conflict(stale, kept=all(getattr(change, "expect", "") != NOT_KEPT for change in changes))


def _repeats(changes: ChangeSet) -> dict[str, list[int]]:
    """The documents that are changed more than once, with the places of all but the first change."""
    first: set[str] = set()
    more: dict[str, list[int]] = {}
    for number, change in enumerate(changes):
        if change.path in first:
            more.setdefault(change.path, []).append(number)
        else:
            first.add(change.path)
    return more


def undo(changes: ChangeSet, steps: Iterable[Step]) -> Undo:
    """The change set that puts every step back, last first, where nobody has written since."""
    return Undo(f"undo: {changes.reason}", tuple(_inverse(step) for step in reversed(tuple(steps))))


def line_bytes(line: str) -> bytes:
    """A line as it is appended; signs that are no text are spelled with a backslash.

    Raises:
        InternalError: the line has a newline in it.
    """
    if "\n" in line:
        raise InternalError("a line to append has a newline in it", context={"line": line[:80]})
    return line.encode(errors="backslashreplace") + b"\n"


def is_between(now: bytes, before: bytes, after: bytes) -> bool:
    """Whether `now` is what a write of `after` over `before` may leave where it was cut short."""
    if not min(len(before), len(after)) <= len(now) <= max(len(before), len(after)):
        return False
    old, new = before.ljust(len(now), b"\0"), after.ljust(len(now), b"\0")
    return all(byte in pair for byte, *pair in zip(now, old, new, strict=False))


def is_torn(data: bytes) -> bool:
    """Whether the last line has no end, as a crash may leave it."""
    return bool(data) and not data.endswith(b"\n")


def conflict(paths: Iterable[str], *, kept: bool = True) -> Conflict:
    """The refusal because somebody else wrote to `paths`."""
    paths = sorted(set(paths))
    shown = ", ".join(paths[:5]) + (f" and {len(paths) - 5:,} more" if len(paths) > 5 else "")
    verb = "has" if len(paths) == 1 else "have"
    return Conflict(
        f"{shown} {verb} changed since it was read; nothing was written",
        hint="run the command again: it reads what is there now"
        if kept
        else "the document was too large to keep a copy of: take the line out by hand",
        context={"paths": paths},
    )


class _Draft:
    """A document while changes are folded into it."""

    def __init__(self, before: Blob | None) -> None:
        self.before = before
        self.data = None if before is None else before.data
        self.revision: Revision | None = ABSENT if before is None else before.revision
        self.mode: int | None = None
        self.added: bytes | None = None if before is None else b""

    def meets(self, change: Change) -> bool:
        if isinstance(change, Append) or change.expect == ANY:
            return True
        if self.revision is None:
            self.revision = ABSENT if self.data is None else revision(self.data)
        return self.revision == change.expect

    def take(self, change: Change) -> None:
        self.revision = None
        if isinstance(change, Append):
            data = self.data or b""
            more = (b"\n" if is_torn(data) else b"") + line_bytes(change.line)
            self.data = data + more
            self.added = None if self.added is None else self.added + more
        elif isinstance(change, Put):
            self.data, self.mode, self.added = change.data, change.mode, None
        else:
            self.data, self.mode, self.added = None, None, None

    @property
    def differs(self) -> bool:
        return self.data != (None if self.before is None else self.before.data)

    def step(self, path: str) -> Step:
        after = None if self.data is None else revision(self.data)
        return Step(path, self.before, self.data, after, self.mode, self.added or b"")


def _inverse(step: Step) -> Change:
    left = step.after_revision or ABSENT
    if step.before is None:
        return Delete(step.path, expect=left)
    return Put(step.path, step.before.data, expect=left, mode=step.before.mode)
