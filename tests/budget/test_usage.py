import string
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.budget.prices import Prices, Rates
from atomic_agents.budget.usage import judge, most_tokens
from atomic_agents.core.model import Answer, Message, Request, ToolCall, Usage

PROSE = "The quick brown fox jumps over the lazy dog, and nobody minds. "
COUNTS = st.integers(0, 10**30) | st.integers(0, 5000)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS)
TEXTS = st.text(max_size=4000) | st.integers(0, 400).map(lambda times: PROSE * times)
REQUESTS = st.builds(
    lambda system, asked, most: Request((system,), (Message("user", asked),), (), most),
    TEXTS, TEXTS.filter(bool), st.integers(1, 50_000),
)  # fmt: skip
ANSWERS = st.builds(lambda text, reasoning, usage: Answer(text, usage=usage, reasoning=reasoning), TEXTS, TEXTS, USAGES)
ASKED = Request((PROSE * 100,), (Message("user", "hi"),), (), 4000)


@given(REQUESTS, ANSWERS)
def test_what_is_asked_never_counts_as_nothing_and_nothing_counts_beyond_its_bounds(
    request: Request, answer: Answer
) -> None:
    usage = judge(request, answer).usage

    assert usage.input_tokens > 0
    assert usage.output_tokens <= request.max_output_tokens * 1.01 + 8
    assert bool(usage.output_tokens) or not (answer.text or answer.reasoning)
    assert min(usage.cache_read_tokens, usage.cache_write_tokens) >= 0
    assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens


@given(REQUESTS, ANSWERS)
def test_judging_twice_changes_nothing(request: Request, answer: Answer) -> None:
    usage = judge(request, answer).usage

    assert judge(request, replace(answer, usage=usage)).usage == usage


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.4, 1.0))
def test_the_usage_of_prose_by_any_tokenizer_is_believed(sent: int, said: int, share: float) -> None:
    request = Request((PROSE * sent,), (Message("user", "hi"),), (), 50_000)
    true = Usage(int(len(PROSE) * sent / 4 * share) + 8, int(len(PROSE) * said / 4 * share) + 1)

    assert judge(request, Answer(PROSE * said, usage=true)).doubts == ()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("日本語のテキストです。" * 300, 1200),
        ("Здравствуйте, как ваши дела сегодня? " * 100, 900),
        ("ഇത് ഒരു പരീക്ഷണമാണ് " * 100, 2200),
        ("aGVsbG8gd29ybGQh" * 300, 3500),
        ("5f3a9c" * 700, 2900),
        ("3.14159 2.71828 " * 200, 2400),
        (" " * 20_000, 300),
        ("=" * 20_000, 320),
        ("\n" * 5_000, 100),
        ("🎉" * 500, 1500),
        ("", 0),
    ],
)
def test_texts_that_tokenizers_treat_oddly_are_believed(text: str, tokens: int) -> None:
    asked = Request((text,), (Message("user", "hi"),), (), 50_000)

    assert judge(asked, Answer(text, usage=Usage(tokens + 10, tokens))).doubts == ()


def test_reasoning_that_is_not_shown_is_believed_up_to_the_maximum() -> None:
    assert judge(ASKED, Answer("42", usage=Usage(1500, 4000))).doubts == ()
    assert judge(ASKED, Answer("42", usage=Usage(1500, 9000))).usage.output_tokens == 4000


def test_a_prompt_out_of_the_cache_is_believed() -> None:
    usage = Usage(1500, 20, cache_read_tokens=1490)

    assert judge(ASKED, Answer("fine, thanks", usage=usage)).usage == usage


@pytest.mark.parametrize("claimed", [0, 1, 10, 100])
def test_an_answer_of_3_mb_for_a_few_tokens_counts_as_all_that_was_reserved(claimed: int) -> None:
    judged = judge(ASKED, Answer(PROSE * 48_000, usage=Usage(1500, claimed)))

    assert judged.usage == Usage(1500, 4000)
    assert len(judged.doubts) == 1


@pytest.mark.parametrize("claimed", [0, 1, 100])
def test_a_prompt_of_6_kb_for_a_few_tokens_is_estimated(claimed: int) -> None:
    judged = judge(ASKED, Answer("fine", usage=Usage(claimed, 2)))

    assert 1500 <= judged.usage.input_tokens <= 2200
    assert len(judged.doubts) == 1


def test_the_arguments_of_calls_are_output_too() -> None:
    call = ToolCall("a", "write", '{"text": "' + PROSE * 50 + '"}')

    assert judge(ASKED, Answer("", (call,), Usage(1500, 0), "tool_calls")).usage.output_tokens > 500


@given(st.text(string.printable, min_size=1, max_size=600), USAGES)
def test_an_answer_that_has_a_price_never_costs_nothing(text: str, usage: Usage) -> None:
    request = Request((), (Message("user", text),), (), 1000)

    cost = Prices({"m": Rates(Decimal(1), Decimal(10))}).cost("m", judge(request, Answer(text, usage=usage)).usage)

    assert cost is not None
    assert cost > 0


@given(REQUESTS)
def test_a_request_is_reserved_at_no_less_than_it_is_estimated(request: Request) -> None:
    assert judge(request, Answer("")).usage.input_tokens <= most_tokens(request)
