"""Answers in words: how they end, what is refused, what is reasoning, and where they break off."""

from atomic_agents.core.ending import Ending
from atomic_agents.core.model import Usage
from atomic_agents.testing.provider_corpus.row import (
    ANSWER,
    CHAT,
    FAIR,
    JSON,
    PLAIN,
    Row,
    Sent,
    answered,
    chunk,
    completion,
    deltas,
    failed,
    pieces,
    stream,
)

_NO = "I can not help with that."
_SILENT = Usage(90, 0)
_NOTHING = {"prompt_tokens": 90, "completion_tokens": 0}
_CUT_OFF = failed("broke off", retryable=True, billable=True)


def _finish(word: str, ending: Ending = Ending.OK, finish: str = "stop") -> Row:
    return Row(f"finish: {word}", CHAT, pieces(ANSWER, finish=word), answered(ending=ending, finish=finish))


_FINISHES = (
    *map(_finish, ("stop", "end_turn", "stop_sequence", "STOP", "eos_token", "COMPLETE", "load", "some_new_word")),
    *(_finish(word, Ending.TRUNCATED, "length") for word in (
        "length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded")),
    *(_finish(word, Ending.REFUSED, "refused") for word in (
        "content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "refusal", "sensitive",
        "guardrail_intervened")),
    Row("finish: abort, as vLLM says it", CHAT, pieces(ANSWER, finish="abort"), _CUT_OFF),
    Row("finish: null beside an end mark", CHAT, pieces(ANSWER, finish=None), answered()),
    Row("finish: none, and the usage comes last", CHAT, pieces(ANSWER, finish=None, done=False), answered()),
    Row("finish: beside the last piece of text", CHAT, Sent(stream(chunk({"content": ANSWER}, "stop", usage=FAIR))),
        answered()),
)  # fmt: skip

_FORMS = (
    Row("form: a whole completion", CHAT, completion({"content": ANSWER}), answered()),
    Row("form: a whole completion that says it is text", CHAT,
        Sent(completion({"content": ANSWER}).body, PLAIN), answered()),
    Row("form: a whole completion that was cut", CHAT,
        completion({"content": ANSWER}, "length"), answered(ending=Ending.TRUNCATED, finish="length")),
    Row("form: a whole completion, ended by nothing", CHAT, completion({"content": ANSWER}, None), answered()),
    Row("form: a stream that says it is JSON", CHAT, Sent(pieces(ANSWER).body, JSON), answered()),
    Row("form: a stream with lines that end in CRLF", CHAT,
        Sent(pieces(ANSWER).body.replace(b"\n", b"\r\n")), answered()),
    Row("form: a stream without spaces after the colon", CHAT,
        Sent(pieces(ANSWER).body.replace(b"data: ", b"data:")), answered()),
    Row("form: a stream behind a byte order mark, with comments", CHAT,
        Sent(b"\xef\xbb\xbf: hello\n\n" + pieces("It is sunny ", "and warm in Rome.").body), answered()),
    Row("form: a stream that ends without an empty line", CHAT,
        Sent(pieces(ANSWER, done=False).body.rstrip(b"\n")), answered()),
    Row("form: content as a list of parts", CHAT,
        deltas(chunk({"content": [{"type": "text", "text": "It is sunny "}, "and warm in Rome."]})), answered()),
    Row("form: chunks with choices of null and without a delta", CHAT,
        deltas({**chunk(), "choices": None}, {**chunk(), "choices": [{"index": 0, "delta": None}]},
               chunk({"content": ANSWER})), answered()),
    Row("form: bytes that are no text", CHAT,
        Sent(pieces("It is sunny \ufffd").body.replace(b"\\ufffd", b"\xff")), answered("It is sunny \ufffd")),
)  # fmt: skip

_REFUSALS = (
    Row("refusal: in a field of its own", CHAT,
        deltas(chunk({"refusal": "I can not "}), chunk({"refusal": "help with that."}), usage=FAIR),
        answered("", ending=Ending.REFUSED, finish="refused", refusal=_NO.rstrip("."))),
    Row("refusal: beside a filter", CHAT, deltas(chunk({"content": "", "refusal": _NO}), finish="content_filter"),
        answered("", ending=Ending.REFUSED, finish="refused", refusal=_NO.rstrip("."))),
    Row("refusal: after a part of the answer", CHAT, deltas(chunk({"content": ANSWER}), chunk({"refusal": _NO})),
        answered(ending=Ending.REFUSED, finish="refused", refusal=_NO.rstrip("."))),
    Row("refusal: in a whole completion", CHAT, completion({"content": None, "refusal": _NO}),
        answered("", ending=Ending.REFUSED, finish="refused", refusal=_NO.rstrip("."))),
    Row("refusal: by Azure's filter, which says what it objects to", CHAT,
        Sent(stream({**chunk(), "choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter",
                     "content_filter_results": {"hate": {"filtered": True, "severity": "high"},
                                                "violence": {"filtered": False, "severity": "safe"}}}]},
                    chunk(usage=_NOTHING))),
        answered("", _SILENT, Ending.REFUSED, finish="refused", refusal="filtered: hate (high)")),
)  # fmt: skip

_EMPTY = (
    Row("empty: no text", CHAT, pieces("", usage=_NOTHING), answered("", _SILENT, Ending.EMPTY)),
    Row("empty: content of null", CHAT, deltas(chunk({"content": None}), usage=_NOTHING),
        answered("", _SILENT, Ending.EMPTY)),
    Row("empty: blanks", CHAT, pieces(" \n", finish="stop"), answered(" \n", ending=Ending.EMPTY)),
    Row("empty: a whole completion with content of null", CHAT, completion({"content": None}, usage=_NOTHING),
        answered("", _SILENT, Ending.EMPTY)),
    Row("empty: a whole completion without choices", CHAT,
        Sent(b'{"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 90, "completion_tokens": 0}}',
             JSON), answered("", _SILENT, Ending.EMPTY)),
    Row("empty: the maximum went into reasoning", CHAT,
        deltas(chunk({"reasoning_content": "the plan"}), finish="length"),
        answered("", ending=Ending.TRUNCATED, finish="length", reasoning="the plan")),
    Row("empty: reasoning alone", CHAT, deltas(chunk({"reasoning_content": "the plan"})),
        answered("", ending=Ending.EMPTY, reasoning="the plan")),
)  # fmt: skip


def _thinks(name: str, *texts: str, text: str = ANSWER, reasoning: str = "the plan") -> Row:
    ending = Ending.OK if text.strip() else Ending.EMPTY
    return Row(f"reasoning: {name}", CHAT, pieces(*texts), answered(text, ending=ending, reasoning=reasoning))


_REASONING = (
    Row("reasoning: in a field, as DeepSeek sends it", CHAT,
        deltas(chunk({"reasoning_content": "the "}), chunk({"reasoning_content": "plan"}), chunk({"content": ANSWER})),
        answered(reasoning="the plan")),
    Row("reasoning: in a field, as OpenRouter, vLLM and Ollama send it", CHAT,
        deltas(chunk({"reasoning": "the plan", "content": ""}), chunk({"content": ANSWER})),
        answered(reasoning="the plan")),
    Row("reasoning: twice, in both fields", CHAT,
        deltas(chunk({"reasoning": "the plan", "reasoning_content": "the plan"}), chunk({"content": ANSWER})),
        answered(reasoning="the plan")),
    Row("reasoning: in a field, last chunk shared with the answer", CHAT,
        deltas(chunk({"reasoning_content": "the plan", "content": ANSWER})), answered(reasoning="the plan")),
    Row("reasoning: as a part of the content, as Mistral sends it", CHAT,
        deltas(chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "the plan"}]},
                                  {"type": "text", "text": ANSWER}]})), answered(reasoning="the plan")),
    Row("reasoning: in a whole completion", CHAT, completion({"content": ANSWER, "reasoning_content": "the plan"}),
        answered(reasoning="the plan")),
    Row("reasoning: between tags in a whole completion", CHAT,
        completion({"content": f"<think>the plan</think>\n\n{ANSWER}"}), answered(reasoning="the plan")),
    _thinks("all in one piece", f"<think>the plan</think>{ANSWER}"),
    _thinks("the tags in pieces of their own", "<think>", "the plan", "</think>", ANSWER),
    _thinks("the end and the answer in one piece", "<think>", "the plan</think>It is sunny ", "and warm in Rome."),
    _thinks("the tags split over pieces", "<th", "ink>the p", "lan</", "thi", "nk>", ANSWER),
    _thinks("a letter a piece", *f"<think>the plan</think>{ANSWER}"),
    _thinks("blank lines around the tags", "\n<think>\nthe plan\n</think>\n\n", ANSWER),
    _thinks("Gemini's tags", f"<thought>the plan</thought>{ANSWER}"),
    _thinks("Mistral's tags", f"[THINK]the plan[/THINK]{ANSWER}"),
    _thinks("two blocks", f"<think>the </think><think>plan</think>{ANSWER}"),
    _thinks("a block after some text", "Sure.\n<think>the plan</think>\nIt is.", text="Sure.\nIt is."),
    _thinks("a tag that does not end", "<think>the plan", text=""),
    _thinks("an empty block, as Qwen sends it", f"<think>\n\n</think>\n\n{ANSWER}", reasoning=""),
    _thinks("the end alone, as the beginning stood in the prompt", f"the plan\n</think>\n\n{ANSWER}"),
    _thinks("a tag inside code is text", "```xml\n<think>x</think>\n```\nlike this",
            text="```xml\n<think>x</think>\n```\nlike this", reasoning=""),
    _thinks("a tag inside a sentence is text", "It writes `<think>` and `</think>` around it.",
            text="It writes `<think>` and `</think>` around it.", reasoning=""),
    _thinks("a tag that is a piece of its own inside a sentence is text", "It writes `", "<think>", "` before it.",
            text="It writes `<think>` before it.", reasoning=""),
    _thinks("the beginning of a tag is text", "<thi", text="<thi", reasoning=""),
    _thinks("a later tag that does not end is text", "Like so:\n<think>\nfor ever",
            text="Like so:\n<think>\nfor ever", reasoning=""),
)  # fmt: skip

_CUTS = (
    Row("cut: nothing came", CHAT, Sent(b""), _CUT_OFF),
    Row("cut: before the first byte", CHAT, Sent(b"", cut=True), failed("", retryable=True, billable=True)),
    Row("cut: nothing but an end mark", CHAT, Sent(stream()), answered("", Usage(100, 0), Ending.EMPTY, doubted=True)),
    Row("cut: the connection, in the middle of the answer", CHAT,
        Sent(stream(chunk({"content": ANSWER}), done=False), cut=True), _CUT_OFF),
    Row("cut: the stream, in the middle of the answer", CHAT,
        Sent(stream(chunk({"content": ANSWER}), done=False)), _CUT_OFF),
    Row("cut: the stream, in the middle of an event", CHAT,
        Sent(stream(chunk({"content": ANSWER}), b'data: {"choices": [{"index"', done=False)), _CUT_OFF),
    Row("cut: the stream, with running totals of its usage", CHAT,
        Sent(stream(chunk({"content": ANSWER}, usage=FAIR), done=False)), _CUT_OFF),
    Row("cut: the stream, in the middle of reasoning", CHAT,
        Sent(stream(chunk({"reasoning_content": "the plan"}), done=False)), _CUT_OFF),
    Row("cut: a whole completion, in the middle", CHAT, Sent(completion({"content": ANSWER}).body[:-30], JSON),
        _CUT_OFF),
    Row("cut: after the reason for the end, without an end mark", CHAT, pieces(ANSWER, done=False), answered()),
    Row("cut: after the reason for the end, without usage", CHAT, pieces(ANSWER, usage=None, done=False),
        answered(usage=Usage(100, 10), doubted=True)),
)  # fmt: skip

ROWS = (*_FINISHES, *_FORMS, *_REFUSALS, *_EMPTY, *_REASONING, *_CUTS)
