"""The usage that a provider reports, judged against what was sent, what came, and what was reserved: pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from atomic_agents.core.model import Answer, Request, ToolSpec, Usage

TOOLS_OVERHEAD = 600
"""Tokens that providers add to explain the use of tools."""
_MESSAGE_OVERHEAD = 8
_BYTES_PER_TOKEN = 3  # fewer than any tokenizer's average, so that an estimate errs towards more tokens
_SLACK = 1.01  # providers count an end mark or two beyond the maximum
_MOST_CHARACTERS = 16
"""Characters a token: no tokenizer packs that many on average, in any script, once repetitions are left out."""
_REPETITION = re.compile(r"(.)\1{3,}", re.DOTALL)
_NON_ASCII = re.compile(r"[^\x00-\x7f]+")
_DIGIT = re.compile(r"[0-9]")
_DENSE = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
"""Text without a word in it, such as base64, of which a tokenizer may need a token for nearly every character."""


@dataclass(frozen=True, slots=True)
class JudgedUsage:
    """What counts as used. `doubts` says what was not believed, each as a phrase; empty where all of it was."""

    usage: Usage
    doubts: tuple[str, ...] = ()


def judge(request: Request, answer: Answer) -> JudgedUsage:
    """The usage of an answer, where it can be true; otherwise an estimate, or the most that was reserved for it.

    A figure of nothing, or far below what the text allows, counts as missing and is estimated from the bytes. Input of
    more tokens than bytes, and output above the maximum, is bounded. Output far above the text is believed up to there:
    reasoning is paid for and not always sent.
    """
    stated, sent, received = answer.usage, list(_sent(request)), list(_received(answer))
    bytes_sent = sum(map(_size, sent)) + sum(len(_described(tool)) for tool in request.tools)
    most = most_tokens(request)
    input_doubt = output_doubt = ""
    input_tokens, output_tokens = stated.input_tokens, stated.output_tokens
    if input_tokens > bytes_sent + most:
        input_doubt = f"{input_tokens:,} input tokens, more than were sent"
        input_tokens = most
    elif input_tokens < _least_of(sent, input_tokens):
        input_doubt = f"{input_tokens:,} input tokens"
        input_tokens = min(most, _estimate(bytes_sent))
    allowed = request.max_output_tokens
    if output_tokens > allowed * _SLACK + _MESSAGE_OVERHEAD:
        output_doubt = f"{output_tokens:,} output tokens, where {allowed:,} were asked for"
        output_tokens = allowed
    elif output_tokens < _least_of(received, output_tokens):
        output_doubt = f"{output_tokens:,} output tokens"
        output_tokens = min(allowed, _estimate(sum(map(_size, received))))
    cached = (0, 0) if input_doubt else (stated.cache_read_tokens, stated.cache_write_tokens)
    usage = _within(Usage(input_tokens, output_tokens, *cached))
    return JudgedUsage(usage, tuple(doubt for doubt in (input_doubt, output_doubt) if doubt))


def most_tokens(request: Request) -> int:
    """More tokens than a request takes with any tokenizer in use, or nearly: for a quote, not for a budget."""
    texts = [*request.system, *(message.text for message in request.messages)]
    texts += [call.arguments for message in request.messages for call in message.calls]
    texts += map(_described, request.tools)
    overhead = _MESSAGE_OVERHEAD * len(texts) + (TOOLS_OVERHEAD if request.tools else 0)
    return overhead + sum(map(_most_of, texts))


def _least_of(texts: list[str], stated: int) -> int:
    """The fewest tokens that the texts can take."""
    least = 1 if any(texts) else 0
    if stated * _MOST_CHARACTERS >= sum(map(len, texts)):
        return least
    characters = sum(len(_REPETITION.sub(r"\1", text)) for text in texts)
    return max(least, characters // _MOST_CHARACTERS)


def _sent(request: Request) -> Iterator[str]:
    """What was sent; tools are left out of it, as providers put them in words of their own."""
    yield from request.system
    for message in request.messages:
        yield message.text
        yield from (call.arguments for call in message.calls)


def _received(answer: Answer) -> Iterator[str]:
    """What the model wrote; why a provider refused is often its own text."""
    yield from (answer.text, answer.reasoning)
    for call in answer.calls:
        yield call.name + call.arguments


def _within(usage: Usage) -> Usage:
    """The usage with cache figures that are a part of its input."""
    read = min(max(usage.cache_read_tokens, 0), usage.input_tokens)
    written = min(max(usage.cache_write_tokens, 0), usage.input_tokens - read)
    return replace(usage, cache_read_tokens=read, cache_write_tokens=written)


def _estimate(size: int) -> int:
    return max(1, -(-size // _BYTES_PER_TOKEN))


def _described(tool: ToolSpec) -> str:
    return f"{tool.name}{tool.description}{tool.parameters}"


def _most_of(text: str) -> int:
    """Three ASCII signs a token, two tokens for three bytes of anything else; digits and dense text one by one."""
    size = _size(text)
    plain = size if size == len(text) else len(text) - sum(map(len, _NON_ASCII.findall(text)))
    singly = len(_DIGIT.findall(text)) + sum(map(len, _DENSE.findall(text)))
    singly = min(singly, plain)
    return (plain - singly) // 3 + singly + -(-(size - plain) * 2 // 3) + 1


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
