"""Files outside the vault that read paths allow: opened name by name from the folder that allows it, links refused."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from atomic_agents.core.errors import PathRefused
from atomic_agents.guard.paths import PathPolicy

MOST_BYTES = 8 << 20
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BY_DESCRIPTOR = os.open in os.supports_dir_fd


def read(paths: PathPolicy, path: str) -> bytes | None:
    """The bytes of a file, None where there is none.

    Raises:
        PathRefused: no read path covers it, it is no plain file, or too large.
    """
    try:
        with _opened(paths, path) as descriptor:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise PathRefused(f"{path} is not a file")
            if found.st_size > MOST_BYTES:
                raise PathRefused(f"{path} has {found.st_size:,} bytes; {MOST_BYTES:,} are read at most")
            with os.fdopen(os.dup(descriptor), "rb") as file:
                return file.read(MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None


def files(paths: PathPolicy, path: str, most: int, skipped: list[str]) -> list[str]:
    """The files below a folder, absolute and in order, `most` at most; hidden ones are left out.

    Folders that cannot be read are added to `skipped`.

    Raises:
        PathRefused: the folder is behind a link, or no read path covers it.
    """
    found: list[str] = []
    try:
        with _opened(paths, path):
            pass  # what `read` would refuse is not listed either
    except OSError:
        skipped.append(path)
        return found
    for folder, folders, names in os.walk(path, onerror=lambda error: skipped.append(str(error.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            full = os.path.join(folder, name)
            if not name.startswith(".") and not os.path.islink(full) and paths.outside_of(full):
                found.append(full)
            if len(found) >= most:
                return found
    return found


@contextmanager
def _opened(paths: PathPolicy, path: str) -> Iterator[int]:
    """A descriptor of what is there; no link below the folder that allows it is followed, however it got there."""
    allowed = paths.outside_of(path)
    if allowed is None:
        raise PathRefused(f"tools.md does not let you read {path}")
    granted, names = allowed
    real = os.path.realpath(granted)
    root = os.path.realpath(paths.root) if paths.root else ""
    if root and f"{os.path.join(real, *names)}/".startswith(f"{root}/"):
        raise PathRefused(f"{path} is in the vault; name it by its path there")
    opened = [os.open(real, _FLAGS)] if _BY_DESCRIPTOR else []
    try:
        if _BY_DESCRIPTOR:
            for name in names:
                opened.append(_step(name, opened[-1], path))
        else:
            opened.append(_checked(os.path.join(real, *names), path))
        yield opened[-1]
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _step(name: str, folder: int, path: str) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
            raise
        raise PathRefused(f"{path} is behind a link, and links are not followed there") from error


def _checked(real: str, path: str) -> int:
    if os.path.normcase(os.path.realpath(real)) != os.path.normcase(real):
        raise PathRefused(f"{path} is behind a link, and links are not followed there")
    return os.open(real, _FLAGS)
