"""What can happen to documents: put, append, delete; many of them as one change set with a diff."""

import difflib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

Revision = str
"""The hash of a document's bytes; equal bytes have equal revisions, whatever the store."""

ANY: Final = "any"
"""Expect nothing: the change applies whatever is there."""

ABSENT: Final = "absent"
"""Expect that there is no document at the path."""


def revision(data: bytes) -> Revision:
    """SHA-256 of the bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Put:
    """The whole of a document. `mode` is the permission bits of a new file; None keeps those the file has."""

    path: str
    data: bytes
    expect: Revision = ANY
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """One line at the end of a document of lines; `line` has no newline."""

    path: str
    line: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a document away."""

    path: str
    expect: Revision = ANY


Change = Put | Append | Delete

_DIFF_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Changes that belong together, and why; applied whole or not at all."""

    reason: str
    changes: tuple[Change, ...] = field(default=())

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def paths(self) -> tuple[str, ...]:
        """The documents it touches, in order, each once."""
        return tuple(dict.fromkeys(change.path for change in self.changes))

    def diff(self, read: Callable[[str], bytes | None]) -> Iterator[str]:
        """A unified diff against what `read` returns, line by line without newlines."""
        for change in self.changes:
            before = read(change.path) or b""
            if isinstance(change, Append):
                yield from (f"+++ {change.path} (appended)", f"+{change.line}")
            elif isinstance(change, Put):
                yield from _unified(change.path, before, change.data)
            else:
                yield from _unified(change.path, before, b"")


def _unified(path: str, before: bytes, after: bytes) -> Iterator[str]:
    if len(before) + len(after) > _DIFF_BYTES:
        yield from (f"--- {path}", f"+++ {path}", f"@@ {len(before):,} bytes become {len(after):,} @@")
        return
    was, becomes = (part.decode(errors="replace").splitlines() for part in (before, after))
    old, new = (path if before else "/dev/null"), (path if after else "/dev/null")
    yield from difflib.unified_diff(was, becomes, fromfile=old, tofile=new, lineterm="", n=1)
