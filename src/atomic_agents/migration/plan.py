"""What a migration would do: every document that has a version, the steps it needs, and the change set they make."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core import aside
from atomic_agents.core.change import Change, ChangeSet, Put, Revision, revision
from atomic_agents.core.document import MAX_BYTES, parse, peek
from atomic_agents.core.errors import DocumentUnreadable, MigrationRefused, SettingsInvalid, StorageFailed
from atomic_agents.core.spool import Rows, Span, Spool
from atomic_agents.core.store import Blob, Entry
from atomic_agents.core.values import Problem
from atomic_agents.migration import newer, registry
from atomic_agents.migration.newer import Newer
from atomic_agents.migration.registry import Script, Step
from atomic_agents.migration.unit import UNVERSIONED, MigratableUnit
from atomic_agents.vault import settings
from atomic_agents.vault.kinds import Kind, Place
from atomic_agents.vault.vault import Survey, Vault, problem_of

VERSIONED = (Kind.NOTE, Kind.WIKI, Kind.SETTINGS, Kind.POLICY)
_UNCOUNTED = tuple(kind for kind in newer.KINDS if kind not in VERSIONED)
"""Kinds whose documents need no version, and state one all the same where a newer package wrote them."""

Summaries = tuple[Mapping[str, object], ...]
"""What each step says it did to a document."""

_DEFAULT_MODE = 0o644
_LARGE = 5_000
"""From so many documents on, reading their versions takes longer than copying the process."""

Progress = Callable[[str, int, int], None]
"""Called with the phase, how much of it is done, and how much there is."""

Announce = Callable[[Script], None]
"""Called with a script of the vault before it is run."""


def silent(_phase: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def unannounced(_script: Script) -> None:
    """Scripts that nobody is told of."""


@dataclass(frozen=True, slots=True)
class Census:
    """How many documents of each kind are at each version, and those whose version cannot be told.

    `archived` counts the copies that are kept as they were written; whoever reads one takes it through the steps.
    `newer` are the documents of any kind that a newer package wrote.
    """

    counts: Mapping[tuple[Kind, int], int]
    unreadable: tuple[Problem, ...]
    archived: int = 0
    newer: tuple[Newer, ...] = ()

    @property
    def version(self) -> int:
        """The vault's version: the lowest of any document, or the current one where there are none."""
        return min((version for _, version in self.counts), default=CURRENT_SCHEMA_VERSION)

    @property
    def highest(self) -> int:
        """The highest version of any document."""
        stated = [*(version for _, version in self.counts), *(one.version for one in self.newer)]
        return max(stated, default=CURRENT_SCHEMA_VERSION)

    @property
    def total(self) -> int:
        """How many documents have a version."""
        return sum(self.counts.values())


class Planned(NamedTuple):
    """One document that changes: what it is, what each step says it did, its permission bits, and its bytes."""

    path: str
    kind: Kind
    done: Summaries
    mode: int
    old: Span
    new: Span


@dataclass(frozen=True, slots=True)
class Plan:
    """A migration worked out; nothing has been written.

    The bytes of its documents are in `spool`, as they may be many. `skipped` are the documents that stay as they are
    because they cannot be migrated.
    """

    from_version: int
    target: int
    steps: tuple[Step, ...]
    documents: Sequence[Planned]
    spool: Spool
    skipped: tuple[Problem, ...] = ()

    @property
    def changes(self) -> ChangeSet:
        """What applying it does."""
        return self.changes_with()

    def changes_with(self, *more: Change) -> ChangeSet:
        """What applying it does, and `more` together with it."""
        rows: tuple[Planned | Change, ...] = (*self.documents, *more)
        return ChangeSet(f"migrate from v{self.from_version} to v{self.target}", Rows(rows, self._change), once=True)

    @property
    def counts(self) -> Mapping[Kind, int]:
        """How many documents of each kind it changes."""
        return Counter(one.kind for one in self.documents)

    @property
    def leaves_package_behind(self) -> bool:
        """Whether this package will only read the vault afterwards."""
        return self.target > CURRENT_SCHEMA_VERSION

    def revision(self, span: Span) -> Revision:
        """The revision of a document's old or new bytes."""
        return revision(self.spool.get(span))

    def _change(self, one: Planned | Change) -> Change:
        if not isinstance(one, Planned):
            return one
        return Put(one.path, self.spool.get(one.new), expect=self.revision(one.old))


class _Loaded(NamedTuple):
    """A document as it was read, before any step."""

    entry: Entry
    version: int
    mode: int
    old: Span


def take_census(vault: Vault, survey: Survey, progress: Progress = silent) -> Census:
    """Read the version of every document that has one; of a large vault a copy of this process reads a half."""
    placed = list(survey.placed(*VERSIONED))
    half = len(placed) // 2 if len(placed) >= _LARGE else 0
    elsewhere = aside.begin(lambda: _counted(vault, placed[:half], silent)) if half else None
    counts, unreadable, above = _counted(vault, placed[half:], progress)
    if elsewhere is not None:
        more, first, others = elsewhere()
        counts, unreadable, above = counts + more, first + unreadable, others + above
    archived = sum(1 for _ in survey.of(Kind.ARCHIVE))
    found = (*newer.still(vault, above), *newer.in_vault(vault, survey, kinds=_UNCOUNTED))
    return Census(dict(counts), tuple(unreadable), archived, found)


def _counted(
    vault: Vault, placed: Sequence[tuple[Entry, Place]], progress: Progress
) -> tuple[Counter[tuple[Kind, int]], list[Problem], list[str]]:
    """How many there are of each kind and version, those that cannot be read, and the paths of those that are newer."""
    counts: Counter[tuple[Kind, int]] = Counter()
    unreadable: list[Problem] = []
    above: list[str] = []
    for entry, place, version, _ in _each(vault, placed, unreadable, progress):
        counts[place.kind, version] += 1
        if version > CURRENT_SCHEMA_VERSION:
            above.append(entry.path)
    return counts, unreadable, above


def make(
    vault: Vault,
    survey: Survey,
    target: int,
    *,
    skip_unreadable: bool = False,
    announce: Announce = unannounced,
    progress: Progress = silent,
) -> Plan:
    """Run every step on every document, in memory; `announce` hears of each script of the vault before it is run.

    Raises:
        MigrationRefused: not above the vault's version, a step is missing, or documents stand in the way, each named.
        VaultTooNew: a document is newer than this package.
    """
    problems: list[Problem] = []
    spool = Spool()
    loaded = _load(vault, survey, VERSIONED, spool, problems, progress)
    versions = {one.version for one in loaded}
    current = min(versions, default=CURRENT_SCHEMA_VERSION)
    above = [one.entry.path for one in loaded if one.version > CURRENT_SCHEMA_VERSION]
    newer.refuse(vault.store, (*newer.still(vault, above), *newer.in_vault(vault, survey, kinds=_UNCOUNTED)))
    if target <= current:
        message = f"Target version v{target} is not above current v{current}. Forward-only migrations."
        raise MigrationRefused(message, hint="python -m atomic_agents.migrate --status")
    steps = _steps(vault, current, target, announce)
    more = tuple(kind for kind in UNVERSIONED if any(kind.value in step.unit_types for step in steps))
    loaded += _load(vault, survey, more, spool, problems, progress)
    documents: list[Planned] = []
    known: dict[str, Summaries] = {}
    for number, one in enumerate(loaded, 1):
        progress("plan", number, len(loaded))
        before, place = spool.get(one.old), survey.layout.place(one.entry.path)
        try:
            after, done = _migrated(one.entry, place, before, steps, target)
        except SettingsInvalid as error:
            problems += error.problems
        except DocumentUnreadable as error:
            problems.append(problem_of(error))
        else:
            if after != before:
                done = known.setdefault(repr(done), done)
                documents.append(Planned(one.entry.path, place.kind, done, one.mode, one.old, spool.add(after)))
    if problems and not skip_unreadable:
        raise _blocked(problems, target)
    return Plan(current, target, steps, documents, spool, tuple(problems))


def _load(
    vault: Vault, survey: Survey, kinds: tuple[Kind, ...], spool: Spool, problems: list[Problem], progress: Progress
) -> list[_Loaded]:
    """The documents of some kinds, their bytes in `spool`."""
    return [
        _Loaded(entry, version, _DEFAULT_MODE if blob.mode is None else blob.mode, spool.add(blob.data))
        for entry, _, version, blob in _each(vault, list(survey.placed(*kinds)), problems, progress)
    ]


def _migrated(
    entry: Entry, place: Place, before: bytes, steps: tuple[Step, ...], target: int
) -> tuple[bytes, Summaries]:
    """A document after its steps, and what each says it did."""
    unit = MigratableUnit(parse(entry.path, before), place.kind, place.name, entry.modified)
    done = _run(unit, steps, target)
    _check_settings(unit, target)
    return unit.document.data, done


def _steps(vault: Vault, current: int, target: int, announce: Announce) -> tuple[Step, ...]:
    """The steps on the way; a missing one is found before any script of the vault runs."""
    scripts = registry.needed(vault.store, current, target)
    known = {step.from_version for step in registry.packaged()} | {script.from_version for script in scripts}
    for version in range(current, target):
        if version not in known:
            registry.chain(version, version + 1, ())
    for script in scripts:
        announce(script)
    loaded = (registry.load(vault.store, script) for script in scripts)
    return registry.chain(current, target, (*registry.packaged(), *loaded))


def _each(
    vault: Vault, placed: Sequence[tuple[Entry, Place]], unreadable: list[Problem], progress: Progress
) -> Iterator[tuple[Entry, Place, int, Blob]]:
    """Every document that has a version, or needs none; those that cannot be read go to `unreadable`."""
    for number, (entry, place) in enumerate(placed, 1):
        progress("read", number, len(placed))
        try:
            found = _read(vault, entry, place)
        except DocumentUnreadable as error:
            unreadable.append(problem_of(error))
        except StorageFailed as error:
            unreadable.append(Problem(entry.path, 0, error.message.removeprefix(f"{entry.path}: "), error.hint))
        else:
            if found is not None:
                yield entry, place, *found


def _read(vault: Vault, entry: Entry, place: Place) -> tuple[int, Blob] | None:
    """A document's version, read only as far as that takes, and its bytes; None where it has no version."""
    if entry.size > MAX_BYTES:
        vault.note(entry, place.name)  # raises, in the words that every other reader uses
    blob = vault.store.read(entry.path)
    if blob is None:
        return None
    version = peek(blob.data, "schema_version")
    if version is not None:
        return version, blob
    document = parse(entry.path, blob.data)
    if place.kind is Kind.POLICY and "schema_version" not in document.meta:
        return None  # prose, which has no version
    return MigratableUnit(document, place.kind, place.name, entry.modified).version, blob


def _run(unit: MigratableUnit, steps: tuple[Step, ...], target: int) -> Summaries:
    """Take one document through the steps that concern it; returns what each says it did."""
    done: list[Mapping[str, object]] = []
    by_script = -1
    for step in steps:
        # What a script of the vault has brought to a version, the package's step for that version makes complete.
        completes = unit.version == step.to_version == by_script and not step.of_the_vault
        due = completes or unit.version == step.from_version or not unit.has_version
        if unit.unit_type not in step.unit_types or not due:
            continue
        summary = _perform(step, unit, completes=completes)
        if summary is not None:
            done.append(summary)
            by_script = unit.version if step.of_the_vault else by_script
    if unit.has_version and unit.version < target and any(_concerns(step, unit) for step in steps):
        message = f"no step brings it from v{unit.version} to v{target}"
        context = {"path": unit.unit_id, "line": 0, "message": message}
        hint = "see what the script's applies_to leaves out"
        raise DocumentUnreadable(f"{unit.unit_id}: {message}", hint=hint, context=context)
    return tuple(done)


def _check_settings(unit: MigratableUnit, target: int) -> None:
    """Refuse settings that their reader would refuse once they are written.

    Raises:
        SettingsInvalid: carries every error.
    """
    if unit.kind is Kind.SETTINGS and target <= CURRENT_SCHEMA_VERSION:
        found = settings.read(unit.file, unit.document)
        errors = [problem for problem in found.problems if problem.severity == "error"]
        if errors:
            raise SettingsInvalid(errors)


def _concerns(step: Step, unit: MigratableUnit) -> bool:
    """Whether a document that is still at the step's version was one of those it is offered."""
    return step.from_version == unit.version and unit.unit_type in step.unit_types


def _perform(step: Step, unit: MigratableUnit, *, completes: bool) -> Mapping[str, object] | None:
    """What the step says it did; None where it does not apply.

    Raises:
        MigrationRefused: the step fails, or leaves the document at another version than its own.
    """
    try:
        if not (completes or step.applies_to(unit)):
            return None
        summary = step.migrate(unit)
        reached = unit.version
    except (SettingsInvalid, DocumentUnreadable):
        raise
    except (Exception, SystemExit) as error:
        message = f"{step.name} failed on {unit.unit_id}: {type(error).__name__}: {error}"
        hint = f"correct {step.name} or the document; nothing was written"
        hint = registry.MAPPING if "MigratableUnit" in str(error) else hint
        raise MigrationRefused(message, hint=hint) from error
    if unit.has_version and reached != step.to_version:
        message = f"{step.name} left {unit.unit_id} at v{reached} instead of v{step.to_version}"
        raise MigrationRefused(message, hint="the step must write schema_version; nothing was written")
    return summary if isinstance(summary, dict) else {}


def _blocked(problems: list[Problem], target: int) -> MigrationRefused:
    count = len(problems)
    shown = "\n".join(
        f"  {problem.where}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")
        for problem in problems[:20]
    )
    more = f"\n  and {count - 20:,} more" if count > 20 else ""
    noun = "1 document stands" if count == 1 else f"{count:,} documents stand"
    return MigrationRefused(
        f"{noun} in the way; nothing was changed\n{shown}{more}",
        hint=f"correct them, or leave them as they are: atomic-agents migrate --to v{target} --skip-unreadable",
        context={"problems": [problem.as_json() for problem in problems]},
    )
