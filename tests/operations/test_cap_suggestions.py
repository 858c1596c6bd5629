import datetime
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.values import Usd
from atomic_agents.operations import capping

TODAY = datetime.date(2026, 11, 30)
CENTS = st.decimals("0.0001", "50", places=4)


def spent(costs: list[Usd]) -> Mapping[datetime.date, Usd]:
    return {TODAY - datetime.timedelta(days=number): cost for number, cost in enumerate(costs)}


@given(st.lists(CENTS, min_size=14, max_size=30), CENTS, CENTS)
def test_no_recorded_day_would_have_been_stopped_under_the_caps_that_are_suggested(
    costs: list[Usd], dearest: Usd, most: Usd
) -> None:
    found = capping.suggest("scout", spent(costs), TODAY, dearest_run=min(dearest, max(costs)), most=most)

    assert found is not None
    assert found.daily >= max(costs) + most
    assert found.monthly >= found.daily
    assert found.reason


@pytest.mark.parametrize(
    ("dearest", "most", "reason"),
    [
        ("0.0005", "0.5", "$0.0010, the most expensive day, and $0.5000, the most that one request can cost"),
        ("0.001", "0.0001", "three times the average day"),
    ],
)
def test_a_suggestion_says_what_decided_it(dearest: str, most: str, reason: str) -> None:
    costs = [Decimal("0.001")] * 20

    found = capping.suggest("scout", spent(costs), TODAY, dearest_run=Decimal(dearest), most=Decimal(most))

    assert found is not None
    assert found.reason == reason


def test_from_a_few_days_nothing_is_concluded() -> None:
    costs = [Decimal(1)] * 13

    assert capping.suggest("scout", spent(costs), TODAY, dearest_run=Decimal(1), most=Decimal(1)) is None
