"""Which paths a store reads, writes and lists, the same in every store."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from atomic_agents.core.errors import PathRefused
from atomic_agents.core.store import check_new_path, check_path

OURS: Final = ".atomic"
"""The store's own folder below the root: locks, unfinished batches, and data that others derive."""

_NEVER_READ = re.compile(r"(?:^|/)\.(?:atomic|git)(?:/|$)", re.IGNORECASE)
_NEVER_WRITTEN = re.compile(r"(?:^|/)\.(?:atomic|git|obsidian)(?:/|$)", re.IGNORECASE)
_LISTED_THOUGH_HIDDEN = frozenset({".versions", ".personas", ".snapshots", ".judge-state"})
_NEVER_LISTED = frozenset({"node_modules", "__pycache__"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_readable(path: str) -> str:
    """Return `path` where it may name a document.

    Raises:
        PathRefused: it does not, or it is in a folder that belongs to git or to the store.
    """
    return _check_owner(check_path(path), _NEVER_READ)


def check_writable(path: str) -> str:
    """Return `path` where a document there may be changed; raises PathRefused."""
    return _check_owner(check_path(path), _NEVER_WRITTEN)


def check_creatable(path: str) -> str:
    """Return `path` where a new document may be made; raises PathRefused."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise PathRefused(f"{path!a} has a name that is not text", context={"path": ascii(path)}) from error
    return check_writable(check_new_path(path))


def check_no_clash(created: Iterable[str], documents: Iterable[str]) -> None:
    """Refuse created paths that would be both a document and a folder among `documents`, which include them.

    Raises:
        PathRefused: there would be `a` and `a/b`.
    """
    created = tuple(created)
    if not created:
        return
    everything = set(documents)
    folders = {folder: path for path in everything for folder in folders_above(path)}
    for path in created:
        if path in folders:
            raise clash(path, folders[path])
        for folder in folders_above(path):
            if folder in everything:
                raise clash(path, folder)


def clash(path: str, other: str) -> PathRefused:
    """The refusal of `path` because the document `other` needs the same name."""
    return PathRefused(
        f"{path} cannot be a document: {other} is in the way",
        hint=f"choose another name, or move {other} first",
        context={"path": path, "other": other},
    )


def folders_above(path: str) -> Iterator[str]:
    """`a/b/c` is below `a/b` and `a`."""
    cut = path.rfind("/")
    while cut > 0:
        yield path[:cut]
        cut = path.rfind("/", 0, cut)


def is_listed(path: str) -> bool:
    """Whether a listing shows a document of that path."""
    *folders, name = path.split("/")
    return not name.startswith(".") and not oddity(path) and all(is_listed_folder(folder) for folder in folders)


def is_listed_folder(name: str) -> bool:
    """Whether a listing looks into a folder of that name."""
    return name in _LISTED_THOUGH_HIDDEN or not (name.startswith(".") or name in _NEVER_LISTED)


def oddity(name: str) -> str:
    """Why a listing leaves out that name though it would show others at its place; empty where it does not."""
    if _CONTROL.search(name):
        return "its name has control characters"
    if not name.isascii() and any("\ud800" <= sign <= "\udfff" for sign in name):
        return "its name is not UTF-8"
    return ""


def shown(path: str) -> str:
    """A path for a terminal: what would not print, or do more than print, is spelled with a backslash."""
    text = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _check_owner(path: str, refused: re.Pattern[str]) -> str:
    if refused.search(path):
        raise PathRefused(f"{path!r} is in a folder that does not hold documents", context={"path": path})
    return path
