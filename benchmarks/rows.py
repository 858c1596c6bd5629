"""The rows of the table: what is measured, and the ratio to the other implementation that is to be reached."""

import datetime
import json
import secrets
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.answers import InstantModel
from benchmarks.measure import Child, Failed, Sample, copying, in_turn, process, settle
from benchmarks.sides import Side, lacks
from benchmarks.vaults import generate, log

_RUNNER = str(Path(__file__).with_name("runner.py"))
_STEP = """FROM_VERSION = 0
TO_VERSION = 1


def applies_to(unit):
    return unit.read_frontmatter().get("schema_version") == FROM_VERSION


def migrate(unit):
    unit.write_frontmatter({**unit.read_frontmatter(), "schema_version": TO_VERSION})
    return {"unit_id": unit.unit_id, "changes": ["schema_version"]}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, in `unit`; `other` is None where it was not measured.

    `reach` is the ratio to be reached and `limit` what ours may be at most, in `unit`; None where none is asked.
    """

    name: str
    unit: str
    ours: float
    other: float | None
    reach: float | None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours by the other's."""
        return self.ours / self.other if self.other else None

    @property
    def verdict(self) -> str:
        """Whether it is what is to be reached."""
        asked = [self.ours <= self.limit] if self.limit is not None else []
        if self.ratio is not None and self.reach is not None:
            asked.append(self.ratio <= self.reach)
        return ("reached" if all(asked) else "missed") if asked else ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured where: the sides, an empty folder for vaults, the notes, and by what to divide repetitions."""

    sides: Sequence[Side]
    folder: Path
    notes: int
    haste: int = 1

    def times(self, usual: int) -> int:
        """How many pairs to take."""
        return max(1, usual // self.haste)

    def vault(self, notes: int, *, version: int = 1, agents: int = 2) -> Path:
        """A vault of this shape, made when it is first asked for and never written to."""
        root = self.folder / f"vault-{notes}-v{version}-{agents}"
        return root if root.exists() else generate(root, notes, version=version, agents=agents)

    def logged(self, vault: Path, lines: int) -> Path:
        """The same vault with the log lines of earlier runs today."""
        root = self.folder / f"{vault.name}-logged"
        if not root.exists():
            shutil.copytree(vault, root)
            log(root / "agent0/log", lines, datetime.datetime.now(datetime.UTC).date())
        return root

    def copy(self, vault: Path, name: str) -> Path:
        """A fresh copy of `vault`, on the disk before the clock starts."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(vault, place)
        settle()
        return place

    def home(self) -> Path:
        """The home folder of the measured processes."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return home


def starting(bench: Bench, name: str, arguments: Sequence[str], reach: float) -> Iterator[Row]:
    """A command from a cold start."""
    vault = bench.vault(bench.notes)
    roots = {side.name: bench.copy(vault, f"{side.name}-start") for side in bench.sides}

    def take(side: Side) -> float:
        return process((*side.command, *arguments), side.environment(roots[side.name], bench.home())).seconds

    for side in bench.sides:
        take(side)
    yield _row(name, "ms", in_turn(bench.sides, take, bench.times(11)), reach)


def status(bench: Bench) -> Iterator[Row]:
    """`migrate --status` and a dry run of the whole vault."""
    vault = bench.vault(bench.notes, version=0)
    roots = {side.name: _with_step(side, bench.copy(vault, f"{side.name}-status")) for side in bench.sides}

    def take(arguments: tuple[str, ...], side: Side) -> float:
        return process(_migrate(side, *arguments), side.environment(roots[side.name], bench.home())).seconds

    for name, arguments, times, reach in (
        ("migrate --status", ("--status",), 7, 0.1),
        ("migrate --to v1 --dry-run", ("--to", "v1", "--dry-run"), 5, 0.3),
    ):
        for side in bench.sides:
            take(arguments, side)
        taken = in_turn(bench.sides, partial(take, arguments), bench.times(times))
        yield _row(f"{name}, {bench.notes:,} notes", "ms", taken, reach)


def migrate(bench: Bench) -> Iterator[Row]:
    """One step over the whole vault, its rollback, and their memory. The other comes without steps and is given one."""
    vault = bench.vault(bench.notes, version=0)
    there: dict[str, list[Sample]] = {side.name: [] for side in bench.sides}
    back: dict[str, list[float]] = {side.name: [] for side in bench.sides}

    def take(side: Side) -> float:
        root = _with_step(side, bench.copy(vault, f"{side.name}-migrate"))
        environment = side.environment(root, bench.home())
        there[side.name].append(process(_migrate(side, "--to", "v1"), environment))
        if any(b"schema_version: 1\n" not in path.read_bytes() for path in root.glob("*/memory/*_note_*.md")):
            raise Failed(f"{side.name}: not every note is at v1")
        (snapshot,) = (root / "_migrations/snapshots").iterdir()
        settle()
        back[side.name].append(process(_migrate(side, "--rollback", snapshot.name), environment).seconds)
        return there[side.name][-1].seconds

    taken = in_turn(bench.sides, take, bench.times(3))
    yield _row(f"migrate --to v1, {bench.notes:,} notes", "ms", taken, 0.1)
    memory = {name: statistics.median(sample.memory for sample in found) / 1e6 for name, found in there.items()}
    if all(memory.values()):
        yield _row("its peak memory", "MB", memory, 1.5, scale=1)
        yield Row("the same, ten times the notes", "MB", _memory_of_more(bench), None, None)
    rollback = {name: statistics.median(found) for name, found in back.items()}
    yield _row(f"migrate --rollback, {bench.notes:,} notes", "ms", rollback, 0.15)


def _memory_of_more(bench: Bench) -> float:
    """Our peak memory, in MB, with ten times the notes."""
    ours = bench.sides[0]
    root = bench.copy(bench.vault(10 * bench.notes, version=0), "ours-more")
    return process(_migrate(ours, "--to", "v1"), ours.environment(root, bench.home())).memory / 1e6


def _migrate(side: Side, *arguments: str) -> tuple[str, ...]:
    return (*side.python, "-m", "atomic_agents.migrate", *arguments)


def _with_step(side: Side, root: Path) -> Path:
    if side.name == "other":
        (root / "_migrations").mkdir()
        (root / "_migrations/v0_to_v1.py").write_text(_STEP, encoding="utf-8")
    return root


def run(bench: Bench) -> Iterator[Row]:
    """What a run takes in a warm process when the model takes nothing."""
    for share, times, reach, limit in ((1000, 21, 1.0, 10.0), (10, 11, 0.1, 15.0), (1, 7, 0.02, 40.0)):
        notes = max(10, bench.notes // share)
        with InstantModel() as model:
            taken = _warm(bench, bench.vault(notes, agents=1), model, times)
            name = f"a run, {notes:,} notes (model {model.median * 1000:.2f} ms)"
            yield _row(name, "ms", taken, reach, limit=limit)


def governed(bench: Bench) -> Iterator[Row]:
    """What a long log with caps, and a note that is kept, add to a warm run."""
    lines = max(100, 10 * bench.notes)
    few = bench.vault(max(10, bench.notes // 10), agents=1)
    with InstantModel() as model:
        without = _warm(bench, few, model, 11)
        logged = _warm(bench, bench.logged(few, lines), model, 11)
    added = {name: logged[name] - without[name] for name in logged}
    yield _row(f"what {lines:,} log lines add to it, with caps", "ms", added, None, limit=10.0)
    with InstantModel(capturing=True) as model:
        taken = _warm(bench, bench.vault(bench.notes, agents=1), model, 7)
    yield _row(f"a run that keeps a note, {bench.notes:,} notes", "ms", taken, None, limit=60.0)


def cold(bench: Bench) -> Iterator[Row]:
    """The whole `run` command: its CPU seconds and its peak memory."""
    found: dict[str, list[Sample]] = {side.name: [] for side in bench.sides}
    with InstantModel() as model:
        roots = {side.name: bench.copy(bench.vault(bench.notes, agents=1), f"{side.name}-cold") for side in bench.sides}

        def take(side: Side) -> float:
            environment = side.environment(roots[side.name], bench.home(), **_answered_by(model))
            command = (*side.command, "run", "agent0", "--work-item", "What is known about the ferry's invoice?")
            found[side.name].append(process(command, environment))
            return found[side.name][-1].cpu

        in_turn(bench.sides, take, 1)  # the first builds what is derived
        found = {name: [] for name in found}
        taken = in_turn(bench.sides, take, bench.times(5))
    yield _row(f"`run` from a cold start, {bench.notes:,} notes, CPU", "ms", taken, 1.0)
    memory = {name: statistics.median(sample.memory for sample in samples) / 1e6 for name, samples in found.items()}
    if all(memory.values()):
        yield _row("its peak memory", "MB", memory, 1.0, scale=1)


def _warm(bench: Bench, vault: Path, model: InstantModel, times: int) -> dict[str, float]:
    """The median seconds of a run of each side in a process that has run before."""
    with ExitStack() as children:
        warm: dict[str, Child] = {}
        for side in bench.sides:
            root = bench.copy(vault, f"{side.name}-run")
            environment = side.environment(root, bench.home(), **_answered_by(model))
            child = Child((*side.python, "-P", _RUNNER, side.name, str(root)), environment)
            warm[side.name] = children.enter_context(child)
        return in_turn(bench.sides, partial(_warm_run, warm), bench.times(times))


def _answered_by(model: InstantModel) -> dict[str, str]:
    return {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "none"}


def _warm_run(warm: Mapping[str, Child], side: Side) -> float:
    return warm[side.name].time()


def dashboard(bench: Bench) -> Iterator[Row]:
    """Rendering every page as files: from nothing, and again when one run has been added."""
    missing = lacks(bench.sides[0], "jinja2", "starlette")
    if missing:
        without = f"the dashboard is not measured: ours has no {' and no '.join(missing)}"
        print(f"warning: {without}\n  hint: pip install '.[serve]'", file=sys.stderr)
        return
    lines = max(100, 10 * bench.notes)
    few = bench.vault(max(10, bench.notes // 10), agents=1)
    roots = {side.name: bench.copy(bench.logged(few, lines), f"{side.name}-seen") for side in bench.sides}

    def render(side: Side) -> float:
        words = ("dashboard", "render") if side.name == "ours" else ("-m", "atomic_agents.dashboard", "render")
        command = (*(side.command if side.name == "ours" else side.python), *words)
        return process(command, side.environment(roots[side.name], bench.home())).seconds

    def anew(side: Side) -> float:
        for derived in (".atomic", "_dashboard"):
            shutil.rmtree(roots[side.name] / derived, ignore_errors=True)
        return render(side)

    def after_a_run(side: Side) -> float:
        today = max((roots[side.name] / "agent0/log").rglob("*.jsonl"))
        *_, last = today.read_text(encoding="utf-8").splitlines()
        record = json.loads(last) | {"run_id": f"run-20260101-000000-{secrets.token_hex(3)}"}
        with today.open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")
        return render(side)

    yield _row(f"dashboard, {lines:,} log lines", "ms", in_turn(bench.sides, anew, bench.times(5)), 0.1)
    yield _row("dashboard after one more run", "ms", in_turn(bench.sides, after_a_run, bench.times(5)), 0.02)


def copy(bench: Bench) -> Iterator[Row]:
    """What the disk takes for the same notes, for orientation."""
    vault, place = bench.vault(bench.notes, version=0), bench.folder / "copied"
    taken: list[float] = []
    for _ in range(bench.times(5)):
        shutil.rmtree(place, ignore_errors=True)
        settle()
        taken.append(copying(vault, place))
    yield Row(f"cp -r and sync, {bench.notes:,} notes", "ms", statistics.median(taken) * 1000, None, None)


ROWS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "help": lambda bench: starting(bench, "--help", ["--help"], 0.5),
    "info": lambda bench: starting(bench, "info", ["info", "agent0"], 0.6),
    "status": status,
    "migrate": migrate,
    "run": run,
    "governed": governed,
    "cold": cold,
    "dashboard": dashboard,
    "copy": copy,
}


def _row(
    name: str,
    unit: str,
    taken: dict[str, float],
    reach: float | None,
    *,
    limit: float | None = None,
    scale: float = 1000,
) -> Row:
    other = taken.get("other")
    return Row(name, unit, taken["ours"] * scale, None if other is None else other * scale, reach, limit)
