"""Moving staged files into place, and remembering what must be made durable or taken back."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable

from atomic_agents.stores import disk
from atomic_agents.stores.places import read_bytes


class Mover:
    """Moves names about, and remembers which folders to make durable and which it made."""

    def __init__(self, batch: str) -> None:
        self.batch = batch
        self._ready: set[str] = set()
        self._touched: set[str] = set()
        self._overwritten: list[str] = []
        self._made: list[str] = []

    def move(self, staged: str, real: str) -> None:
        """Put a staged file in place, with the folders it needs and without the empty ones in its way."""
        folder = os.path.dirname(real)
        if folder not in self._ready:
            disk.make_folders(folder, self._made)
            self._ready.add(folder)
        if os.path.isdir(real):
            _remove_empty(real)
        self._touched.add(folder)
        try:
            disk.rename(staged, real)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._move_across(staged, real)

    def overwrite(self, real: str, data: bytes, size: int) -> None:
        """Write over a file of `size` bytes where it is."""
        disk.overwrite(real, data, size=size)
        self._overwritten.append(real)

    def _move_across(self, staged: str, real: str) -> None:
        """As `move`, onto another file system: the copy's name is the same each time, so nothing is left by a crash."""
        beside = self._beside(real)
        found = os.lstat(staged)
        owner = (found.st_uid, found.st_gid)
        try:
            data = read_bytes(staged, found.st_size) or b""
            disk.write_new(beside, data, mode=stat.S_IMODE(found.st_mode), owner=owner, durable=True)
            disk.rename(beside, real)
        except OSError:
            forget(beside)
            raise
        forget(staged)  # a copy that stays is swept with its batch

    def sweep(self, real: str) -> None:
        """Take away a copy that a crash left beside a file that is not to be written any more."""
        forget(self._beside(real))

    def remove(self, real: str) -> None:
        """Take a file away; that it is gone already is as good."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            disk.unlink(real)
            self._touched.add(os.path.dirname(real))

    def sync(self) -> None:
        """Make every byte and name durable that was written or moved; folders that are gone need nothing."""
        disk.sync_files(self._overwritten)
        touched = self._touched.union(os.path.dirname(folder) for folder in self._made)
        disk.sync_folders({folder for folder in touched if os.path.isdir(folder)})

    @property
    def made(self) -> tuple[str, ...]:
        """The folders that were made, innermost first."""
        return tuple(reversed(self._made))

    def _beside(self, real: str) -> str:
        return os.path.join(os.path.dirname(real), f".atomic-{os.path.basename(self.batch)}.tmp")


def remove_empty(folders: Iterable[str]) -> None:
    """Take folders away, as far as they are empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            disk.remove_folder(folder)


def forget(path: str) -> None:
    """Take a file away where that can be done."""
    with contextlib.suppress(OSError):
        disk.unlink(path)


def _remove_empty(real: str) -> None:
    """Remove a folder that holds nothing but folders; OSError where it holds a file."""
    for folder, _, _ in os.walk(real, topdown=False):
        disk.remove_folder(folder)
