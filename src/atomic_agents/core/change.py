"""What can happen to documents: put, append, delete; many of them as one change set with a diff."""

import hashlib
import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
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
_DIFF_LINES = 10_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Changes that belong together, and why; applied whole or not at all.

    Where they are too many for memory, `changes` is a sequence that reads each from a file when it is asked for.
    `once` promises that no document is changed twice, so that they need be read only once.
    """

    reason: str
    changes: Sequence[Change] = field(default=())
    once: bool = False

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def paths(self) -> tuple[str, ...]:
        """The documents it touches, in order, each once."""
        return tuple(dict.fromkeys(change.path for change in self.changes))

    def diff(self, read: Callable[[str], bytes | None]) -> Iterator[str]:
        """A unified diff against what `read` returns, line by line without newlines; later changes see earlier ones.

        Every change of bytes shows, line endings and a missing last newline included; control characters are escaped.
        """
        now: dict[str, bytes | None] = {}
        for change in self.changes:
            before = now[change.path] if change.path in now else read(change.path)
            if isinstance(change, Append):
                yield from (f"+++ {change.path} (appended)", f"+{_shown(change.line)}")
                after: bytes | None = (before or b"") + change.line.encode(errors="replace") + b"\n"
            else:
                after = change.data if isinstance(change, Put) else None
                yield from _unified(change.path, before, after)
            now[change.path] = after


def _unified(path: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    if before == after:
        return
    yield f"--- {'/dev/null' if before is None else path}"
    yield f"+++ {'/dev/null' if after is None else path}"
    was, becomes = _lines(before or b""), _lines(after or b"")
    if len(before or b"") + len(after or b"") > _DIFF_BYTES or len(was) + len(becomes) > _DIFF_LINES:
        yield f"@@ {len(before or b''):,} bytes become {len(after or b''):,} @@"
        return
    import difflib  # noqa: PLC0415 - 4 ms that only a dry run needs

    ends = {line.endswith("\r\n") for line in (*was, *becomes)}
    for line in itertools.islice(difflib.unified_diff(was, becomes, n=1), 2, None):
        text = line.removesuffix("\n")
        yield _shown(text if len(ends) > 1 else text.removesuffix("\r"))
        if text == line:
            yield "\\ no newline at the end"


def _lines(data: bytes) -> list[str]:
    return [line.decode(errors="backslashreplace") for line in io.BytesIO(data)]


def _shown(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
