"""What a batch is about to do, as the file that commits it."""

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from atomic_agents.core.change import Revision
from atomic_agents.core.errors import PathRefused
from atomic_agents.core.store import check_path
from atomic_agents.stores.names import folders_above
from atomic_agents.stores.places import read_bytes

_VERSION: Final = 1
_STAGED: Final = re.compile(r"(?:(?:back-)?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Op:
    """One document: the staged file's name, empty where the document goes, and its revision before and after."""

    path: str
    staged: str
    before: Revision | None
    after: Revision | None
    added: bytes = b""


@dataclass(frozen=True, slots=True)
class Intent:
    """Everything a batch does, and why; `folders` are taken away at the end, those that are empty."""

    reason: str
    ops: tuple[Op, ...]
    folders: tuple[str, ...] = ()

    def as_bytes(self) -> bytes:
        """The intent as JSON."""
        rows = [[op.path, op.staged, op.before, op.after, base64.b64encode(op.added).decode()] for op in self.ops]
        return json.dumps({"version": _VERSION, "reason": self.reason, "ops": rows, "folders": self.folders}).encode()


def read_intent(path: str) -> Intent:
    """The intent in a file.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    try:
        content = json.loads(read_bytes(path, os.stat(path).st_size) or b"")
        if content["version"] != _VERSION:
            raise ValueError(f"an intent of version {content['version']}")
        ops = tuple(_op(row) for row in content["ops"])
        return Intent(str(content["reason"]), ops, tuple(check_path(folder) for folder in content["folders"]))
    except (KeyError, TypeError, AttributeError, PathRefused) as error:
        raise ValueError("not an intent") from error


def in_order(ops: Sequence[Op]) -> list[Op]:
    """Deletions that make room for what is written, then what is written, then the other deletions."""
    written = {op.path for op in ops if op.staged}
    folders = {folder for path in written for folder in folders_above(path)}
    puts = [op for op in ops if op.staged]
    gone = [op for op in ops if not op.staged]
    early = [op for op in gone if op.path in folders or not written.isdisjoint(folders_above(op.path))]
    first = {op.path for op in early}
    return [*early, *puts, *(op for op in gone if op.path not in first)]


def _op(row: list[str]) -> Op:
    """An operation that cannot reach outside the vault and the batch, whoever wrote it."""
    path, staged, before, after, added = row
    if not _STAGED.fullmatch(staged):
        raise ValueError("not a staged file")
    return Op(check_path(path), staged, before, after, base64.b64decode(added))
