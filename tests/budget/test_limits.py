from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.budget.limits import Action, Spent, judge, judge_fallback
from atomic_agents.vault.settings import CAP_ACTIONS, CostGuardrails

STRICTNESS = ("allow", "alert", "fallback", "skip")


def caps(daily: str | None = None, monthly: str | None = None, *, day: str = "skip", month: str = "skip",
         enabled: bool = True) -> CostGuardrails:  # fmt: skip
    limits = [None if cap is None else Decimal(cap) for cap in (daily, monthly)]
    return CostGuardrails(enabled, limits[0], limits[1], day, month)


def spent(day: str = "0", month: str = "0", *unreadable: str) -> Spent:
    return Spent(Decimal(day), Decimal(month), unreadable)


ONE = Decimal(1)


@pytest.mark.parametrize(
    ("guardrails", "used", "quote", "critical", "expected"),
    [
        (caps("5", enabled=False), spent("9", "9"), ONE, False, "allow"),
        (caps(), spent("9", "9"), ONE, False, "allow"),
        (caps(), spent("9", "9", "log:1"), None, False, "allow"),
        (caps("5"), spent("4"), ONE, False, "allow"),
        (caps("5"), spent("4.01"), ONE, False, "skip"),
        (caps(None, "5"), spent("9", "4"), ONE, False, "allow"),
        (caps(None, "5"), spent("0", "4.5"), ONE, False, "skip"),
        (caps("5", day="alert"), spent("9"), ONE, False, "alert"),
        (caps("5", day="fallback"), spent("9"), ONE, False, "fallback"),
        (caps("0"), spent(), Decimal("0.000001"), False, "skip"),
        (caps("0", "0", day="alert"), spent(), ONE, False, "skip"),
        (caps("0"), spent("9"), Decimal(0), False, "allow"),
        (caps("5", "5", day="alert"), spent("9", "9"), ONE, False, "skip"),
        (caps("5", "5", day="skip", month="alert"), spent("9", "9"), ONE, False, "skip"),
        (caps("5", "5", day="fallback", month="alert"), spent("9", "9"), ONE, False, "fallback"),
        (caps("5"), spent("9"), ONE, True, "alert"),
        (caps("5"), spent("3"), ONE, True, "allow"),
        (caps("5", "5"), spent("9", "9"), ONE, True, "skip"),
        (caps("5"), spent("0", "0", "log:1"), ONE, False, "skip"),
        (caps("5"), spent("0", "0", "log:1"), ONE, True, "allow"),
        (caps(None, "5"), spent("0", "0", "log:1"), ONE, True, "skip"),
        (caps("5"), spent("0", "0", "log:1"), Decimal(0), False, "allow"),
        (caps("5"), spent(), None, False, "skip"),
        (caps("5", day="alert"), spent(), None, False, "skip"),
    ],
)
def test_a_request_is_judged_by_the_strictest_cap_it_could_pass(
    guardrails: CostGuardrails, used: Spent, quote: Decimal | None, *, critical: bool, expected: Action
) -> None:
    verdict = judge(guardrails, used, quote, critical=critical)

    assert verdict.action == expected
    assert bool(verdict.reason) == (expected != "allow")


def test_the_reason_names_the_cap_what_is_spent_and_what_it_could_cost() -> None:
    assert judge(caps("5"), spent("4.5"), ONE).reason == (
        "the daily cap of $5.00 could be passed: $4.50 is spent and this request can cost up to $1.00"
    )


def test_a_log_line_that_cannot_be_read_is_named() -> None:
    verdict = judge(caps("5"), spent("0", "0", "caldwell/log/x.jsonl:3 is not a record"), ONE)

    assert (verdict.unreadable, "caldwell/log/x.jsonl:3" in verdict.reason) == (True, True)


@pytest.mark.parametrize(
    ("guardrails", "used", "quote", "critical", "expected"),
    [
        (caps("4", day="fallback"), spent("5"), ONE, False, True),
        (caps("4", day="fallback"), spent("5.01"), ONE, False, False),
        (caps("4", day="fallback"), spent("50"), Decimal(0), False, True),
        (caps("4", day="fallback"), spent("5"), None, False, False),
        (caps("0", day="fallback"), spent(), ONE, False, False),
        (caps("4", "4", day="fallback", month="skip"), spent("4", "4"), ONE, False, False),
        (caps("4", "4", day="fallback", month="alert"), spent("4", "400"), ONE, False, True),
        (caps("4", "400", day="skip", month="fallback"), spent("50", "400"), ONE, True, True),
    ],
)
def test_a_fallback_may_pass_its_cap_by_half(
    guardrails: CostGuardrails, used: Spent, quote: Decimal | None, *, critical: bool, expected: bool
) -> None:
    assert judge_fallback(guardrails, used, quote, critical=critical) is expected


money = st.decimals(0, 20, places=2)
actions = st.sampled_from(CAP_ACTIONS)
guardrails = st.builds(
    lambda daily, monthly, day, month: CostGuardrails(True, daily, monthly, day, month),
    st.none() | money, st.none() | money, actions, actions,
)  # fmt: skip


@settings(deadline=None)
@given(guardrails, st.builds(Spent, money, money), money, money)
def test_spending_more_or_asking_for_more_is_never_judged_more_mildly(
    guardrails: CostGuardrails, used: Spent, quote: Decimal, more: Decimal
) -> None:
    now = STRICTNESS.index(judge(guardrails, used, quote).action)

    dearer = judge(guardrails, used, quote + more).action
    later = judge(guardrails, Spent(used.day + more, used.month + more), quote).action

    assert STRICTNESS.index(dearer) >= now
    assert STRICTNESS.index(later) >= now


@settings(deadline=None)
@given(guardrails, st.builds(Spent, money, money), money.filter(bool), st.booleans())
def test_what_is_allowed_passes_no_cap(guardrails: CostGuardrails, used: Spent, quote: Decimal, critical: bool) -> None:
    if judge(guardrails, used, quote, critical=critical).action == "allow":
        assert guardrails.monthly_cap is None or used.month + quote <= guardrails.monthly_cap
        assert critical or guardrails.daily_cap is None or used.day + quote <= guardrails.daily_cap
