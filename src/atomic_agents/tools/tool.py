"""A tool: what the model sees, and what answers it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.model import ToolCall, ToolSpec
from atomic_agents.memory import schema

MAX_RESULT = 16_000
"""Characters of a result that reach the model; the rest is counted, not shown."""

_MAX_ERROR = 2_000


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool's specification and its handler, which takes checked arguments and returns text for the model."""

    spec: ToolSpec
    handle: Callable[[Mapping[str, object]], str]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call; `failed` says that the text is an error the model can mend."""

    call: ToolCall
    text: str
    failed: bool = False


def answer(tools: Sequence[Tool], call: ToolCall) -> ToolResult:
    """Answer a call: always, also one of an unknown tool, with wrong arguments, or whose handler fails."""
    tool = next((tool for tool in tools if tool.spec.name == call.name), None)
    if tool is None:
        names = ", ".join(tool.spec.name for tool in tools)
        return _failed(call, f"there is no tool {call.name}; there are {names}")
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        return _failed(call, f"the arguments are not JSON: {error}")
    wrong = schema.wrong(arguments, tool.spec.parameters, name="arguments")
    if wrong:
        return _failed(call, f"the arguments are wrong: {'; '.join(wrong)}")
    try:
        text = tool.handle(arguments)
    except Exception as error:  # noqa: BLE001 - whatever a tool raises goes back to the model, and into the transcript
        return _failed(call, f"{type(error).__name__}: {error}")
    return ToolResult(call, shortened(text, MAX_RESULT))


def shortened(text: str, most: int) -> str:
    """At most `most` characters of a text, and how many more there are."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… {len(text) - most:,} more characters; ask for less at a time"


def _failed(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call, shortened(text, _MAX_ERROR), failed=True)
