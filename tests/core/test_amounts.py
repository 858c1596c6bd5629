from decimal import Decimal

import pytest

from atomic_agents.core.values import format_cap, format_usd, parse_usd


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
