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
    page = results.told(as_data("a tool", LONG, provenance="tool"))
    parts = [body(page)]

    while found := GO_ON.search(page):
        page = read_on(results, int(found[1]), int(found[2]))
        parts.append(body(page))

    assert "".join(part.strip() for part in "".join(parts).split()) == "".join(LONG.split())
    assert len(parts) > 3


def test_every_part_is_fenced_and_fits() -> None:
    results = Results()
    page = results.told(as_data("a tool", LONG, provenance="tool"))

    for text in (page, read_on(results, 1, 20_000)):
        assert text.startswith('<document path="a tool" provenance="tool"')
        assert text.endswith("</document>")
        assert len(text) <= MAX_RESULT


def test_a_short_result_is_left_as_it_is() -> None:
    text = as_data("a tool", "short")

    assert Results().told(text) == text == '<document path="a tool">\nshort\n</document>'


@pytest.mark.parametrize(
    ("number", "offset", "why"),
    [(2, 0, "result 2 was not cut, or is not kept any more"), (1, 10**6, "and none from 1,000,000 on")],
)
def test_what_is_not_there_is_said(number: int, offset: int, why: str) -> None:
    results = Results()
    results.told(as_data("a tool", LONG))

    assert why in read_on(results, number, offset)


def test_a_run_that_goes_on_with_another_uses_none_of_its_numbers() -> None:
    results = Results(before=3)

    assert "with result 4 " in results.told(as_data("a tool", LONG))
