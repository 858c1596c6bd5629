"""Checks of the folder that the vault is: names, copies of conflicts, permissions, room, clock, backups."""

import datetime
import os
import shlex
import shutil
import stat
from collections.abc import Iterator

from atomic_agents.core.document import Document
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable, SnapshotInvalid
from atomic_agents.core.store import normal_name
from atomic_agents.core.values import agent_name_problem
from atomic_agents.doctor.check import Examination, Finding, State
from atomic_agents.migration import snapshot
from atomic_agents.vault import layout
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.vault import problem_of

_READ = (Kind.PERSONA, Kind.GOAL, Kind.EVAL)
"""What no other check reads and a run does."""
_LITTLE, _NO_ROOM = 100 << 20, 10 << 20
_BORN = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)
_OLD_BACKUP = datetime.timedelta(days=90)
_NEWEST = 3


def documents(examination: Examination) -> Iterator[Finding]:
    """The persona, the goals and the evals can be read, and no tool has left a conflict in them.

    Open the file that is named, take over what is right in it, and delete the copy or the marks.
    """
    there = frozenset(entry.path for entry, _ in examination.entries)
    for entry, place in examination.entries:
        numbered = "/raw/" not in entry.path and layout.copied_from(entry.path) in there
        if (numbered or layout.is_conflict_copy(place.name)) and place.kind not in (Kind.NOTE, Kind.WIKI):
            message = f"{entry.path} is the copy that a sync tool made of a conflict"
            yield Finding("warn", message, "merge it into the other file and delete it")
        elif place.kind in _READ and entry.path.endswith(".md"):
            try:
                document = examination.vault.document(entry.path)
            except DocumentUnreadable as error:
                problem = problem_of(error)
                yield Finding("fail", f"{problem.where}: {problem.message}", problem.hint)
                continue
            yield from conflicted(document) if document else ()


def conflicted(document: Document) -> Iterator[Finding]:
    """The marks that a merge leaves where it could not decide."""
    text = f"\n{document.text}"
    if "\n<<<<<<< " in text and "\n=======" in text and "\n>>>>>>> " in text:
        line = text.count("\n", 0, text.index("\n<<<<<<< ") + 1)
        message = f"{document.path}:{line}: a merge left both sides of a conflict in it"
        yield Finding("fail", message, f"keep one side, and take the marks away: git mergetool {document.path}")


def names(examination: Examination) -> Iterator[Finding]:
    """No two paths differ only in case or in Unicode form, which other systems take for one; agents can be called so.

    Rename one of the two, or the folder of an agent whose name is refused.
    """
    yield from _refused_names(examination)
    seen: dict[str, str] = {}
    told: set[str] = set()
    for entry in examination.survey.entries:
        folder = entry.path
        while folder:
            key = folder.casefold() if folder.isascii() else normal_name(normal_name(folder).casefold())
            other = seen.setdefault(key, folder)
            if other is folder:
                folder = folder.rpartition("/")[0]
                continue
            if other != folder and key not in told and folder.rpartition("/")[0] == other.rpartition("/")[0]:
                told.add(key)
                message = f"{folder!a} and {other!a} are one name on macOS, on Windows and in most sync tools"
                yield Finding("warn", message, "rename one of them")
            if other == folder:
                break
            folder = folder.rpartition("/")[0]


def _refused_names(examination: Examination) -> Iterator[Finding]:
    """The folders that have a persona and a name that no agent can have."""
    for entry in examination.survey.entries:
        folder, found, _ = entry.path.partition("/persona/IDENTITY.md")
        if not found or layout.is_private(folder) or examination.survey.layout.place(entry.path).agent:
            continue
        if why := agent_name_problem(folder):
            message = f"{folder!r} is no agent, as {why}; nothing in it is run or listed"
            yield Finding("warn", message, f"rename the folder: mv -- {shlex.quote(folder)} NEW-NAME")


def permissions(examination: Examination) -> Iterator[Finding]:
    """Every file of the vault is its owner's, who can read and write it, and nobody else can change the persona.

    The hint has the `chmod` or `chown` that puts it right.
    """
    if not hasattr(os, "getuid"):
        return
    found: dict[str, list[str]] = {}
    root = os.fspath(examination.root)
    owner = os.stat(root).st_uid
    folders = dict.fromkeys(entry.path.rpartition("/")[0] for entry, _ in examination.entries)
    for path in filter(None, folders):
        _look(found, root, path, owner, needed=0o700, shared=False)
    for entry, place in examination.entries:
        written = place.kind in (Kind.NOTE, Kind.LOG, Kind.JOURNAL, Kind.INDEX)
        guarded = place.kind in (Kind.PERSONA, Kind.SETTINGS)
        _look(found, root, entry.path, owner, needed=0o600 if written else 0o400, shared=guarded)
    for why, (command, words) in _PERMISSIONS.items():
        if paths := found.get(why):
            more = f", and {len(paths) - 1:,} more" if len(paths) > 1 else ""
            state: State = "fail" if why == "closed" else "warn"
            yield Finding(state, f"{paths[0]} {words}{more}", command.format(path=examination.root / paths[0],
                          root=examination.root, owner=owner))  # fmt: skip


_PERMISSIONS = {
    "closed": ("chmod -R u+rwX {root}", "cannot be read or written by its owner"),
    "foreign": ("sudo chown -R {owner} {root}", "belongs to another user than the vault"),
    "open": ("chmod -R o-w {root}", "can be changed by every user of this machine"),
}


def _look(found: dict[str, list[str]], root: str, path: str, owner: int, *, needed: int, shared: bool) -> None:
    try:
        status = os.stat(f"{root}/{path}")
    except OSError:
        return  # gone meanwhile, or told by `env`
    if status.st_uid != owner:
        found.setdefault("foreign", []).append(path)
    elif status.st_mode & needed != needed:
        found.setdefault("closed", []).append(path)
    if shared and status.st_mode & stat.S_IWOTH:
        found.setdefault("open", []).append(path)


def disk(examination: Examination) -> Iterator[Finding]:
    """There is room on the disk.

    Free some space: a run that cannot write its record does not begin.
    """
    free = shutil.disk_usage(examination.root).free
    if free < _LITTLE:
        message = f"{free / (1 << 20):,.0f} MiB are free on the disk of {examination.root}"
        yield Finding("fail" if free < _NO_ROOM else "warn", message, f"free some space: df -h {examination.root}")


def clock(examination: Examination) -> Iterator[Finding]:
    """The clock goes right, as far as the vault can tell.

    Caps, expiry and schedules go by it: `timedatectl` or the system's settings show and set it.
    """
    now = examination.now
    if now < _BORN:
        yield Finding("warn", f"the clock says {now:%Y-%m-%d}, which is before this package", "timedatectl")
        return
    newest = max(examination.survey.entries, key=lambda entry: entry.modified, default=None)
    if newest and newest.modified > (now + _DAY).timestamp():
        when = datetime.datetime.fromtimestamp(newest.modified, now.tzinfo)
        message = f"{newest.path} was written on {when:%Y-%m-%d %H:%M}, and the clock says {now:%Y-%m-%d %H:%M}"
        yield Finding("warn", message, f"set the clock: timedatectl\nor the file's time: touch {newest.path}")


def backups(examination: Examination) -> Iterator[Finding]:
    """The newest snapshots can be opened, and there is a backup that is not old.

    `atomic-agents snapshots verify` reads them all to the last byte; a vault in git is backed up by each commit.
    """
    listed = snapshot.listed(examination.vault.store)
    for found in listed[:_NEWEST]:
        try:
            snapshot.manifest(examination.vault.store, found.name)
        except (SnapshotInvalid, AtomicAgentsError) as error:
            yield Finding("warn", f"the snapshot {found.name} cannot be opened: {error.message}",
                          "atomic-agents snapshots verify")  # fmt: skip
    last = max((found.modified for found in listed), default=0.0)
    if not last or any((folder / ".git").exists() for folder in (examination.root, *examination.root.parents)):
        return
    age = examination.now - datetime.datetime.fromtimestamp(last, examination.now.tzinfo)
    written = max((entry.modified for entry in examination.survey.entries), default=0.0)
    if age > _OLD_BACKUP and written > last + _DAY.total_seconds():
        root = examination.root
        message = f"the last backup is a snapshot, {age.days:,} days old, and documents were written since"
        yield Finding("warn", message, f"git -C {root} init && git -C {root} add -A && git -C {root} commit -m vault")
