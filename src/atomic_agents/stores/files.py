"""The vault as a folder: every document is a file, and every change survives a crash whole or not at all."""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

from atomic_agents.core.change import Append, ChangeSet, Put, Revision, revision
from atomic_agents.core.errors import Busy, PathRefused, StorageFailed
from atomic_agents.core.store import Blob, Entry, Traits
from atomic_agents.stores import disk, locks
from atomic_agents.stores.batch import Batches
from atomic_agents.stores.fold import NOT_KEPT, Step, Undo, fold, is_torn, line_bytes, undo
from atomic_agents.stores.names import OURS, check_no_clash, check_writable, clash, shown
from atomic_agents.stores.places import Look, Place, load, read_bytes
from atomic_agents.stores.refusals import reading_failed, writing_failed
from atomic_agents.stores.walk import Oddity, walk, walk_paths

UNDO_BYTES: Final = 1 << 20
"""Up to this size a document that is only appended to can be put back; the undo of a longer one refuses."""

_APPLY_SECONDS: Final = 60.0
_SETTLE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.05


class FolderStore:
    """Documents as files below `root`, which is made with the first change.

    Opening finishes a change that a crash interrupted. `notices` says what an operator should know about such repairs.
    Deleting a document that is a link takes the link away and leaves what it leads to.

    Raises:
        StorageFailed: there is an interrupted change and it cannot be finished, as the vault cannot be written to.
    """

    def __init__(self, root: Path | str) -> None:
        self._root = os.path.realpath(root)
        ours = os.path.join(self._root, OURS)
        self._batch_folder = os.path.join(ours, "batch")
        self._lock_folder = os.path.join(ours, "locks")
        self._apply_lock = os.path.join(ours, "apply.lock")
        self.notices: list[str] = []
        self._batches = Batches(self._root, self._batch_folder, os.path.join(ours, "kept"), self.notices)
        self._look: Look | None = None
        self._looked = 0.0
        self._settle(sweep=True)

    @property
    def root(self) -> Path:
        """The folder, links resolved."""
        return Path(self._root)

    @property
    def traits(self) -> Traits:
        """Files are shared by all processes of the machine, and writable as the folder is."""
        return Traits(name="files", writable=self._writable())

    def read(self, path: str) -> Blob | None:
        """The document's bytes; None where there is none.

        Raises:
            PathRefused: not a document's path, a folder, not a file, or a link that leaves the vault.
            StorageFailed: it is there and cannot be read.
        """
        try:
            look = self._reading_look()
            blob = look.glance(path)
            if blob is not None:
                return blob
            place = look.find(path)
            blob = load(place)
        except OSError as error:
            raise reading_failed(error, self._root, path) from error
        if blob is None and place.is_folder:
            raise PathRefused(f"{path} is a folder", context={"path": path, "folder": True})
        return blob

    def _reading_look(self) -> Look:
        """A look that many reads in a row share: the folders above a document are examined twenty times a second."""
        now = time.monotonic()
        if self._look is None or now - self._looked > _LOOK_SECONDS:
            self._look, self._looked = Look(self._root), now
        return self._look

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every document whose path starts with `prefix`, in order of path; what cannot be one is left out."""
        self._settle(sweep=False)
        return (found for found in walk(self._root, prefix) if isinstance(found, Entry))

    def paths(self, prefix: str = "") -> Iterator[str]:
        """The paths of `list`; the files are not looked at."""
        self._settle(sweep=False)
        return walk_paths(self._root, prefix)

    def strange(self) -> Iterator[tuple[str, str]]:
        """What a listing leaves out and an operator should know of: path and reason, fit to print."""
        for found in walk(self._root):
            if isinstance(found, Oddity):
                yield shown(found.path), found.why

    def apply(self, changes: ChangeSet) -> ChangeSet:
        """Apply all of it or nothing, durably; return the change set that undoes it.

        An undo has the old bytes with it. Only where lines were appended to one document of more than UNDO_BYTES it
        does not, and refuses.

        Raises:
            Conflict: a document is not at its expected revision; nothing was written.
            PathRefused: a path that must not be written.
            StorageFailed: the disk refused; nothing was written, unless the message says otherwise.
            Busy: another process has been applying changes for a minute.
        """
        if not changes.changes:
            return undo(changes, ())
        self._look = None
        try:
            self._prepare()
            with locks.hold(self._apply_lock, "the vault", wait=_APPLY_SECONDS):
                self._batches.recover()
                return self._append(changes) or self._change(changes)
        except OSError as error:
            raise writing_failed(error, self._root) from error

    @contextlib.contextmanager
    def lock(self, name: str, *, wait: float) -> Iterator[None]:
        """Hold `name` exclusively across the processes of this machine, waiting at most `wait` seconds.

        Raises:
            Busy: somebody else still holds it; says who.
            StorageFailed: the vault cannot be written to.
        """
        with contextlib.ExitStack() as stack:
            try:
                self._prepare()
                disk.make_folders(self._lock_folder, [])
                stack.enter_context(locks.hold_and_sign(locks.lock_file(self._lock_folder, name), name, wait=wait))
            except OSError as error:
                raise writing_failed(error, self._root) from error
            yield

    def holder(self, name: str) -> str:
        """Which process of this machine holds `name`, in words; "" where none does. Nothing is locked to find out."""
        return locks.holder(locks.lock_file(self._lock_folder, name))

    def _writable(self) -> bool:
        nearest = self._root
        while not os.path.lexists(nearest):
            nearest = os.path.dirname(nearest)
        return os.access(nearest, os.W_OK)

    def _prepare(self) -> None:
        """Have the store's own folder there, durably; git is told to leave it alone."""
        if os.path.isdir(self._batch_folder):
            return
        made: list[str] = []
        disk.make_folders(self._batch_folder, made)
        ours = os.path.join(self._root, OURS)
        ignore = os.path.join(ours, ".gitignore")
        if not os.path.exists(ignore):
            disk.write_new(ignore, b"*\n", mode=None, owner=None, durable=False)
        for folder in made:
            disk.sync_folder(os.path.dirname(folder))

    def _settle(self, *, sweep: bool) -> None:
        """Finish what a crash interrupted, waiting for whoever is at it; `sweep` also takes litter away."""
        anything, pending = self._batches.leftovers()
        if not (pending or (sweep and anything)):
            return
        if not self._writable():
            if pending:
                self._await_others()
            return
        try:
            with locks.hold(self._apply_lock, "the vault", wait=_APPLY_SECONDS if pending else 0):
                self._batches.recover()
        except Busy:
            if pending:
                raise
        except OSError as error:
            note = "an interrupted change waits to be finished"
            raise writing_failed(error, self._root, note) from error

    def _await_others(self) -> None:
        """Somebody who may write may be in the middle of a change."""
        patience = time.monotonic() + _SETTLE_SECONDS
        while self._batches.leftovers()[1]:
            if time.monotonic() > patience:
                raise StorageFailed(
                    f"{self._root}: an interrupted change must be finished first, and the folder is read-only",
                    hint="open the vault once as a user who may write to it: atomic-agents doctor",
                    context={"path": self._root},
                )
            time.sleep(0.02)

    def _change(self, changes: ChangeSet) -> ChangeSet:
        seen = _Seen()
        tasks = _tasks(Look(self._root), changes, seen)
        first = tuple(islice(tasks, 2))
        if len(first) < 2:
            seen.check_room()
        if not first or (len(first) == 1 and self._batches.apply_one(first[0])):
            back = undo(changes, (step for step, _ in first))
        else:
            every, count = chain(first, tasks), len(changes)
            inverse = self._batches.apply(changes.reason, every, count=count, check=seen.check_room)
            back = Undo(f"undo: {changes.reason}", inverse)
        for path in seen.torn:
            self._note_torn(path)
        return back

    def _append(self, changes: ChangeSet) -> Undo | None:
        """Lines onto one document that is there, in one write; None where the change set is anything else."""
        path = changes.changes[0].path
        lines: list[bytes] = []
        for change in changes:
            if not isinstance(change, Append) or change.path != path:
                return None
            lines.append(line_bytes(change.line))
        place = Look(self._root).find(path)
        if place.stat is None or not stat.S_ISREG(place.stat.st_mode):
            return None
        check_writable(path)
        added = b"".join(lines)
        torn = is_torn(_last_byte(place))
        if torn:
            added = b"\n" + added
        before = read_bytes(place.real, place.stat.st_size) if place.stat.st_size <= UNDO_BYTES else None
        disk.append_bytes(place.real, added)
        if torn:
            self._note_torn(path)
        reason = f"undo: {changes.reason}"
        if before is None:
            return Undo(reason, (Put(path, b"", expect=NOT_KEPT),))
        mode = stat.S_IMODE(place.stat.st_mode)
        return Undo(reason, (Put(path, before, expect=revision(before + added), mode=mode),))

    def _note_torn(self, path: str) -> None:
        self.notices.append(f"{path}: its last line did not end; it was kept, and ended before the next")


def _last_byte(place: Place) -> bytes:
    with open(place.real, "rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
        return file.read(1)


def _tasks(look: Look, changes: ChangeSet, seen: "_Seen") -> Iterator[tuple[Step, Place]]:
    """Every file that changes, once, though links may give it several paths."""
    files: dict[str, Revision | None] = {}
    place = Place("", "", None)

    def read(path: str) -> Blob | None:
        nonlocal place
        place = look.find(path)
        return load(place)

    for step in fold(changes, read):
        file = place.link or place.real if step.deletes else place.real
        seen.take(step, place)
        if file in files:
            _check_same(files[file], step.after_revision, step.path, place)
        else:
            files[file] = step.after_revision
            yield step, place


class _Seen:
    """What a change set makes, takes away, and found with a last line that did not end."""

    def __init__(self) -> None:
        self.torn: list[str] = []
        self._gone: dict[str, str] = {}
        self._created: list[Place] = []

    def take(self, step: Step, place: Place) -> None:
        """See one document."""
        if step.deletes:
            self._gone[step.path] = place.link or place.real
        elif step.creates:
            self._created.append(place)
        if step.added and step.before is not None and is_torn(step.before.data):
            self.torn.append(step.path)

    def check_room(self) -> None:
        """Raises PathRefused where there would be `a` and `a/b`, a document and a folder of one name."""
        paths = [place.path for place in self._created]
        check_no_clash(paths, paths)
        for place in self._created:
            if place.blocker and place.blocker not in self._gone:
                raise clash(place.path, place.blocker)
            if place.is_folder:
                _check_folder_goes(place, set(self._gone.values()))


def _check_same(first: Revision | None, second: Revision | None, path: str, place: Place) -> None:
    """Refuse two paths of one file that are to become different; raises PathRefused."""
    if first != second:
        raise PathRefused(
            f"{path} and another document are one file and cannot become two",
            hint=f"replace the link by a copy of the file: {place.link or path}",
            context={"path": path, "file": place.real},
        )


def _check_folder_goes(place: Place, gone: set[str]) -> None:
    """Refuse a document in place of a folder that is not, or will not be, empty."""
    if place.link:
        raise clash(place.path, f"the folder {place.link}")
    for folder, _, names in os.walk(place.real):
        for name in names:
            file = os.path.join(folder, name)
            if file not in gone:
                above = place.real.removesuffix(place.path.replace("/", os.sep))
                raise clash(place.path, os.path.relpath(file, above).replace(os.sep, "/"))
