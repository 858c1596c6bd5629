import datetime
import json
from decimal import Decimal

import pytest

from atomic_agents.budget import ledger, limits
from atomic_agents.core.values import Usd
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.vault import layout
from atomic_agents.vault.settings import CostGuardrails

TODAY = datetime.date(2026, 11, 30)
CAPS = CostGuardrails(enabled=True, daily_cap=Decimal(1), monthly_cap=Decimal(20))


class NoSums:
    def spend(self, _path: str, _stamp: str) -> tuple[Usd, str] | None:
        return None

    def keep_spend(self, _path: str, _stamp: str, _total: Usd, _bad_line: str) -> None:
        pass


def spent(*days: str) -> limits.Spent:
    store = MemoryStore()
    for day in days:
        line = json.dumps({"ts": f"{day}T10:00:00+00:00", "cost_usd": 0.6})
        path = layout.log_day("scout", datetime.date.fromisoformat(day))
        put(store, **{path.removesuffix(".jsonl").replace("/", "__") + ".jsonl": f"{line}\n"})
    return ledger.spent(store, "scout", TODAY, NoSums())


@pytest.mark.parametrize("later", ["2026-12-01", "2026-12-31", "2027-01-01", "2031-05-05"])
def test_a_clock_that_was_set_back_opens_no_cap(later: str) -> None:
    found = spent("2026-11-29", later)

    verdict = limits.judge(CAPS, found, Decimal("0.5"))

    assert (found.day, found.month) == (Decimal("0.6"), Decimal("1.2"))
    assert verdict.action == "skip"
    assert f"dated after today in scout/log/{later[:7]}/{later}.jsonl" in verdict.reason


def test_what_was_spent_before_is_of_its_own_day() -> None:
    found = spent("2026-11-29", "2026-11-30", "2026-10-31")

    assert (found.day, found.month, found.later) == (Decimal("0.6"), Decimal("1.2"), ())


@pytest.mark.parametrize(
    ("cap", "spends", "quote", "words"),
    [
        (
            "0.025",
            "0.02",
            "0.0051",
            "cap of $0.025 could be passed: $0.0200 is spent and this request can cost up to $0.0051",
        ),
        ("0.025", "0.024999", "0.000002", "$0.024999 is spent and this request can cost up to $0.000002"),
        ("1", "0.99996", "0.00005", "$0.99996 is spent and this request can cost up to $0.00005"),
        ("1234.5", "1234.49", "0.5", "cap of $1,234.50 could be passed: $1,234.49 is spent"),
    ],
)
def test_the_sums_of_a_refusal_show_that_they_pass_the_cap(cap: str, spends: str, quote: str, words: str) -> None:
    guardrails = CostGuardrails(enabled=True, daily_cap=Decimal(cap), monthly_cap=None)

    verdict = limits.judge(guardrails, limits.Spent(Decimal(spends), Decimal(spends)), Decimal(quote))

    assert words in verdict.reason
