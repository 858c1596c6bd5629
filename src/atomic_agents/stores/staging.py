"""One change of a batch on its way: what its file was when it was read, and the bytes that are staged for it."""

import os
import stat
from functools import lru_cache
from typing import Final, NamedTuple

from atomic_agents.core.change import ABSENT, Change, Delete, Put
from atomic_agents.core.spool import NOTHING, Span, Spool
from atomic_agents.stores import disk
from atomic_agents.stores.fold import Step, conflict
from atomic_agents.stores.intent import Op
from atomic_agents.stores.places import Place, status

_BLOCK: Final = 512


class Ready(NamedTuple):
    """A staged change: its file, what that was when it was read, and the mode and owner it had."""

    op: Op
    real: str
    link: str
    was: int | None
    is_folder: bool
    mode: int | None
    owner: tuple[int, int] | None


def ready_for(step: Step, place: Place, staged: str = "", old: Span = NOTHING, new: Span | None = None) -> Ready:
    """A change as it is held until it is made; `staged`, `old` and `new` say where its bytes are."""
    before, found = step.before, place.stat
    op = Op(
        step.path,
        staged,
        before=None if before is None else before.revision,
        after=step.after_revision,
        added=step.added,
        old=old,
        new=new,
    )
    return Ready(
        op,
        place.real,
        place.link,
        was=None if place.is_folder else _identity(found),
        is_folder=place.is_folder,
        mode=None if before is None else before.mode,
        owner=None if before is None or found is None else _owner(found.st_uid, found.st_gid),
    )


def fits(step: Step, place: Place) -> bool:
    """Whether a document can be written over: its file has no other name, and it needs no more space."""
    found = place.stat
    if step.before is None or found is None or place.is_folder or found.st_nlink != 1:
        return False
    space = getattr(found, "st_blocks", 0) * _BLOCK  # Windows does not say
    return len(step.after or b"") <= space and os.access(place.real, os.W_OK)


def can_grow(step: Step, place: Place) -> bool:
    """Whether a document only becomes longer, and its file can be written to."""
    return bool(step.added) and not place.is_folder and os.access(place.real, os.W_OK)


def inverse(one: Ready, images: Spool) -> Change:
    """The change that puts a document back."""
    left = one.op.after or ABSENT
    if one.op.before is None:
        return Delete(one.op.path, expect=left)
    return Put(one.op.path, images.get(one.op.old), expect=left, mode=one.mode)


def stage(step: Step, place: Place, staged: str, *, durable: bool) -> None:
    """Write a document's new bytes aside, with the mode and the owner that it has or is to have."""
    mode, owner = step.mode, None
    if step.before is not None and place.stat is not None:
        mode, owner = step.before.mode, (place.stat.st_uid, place.stat.st_gid)
    disk.write_new(staged, step.after or b"", mode=mode, owner=owner, durable=durable)


def check_unchanged(one: Ready) -> None:
    """Raise Conflict where the file is not the one that was read; a folder in its way is for its remover to judge."""
    now = status(one.real)
    still_folder = one.is_folder and now is not None and stat.S_ISDIR(now.st_mode)
    if still_folder or (one.link and not one.op.puts):
        return
    if one.was != _identity(now):
        raise conflict([one.op.path])


def _identity(found: os.stat_result | None) -> int | None:
    """What differs when a file has been written or replaced, as a number: there may be a million of them."""
    return None if found is None else hash((found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(64)
def _owner(uid: int, gid: int) -> tuple[int, int]:
    """The same pair for the same owner: there may be a million of them."""
    return uid, gid
