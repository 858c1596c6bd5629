"""How large what is sent to a model is: bytes as JSON has them, and tokens by the rule of thumb. Pure."""

import json
from collections.abc import Sequence

from atomic_agents.budget.usage import TOOLS_OVERHEAD
from atomic_agents.core.model import Message, Request, ToolSpec

BYTES_A_TOKEN = 4

# What providers' formats put around a part, as bytes of JSON: more than any that is in use.
_ENVELOPE = 400
_AROUND_MESSAGE = 170
_AROUND_CALL = 120
_AROUND_TOOL = 120
_CUT_NOTE = 64


def tokens(size: int) -> int:
    """About how many tokens so many bytes are, by the rule of thumb of four bytes a token."""
    return -(-size // BYTES_A_TOKEN)


def sent(text: str) -> int:
    """Bytes of a text as it is sent, inside of JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) - 2


def text_tokens(*texts: str) -> int:
    """About how many tokens texts take as they are sent."""
    return tokens(sum(map(sent, texts)))


def message_tokens(messages: Sequence[Message]) -> int:
    """About how many tokens messages take as they are sent."""
    return tokens(sum(map(message_size, messages)))


def tool_tokens(tools: Sequence[ToolSpec]) -> int:
    """About how many tokens the definitions of tools take as they are sent."""
    return tokens(sum(map(_tool_size, tools)))


def request_tokens(request: Request) -> int:
    """About how many tokens a whole request takes, with all that stands around its texts."""
    return tokens(fixed_size(request) + sum(map(message_size, request.messages)))


def most_tokens_within(limit: int) -> int:
    """The most tokens that are reserved for a request which keeps within an input limit, whatever its text is.

    The limit counts four bytes a token, a reservation up to a token for each byte, and the use of tools comes on top.
    """
    return limit * BYTES_A_TOKEN + TOOLS_OVERHEAD


def cut(text: str, most: int) -> str:
    """At most `most` bytes of a text as it is sent, and how many more characters there are."""
    if sent(text) <= most:
        return text
    kept = beginning(text, max(most - _CUT_NOTE, 0))
    return f"{kept}\n({len(text) - len(kept):,} more characters of this are left out)"


def beginning(text: str, most: int) -> str:
    """As much of the start of a text as takes at most `most` bytes."""
    low, high = 0, min(len(text), most)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sent(text[:middle]) <= most else (low, middle - 1)
    return text[:low]


def fixed_size(request: Request) -> int:
    """Bytes of everything but the messages."""
    return _ENVELOPE + sum(map(sent, request.system)) + sum(map(_tool_size, request.tools))


def message_size(message: Message) -> int:
    """Bytes of a message as it is sent, with what stands around it."""
    calls = sum(_AROUND_CALL + sent(call.arguments) + len(call.id) + len(call.name) for call in message.calls)
    return _AROUND_MESSAGE + sent(message.text) + len(message.call_id) + len(message.tool_name) + calls


def _tool_size(tool: ToolSpec) -> int:
    schema = json.dumps(tool.parameters, ensure_ascii=False, default=str, separators=(",", ":"))
    return _AROUND_TOOL + len(tool.name) + sent(tool.description) + len(schema.encode(errors="replace"))
