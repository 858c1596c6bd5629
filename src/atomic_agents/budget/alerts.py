"""What an operator is told without asking: a cap that is being used up, a run that no person started and that failed.

Each alert has a key, so that it is told once: of a cap for each limit, period and threshold, of failed runs for each
agent, day and kind of error.
"""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from atomic_agents.budget.limits import Cap, Fund, Verdict, reached
from atomic_agents.core.ending import Ending
from atomic_agents.core.values import Usd

Whose = Literal["agent", "vault"]

SCHEDULED = frozenset({"cron", "launchd", "systemd", "schedule"})
"""The triggers of runs that no person started."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell: `cap-reached` (in part), `cap-stops` (it stops runs), `run-failed` or `approval-waits`.

    `agent` is whose run brought it about, `whose` whether its settings or the vault's say where it goes; `facts` are
    the numbers behind the words, as JSON values.
    """

    key: str
    kind: str
    agent: str
    words: str
    whose: Whose = "agent"
    facts: Mapping[str, object] = field(default_factory=dict)


def of_thresholds(agent: str, fund: Fund, cost: Usd, today: datetime.date) -> Iterator[Alert]:
    """The thresholds of a fund that are reached once a run of `agent` has spent `cost` as well."""
    for cap, share, words in reached(fund, cost):
        yield _of_cap("cap-reached", agent, fund.whose, cap, today, f"{share:.0%}".removesuffix("%"), words)


def of_refusal(agent: str, verdict: Verdict, today: datetime.date) -> Iterator[Alert]:
    """That a cap has stopped a run of `agent`; nothing where it was not a cap."""
    if verdict.cap is not None:
        words = f"a run is stopped: {verdict.reason}"
        yield _of_cap("cap-stops", agent, verdict.whose, verdict.cap, today, "stops", words)


def of_failure(
    agent: str, trigger: str, today: datetime.date, *, ending: Ending, code: str, message: str, run_id: str = ""
) -> Iterator[Alert]:
    """That a run gave no whole answer; nothing where a person has started it, who knows."""
    if trigger in SCHEDULED:
        facts = {"run_id": run_id, "trigger": trigger, "ending": ending, "code": code, "message": message}
        words = f"a run that {trigger} started ended as {ending}: {message}"
        yield Alert(f"run-failed:{agent}:{today}:{code}", "run-failed", agent, words, facts=facts)


def of_request(agent: str, run_id: str, approvals: Sequence[str], words: str) -> Iterator[Alert]:
    """That a run waits for the operator, once for what it asks."""
    for approval in approvals[:1]:
        facts = {"run_id": run_id, "approvals": list(approvals)}
        said = f"{words}: atomic-agents approvals show {approval}"
        yield Alert(f"approval-waits:{approval}", "approval-waits", agent, said, facts=facts)


def _of_cap(kind: str, agent: str, whose: str, cap: Cap, today: datetime.date, step: str, words: str) -> Alert:
    period = f"{today:%Y-%m}" if cap.period == "month" else f"{today}"
    fund: Whose = "vault" if whose else "agent"
    name = "" if whose else f"{agent}:"
    facts = {
        "whose": fund, "period": cap.period, "since": period, "step": step, "limit_usd": float(cap.limit),
        "spent_usd": float(cap.spent), "action": cap.action,
    }  # fmt: skip
    key = f"cap:{fund}-{cap.period}:{name}{period}:{cap.limit.normalize():f}:{step}"
    return Alert(key, kind, agent, words, fund, facts)
