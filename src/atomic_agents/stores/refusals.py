"""What the operating system's refusals mean to an operator."""

import errno
import os
from pathlib import Path
from typing import Final

from atomic_agents.core.errors import StorageFailed

_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})


def reading_failed(error: OSError, root: str, path: str) -> StorageFailed:
    """The error for a document or folder that cannot be read."""
    real = Path(root, path)
    if error.errno in _DENIED:
        where = Path(error.filename) if isinstance(error.filename, str) else real
        if not os.access(where.parent, os.X_OK):
            where = where.parent
        wanted = "u+rx" if os.path.isdir(where) else "u+r"  # Path.is_dir raises where it may not look
        return _failed(path or root, "permission to read it is missing", f"chmod {wanted} '{where}'", error)
    return _failed(path or root, _words(error), f"ls -ld '{real}'", error)


def writing_failed(error: OSError, root: str, note: str = "") -> StorageFailed:
    """The error for changes that the disk did not take; `note` says what became of them."""
    where = _place(error, root)
    if error.errno in _FULL:
        words, hint = "the disk is full", f"free some space, then run the command again: df -h '{root}'"
    elif error.errno == errno.EROFS:
        words, hint = "the folder is read-only", f"make it writable, or copy the vault to one that is: df '{root}'"
    elif error.errno in _DENIED:
        words, hint = "the folder is read-only", f"chmod -R u+rwX '{root if where == root else Path(where).parent}'"
    else:
        words, hint = _words(error), f"ls -ld '{where}'"
    shown = where if where == root else os.path.relpath(where, root).replace(os.sep, "/")
    return _failed(shown, f"{words}; {note or 'nothing was written'}", hint, error)


def _place(error: OSError, root: str) -> str:
    """The file or folder it was about, where that says more to an operator than the vault does."""
    name = error.filename2 or error.filename
    inside = isinstance(name, str) and name.startswith(root + os.sep)
    return name if inside and f"{os.sep}.atomic{os.sep}" not in name else root


def _words(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _failed(path: str, words: str, hint: str, error: OSError) -> StorageFailed:
    return StorageFailed(f"{path}: {words}", hint=hint, context={"path": path, "errno": error.errno or 0})
