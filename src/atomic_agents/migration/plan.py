"""What a migration would do: every document that has a version, the steps it needs, and the change set they make."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import Change, ChangeSet, Put
from atomic_agents.core.document import MAX_BYTES, parse
from atomic_agents.core.errors import DocumentUnreadable, MigrationRefused, SettingsInvalid, VaultTooNew
from atomic_agents.core.store import Entry
from atomic_agents.core.values import Problem
from atomic_agents.migration import registry
from atomic_agents.migration.registry import Script, Step
from atomic_agents.migration.unit import MigratableUnit
from atomic_agents.vault.layout import Kind
from atomic_agents.vault.vault import Survey, Vault, problem_of

VERSIONED = (Kind.NOTE, Kind.WIKI, Kind.SETTINGS, Kind.POLICY)

Progress = Callable[[str, int, int], None]
"""Called with the phase, how much of it is done, and how much there is."""


def silent(_phase: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


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

    `done` says for each document which keys its steps set and dropped; `modes` holds the permission bits and `before`
    the revisions that the snapshot keeps.
    """

    from_version: int
    target: int
    steps: tuple[Step, ...]
    changes: ChangeSet
    counts: Mapping[Kind, int]
    done: Mapping[str, tuple[Mapping[str, object], ...]] = field(default_factory=dict)
    modes: Mapping[str, int | None] = field(default_factory=dict)
    skipped: tuple[Problem, ...] = ()


def take_census(vault: Vault, survey: Survey, progress: Progress = silent) -> Census:
    """Read the version of every document that has one."""
    counts: Counter[tuple[Kind, int]] = Counter()
    unreadable: list[Problem] = []
    for unit, _ in _units(vault, survey, unreadable, progress):
        counts[unit.kind, unit.version] += 1
    return Census(dict(counts), tuple(unreadable))


def make(
    vault: Vault, survey: Survey, target: int, *, skip_unreadable: bool = False, progress: Progress = silent
) -> Plan:
    """Run every step on every document, in memory.

    Raises:
        MigrationRefused: not above the vault's version, a step is missing, or documents stand in the way, each named.
        VaultTooNew: a document is newer than this package.
    """
    unreadable: list[Problem] = []
    units = list(_units(vault, survey, unreadable, progress))
    versions = [unit.version for unit, _ in units]
    current = min(versions, default=CURRENT_SCHEMA_VERSION)
    refuse_newer(max(versions, default=0))
    if target <= current:
        message = f"Target version v{target} is not above current v{current}. Forward-only migrations."
        raise MigrationRefused(message, hint="python -m atomic_agents.migrate --status")
    found = registry.scripts(vault.store)
    available = (
        *registry.packaged(),
        *(registry.load(vault.store, script) for script in _needed(found, current, target)),
    )
    steps = registry.chain(current, target, available)
    changes: list[Change] = []
    counts: Counter[Kind] = Counter()
    done: dict[str, tuple[Mapping[str, object], ...]] = {}
    modes: dict[str, int | None] = {}
    problems: list[Problem] = []
    for number, (unit, (before, mode)) in enumerate(units, 1):
        progress("plan", number, len(units))
        path, original = unit.unit_id, unit.document.data
        try:
            done_here = _run(unit, steps, target)
        except SettingsInvalid as error:
            problems += error.problems
            continue
        except DocumentUnreadable as error:
            problems.append(problem_of(error))
            continue
        if unit.document.data != original:
            changes.append(Put(path, unit.document.data, expect=before))
            counts[unit.kind] += 1
            done[path], modes[path] = done_here, mode
    problems += unreadable
    if problems and not skip_unreadable:
        raise _blocked(problems, target)
    reason = f"migrate from v{current} to v{target}"
    return Plan(current, target, steps, ChangeSet(reason, tuple(changes)), dict(counts), done, modes, tuple(problems))


def refuse_newer(version: int) -> None:
    """Refuse to write a vault that a newer package has written.

    Raises:
        VaultTooNew: names the version to install.
    """
    if version > CURRENT_SCHEMA_VERSION:
        message = f"the vault holds documents at v{version} and this package writes v{CURRENT_SCHEMA_VERSION}"
        hint = "pip install --upgrade atomic-agents-stack"
        raise VaultTooNew(message, hint=hint, context={"version": version})


def _needed(scripts: tuple[Script, ...], current: int, target: int) -> Iterator[Script]:
    return (script for script in scripts if current <= script.from_version < target)


def _units(
    vault: Vault, survey: Survey, unreadable: list[Problem], progress: Progress
) -> Iterator[tuple[MigratableUnit, tuple[str, int | None]]]:
    """Every document that has a version, with its revision and mode; the others go to `unreadable`."""
    entries = list(survey.of(*VERSIONED))
    for number, entry in enumerate(entries, 1):
        progress("read", number, len(entries))
        place = survey.layout.place(entry.path)
        try:
            found = _unit(vault, entry, place.kind, place.name)
        except DocumentUnreadable as error:
            unreadable.append(problem_of(error))
            continue
        if found is not None:
            yield found


def _unit(vault: Vault, entry: Entry, kind: Kind, name: str) -> tuple[MigratableUnit, tuple[str, int | None]] | None:
    if entry.size > MAX_BYTES:
        vault.note(entry, name)  # raises, in the words that every other reader uses
    blob = vault.store.read(entry.path)
    if blob is None:
        return None
    document = parse(entry.path, blob.data)
    if kind is Kind.POLICY and "schema_version" not in document.meta:
        return None
    unit = MigratableUnit(document, kind, name, entry.modified)
    unit.version  # noqa: B018 - raises where the version is not a number
    return unit, (blob.revision, blob.mode)


def _run(unit: MigratableUnit, steps: tuple[Step, ...], target: int) -> tuple[Mapping[str, object], ...]:
    done: list[Mapping[str, object]] = []
    for step in steps:
        try:
            if unit.version > step.from_version or not step.applies_to(unit):
                continue
            summary = step.migrate(unit)
        except (SettingsInvalid, DocumentUnreadable):
            raise
        except Exception as error:
            message = f"{step.name} failed on {unit.unit_id}: {type(error).__name__}: {error}"
            raise MigrationRefused(message, hint=f"correct {step.name} or the document; nothing was written") from error
        if unit.version != step.to_version:
            message = f"{step.name} left {unit.unit_id} at v{unit.version} instead of v{step.to_version}"
            raise MigrationRefused(message, hint="the step must write schema_version; nothing was written")
        done.append(summary if isinstance(summary, dict) else {})
    if unit.version < target:
        message = f"no step brings it from v{unit.version} to v{target}"
        context = {"path": unit.unit_id, "line": 0, "message": message}
        raise DocumentUnreadable(
            f"{unit.unit_id}: {message}", hint="see what the script's applies_to leaves out", context=context
        )
    return tuple(done)


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
