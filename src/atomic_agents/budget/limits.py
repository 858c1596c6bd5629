"""Whether a request may be made: a pure verdict over caps, what is spent and the most it can cost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from atomic_agents.core.values import Usd, format_cap, format_within
from atomic_agents.vault.settings import CostGuardrails

Action = Literal["allow", "alert", "fallback", "skip"]
_STRICTNESS: tuple[Action, ...] = ("allow", "alert", "fallback", "skip")
_FALLBACK_CEILING = Decimal("1.5")


@dataclass(frozen=True, slots=True)
class Spent:
    """What is spent today and this month; `unreadable` names log lines whose cost cannot be told.

    Both include what is dated later than now, so that a clock which was set back opens no cap; `later` names the first
    such line of each log.
    """

    day: Usd = Decimal(0)
    month: Usd = Decimal(0)
    unreadable: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.day + other.day, self.month + other.month, self.unreadable + other.unreadable, self.later + other.later
        )


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit that a request could pass."""

    period: Literal["day", "month"]
    limit: Usd
    spent: Usd
    action: Action


@dataclass(frozen=True, slots=True)
class Fund:
    """Money under caps of its own, and what is spent of it; `whose` says so in words: "", or "the vault's"."""

    guardrails: CostGuardrails
    spent: Spent
    whose: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The strictest of what the caps say, and why. `unreadable`: what was spent cannot be told.

    `cap` is the one that says so, None where it is none of them.
    """

    action: Action
    reason: str = ""
    unreadable: bool = False
    whose: str = ""
    cap: Cap | None = None


def judge_all(funds: Iterable[Fund], quote: Usd | None, *, critical: bool = False) -> Verdict:
    """The strictest of what each fund says to a request that takes from all of them."""
    verdicts = [judge(fund.guardrails, fund.spent, quote, critical=critical, whose=fund.whose) for fund in funds]
    return max(verdicts, key=lambda verdict: _STRICTNESS.index(verdict.action), default=Verdict("allow"))


def judge(
    guardrails: CostGuardrails, spent: Spent, quote: Usd | None, *, critical: bool = False, whose: str = ""
) -> Verdict:
    """Judge a request that can cost up to `quote` (None where no price is known).

    Every period is judged and the strictest action wins. `critical` passes the daily cap only, and that is an alert.
    What cannot be known (a log line, a price) blocks wherever a cap is set.
    """
    if not guardrails.enabled or quote == 0:
        return Verdict("allow")
    caps = _caps(guardrails, spent, critical=critical)
    waved = _waved_through(guardrails, spent, quote, whose) if critical else Verdict("allow")
    if not caps:
        return waved
    if spent.unreadable:
        return Verdict("skip", f"what was spent cannot be told: {spent.unreadable[0]}", unreadable=True, whose=whose)
    if quote is None:
        return Verdict("skip", "the price of the model is not known, and a cap is set", whose=whose)
    passed = [cap for cap in caps if cap.spent + quote > cap.limit]
    if not passed:
        return waved
    worst = max(passed, key=lambda cap: _STRICTNESS.index(cap.action))
    sums = format_within(worst.limit, worst.spent, quote)
    reason = f"{_named(worst, whose)} could be passed: {sums[0]} is spent and this request can cost up to {sums[1]}"
    if spent.later:
        reason += (
            f"; that includes {spent.later[0]}, which is dated later than now: set the clock, or correct that line"
        )
    return Verdict(worst.action, reason, whose=whose, cap=worst)


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


def reached(fund: Fund, cost: Usd) -> Iterator[tuple[Cap, float, str]]:
    """The highest threshold of each period that is reached once `cost` is spent as well: cap, share, in words."""
    for cap in _caps(fund.guardrails, fund.spent, critical=False):
        spent = cap.spent + cost
        shares = [share for share in (*fund.guardrails.warning_thresholds, 1.0) if share > 0]
        passed = [share for share in shares if cap.limit > 0 and spent >= cap.limit * Decimal(str(share))]
        if passed and fund.guardrails.enabled:
            words = f"{max(passed):.0%} of {_named(cap, fund.whose)} is spent: {format_within(cap.limit, spent)[0]}"
            yield replace(cap, spent=spent), max(passed), words


def _waved_through(guardrails: CostGuardrails, spent: Spent, quote: Usd | None, whose: str) -> Verdict:
    limit = guardrails.daily_cap
    if limit is None or quote is None or spent.day + quote <= limit:
        return Verdict("allow")
    cap = Cap("day", limit, spent.day, "alert")
    return Verdict("alert", f"{_named(cap, whose)} could be passed, as the run is critical", whose=whose)


def _named(cap: Cap, whose: str) -> str:
    return f"{whose or 'the'} {'daily' if cap.period == 'day' else 'monthly'} cap of {format_cap(cap.limit)}"


def _caps(guardrails: CostGuardrails, spent: Spent, *, critical: bool) -> list[Cap]:
    caps = []
    if guardrails.daily_cap is not None and not critical:
        caps.append(Cap("day", guardrails.daily_cap, spent.day, _action(guardrails.daily_action)))
    if guardrails.monthly_cap is not None:
        caps.append(Cap("month", guardrails.monthly_cap, spent.month, _action(guardrails.monthly_action)))
    return caps


def _action(name: str) -> Action:
    return "alert" if name == "alert" else "fallback" if name == "fallback" else "skip"
