"""What servers report of the tokens that were used, from nothing to nonsense."""

import json

from atomic_agents.core.model import Usage
from atomic_agents.testing.provider_corpus.row import (
    ANSWER,
    CHAT,
    ESTIMATED,
    FAIR,
    FAIR_USAGE,
    LONG,
    QUOTE,
    Row,
    Sent,
    answered,
    chunk,
    completion,
    deltas,
    pieces,
    stream,
)

_WORDS = ("It is sunny ", "and warm ", "in Rome.")


def _running(*counts: object, last: object = None) -> Sent:
    """A usage beside every piece of text, and `last` beside the end."""
    texts = [chunk({"content": text}, usage=usage) for text, usage in zip(_WORDS, counts, strict=True)]
    return Sent(stream(*texts, chunk({}, "stop", usage=last)))


def _counts(asked: object, said: object, **more: object) -> dict[str, object]:
    return {"prompt_tokens": asked, "completion_tokens": said, **more}


def _doubted(name: str, usage: object, counted: Usage = ESTIMATED) -> Row:
    return Row(f"usage: {name}", CHAT, pieces(ANSWER, usage=usage), answered(usage=counted, doubted=True))


def _believed(name: str, usage: object, counted: Usage) -> Row:
    return Row(f"usage: {name}", CHAT, pieces(ANSWER, usage=usage), answered(usage=counted))


_NAN = Sent(stream(chunk({"content": ANSWER}, "stop"), json.dumps(chunk(usage=_counts(float("nan"), float("inf"))))))

ROWS = (
    Row("usage: in the last chunk only", CHAT, pieces(*_WORDS), answered()),
    Row(
        "usage: running totals beside every piece, of which the last counts",
        CHAT,
        _running(_counts(90, 3), _counts(90, 5), _counts(90, 7), last=FAIR),
        answered(),
    ),
    Row(
        "usage: running totals, and none beside the end",
        CHAT,
        _running(_counts(90, 3), _counts(90, 5), FAIR),
        answered(),
    ),
    Row("usage: in a chunk of its own and beside the end", CHAT,
        deltas(chunk({"content": ANSWER}), chunk({}, "stop", usage=FAIR), finish=None), answered()),
    Row("usage: null beside every piece, as OpenAI sends it", CHAT,
        deltas(*({**chunk({"content": text}), "usage": None} for text in _WORDS)), answered()),
    Row("usage: inside the choice, as Moonshot sends it", CHAT,
        Sent(stream({**chunk(), "choices": [
            {"index": 0, "delta": {"content": ANSWER}, "finish_reason": "stop", "usage": FAIR}]})), answered()),
    Row("usage: inside x_groq", CHAT,
        deltas(chunk({"content": ANSWER}), chunk({}, "stop", x_groq={"id": "r", "usage": FAIR}), finish=None,
               usage=None), answered()),
    Row("usage: none", CHAT, pieces(ANSWER, usage=None), answered(usage=ESTIMATED, doubted=True)),
    Row("usage: none, of an answer that is not streamed", CHAT, completion({"content": ANSWER}, usage=None),
        answered(usage=ESTIMATED, doubted=True)),
    _doubted("zero", _counts(0, 0, total_tokens=0)),
    _doubted("an empty object", {}),
    _doubted("null figures", _counts(None, None, total_tokens=None)),
    _doubted("negative", _counts(-5, -1)),
    _doubted("one negative figure", _counts(90, -1)),
    _doubted("a text", "unknown"),
    _doubted("a list", [90, 8]),
    _doubted("figures as text", _counts("90", "8")),
    _doubted("figures as words", _counts("many", "few")),
    _doubted("true and false", _counts(True, False)),
    _doubted("fractions", _counts(90.5, 8.25)),
    Row("usage: NaN and Infinity", CHAT, _NAN, answered(usage=ESTIMATED, doubted=True)),
    _doubted("zero of the answer", _counts(90, 0), Usage(90, 10)),
    _doubted("zero of the prompt", _counts(0, 8), Usage(100, 8)),
    _doubted("more of the prompt than was sent", _counts(2_000_000, 8), Usage(118, 8)),
    _doubted("more of the prompt than numbers are good for", _counts(10**30, 8), Usage(118, 8)),
    _doubted("a thousand times the maximum of the answer", _counts(90, 1_000_000), Usage(90, 1000)),
    Row("usage: far below what a long prompt takes", CHAT, pieces(ANSWER, usage=_counts(20, 8)),
        answered(usage=Usage(2010, 8), doubted=True), LONG),
    Row("usage: a few tokens for an answer of 300,000 bytes", CHAT, pieces("Some more words. " * 17_648,
        usage=_counts(90, 10)), answered("Some more words. " * 17_648, usage=Usage(90, 1000), doubted=True)),
    Row("usage: every token that was reserved, and dearer than that", CHAT,
        pieces(ANSWER, usage=_counts(400, 1000)), answered(usage=Usage(400, 1000), doubted=True, cost=QUOTE)),
    _believed("the whole maximum for a short answer, as hidden reasoning is paid for", _counts(90, 1000),
              Usage(90, 1000)),
    _believed("whole numbers written as fractions", _counts(90.0, 8.0), FAIR_USAGE),
    _believed("of the Responses API's names", {"input_tokens": 90, "output_tokens": 8}, FAIR_USAGE),
    _believed("cached tokens as OpenAI states them",
              _counts(90, 8, prompt_tokens_details={"cached_tokens": 64, "audio_tokens": 0}), Usage(90, 8, 64)),
    _believed("cached tokens as DeepSeek states them",
              _counts(90, 8, prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=26), Usage(90, 8, 64)),
    _believed("cached tokens as Moonshot states them", _counts(90, 8, cached_tokens=64), Usage(90, 8, 64)),
    _believed("cached tokens in Anthropic's names, a part of the prompt",
              _counts(90, 8, cache_read_input_tokens=60, cache_creation_input_tokens=20), Usage(90, 8, 60, 20)),
    _believed("cached tokens in Anthropic's names, counted apart",
              _counts(10, 8, cache_read_input_tokens=60, cache_creation_input_tokens=20), Usage(90, 8, 60, 20)),
    _believed("cached tokens as a text beside figures that are sound",
              _counts(90, 8, prompt_tokens_details={"cached_tokens": "64"}), FAIR_USAGE),
    _believed("details of null", _counts(90, 8, prompt_tokens_details=None, completion_tokens_details=None),
              FAIR_USAGE),
    _believed("details as text", _counts(90, 8, prompt_tokens_details="none", completion_tokens_details="none"),
              FAIR_USAGE),
    _believed("reasoning counted in the answer", _counts(
        90, 700, completion_tokens_details={"reasoning_tokens": 690}), Usage(90, 700)),
)  # fmt: skip
