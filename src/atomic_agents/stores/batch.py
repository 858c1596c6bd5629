"""Many documents changed at once: staged, committed by one rename, finished by whoever comes next.

A batch is a folder below `.atomic/batch`. What it stages takes the space the change needs; then `intent` appears, by a
rename, and from there on the change happens: staged files are moved into place, lines go to the end of the documents
that they are appended to, and where there are many, documents that need no more space than they have are written over
from `images`, which has their bytes before and after. Whoever finds `intent` does the rest. A batch without `intent`
never happened. The caller holds the apply lock throughout.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from atomic_agents.core.change import Change, revision
from atomic_agents.core.errors import Conflict, PathRefused
from atomic_agents.core.spool import NOTHING, Rows, Spool, size
from atomic_agents.core.store import Blob
from atomic_agents.stores import disk
from atomic_agents.stores.fold import Step, is_between, is_torn
from atomic_agents.stores.intent import Intent, Op, in_order, read_intent
from atomic_agents.stores.mover import Mover, forget, remove_empty
from atomic_agents.stores.places import Look, Place, load, status
from atomic_agents.stores.refusals import writing_failed
from atomic_agents.stores.staging import Ready, can_grow, check_unchanged, fits, inverse, ready_for, stage

Task = tuple[Step, Place]

_INTENT: Final = "intent"
_IMAGES: Final = "images"
_LATER: Final = "the change is begun, and is finished or put back when the vault is next opened"
_UNSURE: Final = "the change is made, but a loss of power may take it back"


class Batches:
    """The batch folder of the vault at `root`. `notices` is told what an operator should know."""

    def __init__(self, root: str, folder: str, kept: str, notices: list[str]) -> None:
        self._root = root
        self._folder = folder
        self._kept = kept
        self._notices = notices

    def leftovers(self) -> tuple[bool, bool]:
        """Whether there is anything at all, and whether a committed change waits to be finished."""
        names = self._names()
        return bool(names), any(os.path.isfile(os.path.join(self._folder, name, _INTENT)) for name in names)

    def recover(self) -> None:
        """Finish every committed change and sweep away what was never committed.

        Raises:
            OSError: the disk refused; what is unfinished stays committed.
        """
        for name in self._names():
            folder = os.path.join(self._folder, name)
            if not os.path.isdir(folder):
                disk.unlink(folder)
            elif os.path.isfile(os.path.join(folder, _INTENT)):
                self._finish_found(folder, name)
            else:
                with contextlib.suppress(PermissionError):  # Windows keeps the images that an undo still reads
                    _discard(folder)

    def apply_one(self, task: Task) -> bool:
        """Change one document whose folder is there, without an intent; False where that cannot be done in one rename.

        Raises:
            Conflict: somebody wrote in the last moment.
            OSError: the disk refused; nothing was changed.
            StorageFailed: it was changed, but not durably.
        """
        step, place = task
        if place.is_folder or place.blocker or not os.path.isdir(place.folder):
            return False
        if step.after is None:
            check_unchanged(ready_for(step, place))
            file = place.link or place.real
            disk.unlink(file)
            self._sync_one(os.path.dirname(file))
            return True
        staged = os.path.join(self._folder, secrets.token_hex(6))
        try:
            stage(step, place, staged, durable=True)
            check_unchanged(ready_for(step, place))
            disk.rename(staged, place.real)
        except (OSError, Conflict) as error:
            forget(staged)
            if getattr(error, "errno", None) == errno.EXDEV:
                return False
            raise
        self._sync_one(place.folder)
        return True

    def apply(self, reason: str, tasks: Iterable[Task], *, count: int, check: Callable[[], None]) -> Sequence[Change]:
        """Change about `count` documents, all or nothing; return the changes that put them back, last first.

        `check` is called when all are staged, and raises where they must not be changed.

        Raises:
            Conflict: somebody wrote in the last moment; nothing was changed.
            OSError: the disk refused before the commit, or what had happened was put back.
            StorageFailed: the disk refused so thoroughly that the change is left for the next opener to finish.
        """
        folder = os.path.join(self._folder, secrets.token_hex(6))
        try:
            disk.make_folder(folder)
            images = Spool() if count <= disk.MANY else Spool(disk.open_new(os.path.join(folder, _IMAGES)))
            ready = self._stage_all(folder, tasks, images, count=count)
            check()
            if disk.syncs_everything(count):
                disk.sync_everything()
            elif count > disk.MANY:
                disk.sync_file(os.path.join(folder, _IMAGES))
            self._commit(folder, Intent(reason, tuple(one.op for one in ready)))
        except BaseException as error:
            with contextlib.suppress(OSError):
                _discard(folder)
            if isinstance(error, OSError) and status(os.path.join(folder, _INTENT)) is not None:
                raise writing_failed(error, self._root, _LATER) from error
            raise
        self._perform(folder, ready, images)
        return Rows(ready[::-1], lambda one: inverse(one, images))

    def _sync_one(self, folder: str) -> None:
        try:
            disk.sync_folder(folder)
        except OSError as error:
            raise writing_failed(error, self._root, _UNSURE) from error

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _stage_all(self, folder: str, tasks: Iterable[Task], images: Spool, *, count: int) -> list[Ready]:
        ready: list[Ready] = []
        at_once = disk.syncs_everything(count)
        for step, place in tasks:
            old = NOTHING if step.before is None else images.add(step.before.data)
            grows = can_grow(step, place)
            over = count > disk.MANY and not grows and step.after is not None and fits(step, place)
            new = images.add(step.after or b"") if over else None
            staged = "" if grows or over or step.after is None else str(len(ready))
            if staged:
                stage(step, place, os.path.join(folder, staged), durable=not at_once)
            ready.append(ready_for(step, place, staged, old, new))
        return ready

    def _commit(self, folder: str, intent: Intent) -> None:
        """Make the intent durable; it replaces one that is there."""
        unsure = os.path.join(folder, _INTENT + ".tmp")
        disk.write_pieces(unsure, intent.as_bytes())
        disk.sync_folder(folder)
        disk.sync_folder(self._folder)
        disk.rename(unsure, os.path.join(folder, _INTENT))
        disk.sync_folder(folder)

    def _perform(self, folder: str, ready: Sequence[Ready], images: Spool) -> None:
        """What the intent says, for the process that wrote it; put back where that cannot be done."""
        by_path = {one.op.path: one for one in ready}
        mover = Mover(folder)
        done = self._grow(folder, ready)
        try:
            for op in in_order([one.op for one in ready if not one.op.extends]):
                one = by_path[op.path]
                check_unchanged(one)
                if op.new is not None:
                    done.append(one)  # a write that fails may have done a part
                    mover.overwrite(one.real, images.get(op.new), size(op.old))
                    continue
                if op.staged:
                    mover.move(os.path.join(folder, op.staged), one.real)
                else:
                    mover.remove(one.link or one.real)
                done.append(one)
            mover.sync()
        except (OSError, Conflict) as error:
            self._put_back(folder, done, images, mover.made, error)
            raise
        with contextlib.suppress(OSError):  # it has happened; the next opener finds nothing left to do and sweeps
            _discard(folder)

    def _grow(self, folder: str, ready: Sequence[Ready]) -> list[Ready]:
        """Append what is appended, first: only this needs space still, and a full disk is to change nothing."""
        done: list[Ready] = []
        try:
            for one in ready:
                if one.op.extends:
                    check_unchanged(one)
                    disk.append_bytes(one.real, one.op.added)
                    done.append(one)
        except (OSError, Conflict) as error:
            try:
                for one in done:
                    disk.cut(one.real, size(one.op.old))
                _discard(folder)
            except OSError as worse:
                raise writing_failed(worse, self._root, _LATER) from error
            raise
        return done

    def _put_back(
        self, folder: str, done: Sequence[Ready], images: Spool, made: tuple[str, ...], error: OSError | Conflict
    ) -> None:
        """Commit the opposite of what was done in place of the intent, and perform that."""
        opposite: list[Op] = []
        try:
            if not done:
                remove_empty(made)
                _discard(folder)
                return
            for number, one in enumerate(done):
                op = one.op
                if op.new is not None:
                    opposite.append(op._replace(before=op.after, after=op.before, old=op.new, new=op.old, added=b""))
                    continue
                staged = "" if op.before is None else f"back-{number}"
                if staged:
                    back = os.path.join(folder, staged)
                    disk.write_new(back, images.get(op.old), mode=one.mode, owner=one.owner, durable=True)
                opposite.append(Op(op.path, staged, op.after, op.before))
            made = tuple(os.path.relpath(path, self._root).replace(os.sep, "/") for path in made)
            intent = Intent("put back", tuple(opposite), made)
            self._commit(folder, intent)
            self._finish(folder, intent)
        except OSError as worse:
            raise writing_failed(worse, self._root, _LATER) from error

    def _finish_found(self, folder: str, name: str) -> None:
        try:
            intent = read_intent(os.path.join(folder, _INTENT))
        except ValueError:
            disk.make_folders(self._kept, [])
            disk.rename(folder, os.path.join(self._kept, name))
            self._notices.append(f".atomic/kept/{name}: an interrupted change that cannot be read; it was set aside")
            return
        self._finish(folder, intent)
        self._notices.append(f"an interrupted change was finished: {intent.reason} ({len(intent.ops):,} documents)")

    def _finish(self, folder: str, intent: Intent) -> None:
        """Bring every document to where the intent says, but where somebody has written since."""
        mover = Mover(folder)
        look = Look(self._root)
        images: Spool | None = None
        for op in in_order(intent.ops):
            if op.new is not None:
                images = images or Spool(disk.open_found(os.path.join(folder, _IMAGES)))
                self._finish_overwrite(mover, look, op, images)
            elif op.extends:
                self._finish_growth(mover, look, op)
            elif op.staged:
                self._finish_put(mover, look, op, os.path.join(folder, op.staged))
            else:
                self._finish_delete(mover, look, op)
        remove_empty(os.path.join(self._root, path) for path in intent.folders)
        mover.sync()
        _discard(folder)

    def _finish_overwrite(self, mover: Mover, look: Look, op: Op, images: Spool) -> None:
        after = images.get(op.new or NOTHING)
        place, current = _found(look, op.path)
        if current is not None and current.revision == op.after:
            return
        if place and current is not None and is_between(current.data, images.get(op.old), after):
            mover.overwrite(place.real, after, len(current.data))
            return
        if place and current is not None and op.added:
            self._finish_append(place, current.data, op.added)
            return
        self._keep_bytes(mover, op, after)

    def _finish_growth(self, mover: Mover, look: Look, op: Op) -> None:
        place, current = _found(look, op.path)
        if place is None or current is None:
            self._keep_bytes(mover, op, op.added)
        elif current.revision != op.after:
            before, rest = current.data[: size(op.old)], current.data[size(op.old) :]
            if revision(before) == op.before and is_between(rest, b"", op.added):
                mover.overwrite(place.real, before + op.added, len(current.data))
            else:
                self._finish_append(place, current.data, op.added)

    def _finish_put(self, mover: Mover, look: Look, op: Op, staged: str) -> None:
        if status(staged) is None:
            return
        place, current = _found(look, op.path)
        if place is None:
            self._keep(mover, op, staged)
            return
        now = None if current is None else current.revision
        if now == op.after:
            return
        if now != op.before:
            mover.sweep(place.real)
        if now == op.before and not place.blocker:
            try:
                mover.move(staged, place.real)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                    raise
                self._keep(mover, op, staged)
        elif current is not None and op.added:
            self._finish_append(place, current.data, op.added)
        else:
            self._keep(mover, op, staged)

    def _finish_append(self, place: Place, current: bytes, added: bytes) -> None:
        """Somebody has written to a document of lines; the lines still belong in it, once."""
        if added not in current:
            disk.append_bytes(place.real, b"\n" + added if is_torn(current) else added)

    def _finish_delete(self, mover: Mover, look: Look, op: Op) -> None:
        place, current = _found(look, op.path)
        if place is None or current is None:
            return
        if current.revision == op.before:
            mover.remove(place.link or place.real)
        else:
            self._notices.append(f"{op.path}: it was to be deleted, has changed since a crash, and was left as it is")

    def _keep_bytes(self, mover: Mover, op: Op, data: bytes) -> None:
        staged = os.path.join(mover.batch, "late")
        disk.write_new(staged, data, mode=None, owner=None, durable=True)
        self._keep(mover, op, staged)

    def _keep(self, mover: Mover, op: Op, staged: str) -> None:
        """Set aside what was to be written where somebody else has written."""
        name = os.path.join(os.path.basename(os.path.dirname(staged)), *op.path.split("/"))
        mover.move(staged, os.path.join(self._kept, name))
        self._notices.append(
            f"{op.path}: it has changed since a crash and was left as it is; "
            f"what was to be written is in .atomic/kept/{name.replace(os.sep, '/')}"
        )


def _found(look: Look, path: str) -> tuple[Place | None, Blob | None]:
    """A document as it is, nothing where its path has become one that must not be written."""
    try:
        place = look.find(path)
        return place, load(place)
    except PathRefused:
        return None, None


def _discard(folder: str) -> None:
    """Take a batch away, its intent first and durably, so that it never happens again."""
    names = os.listdir(folder)
    if _INTENT in names:
        disk.unlink(os.path.join(folder, _INTENT))
        disk.sync_folder(folder)
    for name in names:
        if name != _INTENT and status(os.path.join(folder, name)) is not None:
            disk.unlink(os.path.join(folder, name))
    disk.remove_folder(folder)
