"""What a change set comes to: one step a document, its expectations checked, and the change set that undoes it."""

from collections.abc import Callable, Iterable
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


def fold(changes: ChangeSet, read: Callable[[str], Blob | None]) -> tuple[Step, ...]:
    """Every document the change set changes, in order; changes of one document see those before them.

    Raises:
        Conflict: expectations that are not met; names every such path.
        PathRefused: a path that must not be written, or a new one that some systems cannot hold.
    """
    drafts: dict[str, _Draft] = {}
    stale: list[str] = []
    for change in changes:
        draft = drafts.get(change.path)
        if draft is None:
            draft = drafts[change.path] = _Draft(read(check_writable(change.path)))
        if not draft.meets(change):
            stale.append(change.path)
        draft.take(change)
    if stale:
        raise conflict(stale, kept=all(getattr(change, "expect", "") != NOT_KEPT for change in changes))
    steps = tuple(draft.step(path) for path, draft in drafts.items() if draft.differs)
    if not isinstance(changes, Undo):
        for step in steps:
            if step.creates:
                check_creatable(step.path)
    return steps


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
        return Step(path, self.before, self.data, self.mode, self.added or b"")


def _inverse(step: Step) -> Change:
    left = ABSENT if step.after is None else revision(step.after)
    if step.before is None:
        return Delete(step.path, expect=left)
    return Put(step.path, step.before.data, expect=left, mode=step.before.mode)
