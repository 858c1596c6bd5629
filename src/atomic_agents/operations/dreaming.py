"""Have a dream: price it, ask batch by batch, and keep what the answers decide as hunks for the operator."""

import datetime
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents.core.change import Change, ChangeSet
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable
from atomic_agents.core.model import Usage
from atomic_agents.core.values import Problem, Usd
from atomic_agents.memory import consolidate, dream
from atomic_agents.memory.consolidate import Day, Memo, Understanding
from atomic_agents.memory.dream import Dream
from atomic_agents.memory.fence import fence
from atomic_agents.memory.revise import Held
from atomic_agents.operations import asking, runs
from atomic_agents.operations.asking import Understood
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.prompt import estimate
from atomic_agents.runtime.sizes import text_tokens
from atomic_agents.runtime.states import RunState
from atomic_agents.vault import layout, log
from atomic_agents.vault.settings import ModelSettings
from atomic_agents.vault.vault import problem_of

TRIGGER = "dream"
_LEAST_ROOM = 400  # tokens
_HEAD = "drm_2026-01-01T000000_000000, part 1000 of 1000\n\n"
"""As long as what stands above a batch, for its price."""
_HOOKS_SHARE = 3
"""The list of notes that goes with the journal may take one part in three of a batch."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a dream is asked for."""

    instructions: str = ""
    journal_days: int = 30
    critical: bool = False
    max_cost: Usd | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One batch: what the model is told, and what may stand in its answer."""

    system: tuple[str, ...]
    text: str
    files: tuple[str, ...]
    is_journal: bool
    most: Usd | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a dream would read and ask, and the most that it can cost (None: nobody knows the price)."""

    agent: str
    model: str
    notes: int
    days: int
    questions: tuple[Question, ...]
    too_long: tuple[str, ...]
    problems: tuple[Problem, ...]
    held: Mapping[str, Held]

    @property
    def most(self) -> Usd | None:
        """The most it can cost, every answer being asked for twice."""
        found = [question.most for question in self.questions]
        known = [each for each in found if each is not None]
        return sum(known, Decimal(0)) if len(known) == len(found) else None

    @property
    def tokens(self) -> int:
        """About how many tokens are read."""
        return sum(estimate(part) for question in self.questions for part in (*question.system, question.text))


@dataclass(frozen=True, slots=True)
class Dreamt:
    """A dream that was had, as far as it came; `failure` is what ended it early."""

    dream: Dream
    runs: tuple[str, ...]
    failure: AtomicAgentsError | None
    warnings: tuple[str, ...]


def plan(workspace: Workspace, name: str, wish: Wish, *, model_id: str | None) -> Plan:
    """What a dream would ask; nothing is asked and nothing written."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = runs.checked_settings(workspace, agent)
    model = runs.model_id_of(settings, agent, model_id)
    asking.needs_writer(model, "a dream")
    today = workspace.clock().date()
    found, problems = workspace.vault.notes(agent.name)
    current = [each for each in found if each.is_current(today)]
    documents = ((each, workspace.vault.document(each.path)) for each in current)
    held = {each.file: Held(each, document) for each, document in documents if document is not None}
    days, unread = _days(workspace, agent.name, today, wish.journal_days)
    questions, too_long = _questions(workspace, settings.model, model, list(held.values()), days, wish, today)
    return Plan(agent.name, model, len(held), len(days), questions, too_long, (*problems, *unread), held)


def have(
    workspace: Workspace, name: str, wish: Wish, *, model_id: str | None, on_notice: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> Dreamt:  # fmt: skip
    """Ask, batch by batch. What each answer decides is kept with its run's log line, so a dream that dies keeps it.

    Between two batches the agent is free for other runs; a hunk whose notes they change is refused when it is applied.

    Raises:
        ProviderFailed: the model only quotes.
    """
    planned = plan(workspace, name, wish, model_id=model_id)
    left = (planned.most or None) if wish.max_cost is None else wish.max_cost  # a model that is free needs no cap
    dreamt, heard = _begun(planned, wish, workspace.clock()), asking.once(on_notice)
    results: list[Result] = []
    failures: list[AtomicAgentsError] = []
    answered = False
    for number, question in enumerate(planned.questions, 1):
        progress("dreaming", number - 1, len(planned.questions))
        writing = _Writing(planned, question, number, dreamt, workspace.clock().date())
        text = f"{dreamt.id}, part {number} of {len(planned.questions)}\n\n{question.text}"
        order = Order(text, TRIGGER, wish.critical, capture=False, max_cost=left)
        with runs.bench_of(workspace, name, model_id=model_id, on_notice=heard) as bench:
            asked = asking.ask(bench, order, question.system, understand=writing.understand, keep=writing.keep)
        dreamt = _with_costs(writing.written(workspace), writing.before, asked.runs)
        if asked.value is None:
            dreamt = _dropping(dreamt, number, asked.dropped or ((asked.failure.message,) if asked.failure else ()))
        results += asked.runs
        answered = answered or asked.value is not None
        left = None if left is None else max(left - asked.cost, Decimal(0))
        failures += [asked.failure] if asked.failure else []
        if asked.failure is not None and not asked.unanswered:
            answered = False
            break
    warnings = [warning for result in results for warning in result.warnings]
    warnings += [f"left out of the answers: {each}" for each in dreamt.dropped]
    failure = failures[-1] if failures and not answered else None
    ended, failure = _ended(workspace, dreamt, failure, asked=bool(results))
    return Dreamt(ended, tuple(result.run_id for result in results), failure, tuple(dict.fromkeys(warnings)))


@dataclass
class _Writing:
    """Makes hunks of one answer and writes them with its run's log line."""

    plan: Plan
    question: Question
    number: int
    before: Dream
    today: datetime.date

    def __post_init__(self) -> None:
        self.kept = self.before
        self._wrong: tuple[str, ...] = ()

    def understand(self, text: str) -> Understood[Understanding]:
        """The hunks in an answer, and what is wrong with its other decisions."""
        made = {piece.file for hunk in self.before.hunks for piece in hunk.pieces}
        files, days = self.question.files, frozenset(self.question.files if self.question.is_journal else ())
        held = {file: self.plan.held[file] for file in files if file in self.plan.held and not days}
        reading = Understanding(held, days, self.today, frozenset(self.plan.held) | made)
        reading.hunks(asking.as_object(text), len(self.before.hunks) + 1)
        return Understood(reading, tuple(reading.wrong), empty=bool(reading.wrong) and not reading.found)

    def keep(self, reading: Understanding, state: RunState, _record: Mapping[str, object]) -> Sequence[Change]:
        """The dream with them, and with what this question has cost."""
        before = _dropping(self.before, self.number, reading.wrong)
        kept = before.having([*before.hunks, *reading.found], **_costs(before, state.usage, state.cost))
        self.kept = dream.written(kept)
        return dream.changes(kept)

    def written(self, workspace: Workspace) -> Dream:
        """The dream as the vault has it: with this answer where the change set that brings it was applied."""
        blob = workspace.store.read(layout.dream(self.before.agent, self.before.id, dream.MANIFEST))
        return self.kept if blob is not None and blob.revision == self.kept.revision else self.before


def _dropping(found: Dream, number: int, wrong: Sequence[str]) -> Dream:
    """The dream which also says what of a part's answer was left out."""
    dropped = [*found.dropped, *(f"part {number}: {each}" for each in wrong)]
    return found.having(found.hunks, dropped=dropped) if wrong else found


def _days(workspace: Workspace, agent: str, today: datetime.date, back: int) -> tuple[list[Day], list[Problem]]:
    """The last days of the journal, oldest first, and those that cannot be read."""
    first = today - datetime.timedelta(days=back)
    days: list[Day] = []
    problems: list[Problem] = []
    for day, path in reversed(workspace.vault.journal_days(agent)):
        if not first < day <= today:
            continue
        try:
            days.append(Day(path.removeprefix(f"{agent}/"), workspace.vault.text(path)))
        except DocumentUnreadable as error:
            problems.append(problem_of(error))
    return days, problems


def _questions(
    workspace: Workspace, settings: ModelSettings, model: str, held: Sequence[Held], days: Sequence[Day], wish: Wish,
    today: datetime.date,
) -> tuple[tuple[Question, ...], tuple[str, ...]]:  # fmt: skip
    """The batches, and the files of what is too long to be read whole."""
    told = f"Today is {today}."
    told += f"\n\nThe operator adds: {wish.instructions}" if wish.instructions.strip() else ""
    most = max(asking.room(settings, (consolidate.NOTES, told), _HEAD), _LEAST_ROOM)
    room = max(most - asking.AGAIN_TOKENS, _LEAST_ROOM)
    notes = consolidate.pack(consolidate.grouped([Memo(each) for each in held]), room, text_tokens, most=most)
    hooks = _hooks(held, room // _HOOKS_SHARE)
    rest = max(room - text_tokens(hooks), _LEAST_ROOM)
    journal = consolidate.pack([[day] for day in days], rest, text_tokens)
    found: list[Question] = []
    for system, packed, before in ((consolidate.NOTES, notes, ""), (consolidate.JOURNAL, journal, hooks)):
        for batch in packed.batches:
            parts = (system, told)
            text = "\n\n".join(filter(None, [before, *(each.shown for each in batch)]))
            cost = asking.most(workspace, model, settings, parts, f"{_HEAD}{text}")
            files = tuple(each.file for each in batch)
            found.append(Question(parts, text, files, system is consolidate.JOURNAL, cost))
    return tuple(found), (*notes.too_long, *journal.too_long)


def _hooks(held: Sequence[Held], room: int) -> str:
    """A line for each note, in order, as many as fit."""
    lines = ["The notes there are:"]
    for each in held:
        lines.append(f"- {each.file}: {' '.join(each.note.description.split())}")
        if text_tokens("\n".join(lines)) > room:
            return "\n".join([*lines[:-1], "- (and others)"])
    return fence("memory/INDEX.md", "\n".join(lines))


def _begun(planned: Plan, wish: Wish, now: datetime.datetime) -> Dream:
    inputs = {
        "memory_count": planned.notes, "journal_lookback_days": wish.journal_days, "journal_count": planned.days,
        "log_lookback_days": 0, "log_line_count": 0,
    }  # fmt: skip
    dream_id = dream.new_id(now, secrets.token_hex(3))
    facts: dict[str, object] = {
        "dream_id": dream_id, "agent_name": planned.agent, "status": "running", "model": planned.model,
        "instructions": wish.instructions, "inputs": inputs, "output_memory_count": 0, "consolidated": [],
        "promoted": [], "marked_stale": [], "total_input_tokens": 0, "total_output_tokens": 0, "total_cost_usd": 0.0,
        "started_at": now.isoformat(), "ended_at": None, "error": None, "applied_at": None, "archived_path": None,
        "too_long": list(planned.too_long),
    }  # fmt: skip
    return Dream(dream_id, planned.agent, "running", (), facts)


def _with_costs(found: Dream, before: Dream, results: Sequence[Result]) -> Dream:
    used = sum((Usage(result.input_tokens, result.output_tokens) for result in results), Usage())
    return found.having(found.hunks, **_costs(before, used, sum((result.cost for result in results), Decimal(0))))


def _costs(before: Dream, used: Usage, cost: Usd) -> dict[str, object]:
    """What the dream has cost with one question more."""
    said = {"total_input_tokens": used.input_tokens, "total_output_tokens": used.output_tokens}
    facts: dict[str, object] = {key: log.tokens(before.facts, key) + number for key, number in said.items()}
    return {**facts, "total_cost_usd": float(before.cost + cost)}


def _ended(
    workspace: Workspace, found: Dream, failure: AtomicAgentsError | None, *, asked: bool
) -> tuple[Dream, AtomicAgentsError | None]:  # fmt: skip
    """The dream as it ends, and its first failure; one that asked nothing, or failed for nothing, leaves nothing.

    Where its end cannot be written, an earlier failure is the cause, and stays what is told.
    """
    status = "completed" if failure is None else "failed"
    error = None if failure is None else f"{failure.code}: {failure.message}"
    ended = found.having(found.hunks, status=status, ended_at=workspace.clock().isoformat(), error=error)
    if found.hunks or found.cost or (asked and failure is None):
        try:
            workspace.store.apply(ChangeSet(f"end {found.id}", dream.changes(ended)))
        except AtomicAgentsError as worse:
            return found, failure or worse
    return dream.written(ended), failure
