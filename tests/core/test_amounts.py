from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.values import format_cap, format_usd, format_within, parse_usd


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0", "$0.0000"), ("0.025", "$0.0250"), ("0.5", "$0.5000"), ("1", "$1.00"), ("1234.567", "$1,234.57"),
     ("0.00001234", "$0.000012"), ("0.0001", "$0.0001")],
)  # fmt: skip
def test_an_amount_is_shown_to_the_cent_and_never_as_nothing_where_it_is_something(amount: str, words: str) -> None:
    assert format_usd(Decimal(amount)) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0.025", "$0.025"), ("0.5", "$0.50"), ("20", "$20.00"), ("2E+1", "$20.00"), ("1234.5", "$1,234.50"),
     ("0.0051", "$0.0051")],
)  # fmt: skip
def test_a_cap_is_shown_as_it_is_stated(amount: str, words: str) -> None:
    assert format_cap(Decimal(amount)) == words


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0.50", "0.50"), ("$2", "2"), (".5", "0.5"), (" 10 ", "10"), ("007", "7"), ("1_0", None), ("1e3", None),
     ("NaN", None), ("inf", None), ("-1", None), ("٣", None), ("0,50", None), ("0x10", None), ("", None)],
)  # fmt: skip
def test_only_a_plain_decimal_is_an_amount(text: str, amount: str | None) -> None:
    assert parse_usd(text) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("cap", "amounts", "words"),
    [("0.025", ["0.024996"], ["$0.024996"]), ("5", ["4.999"], ["$4.999"]),
     ("5", ["4.996", "0.0041"], ["$4.996", "$0.0041"]),
     ("1", ["1.001"], ["$1.001"]), ("1", ["1"], ["$1.00"]), ("0.02505", ["0.0250"], ["$0.0250"]),
     ("0", ["0.0000001"], ["$0.00000010"])],
)  # fmt: skip
def test_an_amount_beside_a_cap_shows_on_which_side_of_it_it_is(cap: str, amounts: list[str], words: list[str]) -> None:
    assert list(format_within(Decimal(cap), *map(Decimal, amounts))) == words


@given(*[st.decimals("0", "30", places=12)] * 3)
def test_what_is_shown_never_contradicts_the_cap(cap: Decimal, spent: Decimal, quote: Decimal) -> None:
    shown = [Decimal(text.lstrip("$").replace(",", "")) for text in format_within(cap, spent, quote)]

    assert [one > cap for one in (*shown, sum(shown))] == [one > cap for one in (spent, quote, spent + quote)]
