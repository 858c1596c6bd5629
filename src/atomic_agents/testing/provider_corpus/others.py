"""What servers of Anthropic's and Google's protocols send."""

import json
from collections.abc import Mapping

from atomic_agents.core.ending import Ending
from atomic_agents.core.model import Usage
from atomic_agents.testing.provider_corpus.row import (
    ANSWER,
    HTML,
    JSON,
    PLAIN,
    WITH_TOOL,
    Row,
    Sent,
    answered,
    failed,
    named,
    reply,
    stream,
)

_ANTHROPIC, _GOOGLE = ("anthropic",), ("google",)
_FAIR = {"input_tokens": 90, "output_tokens": 1}
_CUT_OFF = failed("broke off", retryable=True, billable=True)
_REFUSED = {"type": "refusal", "category": "cyber", "explanation": "I can not help with that."}


def _start(usage: object = None) -> tuple[str, dict[str, object]]:
    message: dict[str, object] = {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    return "message_start", {"type": "message_start", "message": {**message, "usage": usage or _FAIR}}


def _block(at: int, block: Mapping[str, object], *deltas: Mapping[str, object]) -> list[tuple[str, dict[str, object]]]:
    start = ("content_block_start", {"type": "content_block_start", "index": at, "content_block": block})
    between = [
        ("content_block_delta", {"type": "content_block_delta", "index": at, "delta": delta}) for delta in deltas
    ]
    return [start, *between, ("content_block_stop", {"type": "content_block_stop", "index": at})]


def _text(*texts: str) -> list[tuple[str, dict[str, object]]]:
    return _block(0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in texts))


def _end(reason: str | None = "end_turn", usage: object = None, **more: object) -> list[tuple[str, dict[str, object]]]:
    usage = {"output_tokens": 8} if usage is None else usage
    delta = {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": usage}
    return [("message_delta", delta), ("message_stop", {"type": "message_stop"})]


def _says(reason: str = "end_turn", start: object = None, end: object = None, **more: object) -> Sent:
    return Sent(named(_start(start), *_text("It is sunny ", "and warm in Rome."), *_end(reason, end, **more)))


def _error(kind: str, words: str = "the model is on holiday") -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": words}}


def _message(content: object, **more: object) -> Sent:
    usage = {"input_tokens": 90, "output_tokens": 8}
    return reply({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content,
                  "stop_reason": "end_turn", "usage": usage, **more})  # fmt: skip


_TOOL_USE = {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Rome"}}

_MESSAGES = (
    Row("anthropic: a stream", _ANTHROPIC, _says(), answered()),
    Row("anthropic: cached tokens, counted apart", _ANTHROPIC,
        _says(start={"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 60,
                     "cache_creation_input_tokens": 20}), answered(usage=Usage(90, 8, 60, 20))),
    Row("anthropic: usage of zero", _ANTHROPIC, _says(start={"input_tokens": 0, "output_tokens": 0},
        end={"output_tokens": 0}), answered(usage=Usage(100, 10), doubted=True)),
    Row("anthropic: usage of words and null", _ANTHROPIC, _says(start={"input_tokens": "many", "output_tokens": None},
        end={"output_tokens": "few"}), answered(usage=Usage(100, 10), doubted=True)),
    Row("anthropic: running totals in several deltas", _ANTHROPIC,
        Sent(named(_start(), *_text(ANSWER), _end(None, {"output_tokens": 5})[0], *_end())), answered()),
    Row("anthropic: the maximum", _ANTHROPIC, _says("max_tokens"),
        answered(ending=Ending.TRUNCATED, finish="length")),
    Row("anthropic: the end of the context", _ANTHROPIC, _says("model_context_window_exceeded"),
        answered(ending=Ending.TRUNCATED, finish="length")),
    Row("anthropic: a refusal with its reason", _ANTHROPIC,
        Sent(named(_start(), *_end("refusal", {"output_tokens": 0}, stop_details=_REFUSED))),
        answered("", Usage(90, 0), Ending.REFUSED, finish="refused", refusal="I can not help with that")),
    Row("anthropic: a refusal after some text", _ANTHROPIC, _says("refusal"),
        answered(ending=Ending.REFUSED, finish="refused")),
    Row("anthropic: nothing", _ANTHROPIC, Sent(named(_start(), *_end(usage={"output_tokens": 0}))),
        answered("", Usage(90, 0), Ending.EMPTY)),
    Row("anthropic: reasoning", _ANTHROPIC, Sent(named(
        _start(), *_block(0, {"type": "thinking", "thinking": "", "signature": ""},
                          {"type": "thinking_delta", "thinking": "the plan"}),
        *_block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": ANSWER}), *_end())),
        answered(reasoning="the plan")),
    Row("anthropic: a whole message", _ANTHROPIC, _message([{"type": "text", "text": ANSWER}]), answered()),
    Row("anthropic: a whole message that calls a tool", _ANTHROPIC, _message([_TOOL_USE], stop_reason="tool_use"),
        answered("", finish="tool_calls", calls=(("weather", '{"city": "Rome"}'),)), WITH_TOOL),
    Row("anthropic: an error in a stream", _ANTHROPIC, Sent(named(("error", _error("overloaded_error")))),
        failed("answered 529: the model is on holiday", 529, retryable=True)),
    Row("anthropic: an error in the middle of a stream", _ANTHROPIC,
        Sent(named(_start(), *_text(ANSWER), ("error", _error("rate_limit_error")))),
        failed("answered 429: the model is on holiday", 429, retryable=True, billable=True)),
    Row("anthropic: an error in a 200", _ANTHROPIC, reply(_error("authentication_error")),
        failed("answered 401: the model is on holiday", 401)),
    Row("anthropic: a web page", _ANTHROPIC, reply("<html><title>Sign in</title><p>x</html>", 200, HTML),
        failed("a web page instead of an answer: Sign in")),
    Row("anthropic: plain text", _ANTHROPIC, reply("no healthy upstream", 503, PLAIN),
        failed("answered 503: no healthy upstream", 503, retryable=True)),
    Row("anthropic: an empty account, as a status of 400", _ANTHROPIC,
        reply(_error("invalid_request_error", "Your credit balance is too low"), 400),
        failed("Your credit balance is too low", 400)),
    Row("anthropic: the seconds to wait", _ANTHROPIC, reply(_error("rate_limit_error"), 429, retry_after="7"),
        failed("the model is on holiday", 429, retryable=True, retry_after=7.0)),
    Row("anthropic: cut in the middle", _ANTHROPIC, Sent(named(_start(), *_text(ANSWER))), _CUT_OFF),
    Row("anthropic: nothing came", _ANTHROPIC, Sent(b""), _CUT_OFF),
    Row("anthropic: a whole message, cut", _ANTHROPIC,
        Sent(_message([{"type": "text", "text": ANSWER}]).body[:-20], JSON), _CUT_OFF),
)  # fmt: skip


def _candidate(*parts: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}]}


def _google(*chunks: dict[str, object], said: int = 8, finish: str | None = "STOP") -> Sent:
    usage = {"promptTokenCount": 90, "candidatesTokenCount": said, "totalTokenCount": 90 + said}
    ends = [{**_candidate({"text": ""}, finishReason=finish), "usageMetadata": usage}] if finish else []
    return Sent(stream(*(json.dumps(each) for each in (*chunks, *ends)), done=False))


_SAYS = _candidate({"text": ANSWER})
_CALL = {"functionCall": {"id": "a", "name": "weather", "args": {"city": "Rome"}}}
_GEMINI = (
    Row("google: a stream", _GOOGLE, _google(_SAYS), answered()),
    Row("google: running totals, of which the last counts", _GOOGLE, _google(
        {**_SAYS, "usageMetadata": {"promptTokenCount": 90, "candidatesTokenCount": 6, "totalTokenCount": 96}}),
        answered()),
    Row("google: the maximum", _GOOGLE, _google(_SAYS, finish="MAX_TOKENS"),
        answered(ending=Ending.TRUNCATED, finish="length")),
    *(Row(f"google: {word}", _GOOGLE, _google(_SAYS, finish=word), answered(ending=Ending.REFUSED, finish="refused"))
      for word in ("SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII")),
    Row("google: a blocked prompt", _GOOGLE, Sent(stream(json.dumps({
        "promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "not this"},
        "usageMetadata": {"promptTokenCount": 90, "totalTokenCount": 90}}), done=False)),
        answered("", Usage(90, 0), Ending.REFUSED, finish="refused", refusal="not this")),
    Row("google: reasoning", _GOOGLE, _google(_candidate({"text": "the plan", "thought": True}), _SAYS),
        answered(reasoning="the plan")),
    Row("google: a call", _GOOGLE, _google(_candidate(_CALL)),
        answered("", finish="tool_calls", calls=(("weather", '{"city": "Rome"}'),)), WITH_TOOL),
    Row("google: nothing", _GOOGLE, _google(said=0), answered("", Usage(90, 0), Ending.EMPTY)),
    Row("google: no usage", _GOOGLE, Sent(stream(json.dumps(_candidate({"text": ANSWER}, finishReason="STOP")),
        done=False)), answered(usage=Usage(100, 10), doubted=True)),
    Row("google: cut in the middle", _GOOGLE, _google(_SAYS, finish=None), _CUT_OFF),
    Row("google: a rate limit with the seconds to wait", _GOOGLE, reply(
        {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}, 429, retry_after="7"),
        failed("answered 429: slow down", 429, retryable=True, retry_after=7.0)),
    Row("google: an error in a stream", _GOOGLE, Sent(stream(json.dumps(
        {"error": {"code": 503, "message": "The model is overloaded", "status": "UNAVAILABLE"}}), done=False)),
        failed("answered 503: The model is overloaded", 503, retryable=True)),
)  # fmt: skip

ROWS = (*_MESSAGES, *_GEMINI)
