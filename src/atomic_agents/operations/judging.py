"""Ask the judge that `judges.md` names, through the gate that every request to a model goes through."""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from atomic_agents.core.errors import AtomicAgentsError, BudgetExceeded, ProviderFailed
from atomic_agents.core.model import Model
from atomic_agents.core.values import Usd, format_cap, format_within
from atomic_agents.guard import judges, policy
from atomic_agents.guard.judges import Case, Judgment, Misjudged
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.operations import record
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.gate import Judge, Question
from atomic_agents.runtime.order import Order, Result
from atomic_agents.vault import log
from atomic_agents.vault.authority import JudgeSettings
from atomic_agents.vault.vault import Agent, AgentSettings

Ask = Callable[[Model, Order, tuple[str, ...]], Result]
"""Asks a model under a system prompt of its own, as a run of its own."""

TRIGGER = "judgment"
"""The trigger of a run in which a judge is asked."""

_CITED = re.compile(r"[\w./-]+\.md\b")
_MOST_EVIDENCE = 3
_MOST_RECENT = 12
_DAYS = 7


def judge_of(
    workspace: Workspace, agent: Agent, settings: AgentSettings, paths: PathPolicy, ask: Ask, *, work_item: str,
    run_id: str,
) -> Judge | None:  # fmt: skip
    """The judge of one run; None where `judges.md` names no model.

    What it returns raises AtomicAgentsError where the judge cannot be asked, or its answer is no judgment.
    """
    stated = policy.authority(agent.name, settings).judge
    if stated is None or not stated.model:
        return None

    def judge(question: Question) -> Judgment:
        _within(workspace, agent.name, stated)
        case = Case(
            question.rule, question.description, work_item, workspace.vault.persona(agent).identity, question.said,
            _evidence(workspace, paths, question), _recent(workspace, agent.name, question), settings.tools.hard_nos,
        )  # fmt: skip
        order = Order(judges.question(question.wanted, case), TRIGGER, max_cost=stated.per_action, parent=run_id)
        result = ask(workspace.open_model(stated.model, agent.name), order, (judges.SYSTEM,))
        if result.failure is not None:
            raise result.failure
        if stated.seconds is not None and result.latency_ms > stated.seconds * 1000:
            took = f"took {result.latency_ms / 1000:.1f} s"
            raise ProviderFailed(f"{stated.model} {took}, and timeout_ms allows {stated.seconds:g} s")
        try:
            return replace(judges.understand(result.text), run_id=result.run_id)
        except Misjudged as error:
            raise ProviderFailed(f"{stated.model}: {error}") from error

    return judge


def _within(workspace: Workspace, agent: str, settings: JudgeSettings) -> None:
    """Refuse to ask a judge whose budget is used up.

    Raises:
        BudgetExceeded: naming it.
    """
    today = workspace.clock().date()
    for most, since in ((settings.daily, today), (settings.monthly, today.replace(day=1))):
        if most is not None and (spent := _spent(workspace, agent, since)) >= most:
            shown = format_within(most, spent)[0]
            raise BudgetExceeded(f"the judge has spent {shown} since {since}, and its budget is {format_cap(most)}")


def _spent(workspace: Workspace, agent: str, since: datetime.date) -> Usd:
    found = (
        log.cost(line.facts) or Decimal(0)
        for line in _lines(workspace, agent, since)
        if line.facts.get("primitive") == TRIGGER
    )
    return sum(found, Decimal(0))


def _lines(workspace: Workspace, agent: str, since: datetime.date) -> Iterator[record.RunLine]:
    for day in record.logs(workspace, (agent,), since, None):
        for path, name in day:
            yield from record.lines_of(workspace, path, name, [])


def _evidence(workspace: Workspace, paths: PathPolicy, question: Question) -> Mapping[str, str]:
    """The documents that the agent refers to, as they are and not as it quotes them."""
    found: dict[str, str] = {}
    for cited in dict.fromkeys(_CITED.findall(question.said)):
        for path in (cited, f"{question.wanted.agent}/{cited}", f"{question.wanted.agent}/memory/{cited}"):
            try:
                text = workspace.vault.text(path) if paths.may_read(path) else ""
            except AtomicAgentsError:
                continue
            if text and len(found) < _MOST_EVIDENCE:
                found[path] = text
                break
    return found


def _recent(workspace: Workspace, agent: str, question: Question) -> list[str]:
    """What the agent called lately, the oldest first, in this run and in those before."""
    since = workspace.clock().date() - datetime.timedelta(days=_DAYS)
    told: list[str] = []
    for line in _lines(workspace, agent, since):
        calls = line.facts.get("tool_calls")
        when = f"{line.at:%Y-%m-%d %H:%M}" if line.at else ""
        told += [_told(call, when) for call in (calls if isinstance(calls, list) else ()) if isinstance(call, dict)]
    told += [_told(call, "in this run") for call in question.done]
    return told[-_MOST_RECENT:]


def _told(call: Mapping[str, object], when: str) -> str:
    how = "failed" if call.get("error") else "done"
    by = f", {call['decision']}" if call.get("decision") else ""
    return f"{when}: {call.get('tool_name')} {how}{by}"
