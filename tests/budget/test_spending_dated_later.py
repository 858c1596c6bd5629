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

NOW = datetime.datetime(2026, 11, 30, 23, 50, tzinfo=datetime.UTC)
CAPS = CostGuardrails(enabled=True, daily_cap=Decimal(1), monthly_cap=Decimal(20))


class NoSums:
    def spend(self, _path: str, _stamp: str) -> tuple[Usd, str] | None:
        return None

    def keep_spend(self, _path: str, _stamp: str, _total: Usd, _bad_line: str) -> None:
        pass


def spent(*moments: str) -> limits.Spent:
    """What is spent where a run of $0.60 ended at each of some moments, in the log of the day that its text names."""
    store = MemoryStore()
    for at in moments:
        ts = at if "T" in at else f"{at}T10:00:00+00:00"
        path = layout.log_day("scout", datetime.date.fromisoformat(at[:10]))
        line = json.dumps({"ts": ts, "cost_usd": 0.6})
        put(store, **{path.removesuffix(".jsonl").replace("/", "__") + ".jsonl": f"{line}\n"})
    return ledger.spent(store, "scout", NOW, NoSums())


@pytest.mark.parametrize("later", ["2026-12-01", "2026-12-31", "2027-01-01", "2031-05-05"])
def test_a_clock_that_was_set_back_opens_no_cap(later: str) -> None:
    found = spent("2026-11-29", later)

    verdict = limits.judge(CAPS, found, Decimal("0.5"))

    assert (found.day, found.month) == (Decimal("0.6"), Decimal("1.2"))
    assert verdict.action == "skip"
    assert f"that includes scout/log/{later[:7]}/{later}.jsonl:1, which is dated later than now" in verdict.reason


@pytest.mark.parametrize("at", ["2026-12-01T00:03:00+00:00", "2026-12-01T08:30:00+09:00", "2026-12-01T00:50:00+01:00"])
def test_a_clock_a_few_minutes_ahead_and_another_time_zone_count_for_their_own_day(at: str) -> None:
    found = spent("2026-11-30", at)

    assert (found.day, found.month, found.later) == (Decimal("0.6"), Decimal("0.6"), ())
    assert limits.judge(CAPS, found, Decimal("0.3")).action == "allow"


def test_a_line_of_a_later_day_that_states_no_moment_counts_as_spent_today() -> None:
    found = spent("2026-12-01T?")

    assert (found.day, found.later) == (Decimal("0.6"), ("scout/log/2026-12/2026-12-01.jsonl:1",))


@pytest.mark.parametrize("path", ["scout/log/2026-11/notes.jsonl", "scout/log/older/2025.jsonl", "scout/log/x.jsonl"])
def test_a_file_whose_name_is_no_day_is_of_no_later_day(path: str) -> None:
    store = MemoryStore()
    put(store, **{path.replace("/", "__"): '{"ts": "2026-11-02T10:00:00+00:00", "cost_usd": 0.6}\n'})

    found = ledger.spent(store, "scout", NOW, NoSums())

    assert (found.day, found.later) == (Decimal(0), ())


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
