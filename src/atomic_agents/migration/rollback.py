"""Put the documents of a snapshot back: exactly those, with a way back, and nothing lost that was edited since."""

import datetime
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Delete, Put, Revision
from atomic_agents.core.errors import PathRefused, SnapshotInvalid
from atomic_agents.core.spool import Rows, Span, Spool
from atomic_agents.core.store import Blob, Store, check_new_path
from atomic_agents.migration import history, snapshot
from atomic_agents.migration.plan import Progress, silent
from atomic_agents.migration.snapshot import Contents, Kept, Snapshot
from atomic_agents.vault import layout

_NAME_BYTES = 200
_PLAIN = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did.

    `kept` maps a document that was edited since to where its edited text stands now; `safety` is the snapshot that
    undoes the rollback, "" where there was nothing to do. `later` says of later migrations, newest first, how many
    documents each changed that this snapshot does not hold: they are left as they are.
    """

    snapshot: str
    restored: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    kept: Mapping[str, str]
    safety: str
    from_version: int
    later: Mapping[str, int]


@dataclass
class Draft:
    """A rollback worked out; nothing has been written.

    With `only` no other document is looked at. `restoring` are the documents of the snapshot that go back, from
    `contents`, and what each is expected to be; `others` are the changes besides. `safety` says what is there now,
    whose bytes are in `spool` at `spans`.
    """

    snapshot: Snapshot
    contents: Contents
    only: tuple[str, ...] = ()
    restoring: list[tuple[Kept, Revision]] = field(default_factory=list)
    others: list[Change] = field(default_factory=list)
    safety: list[Kept] = field(default_factory=list)
    spool: Spool = field(default_factory=Spool)
    spans: list[Span] = field(default_factory=list)
    created: dict[str, Revision] = field(default_factory=dict)
    restored: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)
    later: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0

    def outcome(self, safety: str = "") -> RolledBack:
        """What carrying it out does."""
        return RolledBack(
            snapshot=self.snapshot.name,
            restored=tuple(self.restored),
            removed=tuple(self.removed),
            unchanged=self.unchanged,
            kept=self.beside,
            safety=safety,
            from_version=self.snapshot.from_version,
            later=self.later,
        )

    def keep(self, path: str, blob: Blob, after: Revision) -> None:
        """Have the safety snapshot hold what is there now; `after` is what the rollback makes of it."""
        mode = 0o644 if blob.mode is None else blob.mode
        self.safety.append(Kept(path, len(blob.data), mode, blob.revision, after))
        self.spans.append(self.spool.add(blob.data))

    def changes(self, *more: Change) -> Sequence[Change]:
        """What carrying it out applies, and `more` together with it."""
        rows: list[tuple[Kept, Revision] | Change] = [*self.restoring, *self.others, *more]
        return Rows(rows, self._change)

    def _change(self, row: tuple[Kept, Revision] | Change) -> Change:
        if not isinstance(row, tuple):
            return row
        kept, expect = row
        return Put(kept.path, self.contents[kept.path], expect=expect, mode=kept.mode)


def plan(
    store: Store,
    name: str,
    *,
    now: datetime.datetime,
    only: Collection[str] | None = None,
    progress: Progress = silent,
) -> Draft:
    """Compare the vault with a snapshot, or `only` some documents of it.

    Raises:
        SnapshotInvalid: missing, damaged or hostile.
    """
    described, contents = snapshot.read(store, name)
    draft = Draft(described, contents, tuple(only or ()))
    later = _taken_since(store, described)
    made = _made_since(described, later)
    if only is None:
        draft.later = _left_alone(store, described, later)
    wanted = None if only is None else frozenset(only)
    files = [kept for kept in described.files if wanted is None or kept.path in wanted]
    for number, kept in enumerate(files, 1):
        progress("compare", number, len(files))
        blob = store.read(kept.path)
        if blob is not None and blob.revision == kept.sha256:
            draft.unchanged += 1
            continue
        draft.restoring.append((kept, blob.revision if blob else ABSENT))
        draft.restored.append(kept.path)
        if blob is None:
            draft.created[kept.path] = kept.sha256
            continue
        draft.keep(kept.path, blob, kept.sha256)
        if blob.revision not in made[kept.path]:
            beside = draft.beside[kept.path] = _beside(store, kept.path, now)
            draft.others.append(Put(beside, blob.data, expect=ABSENT, mode=blob.mode))
            draft.created[beside] = blob.revision
    for path, revision in described.created.items():
        blob = store.read(path) if wanted is None or path in wanted else None
        if blob is not None and blob.revision == revision:
            draft.others.append(Delete(path, expect=revision))
            draft.removed.append(path)
            draft.keep(path, blob, "")
    return draft


def carry_out(store: Store, draft: Draft, *, now: datetime.datetime, progress: Progress = silent) -> RolledBack:
    """Put the documents back, and keep what was edited since beside them.

    The state before the rollback goes into a snapshot of its own first, so that a rollback can be undone.

    Raises:
        Conflict: a document was edited since the comparison; nothing was changed.
    """
    count = len(draft.changes())
    if not count:
        return draft.outcome()
    name = snapshot.free_name(store, now, "pre_rollback")
    version = history.read(store).version
    versions = (draft.snapshot.target if version is None else version, draft.snapshot.from_version)
    taken = snapshot.describe(name, now, f"roll back {draft.snapshot.name}", versions, draft.safety, draft.created)
    snapshot.keep(store, taken, map(draft.spool.get, draft.spans))
    said: dict[str, object] = {"snapshot": draft.snapshot.name, "safety": name}
    said |= {"only": list(draft.only)} if draft.only else {}
    line = history.line(now, history.ROLLED_BACK, versions[0], versions[1], **said)
    progress("write", 0, count)
    store.apply(ChangeSet(taken.reason, draft.changes(line), once=True))
    progress("write", count, count)
    return draft.outcome(name)


def _taken_since(store: Store, described: Snapshot) -> list[Snapshot]:
    """The readable snapshots after it, newest first."""
    found: list[Snapshot] = []
    for listed in snapshot.listed(store):
        if listed.name > described.name:
            with suppress(SnapshotInvalid):
                found.append(snapshot.manifest(store, listed.name))
    return found


def _made_since(described: Snapshot, later: list[Snapshot]) -> dict[str, set[Revision]]:
    """What each document may be where only migrations and rollbacks have written it since the snapshot.

    Later ones are followed as long as each began with what an earlier one had made; an edit breaks the chain. One that
    was stopped before it wrote leaves its snapshot too, so every link of the chain counts, not the last alone.
    """
    made = {kept.path: {kept.after} for kept in described.files}
    for one in reversed(later):
        for kept in one.files:
            if kept.sha256 in made.get(kept.path, ()):
                made[kept.path].add(kept.after)
    return made


def _left_alone(store: Store, described: Snapshot, later: list[Snapshot]) -> dict[str, int]:
    """For each later migration that stands, how many documents it changed that the snapshot does not hold."""
    held = {kept.path for kept in described.files} | described.created.keys()
    migrated: set[str] = set()
    for record in history.read(store).standing:
        if record.outcome == history.MIGRATED:
            migrated.add(record.snapshot)
        elif not record.only:
            migrated.discard(record.snapshot)
    counts = {one.name: sum(kept.path not in held for kept in one.files) for one in later if one.name in migrated}
    return {name: count for name, count in counts.items() if count}


def _beside(store: Store, path: str, now: datetime.datetime) -> str:
    """A free name beside the document that no reader takes for a note.

    Where the document's own name is one that not every file system can hold, the place is in `_migrations/edited/`.
    """
    folder, slash, name = path.rpartition("/")
    short = name.removesuffix(".md").encode()[:_NAME_BYTES].decode(errors="ignore")
    stem = f"{folder}{slash}{short}.md.edited-{now:%Y-%m-%dT%H%M%S}"
    try:
        check_new_path(stem)
    except PathRefused:
        stem = f"{layout.MIGRATIONS}/edited/{_PLAIN.sub('_', stem)[-_NAME_BYTES // 4 :].lstrip('.')}"
    candidate, number = stem, 2
    while store.read(candidate) is not None:
        candidate, number = f"{stem}-{number}", number + 1
    return candidate
