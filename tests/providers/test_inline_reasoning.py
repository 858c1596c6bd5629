from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atomic_agents.providers.inline_reasoning import TAGS, ReasoningSplitter, without_lone_closer

WHOLE = [
    ("<think>the plan</think>The answer.", "The answer.", "the plan"),
    ("\n<think>\nthe plan\n</think>\n\nThe answer.", "The answer.", "\nthe plan\n"),
    ("<think></think>The answer.", "The answer.", ""),
    ("<THINK>the plan</Think>The answer.", "The answer.", "the plan"),
    ("<think>a < b, </thin and </ think></think>The answer.", "The answer.", "a < b, </thin and </ think>"),
    ("<think>the plan", "", "the plan"),
    ("<think>the plan</thi", "", "the plan</thi"),
    ("<think>one</think>\n<think>two</think>\nThe answer.", "The answer.", "onetwo"),
    ("Sure.\n<think>the plan</think>\nThe answer.", "Sure.\nThe answer.", "the plan"),
    ("The answer.", "The answer.", ""),
    ("  The answer.", "  The answer.", ""),
    ("", "", ""),
    ("<", "<", ""),
    ("<thinker>is a word</thinker>", "<thinker>is a word</thinker>", ""),
    ("Say `<think>x</think>` so.", "Say `<think>x</think>` so.", ""),
    ("Say <think>x</think> so.", "Say <think>x</think> so.", ""),
    ("```\n<think>x</think>\n```\n", "```\n<think>x</think>\n```\n", ""),
    ("~~~ xml\n```\n<think>x</think>\n~~~\n", "~~~ xml\n```\n<think>x</think>\n~~~\n", ""),
    ("```\ncode\n```\n<think>x</think>Done.", "```\ncode\n```\nDone.", "x"),
    ("A line.\n<think>\nnever ends", "A line.\n<think>\nnever ends", ""),
    ("<p>a</p>\n<ul><li>b</li></ul>", "<p>a</p>\n<ul><li>b</li></ul>", ""),
    *((f"{opener}the plan{closer}The answer.", "The answer.", "the plan") for opener, closer in TAGS),
]


def split(pieces: list[str]) -> tuple[str, str]:
    splitter = ReasoningSplitter()
    found = [each for piece in pieces for each in splitter.feed(piece)] + list(splitter.finish())
    return "".join(text for kind, text in found if kind == "text"), "".join(
        text for kind, text in found if kind == "reasoning"
    )


def cut(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(at for at in cuts if at <= len(text)), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize(("whole", "text", "reasoning"), WHOLE)
def test_reasoning_is_taken_apart_wherever_the_stream_is_cut(whole: str, text: str, reasoning: str) -> None:
    assert split([whole]) == (text, reasoning)
    assert split(list(whole)) == (text, reasoning)
    assert {split([whole[:at], whole[at:]]) for at in range(len(whole) + 1)} == {(text, reasoning)}


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<thi", "nk>", "\n", "```", "`", " ", "a", "word. "])), st.data()
)
def test_where_the_pieces_end_makes_no_difference(parts: list[str], data: st.DataObject) -> None:
    whole = "".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(whole))))

    assert split(cut(whole, cuts)) == split([whole])


@given(st.text(st.characters(exclude_characters="<[")))
@example("```\n")
def test_text_without_a_tag_passes_as_it_is_and_at_once(text: str) -> None:
    splitter = ReasoningSplitter()

    assert "".join(piece for _, piece in splitter.feed(f"x{text}")) == f"x{text}"


def test_a_long_answer_is_shown_while_it_comes() -> None:
    splitter = ReasoningSplitter()

    shown = ["".join(text for _, text in splitter.feed(word)) for word in ("It ", "is ", "1 < 2 ", "and\n", "so on")]

    assert shown == ["It ", "is ", "1 < 2 ", "and\n", "so on"]


def test_an_end_tag_whose_beginning_stood_in_the_prompt_ends_the_reasoning() -> None:
    parted = without_lone_closer("First, the plan.\n\n</think>\n\nThe answer.")

    assert (parted.text, parted.reasoning) == ("The answer.", "First, the plan.")


@pytest.mark.parametrize("text", ["It ends with </think> here.", "```\n</think>\n```", "`</think>`", ""])
def test_an_end_tag_in_code_or_in_a_sentence_is_text(text: str) -> None:
    assert without_lone_closer(text).text == text
