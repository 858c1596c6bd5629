"""Whether a request may be made: a pure verdict over caps, what is spent and the most it can cost."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from atomic_agents.core.values import Usd
from atomic_agents.vault.settings import CostGuardrails

Action = Literal["allow", "alert", "fallback", "skip"]
_STRICTNESS: tuple[Action, ...] = ("allow", "alert", "fallback", "skip")
_FALLBACK_CEILING = Decimal("1.5")


@dataclass(frozen=True, slots=True)
class Spent:
    """What an agent has spent today and this month; `unreadable` names log lines whose cost cannot be told."""

    day: Usd = Decimal(0)
    month: Usd = Decimal(0)
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit that a request could pass."""

    period: Literal["day", "month"]
    limit: Usd
    spent: Usd
    action: Action


@dataclass(frozen=True, slots=True)
class Verdict:
    """The strictest of what the caps say, and why. `unreadable`: what was spent cannot be told."""

    action: Action
    reason: str = ""
    unreadable: bool = False


def judge(guardrails: CostGuardrails, spent: Spent, quote: Usd | None, *, critical: bool = False) -> Verdict:
    """Judge a request that can cost up to `quote` (None where no price is known).

    Every period is judged and the strictest action wins. `critical` passes the daily cap only. What cannot be known
    (a log line, a price) blocks wherever a cap is set.
    """
    if not guardrails.enabled or quote == 0:
        return Verdict("allow")
    caps = _caps(guardrails, spent, critical=critical)
    if not caps:
        return Verdict("allow")
    if spent.unreadable:
        return Verdict("skip", f"what was spent cannot be told: {spent.unreadable[0]}", unreadable=True)
    if quote is None:
        return Verdict("skip", "the price of the model is not known, and a cap is set")
    passed = [cap for cap in caps if cap.spent + quote > cap.limit]
    if not passed:
        return Verdict("allow")
    worst = max(passed, key=lambda cap: _STRICTNESS.index(cap.action))
    reason = (
        f"the {'daily' if worst.period == 'day' else 'monthly'} cap of ${worst.limit:.2f} could be passed: "
        f"${worst.spent:.4f} is spent and this request can cost up to ${quote:.4f}"
    )
    return Verdict(worst.action, reason)


def judge_fallback(guardrails: CostGuardrails, spent: Spent, quote: Usd | None, *, critical: bool = False) -> bool:
    """Whether the fallback model may answer: up to one and a half times a cap whose action is fallback.

    A cap that skips stays one, a cap that alerts stops nothing, and what costs nothing passes.
    """
    if quote is None:
        return False
    ceilings = {"skip": Decimal(1), "fallback": _FALLBACK_CEILING}
    return quote == 0 or all(
        cap.spent + quote <= cap.limit * ceilings[cap.action]
        for cap in _caps(guardrails, spent, critical=critical)
        if cap.action in ceilings
    )


def _caps(guardrails: CostGuardrails, spent: Spent, *, critical: bool) -> list[Cap]:
    caps = []
    if guardrails.daily_cap is not None and not critical:
        caps.append(Cap("day", guardrails.daily_cap, spent.day, _action(guardrails.daily_action)))
    if guardrails.monthly_cap is not None:
        caps.append(Cap("month", guardrails.monthly_cap, spent.month, _action(guardrails.monthly_action)))
    return caps


def _action(name: str) -> Action:
    return "alert" if name == "alert" else "fallback" if name == "fallback" else "skip"
