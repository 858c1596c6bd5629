from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.budget import prices
from atomic_agents.budget.prices import Prices, Rates
from atomic_agents.budget.usage import most_tokens
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.model import Message, Request, ToolSpec, Usage
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault.vault import Vault

MILLION = Usage(1_000_000, 1_000_000)
KNOWN = ("anthropic:claude-haiku-4-5", "claude-sonnet-4-5", "openai:gpt-5-mini", "gpt-4o", "anthropic:claude-opus-4-1")


def loaded(text: str) -> Prices:
    return prices.load(Vault(MemoryStore({"prices.toml": text.encode()})))


def test_a_model_the_library_knows_has_its_price_with_and_without_a_prefix() -> None:
    assert Prices().cost("openai:gpt-5-mini", MILLION) == Prices().cost("gpt-5-mini", MILLION) == Decimal("2.25")


@pytest.mark.parametrize("model", ["nobody:nothing", "no-such-model", "scripted:model", "openai:", ""])
def test_a_model_nobody_knows_has_no_price(model: str) -> None:
    assert Prices().cost(model, MILLION) is None
    assert Prices().most(model, input_tokens=1, output_tokens=1) is None


def test_a_local_model_costs_nothing() -> None:
    assert Prices().cost("no-such-model", MILLION, local=True) == 0
    assert Prices().most("no-such-model", input_tokens=9, output_tokens=9, local=True) == 0


def test_the_vaults_own_price_goes_before_the_librarys() -> None:
    own = loaded('["gpt-5-mini"]\ninput = 1\noutput = 2.5\n["openai:gpt-4o"]\ninput = 0\noutput = 0\n')

    assert own.cost("openai:gpt-5-mini", MILLION) == Decimal("3.5")
    assert own.cost("openai:gpt-4o", MILLION) == 0
    assert own.cost("gpt-4o", MILLION) == Prices().cost("gpt-4o", MILLION)


def test_a_vault_without_prices_has_the_librarys() -> None:
    assert prices.load(Vault(MemoryStore())) == Prices()


@pytest.mark.parametrize(
    "text",
    ["[x", "x = 1", '["m"]\ninput = 1\n', '["m"]\ninput = "1"\noutput = 1\n', '["m"]\ninput = -1\noutput = 1\n',
     '["m"]\ninput = nan\noutput = 1\n', '["m"]\ninput = true\noutput = 1\n', '["m"]\ninput = inf\noutput = 1\n',
     "[gpt-4.1]\ninput = 1\noutput = 1\n", "m = [1, 2]"],
)  # fmt: skip
def test_prices_that_cannot_be_read_are_an_error_with_what_to_write(text: str) -> None:
    with pytest.raises(DocumentUnreadable, match=r"^prices\.toml(?::[12])?: ") as caught:
        loaded(text)

    assert "input = 1.25" in caught.value.hint


def test_a_server_that_counts_its_cache_apart_has_a_price_all_the_same() -> None:
    apart = Prices().cost("anthropic:claude-haiku-4-5", Usage(100, 10, 900, 50))
    together = Prices().cost("anthropic:claude-haiku-4-5", Usage(950, 10, 900, 50))

    assert apart == together


tokens = st.integers(0, 400_000)


@settings(deadline=None)
@given(st.sampled_from(KNOWN), tokens, tokens, tokens, st.fractions(0, 1), st.fractions(0, 1))
def test_no_request_costs_more_than_the_most_it_can(
    model: str, asked: int, most_out: int, out: int, read: float, written: float
) -> None:
    cached = int(asked * read)
    usage = Usage(asked, min(out, most_out), cached, int((asked - cached) * written))

    for known in (Prices(), Prices({model: Rates(Decimal(3), Decimal(15))})):
        cost, most = known.cost(model, usage), known.most(model, input_tokens=asked, output_tokens=most_out)
        assert cost is not None
        assert most is not None
        assert cost <= most


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 100, 1000),
        ("日本語のテキストです。" * 100, 1100),
        ("🎉🚀" * 100, 400),
        ('{"a": [1, 2, {"b": null}], "c": "d"}' * 100, 1200),
        ("", 0),
    ],
)
def test_a_quote_counts_at_least_the_tokens_there_will_be(text: str, tokens: int) -> None:
    assert most_tokens(Request((text,), ())) >= tokens


def test_everything_that_is_sent_is_in_the_quote() -> None:
    plain = most_tokens(Request(("s",), [Message("user", "u")]))
    tool = ToolSpec("t", "d" * 3000, {"type": "object"})

    assert most_tokens(Request(("s",), [Message("user", "u")], [tool])) > plain + 1000
    assert most_tokens(Request(("s",), [Message("user", "u" * 3000)])) >= plain + 999
