"""The one table of the names that spans carry: OpenTelemetry's for generative AI, and ours where it has none."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Name(StrEnum):
    """An attribute."""

    OPERATION = "gen_ai.operation.name"
    PROVIDER = "gen_ai.provider.name"
    AGENT = "gen_ai.agent.name"
    MODEL = "gen_ai.request.model"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    FINISH_REASONS = "gen_ai.response.finish_reasons"
    TOOL = "gen_ai.tool.name"
    TOOL_TYPE = "gen_ai.tool.type"
    TOOL_CALL = "gen_ai.tool.call.id"
    ERROR = "error.type"

    # What was said: exported only where the operator asks for it.
    INSTRUCTIONS = "gen_ai.system_instructions"
    INPUT = "gen_ai.input.messages"
    OUTPUT = "gen_ai.output.messages"
    ARGUMENTS = "gen_ai.tool.call.arguments"
    RESULT = "gen_ai.tool.call.result"

    # Ours: the conventions have no word for these.
    RUN = "atomic_agents.run_id"
    TRIGGER = "atomic_agents.trigger"
    STATUS = "atomic_agents.status"
    COST = "atomic_agents.cost_usd"


class Operation(StrEnum):
    """What a span is of."""

    RUN = "invoke_agent"
    MODEL = "chat"
    TOOL = "execute_tool"


PROVIDERS: Final[Mapping[str, str]] = {
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "xai": "x_ai",
}
"""Providers that the conventions call otherwise than the prefix of a model id does."""

PROVIDERS_WITHIN: Final = ("embedded", "local")
"""Providers whose models answer in this process."""
