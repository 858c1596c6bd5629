"""A tool: what the model sees, and what answers it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.model import ToolCall, ToolSpec

MAX_RESULT = 16_000
"""Characters of a result that reach the model; the rest is named, not shown."""


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
        return ToolResult(call, f"there is no tool {call.name}; there are {names}", failed=True)
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError as error:
        return ToolResult(call, f"the arguments are not JSON: {error}", failed=True)
    wrong = _wrong(arguments, tool.spec.parameters)
    if wrong:
        return ToolResult(call, f"the arguments are wrong: {wrong}", failed=True)
    try:
        text = tool.handle(arguments)
    except Exception as error:  # noqa: BLE001 - whatever a tool raises goes back to the model, and into the transcript
        return ToolResult(call, f"{type(error).__name__}: {error}", failed=True)
    if len(text) > MAX_RESULT:
        text = f"{text[:MAX_RESULT]}\n… {len(text) - MAX_RESULT:,} more characters; ask for less at a time"
    return ToolResult(call, text)


def _wrong(arguments: object, schema: Mapping[str, object]) -> str:
    import jsonschema  # noqa: PLC0415 - 0.1 s that only runs with tool calls pay

    errors = jsonschema.Draft202012Validator(schema).iter_errors(arguments)
    return "; ".join(f"{'.'.join(map(str, error.path)) or 'arguments'}: {error.message[:200]}" for error in errors)
