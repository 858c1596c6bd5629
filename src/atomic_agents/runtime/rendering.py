"""A run's prompt within max_input_tokens, beside everything else that its requests take."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.errors import InputTooLong
from atomic_agents.core.model import Message, Request, ToolSpec
from atomic_agents.core.values import Problem
from atomic_agents.runtime import sizes
from atomic_agents.runtime.fit import NEWEST_ROUND
from atomic_agents.runtime.prompt import Prompt
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Agent, AgentSettings

ROUNDS_SHARE = 4
"""What of the prompt can give way leaves one part in four of max_input_tokens for what tools bring."""

_LEAST_ROOM = NEWEST_ROUND + 200  # tokens
_NAMED = 5
_ROUND_UP = 1_000


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt, and the most tokens that a request of its run may take.

    `warning` says why that is more than max_input_tokens, `too_long` why no request can be made; None where one can.
    """

    prompt: Prompt
    limit: int
    warning: str = ""
    too_long: InputTooLong | None = None

    def warnings(self, limit: int) -> list[str]:
        """What the operator is to hear of it, `limit` being max_input_tokens."""
        cut = f"left out to keep within {limit:,} tokens: {', '.join(self.prompt.cut)}" if self.prompt.cut else ""
        return [words for words in (cut, self.warning, *self.prompt.problems) if words]


def render_within(
    agent: Agent, settings: AgentSettings, render: Callable[[int], Prompt], *, earlier: Sequence[Message],
    work_item: str, tools: Sequence[ToolSpec],
) -> Rendered:  # fmt: skip
    """Let `render` make a prompt of at most so many tokens that the first request fits, and the rounds after it.

    Definitions of tools count, unless they and the prompt alone leave no room; then they come on top.
    """
    limit, asked = settings.model.max_input_tokens, Message("user", work_item)
    beside = sizes.message_tokens([*earlier, asked]) + (limit // ROUNDS_SHARE if tools else 0)
    offered = sizes.tool_tokens(tools)
    prompt = render(max(limit - offered - beside, 0))
    most, warning = limit, ""
    if tools and _tokens(prompt) + offered + _LEAST_ROOM > limit:
        prompt, most = render(max(limit - beside, 0)), limit + offered
        warning = f"its {len(tools):,} tools take about {offered:,} tokens, on top of the {limit:,} of max_input_tokens"
    needed = _tokens(prompt, asked) + offered + (NEWEST_ROUND if tools else 0)
    if needed <= most:
        return Rendered(prompt, most, warning)
    parts = {"the prompt": _tokens(prompt), "the work item": sizes.text_tokens(work_item)}
    parts |= {"tools": offered} if tools else {}
    return Rendered(prompt, most, too_long=_too_long(agent, settings, needed, parts))


def name_unreadable(problems: Sequence[Problem]) -> list[str]:
    """A warning for each document that could not be read, and how many there are beyond the first few."""
    named = [f"{problem.where}: {problem.message}" for problem in problems[:_NAMED]]
    more = len(problems) - len(named)
    return [*named, f"{more:,} more documents could not be read; atomic-agents doctor names them"] if more else named


def check_plain(
    agent: Agent, settings: AgentSettings, system: tuple[str, ...], earlier: Sequence[Message], work_item: str
) -> None:  # fmt: skip
    """Refuse a question under a system prompt of its own, none of which can give way, where it does not fit.

    Raises:
        InputTooLong: it takes more than max_input_tokens.
    """
    messages = (*earlier, Message("user", work_item))
    needed = sizes.request_tokens(Request(system, messages))
    if needed > settings.model.max_input_tokens:
        parts = {"the prompt": sizes.text_tokens(*system), "the work item": sizes.message_tokens(messages)}
        raise _too_long(agent, settings, needed, parts)


def _too_long(agent: Agent, settings: AgentSettings, needed: int, parts: Mapping[str, int]) -> InputTooLong:
    """The error for a request of `needed` tokens whose parts, as named with their tokens, cannot give way."""
    limit = settings.model.max_input_tokens
    file = settings.files.get("model.md")
    path = file.path if file else layout.settings(agent.name, "model.md")
    enough = -(-needed // _ROUND_UP) * _ROUND_UP
    longest = max((name for name in parts if name != "tools"), key=lambda name: parts[name])
    each = ", ".join(f"{name} {size:,}" for name, size in parts.items())
    return InputTooLong(
        f"{longest} is too long: about {needed:,} tokens ({each}), and max_input_tokens is {limit:,}; nothing was sent",
        hint=f"write max_input_tokens: {enough} or more in {path}, or shorten {longest}",
        context={"tokens": needed, "max_input_tokens": limit, "parts": dict(parts)},
    )


def _tokens(prompt: Prompt, *messages: Message) -> int:
    return sizes.request_tokens(Request(prompt.parts, messages))
