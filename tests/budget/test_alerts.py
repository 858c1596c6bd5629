import datetime
from decimal import Decimal

import pytest

from atomic_agents.budget import alerts
from atomic_agents.budget.limits import Fund, Spent, judge
from atomic_agents.core.ending import Ending
from atomic_agents.vault.settings import CostGuardrails

DAY = datetime.date(2026, 5, 1)
CAPS = CostGuardrails(enabled=True, daily_cap=Decimal(1), monthly_cap=Decimal(20))


def reached(spent: str, caps: CostGuardrails = CAPS, whose: str = "") -> list[str]:
    fund = Fund(caps, Spent(Decimal(0), Decimal(0)), whose)
    return [alert.key for alert in alerts.of_thresholds("scout", fund, Decimal(spent), DAY)]


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        ("0.49", []),
        ("0.50", ["cap:agent-day:scout:2026-05-01:1:50"]),
        ("0.80", ["cap:agent-day:scout:2026-05-01:1:80"]),
        ("1.00", ["cap:agent-day:scout:2026-05-01:1:100"]),
        ("16", ["cap:agent-day:scout:2026-05-01:1:100", "cap:agent-month:scout:2026-05:20:80"]),
    ],
)
def test_each_period_has_the_highest_threshold_that_is_reached(spent: str, expected: list[str]) -> None:
    assert reached(spent) == expected


def test_a_cap_of_all_agents_is_one_thing_whoever_reaches_it() -> None:
    assert reached("0.5", whose="the vault's") == ["cap:vault-day:2026-05-01:1:50"]


def test_a_cap_that_was_raised_is_told_anew() -> None:
    raised = CostGuardrails(enabled=True, daily_cap=Decimal("1.50"))

    assert reached("1.2", raised) == ["cap:agent-day:scout:2026-05-01:1.5:80"]


def test_the_numbers_behind_the_words_are_carried() -> None:
    (alert,) = alerts.of_thresholds("scout", Fund(CAPS, Spent(Decimal("0.3"))), Decimal("0.25"), DAY)

    assert alert.words == "50% of the daily cap of $1.00 is spent: $0.5500"
    assert alert.facts == {
        "whose": "agent", "period": "day", "since": "2026-05-01", "step": "50", "limit_usd": 1.0, "spent_usd": 0.55,
        "action": "skip",
    }  # fmt: skip


def test_a_cap_that_stops_a_run_is_told_and_other_reasons_are_not() -> None:
    stops = judge(CAPS, Spent(Decimal("0.99")), Decimal("0.05"))
    unpriced = judge(CAPS, Spent(), None)

    (alert,) = alerts.of_refusal("scout", stops, DAY)

    assert (alert.key, alert.kind) == ("cap:agent-day:scout:2026-05-01:1:stops", "cap-stops")
    assert alert.words.startswith("a run is stopped: the daily cap of $1.00 could be passed: $0.9900 is spent")
    assert list(alerts.of_refusal("scout", unpriced, DAY)) == []


def test_a_run_that_nobody_started_and_that_failed_is_told_once_a_day_and_error() -> None:
    def key(trigger: str, code: str = "provider-failed") -> list[str]:
        return [
            alert.key
            for alert in alerts.of_failure("scout", trigger, DAY, ending=Ending.ERROR, code=code, message="no")
        ]

    assert [key(trigger) for trigger in ("manual", "api", "skill", "")] == [[], [], [], []]
    assert key("cron") == key("launchd") == key("systemd") == key("schedule")
    assert key("cron") == ["run-failed:scout:2026-05-01:provider-failed"] != key("cron", "busy")
