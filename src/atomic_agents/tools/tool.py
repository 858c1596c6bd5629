"""A tool: what the model sees, and what answers it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from atomic_agents.core.model import ToolCall, ToolSpec
from atomic_agents.memory import schema

MAX_RESULT = 16_000
"""Characters of a result that reach the model; the rest is counted, and shown where the model asks for it."""

_AT_ONCE = 8
_MAX_ERROR = 2_000


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool's specification and its handler, which takes checked arguments and returns text for the model.

    `parallel` says that its calls change nothing and may run side by side, on threads. `seconds` is how long a call
    may take, None where it only looks at the vault; one that takes longer is answered for and left to itself.
    `kind` is its class, `origin` who brought it, `fingerprint` the hash of what it is, for whoever has to allow it.
    `schema` is the whole schema of its arguments where `spec` shows a shorter one.
    """

    spec: ToolSpec
    handle: Callable[[Mapping[str, object]], str]
    parallel: bool = False
    seconds: float | None = None
    kind: str = "read_only"
    origin: str = "builtin"
    fingerprint: str = ""
    schema: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call; `failed` says that the text is an error the model can mend."""

    call: ToolCall
    text: str
    failed: bool = False


def answers(tools: Sequence[Tool], calls: Sequence[ToolCall]) -> Iterator[ToolResult]:
    """Answer every call, in the order of the calls; neighbours whose tools allow it are answered side by side."""
    by_name = {tool.spec.name: tool for tool in tools}

    def is_parallel(call: ToolCall) -> bool:
        return call.name in by_name and by_name[call.name].parallel

    for parallel, found in groupby(calls, is_parallel):
        group = list(found)
        size = _AT_ONCE if parallel else 1
        for start in range(0, len(group), size):
            yield from _together(tools, by_name, group[start : start + size])


def _together(tools: Sequence[Tool], by_name: Mapping[str, Tool], calls: Sequence[ToolCall]) -> Iterator[ToolResult]:
    limits = [by_name[call.name].seconds if call.name in by_name else None for call in calls]
    if len(calls) == 1 and limits[0] is None:
        yield answer(tools, calls[0])  # a thread would only cost time
        return
    begun = [_begin(tools, call) for call in calls]
    for call, seconds, (thread, found) in zip(calls, limits, begun, strict=True):
        thread.join(seconds)
        yield found[0] if found else _failed(call, f"no answer within {seconds or 0:g} s")


def _begin(tools: Sequence[Tool], call: ToolCall) -> tuple[threading.Thread, list[ToolResult]]:
    found: list[ToolResult] = []
    thread = threading.Thread(target=lambda: found.append(answer(tools, call)), name=call.name, daemon=True)
    thread.start()
    return thread, found


def answer(tools: Sequence[Tool], call: ToolCall) -> ToolResult:
    """Answer a call: always, also one of an unknown tool, with wrong arguments, or whose handler fails."""
    tool = next((tool for tool in tools if tool.spec.name == call.name), None)
    if tool is None:
        names = ", ".join(tool.spec.name for tool in tools)
        return _failed(call, f"there is no tool {call.name}; there are {names}")
    arguments = arguments_of(tool, call)
    if isinstance(arguments, str):
        return _failed(call, arguments)
    try:
        text = tool.handle(arguments)
    except Exception as error:  # noqa: BLE001 - whatever a tool raises goes back to the model, and into the transcript
        return _failed(call, f"{type(error).__name__}: {error}")
    return ToolResult(call, shortened(text, MAX_RESULT))


def arguments_of(tool: Tool, call: ToolCall) -> Mapping[str, object] | str:
    """The arguments of a call, checked; a text where they are wrong says how."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        return f"the arguments are not JSON: {error}"
    try:
        wrong = schema.wrong(arguments, tool.schema or tool.spec.parameters, name="arguments")
    except Exception as error:  # noqa: BLE001 - a schema of a server's or the operator's must not end the run
        return f"the arguments cannot be checked against the schema of {call.name}: {type(error).__name__}"
    if wrong:
        return f"the arguments are wrong: {'; '.join(wrong)}"
    return arguments if isinstance(arguments, dict) else "the arguments are wrong: an object is needed"


def shortened(text: str, most: int, *, rest: str = "ask for less at a time") -> str:
    """At most `most` characters of a text, how many more there are, and how to come by the `rest`."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… {len(text) - most:,} more characters; {rest}"


def _failed(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call, shortened(text, _MAX_ERROR), failed=True)
