"""`_migrations/history.jsonl`: the line that every migration, rollback and prune leaves, and what they say together."""

import datetime
import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents._version import __version__
from atomic_agents.core.change import Append
from atomic_agents.core.errors import PathRefused, StorageFailed
from atomic_agents.core.store import Store
from atomic_agents.core.values import Problem
from atomic_agents.migration.registry import Script
from atomic_agents.vault import layout

MIGRATED = "migrated"
PUT_BACK = "put back"
ROLLED_BACK = "rolled back"
PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class Ran:
    """A step that ran; `sha256` is "" for one of the package."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """One line of history; what it does not say is "", None or empty.

    `snapshot` is what a migration took, or what a rollback put back; `safety` is what a rollback took. `only` are the
    documents of a rollback that left others alone, `pruned` the snapshots that were removed.
    """

    line: int
    when: str
    who: str
    package: str
    outcome: str
    from_version: int | None
    to_version: int | None
    snapshot: str = ""
    safety: str = ""
    steps: tuple[Ran, ...] = ()
    only: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()

    @property
    def way_back(self) -> str:
        """The snapshot that undoes it."""
        return self.safety if self.outcome == ROLLED_BACK else self.snapshot


@dataclass(frozen=True, slots=True)
class History:
    """Every line that can be read, and a problem for every other."""

    records: tuple[Record, ...]
    problems: tuple[Problem, ...]

    @property
    def standing(self) -> tuple[Record, ...]:
        """The migrations and rollbacks in order, without those that were put back."""
        found: list[Record] = []
        for record in self.records:
            if record.outcome == PUT_BACK:
                found = [one for one in found if one.snapshot != record.snapshot or one.outcome != MIGRATED]
            elif record.outcome in (MIGRATED, ROLLED_BACK):
                found.append(record)
        return tuple(found)

    @property
    def version(self) -> int | None:
        """The version that the last migration or rollback of the whole vault left; None where there was none."""
        return next((version for record, version in reversed(self.replayed) if not record.only), None)

    @property
    def replayed(self) -> tuple[tuple[Record, int | None], ...]:
        """What stands, each with the version of what it wrote.

        A rollback leads to the version before the line that took its snapshot, which is more than the snapshot knows:
        one rollback may undo several migrations, and another one that rollback.
        """
        found: list[tuple[Record, int | None]] = []
        before: dict[str, int | None] = {}
        now: int | None = None
        for record in self.standing:
            was = record.from_version if record.outcome == MIGRATED or now is None else now
            after = before.get(record.snapshot) if record.outcome == ROLLED_BACK else None
            after = record.to_version if after is None else after
            before[record.way_back] = was
            found.append((record, after))
            now = now if record.only else after
        return tuple(found)

    def scripts(self) -> dict[str, tuple[Record, str]]:
        """For each script of the vault whose work stands: the last line that ran it, and its hash then."""
        version = self.version or 0
        found: dict[str, tuple[Record, str]] = {}
        for record in self.standing:
            for step in record.steps:
                path = layout.script(step.name)
                versions = layout.migration_script(path) if step.sha256 else None
                if versions is not None and versions[1] <= version:
                    found[path] = (record, step.sha256)
        return found


@dataclass(frozen=True, slots=True)
class ScriptChanged:
    """A script that is not what ran; `sha256` is "" where it is gone."""

    path: str
    ran: str
    ran_sha256: str
    sha256: str

    @property
    def message(self) -> str:
        """What became of it."""
        if self.sha256:
            return f"changed since it ran on {self.ran[:10]}: sha256 {self.ran_sha256} then, {self.sha256} now"
        return f"is gone since it ran on {self.ran[:10]}: sha256 {self.ran_sha256} then"


def read(store: Store) -> History:
    """The whole history; a line that is torn or is no JSON object is a problem with its number, and the rest is read.

    Keys and outcomes that are not known here are left alone: another implementation may write them.
    """
    try:
        blob = store.read(layout.HISTORY)
    except (PathRefused, StorageFailed) as error:
        return History((), (Problem(layout.HISTORY, 0, error.message, error.hint),))
    records: list[Record] = []
    problems: list[Problem] = []
    for number, text in enumerate(blob.data.split(b"\n") if blob else (), 1):
        if not text.strip():
            continue
        try:
            found = json.loads(text.decode())
        except (ValueError, RecursionError) as error:
            problems.append(_unreadable(number, f"is not a line of history: {error}"))
            continue
        if isinstance(found, dict):
            records.append(_record(number, found))
        else:
            problems.append(_unreadable(number, "is not a line of history: an object is needed"))
    return History(tuple(records), tuple(problems))


def changed_scripts(history: History, scripts: tuple[Script, ...]) -> tuple[ScriptChanged, ...]:
    """The scripts of the vault that are not what ran, those that are gone included."""
    now = {script.path: script.sha256 for script in scripts}
    return tuple(
        ScriptChanged(path, record.when, sha256, now.get(path, ""))
        for path, (record, sha256) in history.scripts().items()
        if now.get(path) != sha256
    )


def line(now: datetime.datetime, outcome: str, from_version: int, to_version: int, **more: object) -> Append:
    """What was done, when, by whom, with which package, from which version to which."""
    return note(now, outcome, from_version=from_version, to_version=to_version, **more)


def note(now: datetime.datetime, outcome: str, **more: object) -> Append:
    """As `line`, for what leaves the versions as they are."""
    record = {"ts": now.isoformat(), "who": _who(), "package": __version__, "outcome": outcome, **more}
    return Append(layout.HISTORY, json.dumps(record, ensure_ascii=False))


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _unreadable(number: int, message: str) -> Problem:
    return Problem(layout.HISTORY, number, message, hint="take that line out, or write what it has to say")


def _record(number: int, found: Mapping[str, object]) -> Record:
    steps = found.get("steps")
    return Record(
        line=number,
        when=_text(found.get("ts")),
        who=_text(found.get("who")),
        package=_text(found.get("package")),
        outcome=_text(found.get("outcome")),
        from_version=_version(found.get("from_version")),
        to_version=_version(found.get("to_version")),
        snapshot=_text(found.get("snapshot")),
        safety=_text(found.get("safety")),
        steps=tuple(
            Ran(_text(step.get("name")), _text(step.get("sha256")))
            for step in (steps if isinstance(steps, list) else ())
            if isinstance(step, dict)
        ),
        only=_texts(found.get("only")),
        pruned=_texts(found.get("pruned")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _version(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
