"""What a batch is about to do, as the file that commits it."""

import base64
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from atomic_agents.core.change import Revision
from atomic_agents.core.errors import PathRefused
from atomic_agents.core.spool import NOTHING, Span
from atomic_agents.core.store import check_path
from atomic_agents.stores.names import folders_above
from atomic_agents.stores.places import read_bytes

_VERSION: Final = 2
_READABLE: Final = (1, 2)
"""Version 1 staged every document whole that it did not write over."""

_ROWS: Final = 500
_STAGED: Final = re.compile(r"(?:(?:back-)?[0-9]+)?")


class Op(NamedTuple):
    """One document: the staged file's name, empty where the document goes, and its revision before and after.

    `old` and `new` are where its bytes are in the batch's images. With `new` there is no staged file: the document is
    written over in place. With neither, what was `added` goes to the end of the document where it is.
    """

    path: str
    staged: str
    before: Revision | None
    after: Revision | None
    added: bytes = b""
    old: Span = NOTHING
    new: Span | None = None

    @property
    def puts(self) -> bool:
        """Whether there is a document afterwards."""
        return self.after is not None

    @property
    def extends(self) -> bool:
        """Whether the document only becomes longer, in place."""
        return self.puts and not self.staged and self.new is None


@dataclass(frozen=True, slots=True)
class Intent:
    """Everything a batch does, and why; `folders` are taken away at the end, those that are empty."""

    reason: str
    ops: tuple[Op, ...]
    folders: tuple[str, ...] = ()

    def as_bytes(self) -> Iterator[bytes]:
        """The intent as JSON, in pieces, as there may be a million operations."""
        head = {"version": _VERSION, "reason": self.reason, "folders": self.folders}
        yield json.dumps(head).encode().removesuffix(b"}") + b', "ops": ['
        for start in range(0, len(self.ops), _ROWS):
            ops = self.ops[start : start + _ROWS]
            rows = [(*op[:4], base64.b64encode(op.added).decode(), *op[5:]) for op in ops]
            yield (b",\n" if start else b"\n") + json.dumps(rows)[1:-1].encode()
        yield b"]}\n"


def read_intent(path: str) -> Intent:
    """The intent in a file.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    try:
        content = json.loads(read_bytes(path, os.stat(path).st_size) or b"")
        if content["version"] not in _READABLE:
            raise ValueError(f"an intent of version {content['version']}")
        ops = tuple(_op(row) for row in content["ops"])
        return Intent(str(content["reason"]), ops, tuple(check_path(folder) for folder in content["folders"]))
    except (KeyError, TypeError, AttributeError, PathRefused) as error:
        raise ValueError("not an intent") from error


def in_order(ops: Sequence[Op]) -> Sequence[Op]:
    """Deletions that make room for what is written, then what is written, then the other deletions."""
    gone = [op for op in ops if not op.puts]
    if not gone:
        return ops
    puts = [op for op in ops if op.puts]
    written = {op.path for op in puts}
    folders = {folder for path in written for folder in folders_above(path)}
    early = [op for op in gone if op.path in folders or not written.isdisjoint(folders_above(op.path))]
    first = {op.path for op in early}
    return [*early, *puts, *(op for op in gone if op.path not in first)]


def _op(row: list[object]) -> Op:
    """An operation that cannot reach outside the vault and the batch, whoever wrote it."""
    path, staged, before, after, added, old, new = row
    if not _STAGED.fullmatch(str(staged)):
        raise ValueError("not a staged file")
    revisions = (None if before is None else str(before), None if after is None else str(after))
    if not (isinstance(old, int) and isinstance(new, int | None)):
        raise TypeError("not a span")
    return Op(check_path(str(path)), str(staged), *revisions, base64.b64decode(str(added)), old, new)
