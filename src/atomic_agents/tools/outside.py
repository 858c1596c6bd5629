"""Files outside the vault that read paths allow, by one rule whether they are read, listed or searched.

No link below the folder that allows it is followed, hidden files are left out, and the vault is reached by its own paths
alone. A file is opened name by name from that folder, so that no link can be put in the way.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from atomic_agents.core.errors import PathRefused
from atomic_agents.guard.paths import PathPolicy

MOST_BYTES = 8 << 20
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BY_DESCRIPTOR = os.open in os.supports_dir_fd


def read(paths: PathPolicy, path: str) -> bytes | None:
    """The bytes of a file, None where there is none.

    Raises:
        PathRefused: no read path covers it, it is no plain file, too large, or the system does not let it be read.
    """
    try:
        with _opened(paths, path) as descriptor:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise PathRefused(f"{path} is not a file")
            if found.st_size > MOST_BYTES:
                raise PathRefused(f"{path} has {found.st_size:,} bytes; {MOST_BYTES:,} are read at most")
            with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
                return _read(file.read, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PathRefused(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def files(paths: PathPolicy, path: str, on_unreadable: Callable[[], None]) -> Iterator[str]:
    """The file at a path, or those below it, absolute and in order; `on_unreadable` counts what cannot be looked at.

    Raises:
        PathRefused: `read` would refuse a file there.
    """
    granted, names = _allowed(paths, path)
    real = os.path.join(granted, *names)
    _check_no_link(real, path)
    if os.path.isfile(real):
        yield path
        return

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):  # it is gone by now
            on_unreadable()

    vault = os.path.realpath(paths.root) if paths.root else ""
    for folder, folders, found in os.walk(path, onerror=failed):
        below = os.path.join(real, os.path.relpath(folder, path)) if folder != path else real
        folders[:] = sorted(
            name for name in folders
            if paths.outside_of(os.path.join(folder, name)) and os.path.join(below, name) != vault
        )  # fmt: skip
        for name in sorted(found):
            full = os.path.join(folder, name)
            try:
                if paths.outside_of(full) and stat.S_ISREG(os.lstat(full).st_mode):
                    yield full
            except OSError as error:
                failed(error)


def _read(read: Callable[[int], bytes | None], path: str) -> bytes:
    """All that a file has: some of the system's say nothing of their size, some have nothing yet."""
    data = bytearray()
    while piece := read(MOST_BYTES + 1 - len(data)):
        data += piece
        if len(data) > MOST_BYTES:
            raise PathRefused(f"{path} has more than the {MOST_BYTES:,} bytes that are read at most")
    if piece is None and not data:
        raise PathRefused(f"{path} cannot be read: it has nothing yet")
    return bytes(data)


def _allowed(paths: PathPolicy, path: str) -> tuple[str, Sequence[str]]:
    """The real folder that allows reading a path, and the names below it."""
    allowed = paths.outside_of(path)
    if allowed is None:
        raise PathRefused(f"tools.md does not let you read {path}")
    granted, names = allowed
    real = os.path.realpath(granted)
    root = os.path.realpath(paths.root) if paths.root else ""
    if root and f"{os.path.join(real, *names)}/".startswith(f"{root}/"):
        raise PathRefused(f"{path} is in the vault; name it by its path there")
    return real, names


@contextmanager
def _opened(paths: PathPolicy, path: str) -> Iterator[int]:
    """A descriptor of what is there; no link below the folder that allows it is followed, however it got there."""
    real, names = _allowed(paths, path)
    opened = [os.open(real, _FLAGS)] if _BY_DESCRIPTOR else []
    try:
        if _BY_DESCRIPTOR:
            for name in names:
                opened.append(_step(name, opened[-1], path))
        else:
            whole = os.path.join(real, *names)
            _check_no_link(whole, path)
            opened.append(os.open(whole, _FLAGS))
        yield opened[-1]
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _step(name: str, folder: int, path: str) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # what systems say to a link that may not be followed
            raise _behind_a_link(path) from error
        raise


def _check_no_link(real: str, path: str) -> None:
    if os.path.normcase(os.path.realpath(real)) != os.path.normcase(real):
        raise _behind_a_link(path)


def _behind_a_link(path: str) -> PathRefused:
    return PathRefused(f"{path} is behind a link, and links are not followed there")
