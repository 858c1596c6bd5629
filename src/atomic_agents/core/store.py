"""The storage seam: every store keeps the promises that `atomic_agents.testing.StoreContract` checks."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from atomic_agents.core.change import ChangeSet, Revision, revision
from atomic_agents.core.errors import PathRefused


@dataclass(frozen=True)
class Blob:
    """A document's bytes; `mode` is the file's permission bits where the store has such."""

    data: bytes
    mode: int | None = None

    @cached_property
    def revision(self) -> Revision:
        """The revision of the bytes, worked out when somebody asks: most readers do not."""
        return revision(self.data)


class Entry(NamedTuple):
    """A document in a listing. `stamp` changes whenever the document does; `modified` is seconds since 1970, UTC."""

    path: str
    size: int
    stamp: str
    modified: float


@dataclass(frozen=True, slots=True)
class Traits:
    """What a store can do, as data."""

    name: str
    writable: bool = True
    shared: bool = True
    """Whether other processes see the same documents."""


class Store(Protocol):
    """Documents at paths. Every method raises StorageFailed where the medium fails and PathRefused for a bad path."""

    @property
    def traits(self) -> Traits:
        """What this store can do."""
        ...

    def read(self, path: str) -> Blob | None:
        """The document's bytes, or None where there is no document."""
        ...

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every document whose path starts with `prefix`, in order of path."""
        ...

    def paths(self, prefix: str = "") -> Iterator[str]:
        """The paths that `list` has, in the same order, without what it costs to look at each document."""
        ...

    def apply(self, changes: ChangeSet) -> ChangeSet:
        """Apply all of it or nothing, durably; return the change set that undoes it.

        The undo expects the documents as this call left them, so it refuses where somebody has written since.

        Raises:
            Conflict: a document is not at its expected revision; nothing was written.
        """
        ...

    def lock(self, name: str, *, wait: float) -> AbstractContextManager[None]:
        """Hold `name` exclusively across processes, waiting at most `wait` seconds; a dying holder lets go.

        Raises:
            Busy: somebody else still holds it.
        """
        ...


_HARD_TO_SYNC = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|\ud800-\udfff]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.IGNORECASE)


def check_path(path: str) -> str:
    """Return `path` where it names something below the vault.

    Raises:
        PathRefused: empty, absolute, or with an empty, `.` or `..` segment.
    """
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise PathRefused(f"{path!r} does not name a document in the vault", context={"path": path})
    return path


def check_new_path(path: str) -> str:
    """Return `path` where every file system and sync tool can hold a new document of that name.

    Raises:
        PathRefused: as `check_path`; also control characters, a colon or another sign that Windows and sync tools
            refuse, text that is no Unicode, a segment that ends in a dot or a space, is longer than 255 bytes, or is a
            device's name on Windows.
    """
    for part in check_path(path).split("/"):
        hard = part.endswith((".", " ")) or _HARD_TO_SYNC.search(part) or _DEVICE.fullmatch(part)
        if hard or len(part.encode()) > 255:
            raise PathRefused(f"{path!r} has a name that other systems cannot hold", context={"path": path})
    return path


def same_folder(one: str, other: str) -> bool:
    """Whether some file systems and sync tools take two names for one: they differ in case or Unicode form alone."""
    return normal_name(normal_name(one).casefold()) == normal_name(normal_name(other).casefold())


def normal_name(name: str) -> str:
    """`name` in the Unicode form that every file system agrees on."""
    import unicodedata  # noqa: PLC0415 - 1 ms that only new names need

    return unicodedata.normalize("NFC", name)
