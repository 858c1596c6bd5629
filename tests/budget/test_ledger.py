import datetime
import json
from decimal import Decimal

import pytest

from atomic_agents.budget import ledger
from atomic_agents.budget.limits import Spent
from atomic_agents.core.change import Append, ChangeSet
from atomic_agents.core.values import Usd
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.vault.vault import Vault

NOW = datetime.datetime(2026, 11, 22, 23, 0, tzinfo=datetime.UTC)
DAY = "caldwell/log/2026-11/2026-11-22.jsonl"
BEFORE = "caldwell/log/2026-11/2026-11-03.jsonl"


class Sums:
    """Remembers sums, and what was looked at."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[Usd, str]] = {}
        self.hits = 0

    def spend(self, path: str, stamp: str) -> tuple[Usd, str] | None:
        self.hits += (path, stamp) in self.kept
        return self.kept.get((path, stamp))

    def keep_spend(self, path: str, stamp: str, total: Usd, bad_line: str) -> None:
        self.kept[path, stamp] = (total, bad_line)


def spent(files: dict[str, str], sums: ledger.SumCache | None = None) -> Spent:
    store = MemoryStore({path: text.encode("latin-1") for path, text in files.items()})
    return ledger.spent(store, "caldwell", NOW, sums or Sums())


def lines(*costs: object) -> str:
    return "".join(json.dumps({"ts": "x", "cost_usd": cost}) + "\n" for cost in costs)


def test_today_and_this_month_are_summed() -> None:
    found = spent({
        DAY: lines(0.1, 0.2),
        BEFORE: lines(1),
        "caldwell/log/2026-10/2026-10-31.jsonl": lines(100),
        "caldwell/log/2026-11/lint_2026-11-22.md": "# not a log",
        "caldwell2/log/2026-11/2026-11-22.jsonl": lines(100),
        "other/log/2026-11/2026-11-22.jsonl": lines(100),
    })  # fmt: skip

    assert found == Spent(Decimal("0.3"), Decimal("1.3"))


def test_an_agent_without_a_log_has_spent_nothing() -> None:
    assert spent({}) == Spent()


@pytest.mark.parametrize(
    "line",
    ['{"cost_usd": NaN}', '{"cost_usd": -5}', '{"cost_usd": "5"}', '{"cost_usd": true}', '{"cost_usd": Infinity}', "[]",
     "7", '{"cost_usd": 1', "\xff\xfe", "null", '{"cost_usd": [1]}', '{"cost_usd": 1e999}', "[" * 100_000],
)  # fmt: skip
def test_a_line_whose_cost_cannot_be_told_is_named_and_the_others_count(line: str) -> None:
    found = spent({DAY: lines(1) + line + "\n" + lines(2)})

    assert found.day == Decimal(3)
    assert found.unreadable == (f"{DAY}:2 is not a record with a cost",)


@pytest.mark.parametrize("line", ["{}", '{"cost_usd": null}', '{"cost_usd": 0}', "", "   ", '{"cost_source": "judge"}'])
def test_a_line_without_a_cost_costs_nothing(line: str) -> None:
    assert spent({DAY: lines(1) + line + "\n"}) == Spent(Decimal(1), Decimal(1))


def test_a_bad_line_of_another_day_of_the_month_counts_too() -> None:
    assert spent({DAY: lines(1), BEFORE: "[]\n"}).unreadable == (f"{BEFORE}:1 is not a record with a cost",)


def test_what_a_delegate_cost_is_counted_in_its_own_log_only() -> None:
    told = {"trigger": "delegate", "delegate_run_id": "run-1", "cost_usd": 5}
    own = {"trigger": "delegate", "run_id": "run-1", "cost_usd": 5}

    assert spent({DAY: json.dumps(told) + "\n"}).day == 0
    assert spent({DAY: json.dumps(own) + "\n"}).day == 5


def test_judges_and_audits_count_like_everything_else() -> None:
    assert spent({DAY: '{"cost_source": "judge", "cost_usd": 2}\n'}).day == 2


def test_a_file_that_has_not_changed_is_summed_once() -> None:
    store = MemoryStore({DAY: lines(1).encode(), BEFORE: lines(2, "x").encode()})
    sums = Sums()
    first = ledger.spent(store, "caldwell", NOW, sums)

    again = ledger.spent(store, "caldwell", NOW, sums)
    assert (again, sums.hits) == (first, 2)
    put(store, **{DAY.replace("/", "__"): lines(1, 1)})
    later = ledger.spent(store, "caldwell", NOW, sums)

    assert (later.day, sums.hits) == (Decimal(2), 3)


def test_the_derived_index_remembers_sums_exactly() -> None:
    store = MemoryStore({DAY: lines(0.1, 0.2, "x").encode()})
    index = MemoryIndex(Vault(store), ":memory:")

    first = ledger.spent(store, "caldwell", NOW, index)

    assert ledger.spent(store, "caldwell", NOW, index) == first
    assert first.day == Decimal("0.3")
    index.close()


class TestALineIsAdded:
    """A run ends in a log that was summed before."""

    LINE = Append(DAY, '{"ts":"x","cost_usd":0.25}')

    def grown(self, *also: Append) -> tuple[Spent, int]:
        """The sum afterwards, and how often it was known without reading the log."""
        store, sums = MemoryStore({DAY: lines(0.1, 0.2).encode()}), Sums()
        ledger.spent(store, "caldwell", NOW, sums)
        before = ledger.known(store, DAY, sums)
        assert before is not None
        store.apply(ChangeSet("end", (*also, self.LINE)))
        ledger.keep_grown(store, before, self.LINE, sums)
        sums.hits = 0
        return ledger.spent(store, "caldwell", NOW, sums), sums.hits

    def test_the_log_is_not_read_again(self) -> None:
        assert self.grown() == (Spent(Decimal("0.55"), Decimal("0.55")), 1)

    def test_unless_somebody_else_wrote_too(self) -> None:
        theirs = Append(DAY, '{"ts":"x","cost_usd":1}')

        assert self.grown(theirs) == (Spent(Decimal("1.55"), Decimal("1.55")), 0)

    def test_what_is_not_known_is_not_guessed(self) -> None:
        store = MemoryStore({DAY: lines(0.1).encode()})

        assert ledger.known(store, DAY, Sums()) is None
        assert ledger.known(store, BEFORE, Sums()) is None
