"""Schedules: what an agent is woken for and when, one document each in its folder `schedules/`."""

import datetime
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import ABSENT, Revision
from atomic_agents.core.document import Document
from atomic_agents.core.errors import DocumentUnreadable, PathRefused, StorageFailed
from atomic_agents.core.values import Problem, Usd
from atomic_agents.vault import cron, layout, settings
from atomic_agents.vault.rules import BOOLEAN, MONEY, TEXT, TEXTS, Finding, Rule, check
from atomic_agents.vault.vault import Vault, problem_of

CatchUp = Literal["skip", "latest", "all"]
CATCH_UP: tuple[CatchUp, ...] = ("skip", "latest", "all")
MOST_JITTER = 3600

RULES: Mapping[str, Rule] = {
    "cron": TEXT,
    "time_zone": TEXT,
    "work_item": TEXT,
    "catch_up": Rule("choice", choices=CATCH_UP),
    "jitter_s": Rule("integer", least=0, most=MOST_JITTER),
    "max_cost_usd": MONEY,
    "only_if": Rule("table", keys={"changed": TEXTS, "command": TEXTS}),
    "paused": BOOLEAN,
}
_NEEDED = {"cron": 'cron: "0 7 * * 1-5"', "work_item": "work_item: what to do"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule. `changed` are globs of documents below the agent, `command` a program and its arguments."""

    agent: str
    name: str
    path: str
    cron: str
    zone: zoneinfo.ZoneInfo
    work_item: str
    catch_up: CatchUp = "latest"
    jitter: datetime.timedelta = datetime.timedelta()
    max_cost: Usd | None = None
    changed: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    paused: bool = False

    @property
    def shape(self) -> str:
        """What decides when it is due; where that changes, what was due before is forgotten."""
        return f"{self.cron} {self.zone.key}{' paused' if self.paused else ''}"


@dataclass(frozen=True, slots=True)
class Stated:
    """A document in `schedules/`: the schedule, None where it has errors; every problem with its line."""

    agent: str
    name: str
    path: str
    revision: Revision
    schedule: Schedule | None
    problems: tuple[Problem, ...] = ()


def of(vault: Vault, agent: str) -> list[Stated]:
    """The schedules of an agent, in order of name."""
    folder = layout.schedules(agent)
    names = (path.removeprefix(folder) for path in vault.store.paths(folder))
    found = (
        stated(vault, agent, name.removesuffix(".md")) for name in names if layout.is_note(name) and "/" not in name
    )
    return [each for each in found if each is not None]


def stated(vault: Vault, agent: str, name: str) -> Stated | None:
    """One schedule by its name; None where there is none."""
    path = layout.schedule(agent, name)
    try:
        blob = vault.store.read(path)
    except (StorageFailed, PathRefused) as error:  # one that cannot be read keeps no other from being fired
        problem = Problem(path, 0, error.message.removeprefix(f"{path}: "), error.hint)
        return Stated(agent, name, path, ABSENT, None, (problem,))
    if blob is None:
        return None
    try:
        document = vault.document(path)
    except DocumentUnreadable as error:
        return Stated(agent, name, path, blob.revision, None, (problem_of(error),))
    return None if document is None else read(agent, name, document, blob.revision)


def read(agent: str, name: str, document: Document, revision: Revision) -> Stated:
    """What a document states; problems are returned, never raised."""
    problems = tuple(_problems(document))
    errors = any(problem.severity == "error" for problem in problems)
    schedule = None if errors else _schedule(agent, name, document)
    return Stated(agent, name, document.path, revision, schedule, problems)


def _problems(document: Document) -> Iterator[Problem]:
    values = {key: value for key, value in document.meta.items() if key not in settings.NOT_OURS}
    version = settings.version_of(document)
    if version > CURRENT_SCHEMA_VERSION:
        message = f"is at v{version}, and this package reads up to v{CURRENT_SCHEMA_VERSION}"
        hint = "pip install --upgrade atomic-agents-stack"
        yield Problem(document.path, document.line_of("schema_version"), message, hint)
        return
    found = list(check(values, Rule("table", keys=RULES)))
    wrong = {finding.at[0] for finding in found if finding.at}
    for finding in (*found, *_missing(values), *_unknown_times(values, wrong)):
        yield Problem(document.path, document.line_of(*finding.at), finding.message, finding.hint, finding.severity)


def _missing(values: Mapping[str, object]) -> Iterator[Finding]:
    for key, line in _NEEDED.items():
        if key not in values:
            yield Finding((key,), f"states no {key}", f"add a line {line}")


def _unknown_times(values: Mapping[str, object], wrong: set[str]) -> Iterator[Finding]:
    expression, zone = values.get("cron"), values.get("time_zone", "UTC")
    if isinstance(expression, str) and "cron" not in wrong and (why := cron.wrong(expression)):
        yield Finding(("cron",), f'cron is "{expression}": {why}', 'write cron: "0 7 * * 1-5", with quotes')
    if isinstance(zone, str) and "time_zone" not in wrong and not is_zone(zone):
        yield Finding(("time_zone",), f"there is no time zone {zone}", "write time_zone: Europe/Berlin, or UTC")


def is_zone(name: str) -> bool:
    """Whether this machine knows a time zone of that name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _schedule(agent: str, name: str, document: Document) -> Schedule:
    values = document.meta
    gate, cost, jitter = values.get("only_if"), values.get("max_cost_usd"), values.get("jitter_s")
    gate = gate if isinstance(gate, dict) else {}
    return Schedule(
        agent, name, document.path, str(values["cron"]), zoneinfo.ZoneInfo(str(values.get("time_zone", "UTC"))),
        str(values["work_item"]).strip(), cast("CatchUp", values.get("catch_up", "latest")),
        datetime.timedelta(seconds=jitter if isinstance(jitter, int) else 0),
        None if cost is None else Decimal(str(cost)), tuple(gate.get("changed", ())), tuple(gate.get("command", ())),
        values.get("paused") is True,
    )  # fmt: skip
