import re

import pytest

from atomic_agents.core.model import ToolCall
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.results import Results
from atomic_agents.tools.tool import MAX_RESULT, answer

LONG = "".join(f"line {number} of many\n" for number in range(3000))
GO_ON = re.compile(r"call read_result with result (\d+) and offset (\d+) for them")


def body(text: str) -> str:
    """What stands inside the fence, without what is said about the rest."""
    return text.partition("\n")[2].rpartition("\n</document>")[0].partition("\n… ")[0]


def read_on(results: Results, number: int, offset: int) -> str:
    result = answer([results.tool], ToolCall("c", "read_result", f'{{"result": {number}, "offset": {offset}}}'))
    return f"error: {result.text}" if result.failed else result.text


def test_a_long_result_is_read_to_its_end() -> None:
    results = Results()
    page = results.keep(as_data("a tool", LONG, provenance="tool"))
    parts = [body(page)]

    while found := GO_ON.search(page):
        page = read_on(results, int(found[1]), int(found[2]))
        parts.append(body(page))

    assert "".join(part.strip() for part in "".join(parts).split()) == "".join(LONG.split())
    assert len(parts) > 3


def test_every_part_is_fenced_and_fits() -> None:
    results = Results()
    page = results.keep(as_data("a tool", LONG, provenance="tool"))

    for text in (page, read_on(results, 1, 20_000)):
        assert text.startswith('<document path="a tool" provenance="tool"')
        assert text.endswith("</document>")
        assert len(text) <= MAX_RESULT


def test_a_short_result_is_left_as_it_is() -> None:
    text = as_data("a tool", "short")

    assert Results().keep(text) == text == '<document path="a tool">\nshort\n</document>'


@pytest.mark.parametrize(
    ("number", "offset", "why"),
    [(2, 0, "there is no result 2; this run has 1"), (1, 10**6, "and none from 1,000,000 on")],
)
def test_what_is_not_there_is_said(number: int, offset: int, why: str) -> None:
    results = Results()
    results.keep(as_data("a tool", LONG))

    assert why in read_on(results, number, offset)


def test_every_result_can_be_read_by_its_place_among_the_calls() -> None:
    results = Results()
    shown = [results.keep(as_data("a tool", text)) for text in ("one", "two", LONG)]

    assert read_on(results, 2, 0) == shown[1] == '<document path="a tool">\ntwo\n</document>'
    assert "with result 3 " in shown[2]


def test_a_run_that_goes_on_counts_the_results_before_it_and_has_what_was_shown_of_them() -> None:
    shown = Results().keep(as_data("a tool", LONG))
    again = GO_ON.search(shown)
    results = Results()

    assert results.keep_again(shown) == shown
    assert "with result 2 " in results.keep(as_data("a tool", LONG))
    assert body(read_on(results, 1, 0)) == body(shown)
    assert again is not None
    assert "the rest of result 1 is not kept any more; call its tool again" in read_on(results, 1, int(again[2]))


@pytest.mark.parametrize("offset", [0, 5, 12, 30, 33, 40, 47, 60])
def test_a_part_that_begins_anywhere_is_inside_of_its_fence(offset: int) -> None:
    results = Results()
    results.keep(f"{as_data('one', 'first')}\n\n{as_data('two', 'second')}")

    shown = read_on(results, 1, offset)

    tags = re.findall(r"<(/?)document", shown)
    assert tags == ["", "/"] * (len(tags) // 2)
    assert "second" in shown or offset > 50
