"""The tool that asks the operator: the run ends waiting, and goes on with the answer as its result."""

from collections.abc import Mapping

from atomic_agents.core.model import ToolSpec
from atomic_agents.guard.questions import TOOL
from atomic_agents.tools.tool import Tool

_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["question"],
    "properties": {
        "question": {"type": "string", "minLength": 1, "maxLength": 2000},
        "choices": {"type": "array", "maxItems": 9, "items": {"type": "string", "minLength": 1, "maxLength": 200}},
    },
}


def tool() -> Tool:
    """The tool `ask_operator`; the gate meets each of its calls, so that nothing is left to do for it."""

    def handle(_arguments: Mapping[str, object]) -> str:
        raise ValueError("there is nobody to ask here")

    description = (
        "Ask the operator what only they can know or decide; you go on once they have answered, which may take days. "
        "Not for leave to call a tool: call it, and they are asked where they have to be."
    )
    return Tool(ToolSpec(TOOL, description, _SCHEMA), handle)
