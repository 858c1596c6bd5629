"""Checks of what agents do and cost: unfinished runs, approvals, spend against caps, what a prompt takes."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents.budget import limits
from atomic_agents.budget.limits import Spent
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.runtime import prompt
from atomic_agents.runtime.rendering import ROUNDS_SHARE
from atomic_agents.vault import layout, log
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Agent

_TOOLS = ("recall", "read_note", "remember", "read_skill")


def locks(examination: Examination) -> Iterator[Finding]:
    """No run is left unfinished by a process that died.

    A run that is under way is none: whoever runs it holds its agent's lock, and a process that dies lets go of it.
    """
    for entry in examination.vault.store.list(layout.OPEN_RUNS):
        blob = examination.vault.store.read(entry.path)
        first = next(log.read(entry.path, blob.data), None) if blob else None
        agent = str(first.record.get("agent", "")) if first else ""
        if examination.only_agent not in ("", agent) or examination.holder(f"agent/{agent}"):
            continue
        run_id = layout.open_run_id(entry.path)
        message = f"{run_id} of {agent or 'an unknown agent'} is not finished, and its process is gone"
        yield Finding("warn", message, "atomic-agents doctor --fix locks")


def approvals(examination: Examination) -> Iterator[Finding]:
    """No agent waits for an answer of yours, and each that waits can still get one.

    `atomic-agents approvals list` shows what they wait for. A request that has expired, whose tool was changed or whose
    run is gone can only be refused.
    """
    for agent, message, hint in examination.lost():
        if examination.only_agent in ("", agent):
            yield Finding("warn", message, hint)
    waiting = [asked for agent, asked in examination.waiting() if examination.only_agent in ("", agent)]
    if waiting:
        many = f"{len(waiting):,} answers are" if len(waiting) > 1 else "an answer is"
        yield Finding("warn", f"{many} waited for, since {min(waiting)[:16]}", "atomic-agents approvals list")


def spend(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """What it has spent can be told, and is well below its caps.

    A cap that is reached stops runs until the next day or month; `atomic-agents cost` shows what they went into.
    """
    settings = examination.settings(agent)
    guardrails = settings.model.guardrails
    if not guardrails.capped:
        yield Finding("skip", "no caps")
        return
    spent = examination.spent(agent.name)
    for where in spent.unreadable:
        yield Finding("fail", f"{where}, so runs are skipped while a cap is set", "correct that line in a text editor")
    for where in spent.later:
        message = f"{where} is dated later than now, so what it cost counts as spent today"
        yield Finding("warn", message, "set the clock: timedatectl\nor correct that line in a text editor")
    for cap, share, words in limits.reached(limits.Fund(guardrails, spent), Decimal(0)):
        stops = "; runs are skipped" if share >= 1 and cap.action == "skip" else ""
        path = settings.files["model.md"].path if "model.md" in settings.files else "policy.md"
        hint = f"atomic-agents cost {agent.name}\nor raise the cap in {path}"
        yield Finding("warn", f"{words}{stops}", hint)


def shared_spend(examination: Examination) -> Iterator[Finding]:
    """What all agents have spent together is well below the caps in policy.md.

    `atomic-agents cost` shows what it went into.
    """
    names = examination.survey.agents
    shared = examination.settings(examination.vault.agent(names[0])).model.shared if names else None
    if shared is None or not shared.capped:
        return
    each = [examination.spent(name) for name in names]
    together = sum(each, Spent())
    for _, _, words in limits.reached(limits.Fund(shared, together, "the vault's"), Decimal(0)):
        yield Finding("warn", words, "atomic-agents cost\nor raise the cap in policy.md")


def context(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """What its prompt takes fits max_input_tokens, so nothing of it is cut.

    `atomic-agents prompt AGENT` shows the prompt; a shorter persona, fewer lines in INDEX.md or a larger
    `max_input_tokens` make room.
    """
    settings = examination.settings(agent)
    if any(problem.severity == "error" for problem in settings.problems) or not settings.model.model:
        yield Finding("skip", "its settings have errors")
        return
    try:
        yield _fits(examination, agent)
    except DocumentUnreadable as error:
        yield Finding("skip", f"told by another check: {error.message}")


def _fits(examination: Examination, agent: Agent) -> Finding:
    settings = examination.settings(agent)
    memory = _Notes(tuple(examination.notes(agent).values()))

    def render(room: int) -> prompt.Prompt:
        return prompt.assemble(
            examination.vault, agent, settings, memory, now=examination.now, trigger="manual", tool_names=_TOOLS,
            room=room,
        )  # fmt: skip

    most = settings.model.max_input_tokens
    rendered = render(most - most // ROUNDS_SHARE)
    whole = render(1 << 40) if rendered.cut else rendered
    tokens = {section.title: section.tokens for section in whole.sections}
    detail = {"tokens": tokens, "cut": list(rendered.cut)}
    if rendered.tokens > most:
        largest = max(tokens, key=lambda title: (title not in rendered.cut, tokens[title]))
        message = f"its prompt takes {rendered.tokens:,} tokens at least, and max_input_tokens is {most:,}"
        return Finding("fail", message, f"shorten {largest}, which takes {tokens[largest]:,} tokens", detail)
    if rendered.cut:
        what = ", ".join(f"{title} ({tokens[title]:,})" for title in rendered.cut)
        message = f"its prompt would take {whole.tokens:,} tokens, and max_input_tokens is {most:,}; cut: {what}"
        hint = f"atomic-agents prompt {agent.name}\nor raise max_input_tokens in {settings.files['model.md'].path}"
        return Finding("warn", message, hint, detail)
    return Finding("pass", f"its prompt takes about {whole.tokens:,} of {most:,} tokens", "", detail)


@dataclass(frozen=True, slots=True)
class _Notes:
    """The notes that a prompt opens, told from the documents: the index would have to be written."""

    notes: Sequence[Note]

    def pinned(self, agent: str, today: datetime.date, limit: int) -> list[str]:  # noqa: ARG002 - the protocol's
        """Paths of the pinned notes that are current."""
        return [found.path for found in self.notes if found.pinned and found.is_current(today)][:limit]

    def recent(self, agent: str, today: datetime.date, limit: int) -> list[str]:  # noqa: ARG002 - the protocol's
        """Paths of the current notes seen last."""
        found = [one for one in self.notes if not one.pinned and one.is_current(today)]
        found.sort(key=lambda one: one.last_seen or datetime.date.min, reverse=True)
        return [one.path for one in found[:limit]]
