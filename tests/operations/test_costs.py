import datetime
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.errors import UsageError
from atomic_agents.operations import costs
from atomic_agents.operations.costs import By, Costs
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.workspaces import NOON, add_agent, scripted_workspace

TODAY = NOON.date()
FIRST = TODAY.replace(day=1)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_agent(store, caps="daily_cap_usd: 0.5\nmonthly_cap_usd: 10\nmonthly_cap_action: alert")
    add_agent(store, "muse")
    return store


def logged(store: MemoryStore, day: str, *lines: object, agent: str = "caldwell") -> None:
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    put(store, **{f"{agent}__log__{day[:7]}__{day}.jsonl": text})


def spent(cost: float, **facts: object) -> dict[str, object]:
    return {"run_id": "r", "trigger": "manual", "model": "m", "cost_usd": cost, "input_tokens": 10, **facts}


def found(store: MemoryStore, agent: str = "", *, by: By = "agent", since: datetime.date = FIRST) -> Costs:
    return costs.costs(scripted_workspace(store, []), agent, by=by, since=since, until=TODAY)


def groups(costs_found: Costs) -> dict[str, Decimal]:
    return {name: each.cost for name, each in costs_found.groups}


def test_sums_by_each_of_the_ways(store: MemoryStore) -> None:
    logged(store, "2026-11-20", spent(0.25, model="a", trigger="cron"), spent(0.5, model="b"))
    logged(store, "2026-11-22", spent(1.0, model="a"), agent="muse")

    assert groups(found(store)) == {"muse": Decimal(1), "caldwell": Decimal("0.75")}
    assert groups(found(store, by="model")) == {"a": Decimal("1.25"), "b": Decimal("0.5")}
    assert groups(found(store, by="trigger")) == {"manual": Decimal("1.5"), "cron": Decimal("0.25")}
    assert list(groups(found(store, by="day"))) == ["2026-11-20", "2026-11-22"]
    assert groups(found(store, "muse", by="model")) == {"a": Decimal(1)}


def test_what_a_delegate_states_is_not_counted_again(store: MemoryStore) -> None:
    logged(store, "2026-11-20", spent(0.25), spent(0.5, trigger="delegate", delegate_run_id="run-x"))
    logged(store, "2026-11-20", spent(0.5, trigger="delegate"), agent="muse")

    total = found(store).total

    assert (total.cost, total.runs, total.input_tokens) == (Decimal("0.75"), 2, 20)


def test_parts_of_runs_cost_and_are_no_runs(store: MemoryStore) -> None:
    parts = [spent(0.1, trigger=trigger) for trigger in ("helper", "tool_call", "embed_query")]
    logged(store, "2026-11-20", spent(0.7), *parts, {"run_id": "d", "status": "deduped", "trigger": "manual"})

    assert (found(store).total.cost, found(store).total.runs) == (Decimal("1.0"), 1)


def test_lines_that_cannot_be_read_are_named(store: MemoryStore) -> None:
    logged(store, "2026-11-20", spent(0.25), '{"cost_usd": NaN}', '{"cost_usd": 0.2', spent(-1), '"text"', spent(0.5))

    costs_found = found(store)

    assert costs_found.total.cost == Decimal("0.75")
    assert [problem.where for problem in costs_found.problems] == [
        f"caldwell/log/2026-11/2026-11-20.jsonl:{number}" for number in (2, 3, 4, 5)
    ]


def test_the_month_is_projected_from_the_days_so_far(store: MemoryStore) -> None:
    logged(store, "2026-10-31", spent(100.0))
    logged(store, "2026-11-02", spent(4.3))

    month = found(store).month

    assert (month.first, month.spent, month.projected) == (FIRST, Decimal("4.3"), Decimal(6))  # 21.5 days of 30


def test_on_the_first_day_of_a_month_the_day_counts_as_a_whole() -> None:
    store = MemoryStore()
    add_agent(store)
    logged(store, "2026-11-01", spent(0.5))
    early = datetime.datetime(2026, 11, 1, 0, 5, tzinfo=datetime.UTC)

    opened = scripted_workspace(store, [], clock=lambda: early)

    assert costs.costs(opened, by="agent", since=FIRST, until=TODAY).month.projected == Decimal(15)


def test_a_period_and_this_month_are_told_apart(store: MemoryStore) -> None:
    logged(store, "2026-11-02", spent(1.0))
    logged(store, "2026-11-21", spent(0.25))

    costs_found = found(store, since=datetime.date(2026, 11, 20))

    assert (costs_found.total.cost, costs_found.month.spent) == (Decimal("0.25"), Decimal("1.25"))
    assert [str(day) for day, _ in costs_found.days] == ["2026-11-20", "2026-11-21", "2026-11-22"]


def test_caps_are_held_against_what_is_spent(store: MemoryStore) -> None:
    logged(store, "2026-11-02", spent(1.0))
    logged(store, "2026-11-22", spent(0.25))

    caps = [(cap.agent, cap.period, cap.limit, cap.spent, cap.action) for cap in found(store).caps]

    assert caps == [
        ("caldwell", "day", Decimal("0.5"), Decimal("0.25"), "skip"),
        ("caldwell", "month", Decimal(10), Decimal("1.25"), "alert"),
    ]


def test_the_caps_of_all_agents_come_first_where_all_are_asked_for(store: MemoryStore) -> None:
    put(store, **{"policy.md": "---\nschema_version: 2\ncost_guardrails:\n  daily_cap_usd: 2\n---\n"})
    logged(store, "2026-11-22", spent(0.25))
    logged(store, "2026-11-22", spent(1.0), agent="muse")

    cap = found(store).caps[0]

    assert (cap.agent, cap.limit, cap.spent) == (costs.ALL, Decimal(2), Decimal("1.25"))
    assert [cap.agent for cap in found(store, "muse").caps] == []


def test_a_log_that_is_not_called_for_a_day_counts_by_the_times_of_its_lines(store: MemoryStore) -> None:
    put(store, caldwell__log__old=json.dumps(spent(9.0, ts="2026-11-03T10:00:00+00:00")))
    put(store, **{"caldwell__log__old.jsonl": json.dumps(spent(0.5, ts="2026-11-03T10:00:00+00:00")) + "\n"})

    assert found(store, by="day").days[2] == (datetime.date(2026, 11, 3), Decimal("0.5"))


def test_a_period_that_ends_before_it_begins_is_refused(store: MemoryStore) -> None:
    with pytest.raises(UsageError, match="2026-11-23 is after 2026-11-22"):
        found(store, since=TODAY + datetime.timedelta(days=1))


@pytest.mark.parametrize("text", ["november", "2026-13", "", "2026-11-01"])
def test_a_month_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no month"):
        costs.month_of(text)


@given(st.lists(st.tuples(st.integers(1, 22), st.sampled_from(["caldwell", "muse"]), st.integers(0, 10**7))))
def test_every_way_to_group_adds_up_to_the_same(spendings: list[tuple[int, str, int]]) -> None:
    store = MemoryStore()
    for name in ("caldwell", "muse"):
        add_agent(store, name)
        for day in range(1, 23):
            lines = [spent(millionths / 10**6) for at, agent, millionths in spendings if (at, agent) == (day, name)]
            if lines:
                logged(store, f"2026-11-{day:02}", *lines, agent=name)

    total = sum((Decimal(millionths) / 10**6 for _, _, millionths in spendings), Decimal(0))

    for by in costs.BY:
        costs_found = found(store, by=by)
        assert sum(groups(costs_found).values(), Decimal(0)) == total
        assert sum((cost for _, cost in costs_found.days), Decimal(0)) == total
        assert (costs_found.total.cost, costs_found.month.spent) == (total, total)
