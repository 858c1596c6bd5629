import datetime
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.budget import limits, prices
from atomic_agents.budget.usage import most_tokens
from atomic_agents.core.model import Message, Request
from atomic_agents.core.values import Usd
from atomic_agents.operations import capping
from atomic_agents.runtime.sizes import request_tokens
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.workspaces import scripted_workspace
from atomic_agents.vault.settings import CostGuardrails, ModelSettings

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


def test_the_most_of_a_request_is_what_is_set_aside_for_one_that_fills_the_input_limit() -> None:
    store = MemoryStore()
    put(store, **{"prices.toml": '["x:m"]\ninput = 1.0\noutput = 2.0\n["x:dear"]\ninput = 9.0\noutput = 9.0\n'})
    workspace = scripted_workspace(store, [])
    text = "漢" * 12_000
    request = Request((), (Message("user", text),), max_output_tokens=4_000)
    own = ModelSettings("x:m", None, request_tokens(request), 4_000, None, CostGuardrails())
    reserved = prices.load(workspace.vault).most("x:m", input_tokens=most_tokens(request), output_tokens=4_000)

    most = capping.most_of_a_request(workspace, own)
    with_fallback = capping.most_of_a_request(workspace, replace(own, fallback_model="x:dear"))

    assert most is not None
    assert reserved is not None
    assert reserved <= most <= 2 * reserved
    assert with_fallback is not None
    assert with_fallback > most


@pytest.mark.parametrize(("said", "known"), [("block", False), ("free", True), ("assume-max", True)])
def test_a_model_whose_price_nobody_knows_is_counted_as_the_settings_say(said: str, known: bool) -> None:
    caps = CostGuardrails(enabled=True, unknown_price=said)
    model = ModelSettings("x:unheard-of", None, 1_000, 1_000, None, caps)

    assert (capping.most_of_a_request(scripted_workspace(MemoryStore(), []), model) is not None) is known


def test_a_model_on_this_machine_sets_nothing_aside() -> None:
    model = ModelSettings("embedded:quote", None, 1_000, 1_000, None, CostGuardrails())

    assert capping.most_of_a_request(scripted_workspace(MemoryStore(), []), model) == 0


@given(st.lists(CENTS, min_size=14, max_size=30), CENTS)
def test_the_recorded_days_replayed_request_by_request_are_never_refused(costs: list[Usd], most: Usd) -> None:
    found = capping.suggest("scout", spent(costs), TODAY, dearest_run=max(costs), most=most)
    assert found is not None
    caps = CostGuardrails(enabled=True, daily_cap=found.daily, monthly_cap=found.monthly, monthly_action="skip")

    months: dict[str, Usd] = {}
    for day, cost in sorted(spent(costs).items()):
        month = months.get(f"{day:%Y-%m}", Decimal(0))
        for so_far in (Decimal(0), cost / 2, cost):
            assert limits.judge(caps, limits.Spent(so_far, month + so_far), most).action == "allow"
        months[f"{day:%Y-%m}"] = month + cost
