import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atomic_agents.memory.blocks import CaptureFilter, split_blocks

BLOCK = '```atomic_capture\n{"name": "x"}\n```'
X = {"name": "x"}


def streamed(pieces: list[str]) -> tuple[str, list[object]]:
    shown: list[str] = []
    blocks = CaptureFilter(shown.append)
    for piece in pieces:
        blocks.feed(piece)
    blocks.finish()
    return "".join(shown), blocks.captures


@pytest.mark.parametrize(
    "block",
    [
        BLOCK,
        BLOCK.replace("\n", "\r\n"),
        BLOCK.replace("```", "````"),
        BLOCK.replace("```", "``````"),
        "\t" + BLOCK.replace("\n", "\n    "),
        BLOCK.replace("atomic_capture", "Atomic_CAPTURE"),
        BLOCK.replace("```atomic", "``` atomic") + "  ",
        BLOCK + "``",
        BLOCK.replace("}\n", "}"),
    ],
    ids=["plain", "crlf", "four", "six", "indented", "case", "spaces", "closed with more", "closed on its last line"],
)
def test_a_fenced_capture_is_taken_out_of_the_text(block: str) -> None:
    assert split_blocks(f"before\n\n{block}\n\nafter") == ("before\n\nafter", [X])


def test_a_block_that_is_never_closed_ends_with_the_answer() -> None:
    assert split_blocks("before\n```atomic_capture\n" + json.dumps(X)) == ("before", [X])


def test_text_behind_a_block_that_is_never_closed_is_not_lost() -> None:
    assert split_blocks(f"```atomic_capture\n{json.dumps(X)}\n\nThe answer is 42.") == ("The answer is 42.", [X])


def test_a_block_that_is_not_json_is_its_text() -> None:
    assert split_blocks("a\n```atomic_capture\n{oops\n```\nb") == ("a\nb", ["{oops"])
    assert split_blocks("```atomic_capture\n" + "[" * 100_000 + "\n```")[1] == ["[" * 100_000]


def test_an_empty_block_is_closed_by_its_next_line() -> None:
    assert split_blocks("```atomic_capture\n```\nafter") == ("after", [""])


def test_several_blocks_are_found_in_order() -> None:
    second = BLOCK.replace('"x"', '"y"')

    assert split_blocks(f"{BLOCK}\nbetween\n{second}") == ("between", [X, {"name": "y"}])


@pytest.mark.parametrize(
    "text",
    ["```python\nx\n```", "a ```atomic_capture", "```atomic_capture_x\n{}\n```", "``atomic_capture\n", "", "   \n"],
)
def test_everything_else_is_text(text: str) -> None:
    assert split_blocks(text) == (text, [])
    assert streamed([text]) == (text, [])


def test_text_is_passed_on_as_it_comes() -> None:
    shown: list[str] = []
    blocks = CaptureFilter(shown.append)

    blocks.feed("Hel")
    blocks.feed("lo, ")
    blocks.feed("world\n``")

    assert shown == ["Hel", "lo, ", "world\n"]


parts = st.sampled_from(
    ["word ", "\n", "\r\n", "`", "``", "```", "````", "atomic_capture", "ATOMIC_capture", "atomic", " ", "\t", "{}",
     "{", json.dumps(X), "```atomic_capture\n", "\n```\n", BLOCK, "\u2028", "\x0c", "```atomic_capture\r\n"]
)  # fmt: skip
texts = st.lists(parts, max_size=14).map("".join)


@settings(deadline=None)
@given(texts, st.lists(st.integers(1, 9), min_size=1))
@example("```atomic_capture\r\n{}\r\n```\r\nafter", [1])
@example("x\n```atomic_capture", [1])
def test_the_stream_shows_what_the_text_will_have_however_it_is_cut(text: str, cuts: list[int]) -> None:
    pieces, position, turn = [], 0, 0
    while position < len(text):
        pieces.append(text[position : position + cuts[turn % len(cuts)]])
        position, turn = position + cuts[turn % len(cuts)], turn + 1

    shown, captures = streamed(pieces)
    kept, found = split_blocks(text)

    assert captures == found
    assert shown.split() == kept.split()
    assert "".join(shown.splitlines()).strip() == "".join(kept.splitlines()).strip()


@settings(deadline=None)
@given(texts)
def test_nothing_of_a_block_is_ever_shown(text: str) -> None:
    shown, _ = split_blocks(f'{text.replace("`", "")}\n```atomic_capture\n{{"secret": 1}}\n```\n{text}')

    assert "secret" not in shown
