"""What a migration would do: every document that has a version, the steps it needs, and the change set they make."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import Change, ChangeSet, Put
from atomic_agents.core.document import MAX_BYTES, parse, peek
from atomic_agents.core.errors import DocumentUnreadable, MigrationRefused, SettingsInvalid, StorageFailed, VaultTooNew
from atomic_agents.core.store import Blob, Entry
from atomic_agents.core.values import Problem
from atomic_agents.migration import registry
from atomic_agents.migration.registry import Script, Step
from atomic_agents.migration.unit import MigratableUnit
from atomic_agents.vault import settings
from atomic_agents.vault.layout import Kind, Place
from atomic_agents.vault.vault import Survey, Vault, problem_of

VERSIONED = (Kind.NOTE, Kind.WIKI, Kind.SETTINGS, Kind.POLICY)

_T = TypeVar("_T")
_Reader = Callable[[Vault, Entry, Place], _T | None]

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
    """How many documents of each kind are at each version, and those whose version cannot be told."""

    counts: Mapping[tuple[Kind, int], int]
    unreadable: tuple[Problem, ...]

    @property
    def version(self) -> int:
        """The vault's version: the lowest of any document, or the current one where there are none."""
        return min((version for _, version in self.counts), default=CURRENT_SCHEMA_VERSION)

    @property
    def highest(self) -> int:
        """The highest version of any document."""
        return max((version for _, version in self.counts), default=CURRENT_SCHEMA_VERSION)

    @property
    def total(self) -> int:
        """How many documents have a version."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """A migration worked out in memory; nothing has been written.

    For each document, `before` is what it was, `kinds` says what it is and `done` which keys its steps set and dropped;
    `skipped` are the documents that stay as they are because they cannot be migrated.
    """

    from_version: int
    target: int
    steps: tuple[Step, ...]
    changes: ChangeSet
    before: Mapping[str, Blob] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    done: Mapping[str, tuple[Mapping[str, object], ...]] = field(default_factory=dict)
    skipped: tuple[Problem, ...] = ()

    @property
    def counts(self) -> Mapping[Kind, int]:
        """How many documents of each kind it changes."""
        return Counter(self.kinds.values())

    @property
    def leaves_package_behind(self) -> bool:
        """Whether this package will only read the vault afterwards."""
        return self.target > CURRENT_SCHEMA_VERSION


def take_census(vault: Vault, survey: Survey, progress: Progress = silent) -> Census:
    """Read the version of every document that has one."""
    counts: Counter[tuple[Kind, int]] = Counter()
    unreadable: list[Problem] = []
    for kind, version in _each(vault, survey, _version, unreadable, progress):
        counts[kind, version] += 1
    return Census(dict(counts), tuple(unreadable))


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
    units = list(_each(vault, survey, _unit, problems, progress))
    versions = [unit.version for unit, _ in units]
    current = min(versions, default=CURRENT_SCHEMA_VERSION)
    refuse_newer(max(versions, default=0))
    if target <= current:
        message = f"Target version v{target} is not above current v{current}. Forward-only migrations."
        raise MigrationRefused(message, hint="python -m atomic_agents.migrate --status")
    steps = _steps(vault, current, target, announce)
    changes: list[Change] = []
    befores: dict[str, Blob] = {}
    kinds: dict[str, Kind] = {}
    done: dict[str, tuple[Mapping[str, object], ...]] = {}
    for number, (unit, before) in enumerate(units, 1):
        progress("plan", number, len(units))
        try:
            summaries = _run(unit, steps, target)
            _check_settings(unit, target)
        except SettingsInvalid as error:
            problems += error.problems
        except DocumentUnreadable as error:
            problems.append(problem_of(error))
        else:
            if unit.document.data != before.data:
                changes.append(Put(unit.unit_id, unit.document.data, expect=before.revision))
                befores[unit.unit_id] = before
                kinds[unit.unit_id], done[unit.unit_id] = unit.kind, summaries
    if problems and not skip_unreadable:
        raise _blocked(problems, target)
    reason = f"migrate from v{current} to v{target}"
    return Plan(current, target, steps, ChangeSet(reason, tuple(changes)), befores, kinds, done, tuple(problems))


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


def refuse_newer(version: int) -> None:
    """Refuse to write a vault that a newer package has written.

    Raises:
        VaultTooNew: names the version to install.
    """
    if version > CURRENT_SCHEMA_VERSION:
        message = f"the vault holds documents at v{version} and this package writes v{CURRENT_SCHEMA_VERSION}"
        hint = "pip install --upgrade atomic-agents-stack"
        raise VaultTooNew(message, hint=hint, context={"version": version})


def _each(
    vault: Vault, survey: Survey, read: _Reader[_T], unreadable: list[Problem], progress: Progress
) -> Iterator[_T]:
    """What `read` makes of every document that has a version; those that cannot be read go to `unreadable`."""
    placed = list(survey.placed(*VERSIONED))
    for number, (entry, place) in enumerate(placed, 1):
        progress("read", number, len(placed))
        try:
            found = read(vault, entry, place)
        except DocumentUnreadable as error:
            unreadable.append(problem_of(error))
        except StorageFailed as error:
            unreadable.append(Problem(entry.path, 0, error.message.removeprefix(f"{entry.path}: "), error.hint))
        else:
            if found is not None:
                yield found


def _unit(vault: Vault, entry: Entry, place: Place) -> tuple[MigratableUnit, Blob] | None:
    """A document to migrate and what it was; None where it has no version."""
    if entry.size > MAX_BYTES:
        vault.note(entry, place.name)  # raises, in the words that every other reader uses
    blob = vault.store.read(entry.path)
    if blob is None:
        return None
    document = parse(entry.path, blob.data)
    if place.kind is Kind.POLICY and "schema_version" not in document.meta:
        return None  # prose, which has no version
    unit = MigratableUnit(document, place.kind, place.name, entry.modified)
    unit.version  # noqa: B018 - raises where the version is not a number
    return unit, blob


def _version(vault: Vault, entry: Entry, place: Place) -> tuple[Kind, int] | None:
    """Kind and version of a document, read only as far as that takes; None where it has no version."""
    blob = vault.store.read(entry.path) if entry.size <= MAX_BYTES else None
    version = peek(blob.data, "schema_version") if blob else None
    if version is not None:
        return place.kind, version
    found = _unit(vault, entry, place)
    return None if found is None else (place.kind, found[0].version)


def _run(unit: MigratableUnit, steps: tuple[Step, ...], target: int) -> tuple[Mapping[str, object], ...]:
    """Take one document through the steps that concern it; returns what each says it did."""
    done: list[Mapping[str, object]] = []
    by_script = -1
    for step in steps:
        # What a script of the vault has brought to a version, the package's step for that version makes complete.
        completes = unit.version == step.to_version == by_script and not step.of_the_vault
        if unit.unit_type not in step.unit_types or not (completes or unit.version == step.from_version):
            continue
        summary = _perform(step, unit, completes=completes)
        if summary is not None:
            done.append(summary)
            by_script = unit.version if step.of_the_vault else by_script
    if unit.version < target and any(_concerns(step, unit) for step in steps):
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
    if reached != step.to_version:
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
