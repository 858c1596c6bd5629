"""The documents of a folder, in order, and what of it cannot be one."""

import os
import stat
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from atomic_agents.core.errors import PathRefused
from atomic_agents.core.store import Entry, check_path
from atomic_agents.stores.names import check_readable, is_listed_folder, oddity
from atomic_agents.stores.places import Look, stamp

_WINDOWS: Final = os.name == "nt"


class Oddity(NamedTuple):
    """Something below the root that a listing leaves out, and why."""

    path: str
    why: str


class _Folder(NamedTuple):
    path: str


_Glance = TypeVar("_Glance")
"""What is made of an entry of a folder that is plainly a document."""


def walk(root: str, prefix: str = "") -> Iterator[Entry | Oddity]:
    """Every document whose path starts with `prefix`, and every oddity met, in order of path.

    Only folders that can hold such paths are opened, and no file is. A linked folder is not entered: what it leads to
    is listed at its own path.

    Raises:
        PathRefused: a prefix that leads out of the vault.
    """
    return _walk(root, prefix, _plain)


def walk_paths(root: str, prefix: str = "") -> Iterator[str]:
    """The paths of the documents that `walk` yields; of most, no more is looked at than the name."""
    for found in _walk(root, prefix, _plain_path):
        if isinstance(found, str):
            yield found
        elif isinstance(found, Entry):
            yield found.path


def _walk(
    root: str, prefix: str, glance: Callable[[str, os.DirEntry[str]], _Glance | None]
) -> Iterator[_Glance | Entry | Oddity]:
    start = check_prefix(prefix)
    if start and not all(is_listed_folder(part) for part in start.split("/")):
        return
    if start and not _is_own_folder(root, start):
        return
    stack: list[_Glance | Entry | Oddity | _Folder] = [_Folder(start)]
    while stack:
        found = stack.pop()
        if isinstance(found, _Folder):
            stack.extend(_inside(root, found.path, prefix, glance))
        else:
            yield found


def check_prefix(prefix: str) -> str:
    """The folder that every path with that prefix is below, empty for the root; raises PathRefused."""
    start = prefix.rpartition("/")[0]
    return check_path(start) if start or prefix.startswith("/") else ""


def _is_own_folder(root: str, path: str) -> bool:
    """Whether no link is on the way to the folder."""
    try:
        return Look(root).find(path).real == os.path.join(root, *path.split("/"))
    except (PathRefused, OSError):
        return False


def _inside(
    root: str, folder: str, prefix: str, glance: Callable[[str, os.DirEntry[str]], _Glance | None]
) -> list[_Glance | Entry | Oddity | _Folder]:
    """What is in one folder, last first; folders sort as the paths below them do."""
    above = f"{folder}/" if folder else ""
    every = above.startswith(prefix)
    found: dict[str, _Glance | Entry | Oddity | _Folder] = {}
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                path = above + entry.name
                if not (every or path.startswith(prefix) or prefix.startswith(path + "/")):
                    continue
                document = glance(path, entry)
                if document is not None:
                    found[path] = document
                elif (one := _judge(root, path, entry)) is not None:
                    found[path + "/" if isinstance(one, _Folder) else path] = one
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        return [Oddity(folder, f"the folder cannot be read: {(error.strerror or str(error)).lower()}")]
    return [found[path] for path in sorted(found, reverse=True)]


def _plain(path: str, entry: os.DirEntry[str]) -> Entry | None:
    """The document that an entry nearly always is; None where `_judge` must look closer."""
    name = entry.name
    if name[0] == "." or not name.isprintable():
        return None
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    if _WINDOWS and getattr(found, "st_reparse_tag", 0) != 0:  # a link of some kind, or a file that is only in a cloud
        return None
    return Entry(path, found.st_size, stamp(found), found.st_mtime)


def _plain_path(path: str, entry: os.DirEntry[str]) -> str | None:
    """As `_plain`, only the path; on Windows the folder has told everything else as well."""
    if _WINDOWS:
        return path if _plain(path, entry) else None
    name = entry.name
    try:
        plain = name[0] != "." and name.isprintable() and entry.is_file(follow_symlinks=False)
    except OSError:
        return None
    return path if plain else None


def _judge(root: str, path: str, entry: os.DirEntry[str]) -> Entry | Oddity | _Folder | None:
    """What an entry of a folder is; None where it is nothing to speak of."""
    why = oddity(entry.name)
    if why:
        return Oddity(path, why)
    try:
        return _examine(root, path, entry)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Oddity(path, f"it cannot be examined: {(error.strerror or str(error)).lower()}")


def _examine(root: str, path: str, entry: os.DirEntry[str]) -> Entry | Oddity | _Folder | None:
    """As `_judge`, for a name that can be listed; links are not followed by chance."""
    junction = bool(getattr(entry, "is_junction", bool)())  # Windows; Python before 3.12 cannot tell
    if entry.is_dir(follow_symlinks=False) and not junction:
        return _Folder(path) if is_listed_folder(entry.name) else None
    if entry.name.startswith("."):
        return None
    if junction or entry.is_symlink():
        return _linked(root, path)
    return _entry(path, entry.stat(follow_symlinks=False))


def _linked(root: str, path: str) -> Entry | Oddity:
    """What a link is: a document where it leads to a file of the vault."""
    try:
        target = os.path.realpath(os.path.join(root, path), strict=True)
        found = os.stat(target)
    except OSError:
        return Oddity(path, "a link that leads nowhere")
    if target != root and not target.startswith(root + os.sep):
        return Oddity(path, "a link that leaves the vault")
    inside = os.path.relpath(target, root).replace(os.sep, "/")
    if stat.S_ISDIR(found.st_mode):
        return Oddity(path, f"a link to the folder {inside}; its documents are not listed twice")
    try:
        check_readable(inside)
    except PathRefused:
        return Oddity(path, "a link into a folder that does not hold documents")
    return _entry(path, found)


def _entry(path: str, found: os.stat_result) -> Entry | Oddity:
    if stat.S_ISREG(found.st_mode):
        return Entry(path, found.st_size, stamp(found), found.st_mtime)
    return Oddity(path, f"{_kind(found.st_mode)}, not a file")


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"
