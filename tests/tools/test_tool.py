import json
from collections.abc import Mapping

import pytest

from atomic_agents.core.model import ToolCall, ToolSpec
from atomic_agents.tools.tool import MAX_RESULT, Tool, answer

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
