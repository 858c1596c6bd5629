"""The store's hands: every call that changes the disk, one function each."""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Collection, Iterable
from typing import Final

MANY: Final = 32
"""From so many files on, one `sync` of everything is cheaper than one each."""

_BINARY = getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_POSIX = os.name == "posix"


def write_new(path: str, data: bytes, *, mode: int | None, owner: tuple[int, int] | None, durable: bool) -> None:
    """Write a whole file that nobody else reads yet; `mode` None is what the umask leaves, `owner` is tried only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, 0o666 if mode is None else mode)
    try:
        _write_all(descriptor, data)
        if mode is not None and _POSIX:
            _dress(descriptor, mode, owner)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_new(path: str) -> int:
    """A descriptor of a new file, to be written and read."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | _BINARY, 0o600)


def open_found(path: str) -> int:
    """A descriptor of a file that is there, to be read."""
    return os.open(path, os.O_RDONLY | _BINARY)


def write_pieces(path: str, pieces: Iterable[bytes]) -> None:
    """Write a whole file, which may be long, and make it durable."""
    with open(open_new(path), "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def append_bytes(path: str, data: bytes) -> None:
    """Add `data` at the end of an existing file in one write, durably; on failure the file is as it was."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | _BINARY)
    try:
        size = os.fstat(descriptor).st_size
        try:
            _write_once(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def overwrite(path: str, data: bytes, *, size: int) -> None:
    """Write `data` over a file of `size` bytes, which keeps its mode and owner; `sync_files` makes it durable."""
    descriptor = os.open(path, os.O_WRONLY | _BINARY | _NO_LINK)
    try:
        _write_all(descriptor, data)
        if len(data) < size:
            os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def cut(path: str, size: int) -> None:
    """Have a file be its first `size` bytes again, durably."""
    descriptor = os.open(path, os.O_WRONLY | _BINARY)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: str, target: str) -> None:
    """Put `source` at `target` in one step, replacing a file there."""
    os.replace(source, target)


def unlink(path: str) -> None:
    """Take a file, or a link, away."""
    os.unlink(path)


def make_folder(path: str) -> None:
    """Make one folder; that another process was first is as good."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)


def remove_folder(path: str) -> None:
    """Take an empty folder away; a folder with anything in it refuses."""
    os.rmdir(path)


def sync_folder(path: str) -> None:
    """Make the names in a folder durable, where the system can."""
    if not _POSIX:
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_everything() -> None:
    """Make all that was written durable; only where `syncs_everything`."""
    os.sync()


def syncs_everything(count: int) -> bool:
    """Whether `count` files are so many that `sync_everything` is the way; only Linux waits for its disks there."""
    return count > MANY and sys.platform == "linux"


def sync_files(paths: Collection[str]) -> None:
    """Make what was written to many files durable."""
    if syncs_everything(len(paths)):
        sync_everything()
        return
    for path in paths:
        sync_file(path)


def sync_file(path: str) -> None:
    """Make what was written to a file durable."""
    descriptor = os.open(path, os.O_RDWR | _BINARY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(paths: Collection[str]) -> None:
    """Make the names in many folders durable."""
    if syncs_everything(len(paths)):
        sync_everything()
        return
    for path in sorted(paths):
        sync_folder(path)


def make_folders(path: str, made: list[str]) -> None:
    """Make a folder and those above it that are missing; add each to `made` as soon as it is there."""
    missing: list[str] = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        make_folder(folder)
        made.append(folder)


def _write_once(descriptor: int, data: bytes) -> None:
    """Only a full disk takes a part; no second write follows, as it could come apart from the first."""
    if os.write(descriptor, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def _dress(descriptor: int, mode: int, owner: tuple[int, int] | None) -> None:
    """Give a file its owner, where we may, and then its mode, which a change of owner may have narrowed."""
    now = os.fstat(descriptor)
    if owner is not None and owner != (now.st_uid, now.st_gid):
        with contextlib.suppress(PermissionError):  # only root gives files away
            os.fchown(descriptor, *owner)
    if stat.S_IMODE(now.st_mode) != mode or owner is not None:
        os.fchmod(descriptor, mode)
