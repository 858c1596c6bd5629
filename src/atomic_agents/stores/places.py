"""Where in the file system a document is: links followed as far as the vault goes, and no further."""

import errno
import os
import re
import stat
from dataclasses import dataclass
from typing import Final

from atomic_agents.core.errors import PathRefused
from atomic_agents.core.store import Blob
from atomic_agents.stores.names import check_readable

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
# What needs no closer look in a folder that has had one: no dots in front, no signs that any system reads otherwise.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]*")
_WINDOWS: Final = os.name == "nt"
_READ_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A document's file: its absolute path, what it is now, and what would be in its way.

    `link` is the file's own name where that is a link; `blocker` is the document that stands where a folder is needed.
    """

    path: str
    real: str
    stat: os.stat_result | None
    link: str = ""
    blocker: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether a folder has that name."""
        return self.stat is not None and stat.S_ISDIR(self.stat.st_mode)

    @property
    def folder(self) -> str:
        """The absolute path of the folder the file is in."""
        return os.path.dirname(self.real)


class Look:
    """One look at the vault: every folder is examined once, so a look is for one operation only."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: dict[str, tuple[str, str]] = {"": (root, "")}

    def glance(self, path: str) -> Blob | None:
        """The document, where it is a file of a plain name in a folder that has been examined; None for a closer look.

        Raises:
            OSError: it cannot be read.
        """
        above, _, name = path.rpartition("/")
        folder = self._folders.get(above)
        if folder is None or folder[1] or not above or not _PLAIN_NAME.fullmatch(name):
            return None
        real = f"{folder[0]}{os.sep}{name}"
        try:
            found = os.lstat(real)
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode) or (_WINDOWS and is_link(found)):
            return None
        data = read_bytes(real, found.st_size)
        return None if data is None else Blob(data, stat.S_IMODE(found.st_mode))

    def find(self, path: str) -> Place:
        """Where the document `path` is, or would be.

        Raises:
            PathRefused: not a document's path, or a link on the way leaves the vault or leads nowhere.
            OSError: a folder on the way cannot be searched.
        """
        above, _, name = path.rpartition("/")
        if not (above and above in self._folders and _PLAIN_NAME.fullmatch(name)):
            check_readable(path)
            _check_spelling(path)
        folder, blocker = self._folder(above)
        real = os.path.join(folder, name)
        if blocker:
            return Place(path, real, None, blocker=blocker)
        found = status(real)
        if found is None or not is_link(found):
            return Place(path, real, found)
        target = self._follow(real, path)
        return Place(path, target, status(target), link=real)

    def _folder(self, path: str) -> tuple[str, str]:
        """The real folder, and the document that is there instead where one is."""
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = self._examine(path)
        return known

    def _examine(self, path: str) -> tuple[str, str]:
        above, _, name = path.rpartition("/")
        folder, blocker = self._folder(above)
        real = os.path.join(folder, name)
        if blocker:
            return real, blocker
        found = status(real)
        if found is None or (stat.S_ISDIR(found.st_mode) and not is_link(found)):
            return real, ""
        if is_link(found):
            target = self._follow(real, path)
            if os.path.isdir(target):
                return target, ""
        return real, path

    def _follow(self, real: str, path: str) -> str:
        context: dict[str, object] = {"path": path}
        try:
            target = os.path.realpath(real, strict=True)
        except OSError as error:
            message = f"{path} is a link that leads nowhere"
            raise PathRefused(
                message, hint=f"remove the link {real}, or bring back its target", context=context
            ) from error
        if target == self._root:
            return target
        if not target.startswith(self._root + os.sep):
            hint = f"replace the link {real} by a copy of {target}"
            raise PathRefused(f"{path} is a link that leaves the vault", hint=hint, context=context)
        check_readable(target[len(self._root) + 1 :].replace(os.sep, "/"))
        return target


def load(place: Place) -> Blob | None:
    """The bytes of a document's file; None where there is no file, or a folder.

    Raises:
        PathRefused: it is neither file nor folder, and is not opened.
        OSError: it cannot be read.
    """
    if place.stat is None or place.is_folder:
        return None
    if not stat.S_ISREG(place.stat.st_mode):
        raise PathRefused(
            f"{place.path} is not a file", hint=f"move it out of the vault: {place.real}", context={"path": place.path}
        )
    data = read_bytes(place.real, place.stat.st_size)
    return None if data is None else Blob(data, stat.S_IMODE(place.stat.st_mode))


def read_bytes(real: str, size: int = 0) -> bytes | None:
    """A file's bytes, `size` being a good guess at how many; None where it is gone."""
    try:
        descriptor = os.open(real, _READ_FLAGS)
    except FileNotFoundError:
        return None
    try:
        data = os.read(descriptor, size + 1)
        if len(data) == size:
            return data
        parts = [data]
        while data:
            data = os.read(descriptor, 1 << 20)
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def status(real: str) -> os.stat_result | None:
    """What is at a path, links not followed; None where nothing is."""
    try:
        return os.lstat(real)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def is_link(found: os.stat_result) -> bool:
    """Whether it is a link, or what Windows has for links."""
    return stat.S_ISLNK(found.st_mode) or bool(
        getattr(found, "st_file_attributes", 0) & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    )


def stamp(found: os.stat_result) -> str:
    """What changes whenever a file does."""
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _check_spelling(path: str) -> None:
    """Refuse what the file system would read as another path, or cannot spell at all."""
    try:
        os.fsencode(path)
        spelled = os.sep == "/" or not any(sign in path for sign in (os.sep, ":"))
    except UnicodeEncodeError:
        spelled = False
    if not spelled:
        raise PathRefused(f"{path!a} does not name a file here", context={"path": ascii(path)})
