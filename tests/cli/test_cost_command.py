import datetime
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.cli.cost import sparkline
from atomic_agents.testing.shell import Shell

VaultCopy = Callable[[str], Path]


@pytest.fixture
def samples(vault_copy: VaultCopy) -> Path:
    return vault_copy("samples")


def test_the_cost_of_a_month_is_a_table_with_a_line_of_bars(samples: Path, shell: Shell) -> None:
    done = shell("cost", "--month", "2026-05")

    assert (done.code, samples.name) == (0, "vault")
    header, *rows = done.out.splitlines()
    assert header.split() == ["agent", "runs", "tokens", "in", "tokens", "out", "cost", "share"]
    assert rows[0].split()[0] == "caldwell"
    assert next(row for row in rows if row.startswith("in all")).split()[-1] == "100.0%"
    assert any(row.startswith("2026-05-01 ") and row.endswith(" 2026-05-31") and "█" in row for row in rows)
    assert (done.err, " of $" in done.out) == ("", False)


@pytest.mark.usefixtures("samples")
def test_the_cost_of_now_says_what_caps_leave_and_how_the_month_goes_on(shell: Shell) -> None:
    done = shell("cost", "caldwell")

    assert done.out.splitlines()[-2:] == [
        "caldwell: $0.0000 of $0.50 today (0%), then skip",
        "caldwell: $0.0000 of $7.00 this month (0%), then skip",
    ]
    assert done.err == f"{datetime.datetime.now().astimezone():%Y-%m} so far $0.0000, projected $0.0000\n"


@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize("by", ["agent", "model", "day", "trigger"])
def test_json_says_the_same_whichever_way_it_is_grouped(by: str, shell: Shell) -> None:
    value = shell("cost", "--month", "2026-05", "--by", by, "--json").value

    assert value["by"] == by
    assert sum(group["cost_usd"] for group in value["groups"]) == pytest.approx(value["total"]["cost_usd"])
    assert sum(group["share"] for group in value["groups"]) == pytest.approx(1)
    assert sum(day["cost_usd"] for day in value["days"]) == pytest.approx(value["total"]["cost_usd"])
    assert {cap["period"] for cap in value["caps"]} == {"day", "month"}


@pytest.mark.usefixtures("samples")
def test_the_cost_of_one_agent_is_grouped_by_model(shell: Shell) -> None:
    assert shell("cost", "caldwell", "--month", "2026-05", "--json").value["by"] == "model"


def test_a_line_that_cannot_be_read_is_named(samples: Path, shell: Shell) -> None:
    (samples / "caldwell/log/2026-05/2026-05-20.jsonl").write_text(json.dumps({"cost_usd": -1}) + "\n")

    done = shell("cost", "--month", "2026-05")

    assert done.code == 0
    assert "warning: caldwell/log/2026-05/2026-05-20.jsonl:1: states no sum of money\n" in done.err


@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--month", "may"), 2, "error: 'may' is no month\n  hint: --month 2026-11\n"),
        (("--since", "then"), 2, "error: 'then' is no day\n"),
        (("--since", "2026-05-01", "--month", "2026-05"), 2, "error: --month and --since exclude each other\n"),
        (("nobody",), 1, "error: there is no agent nobody\n"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], code: int, error: str, shell: Shell) -> None:
    done = shell("cost", *arguments)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(error)


def test_bars_grow_with_what_was_spent() -> None:
    assert sparkline([0, 0.01, 1, 2, 4, 8]) == "·▁▂▃▅█"
    assert sparkline([]) == ""
