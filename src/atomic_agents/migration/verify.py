"""Whether snapshots are sound, and whether the vault is what its history says."""

import gzip
import io
import shlex
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from atomic_agents.core.change import Revision
from atomic_agents.core.document import MAX_BYTES, parse
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable, SnapshotInvalid, StorageFailed
from atomic_agents.core.store import Store
from atomic_agents.core.values import Problem
from atomic_agents.migration import history, plan, registry, snapshot
from atomic_agents.migration.history import History, Record, ScriptChanged
from atomic_agents.migration.plan import Progress, silent
from atomic_agents.migration.snapshot import Snapshot
from atomic_agents.migration.unit import MigratableUnit
from atomic_agents.vault import layout
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.vault import Survey, Vault

_BUFFER = 1 << 20

State = Literal["sound", "damaged", "foreign", "gone"]


@dataclass(frozen=True, slots=True)
class Examined:
    """A snapshot that was read to its last byte.

    "foreign" is an archive without a manifest that reads whole: another implementation's, whose bytes nothing vouches
    for. `why` says what is wrong; `manifest` is None where there is none to read.
    """

    name: str
    state: State
    why: str = ""
    manifest: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of the documents that migrations and rollbacks changed, and whatever does not agree with history.

    `last` is the last of them, None where there was none; `version` is what the vault should be at since, `way_back`
    the snapshot of the last. `gone` says which snapshot holds what a document was, "" where none does; `below` are the
    documents at a lower version than the history says; `unreadable` those whose version cannot be told.
    """

    last: Record | None
    version: int | None
    way_back: Examined | None
    unchanged: int
    edited: tuple[str, ...]
    gone: Mapping[str, str]
    below: tuple[Problem, ...]
    scripts: tuple[ScriptChanged, ...]
    lines: tuple[Problem, ...]
    unreadable: tuple[Problem, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that does not agree, each with its place and what to type."""
        return (*self.lines, *self._of_the_snapshot(), *self._of_the_documents(), *self.below, *self._of_the_scripts())

    def _of_the_snapshot(self) -> Iterable[Problem]:
        if self.way_back is not None and self.way_back.state != "sound":
            hint = "put it back from a backup of the vault; without it that change cannot be undone"
            yield Problem(layout.snapshot(self.way_back.name), 0, self.way_back.why, hint)

    def _of_the_documents(self) -> Iterable[Problem]:
        for path, name in self.gone.items():
            hint = f"atomic-agents snapshots restore {name} {shlex.quote(path)}" if name else ""
            yield Problem(path, 0, "is gone", hint)

    def _of_the_scripts(self) -> Iterable[Problem]:
        hint = "put back what ran, or write a step for the next version"
        return (Problem(changed.path, 0, changed.message, hint) for changed in self.scripts)


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the history last made of a document: its revision, "" where it was removed, and the version it left.

    `snapshot` holds what it was before, "" where it was not there.
    """

    revision: Revision
    version: int
    snapshot: str


def examine(store: Store, name: str) -> Examined:
    """Read a snapshot whole.

    Raises:
        SnapshotInvalid: there is none of that name.
    """
    if name not in {listed.name for listed in snapshot.listed(store)}:
        raise SnapshotInvalid(f"there is no snapshot {name!r}", hint="atomic-agents snapshots list")
    try:
        return Examined(name, "sound", manifest=snapshot.read(store, name)[0])
    except SnapshotInvalid as error:
        state: State = "foreign" if _is_foreign(store, name) else "damaged"
        return Examined(name, state, reason(name, error))


def reason(name: str, error: AtomicAgentsError) -> str:
    """What is wrong with a snapshot, in the words of its refusal, without its name."""
    return error.message.removeprefix(f"{name} ").removesuffix("; nothing was changed")


def verify(vault: Vault, progress: Progress = silent) -> Verified:
    """Compare the vault with its history; nothing is written and no script is run."""
    found = history.read(vault.store)
    last = found.standing[-1] if found.standing else None
    way_back = _way_back(vault.store, last) if last else None
    expected = _expected(vault.store, found)
    unchanged, edited, gone = _compare(vault.store, expected, progress)
    survey = vault.survey()
    census = plan.take_census(vault, survey, progress)
    floor = found.version or 0
    return Verified(
        last=last,
        version=found.version,
        way_back=way_back,
        unchanged=unchanged,
        edited=tuple(edited),
        gone=gone,
        below=tuple(_below(vault, survey, expected, floor)) if census.version < floor else (),
        scripts=history.changed_scripts(found, registry.scripts(vault.store)),
        lines=found.problems,
        unreadable=census.unreadable,
    )


def _is_foreign(store: Store, name: str) -> bool:
    blob = store.read(layout.snapshot(name))
    packed = io.BytesIO(blob.data if blob else b"")
    try:
        with gzip.GzipFile(fileobj=packed) as whole:
            while whole.read(_BUFFER):
                pass  # to the checksum at its end
        packed.seek(0)
        with tarfile.open(fileobj=packed, mode="r:gz") as tar:
            names = [member.name for member in tar]
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, OverflowError):
        return False
    return bool(names) and snapshot.MANIFEST not in names


def _way_back(store: Store, last: Record) -> Examined:
    try:
        return examine(store, last.way_back)
    except SnapshotInvalid:
        return Examined(
            last.way_back, "gone", f"is gone, and with it the way back from line {last.line} of the history"
        )


def _expected(store: Store, found: History) -> dict[str, _Expected]:
    """What the history last made of each document, as far as the snapshots that say so are there."""
    expected: dict[str, _Expected] = {}
    there = {listed.name for listed in snapshot.listed(store)}
    for record, left in found.replayed:
        if record.way_back not in there:
            continue
        try:
            described = snapshot.manifest(store, record.way_back)
        except SnapshotInvalid:
            continue
        version = left or 0
        expected |= {kept.path: _Expected(kept.after, version, described.name) for kept in described.files}
        expected |= {path: _Expected(made, version, "") for path, made in described.created.items()}
    return expected


def _compare(store: Store, expected: dict[str, _Expected], progress: Progress) -> tuple[int, list[str], dict[str, str]]:
    """How many documents are what the history made of them, those that were edited since, and those that are gone."""
    unchanged = 0
    edited: list[str] = []
    gone: dict[str, str] = {}
    for number, (path, should) in enumerate(sorted(expected.items()), 1):
        progress("compare", number, len(expected))
        try:
            blob = store.read(path)
        except AtomicAgentsError:
            edited.append(path)
            continue
        if (blob.revision if blob else "") == should.revision:
            unchanged += 1
        elif blob is None:
            gone[path] = should.snapshot
        else:
            edited.append(path)
    return unchanged, edited, gone


def _below(vault: Vault, survey: Survey, expected: dict[str, _Expected], floor: int) -> Iterable[Problem]:
    """The documents at a lower version than the history left them at, or left the vault at."""
    for entry, place in survey.placed(*plan.VERSIONED):
        if entry.size > MAX_BYTES:
            continue
        try:
            blob = vault.store.read(entry.path)
            document = parse(entry.path, blob.data if blob else b"")
            version = MigratableUnit(document, place.kind, place.name, entry.modified).version
        except (DocumentUnreadable, StorageFailed):
            continue  # the census names it
        if place.kind is Kind.POLICY and "schema_version" not in document.meta:
            continue
        at_least = expected[entry.path].version if entry.path in expected else floor
        if version < at_least:
            hint = f"python -m atomic_agents.migrate --to v{at_least} --dry-run"
            yield Problem(entry.path, 0, f"is at v{version}; the history says v{at_least}", hint)
