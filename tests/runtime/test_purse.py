import datetime
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.budget.usage import most_tokens
from atomic_agents.core.model import Answer, Message, Model, Request, ToolCall, ToolSpec, Usage
from atomic_agents.core.values import format_cap
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.sizes import most_tokens_within, request_tokens
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.testing.scripted import ScriptedModel, ScriptedProvider
from atomic_agents.testing.workspaces import NOON, add_agent, run, scripted_workspace

PRICES = '["scripted:dear"]\ninput = 0\noutput = 100\n["scripted:cheap"]\ninput = 0\noutput = 10\n'
LOG = "caldwell/log/2026-11/2026-11-22.jsonl"
CALLING = Answer("", (ToolCall("c", "recall", '{"query": "x"}'),), Usage(0, 1000), "tool_calls")
DONE = Answer("done", (), Usage(0, 1000))
DEAR, CHEAP = Decimal("0.1"), Decimal("0.01")
"""What one answer of 1,000 tokens costs; a request is quoted with the same."""


class Bank:
    """An agent with a dear model, a cheap one to fall back to, and caps."""

    def __init__(self, caps: str, *, fallback: str = "scripted:cheap", spent: float = 0.0) -> None:
        self.store = MemoryStore()
        model = f"""---
schema_version: 2
model: scripted:dear
{f"fallback_model: {fallback}" if fallback else "temperature: 1"}
max_output_tokens: 1000
cost_guardrails:
  enabled: true
{caps}
---
"""
        add_agent(self.store, model=model)
        put(self.store, **{"prices.toml": PRICES})
        if spent:
            put(self.store, **{LOG.replace("/", "__"): json.dumps({"cost_usd": spent}) + "\n"})
        self.models: dict[str, ScriptedModel] = {}

    def workspace(self, *, cheap_is_local: bool = False) -> Workspace:
        def script(request: Request) -> Answer:
            return CALLING if request.tools and len(request.messages) < 4 else DONE

        for name, local in (("dear", False), ("cheap", cheap_is_local)):
            self.models[name] = ScriptedModel(script, model_id=f"scripted:{name}", local=local)
        workspace = scripted_workspace(self.store, [])
        workspace.make_providers = lambda _search: tuple(map(Named, self.models.values()))
        return workspace

    def run(self, *, cheap_is_local: bool = False, critical: bool = False, max_cost: Decimal | None = None) -> Result:
        order = Order("go", critical=critical, max_cost=max_cost)
        return run(self.workspace(cheap_is_local=cheap_is_local), "go", order=order)

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.models["dear"].requests), len(self.models["cheap"].requests)

    def last(self) -> dict[str, object]:
        blob = self.store.read(LOG)
        assert blob is not None
        found: dict[str, object] = json.loads(blob.data.splitlines()[-1])
        return found


class Named(ScriptedProvider):
    """Opens one model by its own name."""

    def __init__(self, model: ScriptedModel) -> None:
        super().__init__(model)
        self.model: Model = model

    def claims(self, model_id: str) -> bool:
        return model_id == self.model.id


def caps(daily: str = "100", monthly: str = "100", day: str = "skip", month: str = "skip") -> str:
    limits = f"  daily_cap_usd: {daily}\n  monthly_cap_usd: {monthly}\n"
    return f"{limits}  daily_cap_action: {day}\n  monthly_cap_action: {month}"


def test_a_run_below_its_caps_is_asked_as_often_as_it_needs() -> None:
    bank = Bank(caps())

    result = bank.run()

    assert (result.ending, bank.asked, result.cost) == ("ok", (3, 0), 3 * DEAR)


def test_what_the_run_itself_has_spent_counts_before_its_next_request() -> None:
    bank = Bank(caps(daily="0.25"))

    result = bank.run()

    assert (result.ending, bank.asked, result.cost) == ("skipped", (2, 0), 2 * DEAR)
    assert result.reason.startswith("the daily cap of $0.25 could be passed: $0.2000 is spent")
    assert (bank.last()["status"], bank.last()["cost_usd"]) == ("skipped", 0.2)


def test_an_alert_warns_and_goes_on() -> None:
    bank = Bank(caps(daily="0.05", day="alert"))

    result = bank.run()

    assert (result.ending, bank.asked) == ("ok", (3, 0))
    assert any(warning.startswith("the daily cap of $0.05 could be passed") for warning in result.warnings)


def test_a_fallback_answers_where_the_cap_would_be_passed_and_is_logged() -> None:
    bank = Bank(caps(daily="0.12", day="fallback"))

    result = bank.run()

    assert (result.ending, bank.asked, result.model) == ("ok", (1, 2), "scripted:cheap")
    assert result.cost == DEAR + 2 * CHEAP
    assert (bank.last()["fallback"], bank.last()["model"]) == (True, "scripted:cheap")
    assert any(warning.endswith("scripted:cheap answers instead") for warning in result.warnings)


def test_a_fallback_stops_at_one_and_a_half_times_the_cap() -> None:
    bank = Bank(caps(daily="0.1", day="fallback"), spent=0.135)

    result = bank.run()

    assert (result.ending, bank.asked) == ("skipped", (0, 1))
    assert result.reason.endswith("the fallback model could pass 1.5 times the cap")


def test_without_a_fallback_the_run_is_skipped() -> None:
    bank = Bank(caps(daily="0.05", day="fallback"), fallback="")

    result = bank.run()

    assert (result.ending, bank.asked) == ("skipped", (0, 0))
    assert result.reason.endswith("there is no fallback_model")


def test_a_fallback_that_costs_nothing_passes_every_cap() -> None:
    bank = Bank(caps(daily="0.05", day="fallback"), spent=9.0)

    result = bank.run(cheap_is_local=True)

    assert (result.ending, bank.asked, result.cost) == ("ok", (0, 3), Decimal(0))


def test_the_month_stops_what_the_day_would_let_fall_back() -> None:
    bank = Bank(caps(daily="0.05", monthly="0.05", day="fallback"))

    assert bank.run().ending == "skipped"


def test_critical_passes_the_day_and_not_the_month() -> None:
    assert Bank(caps(daily="0")).run(critical=True).ending == "ok"
    assert Bank(caps(daily="0", monthly="0")).run(critical=True).ending == "skipped"


def test_a_cap_of_nothing_freezes() -> None:
    bank = Bank(caps(daily="0", day="fallback"))

    assert (bank.run().ending, bank.asked) == ("skipped", (0, 0))


@pytest.mark.parametrize("most", ["0.05", "0"])
def test_the_runs_own_limit_holds_without_any_cap(most: str) -> None:
    bank = Bank("  daily_cap_usd: 100")

    result = bank.run(max_cost=Decimal(most))

    assert (result.ending, bank.asked) == ("skipped", (0, 0))
    assert result.reason == f"the run could cost $0.1000 and --max-cost is {format_cap(Decimal(most))}"


def test_a_fallback_is_held_to_the_runs_own_limit_too() -> None:
    bank = Bank(caps(daily="0.12", day="fallback"))
    put(
        bank.store,
        **{"prices.toml": PRICES.replace("= 10\n", "= 120\n").replace('"scripted:cheap"', '"scripted:cheap"')},
    )

    result = bank.run(max_cost=Decimal("0.21"))

    assert (result.ending, bank.asked) == ("skipped", (1, 0))


def test_a_price_that_nobody_knows_stops_a_run_with_a_cap_and_warns_without_one() -> None:
    capped, free = Bank(caps()), Bank("  daily_cap_action: skip")
    for bank in (capped, free):
        put(bank.store, **{"prices.toml": ""})

    result = free.run()

    assert capped.run().reason == "the price of the model is not known, and a cap is set"
    assert result.ending == "ok"
    assert result.warnings == (
        "the price of scripted:dear is not known; this run counts as $0 until prices.toml states it",
    )


def test_a_log_that_cannot_be_read_stops_a_run_with_a_cap_and_says_which_line() -> None:
    bank = Bank(caps())
    put(bank.store, **{LOG.replace("/", "__"): '{"cost_usd": 1}\n[]\n'})

    result = bank.run()

    assert (result.ending, bank.asked) == ("skipped", (0, 0))
    assert result.failure is not None
    assert result.failure.hint == f"correct or remove that line, in a text editor: {LOG}:2"


def test_the_hint_of_a_skipped_run_says_where_the_cap_stands() -> None:
    failure = Bank(caps(daily="0")).run().failure

    assert failure is not None
    assert failure.hint.startswith(
        "raise the cap in caldwell/model.md, or pass the daily cap once: atomic-agents run caldwell"
    )


def test_a_new_day_has_a_new_cap() -> None:
    bank = Bank(caps(daily="0.35"))
    workspace = bank.workspace()
    assert run(workspace, "go").ending == "ok"
    assert run(workspace, "go").ending == "skipped"

    workspace.clock = lambda: NOON + datetime.timedelta(days=1)

    assert run(workspace, "go").ending == "ok"


@given(
    st.lists(st.text('a7é漢😀\n"\\', max_size=400), max_size=8),
    st.text("a漢", max_size=3000) | st.text("a7", max_size=3000),
    st.integers(0, 30),
)
def test_a_request_within_the_input_limit_reserves_no_more_than_is_said_of_the_limit(
    texts: list[str], system: str, tools: int
) -> None:
    specs = tuple(ToolSpec(f"tool{number}", "does é 漢", {"type": "object"}) for number in range(tools))
    request = Request((system,), tuple(Message("user", text) for text in texts), specs)

    assert most_tokens(request) <= most_tokens_within(request_tokens(request))
