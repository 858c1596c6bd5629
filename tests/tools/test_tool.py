import json
import threading
from collections.abc import Mapping

import pytest

from atomic_agents.core.model import ToolCall, ToolSpec
from atomic_agents.tools.tool import MAX_RESULT, Tool, answer, answers

SPEC = ToolSpec(
    "add",
    "adds",
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["a"],
        "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "string"}}},
    },
)


def ask(arguments: str, name: str = "add", returns: object = "ok") -> tuple[str, bool]:
    def handle(_: Mapping[str, object]) -> str:
        if isinstance(returns, Exception):
            raise returns
        return str(returns)

    found = answer([Tool(SPEC, handle)], ToolCall("c", name, arguments))
    assert found.call.id == "c"
    return found.text, found.failed


def test_a_good_call_gets_what_the_handler_says() -> None:
    assert ask('{"a": 1}') == ("ok", False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{", "the arguments are not JSON"),
        ("[" * 100_000, "the arguments are not JSON"),
        ("[]", "arguments: [] is not of type 'object'"),
        ("null", "arguments: None is not of type 'object'"),
        ("", "'a' is a required property"),
        ('{"a": true}', "a: True is not of type 'integer'"),
        ('{"a": 1, "b": [1]}', "b.0: 1 is not of type 'string'"),
        ('{"a": 1, "c": 1}', "'c' was unexpected"),
    ],
)
def test_wrong_arguments_are_told(arguments: str, told: str) -> None:
    text, failed = ask(arguments)

    assert failed
    assert told in text
    assert len(text) < 3000


def test_an_unknown_tool_is_told_with_those_there_are() -> None:
    assert ask("{}", name="subtract") == ("there is no tool subtract; there are add", True)


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("k"), RecursionError("deep"), OSError(2, "gone")])
def test_whatever_a_handler_raises_is_told(error: Exception) -> None:
    text, failed = ask('{"a": 1}', returns=error)

    assert failed
    assert text.startswith(f"{type(error).__name__}: ")


def test_a_long_result_or_error_is_cut_and_says_how_much_is_missing() -> None:
    result, _ = ask('{"a": 1}', returns="x" * (MAX_RESULT + 1234))
    error, _ = ask('{"a": 1}', returns=ValueError("y" * 1_000_000))
    wrong, _ = ask(json.dumps({"a": 1, "b": [1] * 10_000}))

    assert result.endswith("… 1,234 more characters; ask for less at a time")
    assert len(error) < 3000
    assert len(wrong) < 3000


def meeting(seats: int) -> Tool:
    """A tool whose calls each wait until so many of them are there."""
    barrier = threading.Barrier(seats)

    def handle(arguments: Mapping[str, object]) -> str:
        barrier.wait(10)
        return str(arguments["number"])

    spec = ToolSpec("meet", "", {"type": "object", "properties": {"number": {"type": "integer"}}})
    return Tool(spec, handle, parallel=True)


def test_calls_that_change_nothing_run_side_by_side_and_are_answered_in_order() -> None:
    calls = [ToolCall(f"c{number}", "meet", f'{{"number": {number}}}') for number in range(5)]

    found = list(answers([meeting(5)], calls))

    assert [(result.call.id, result.text) for result in found] == [(f"c{number}", str(number)) for number in range(5)]


def test_calls_that_change_something_run_one_after_the_other_in_order() -> None:
    running, most, order = 0, 0, list[str]()

    def handle(arguments: Mapping[str, object]) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(str(arguments["number"]))
        running -= 1
        return "done"

    tool = Tool(ToolSpec("write", "", {"type": "object"}), handle)
    calls = [ToolCall(f"c{number}", "write", f'{{"number": {number}}}') for number in range(5)]

    list(answers([tool], calls))

    assert (most, order) == (1, ["0", "1", "2", "3", "4"])


def test_a_call_that_takes_too_long_is_answered_for_and_the_others_are_answered() -> None:
    ever = threading.Event()

    def handle(_: Mapping[str, object]) -> str:
        ever.wait(10)
        return "too late"

    slow = Tool(ToolSpec("slow", "", {"type": "object"}), handle, seconds=0.05)
    calls = [ToolCall("c1", "slow", "{}"), ToolCall("c2", "meet", '{"number": 2}'), ToolCall("c3", "none", "{}")]

    found = list(answers([slow, meeting(1)], calls))
    ever.set()

    assert [(result.call.id, result.failed) for result in found] == [("c1", True), ("c2", False), ("c3", True)]
    assert found[0].text == "no answer within 0.05 s"
