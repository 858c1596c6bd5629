"""Which of a run's messages are sent: all of them within the input limit, otherwise the ones that matter most. Pure.

What stays whole: the system prompt, the tools and the work item. What gives way, in this order and no further than
needed: the results of earlier rounds, the newest results down to a page each, long arguments of calls, turns of the
conversation before the run, the newest results down to a paragraph each, earlier rounds, and at last the results, texts
and calls of the newest round. A result that gives way leaves a line that says how to read it. A call and its result are
sent together or not at all.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from atomic_agents.core.model import Message, Request, ToolCall
from atomic_agents.runtime.sizes import BYTES_A_TOKEN, beginning, fixed_size, message_size, request_tokens, sent
from atomic_agents.tools import results

NEWEST_ROUND = 500
"""Tokens that the newest call and what is left of its result take at most, so that a round always fits."""

_PAGE = 2_000
_PARAGRAPH = 400
_SHORT = 200
_LONG_ARGUMENTS = 300
_NOTE = 400
_MOST_NAMES = 5
_TURNS, _RESULTS = "turns", "results"
_FAILED = "error: "


@dataclass(frozen=True, slots=True)
class Omitted:
    """What of the messages is not sent, or not whole.

    `turns` counts messages of the conversation before this run; `results` and `cut` are numbers of results of which
    nothing, or a part, is sent; `rounds` counts earlier rounds without a trace; `calls` names those whose arguments
    are cut; `texts` counts other texts that are.
    """

    turns: int = 0
    results: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    rounds: int = 0
    calls: tuple[str, ...] = ()
    texts: int = 0

    def __bool__(self) -> bool:
        return self != Omitted()

    @property
    def facts(self) -> dict[str, object]:
        """It as a record has it, without what is zero."""
        facts = {"turns": self.turns, "results": list(self.results), "cut": list(self.cut), "rounds": self.rounds,
                 "calls": list(self.calls), "texts": self.texts}  # fmt: skip
        return {name: value for name, value in facts.items() if value}

    def warnings(self, limit: int) -> list[str]:
        """It in words for the operator, without the numbers, which the transcript has request by request."""
        most = f"to keep within {limit:,} tokens; the transcript says which"
        turns = f"earlier turns of the conversation were left out {most}" if self.turns else ""
        others = f"results of earlier calls were cut {most}" if replace(self, turns=0) else ""
        return [words for words in (turns, others) if words]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A request within the limit, as far as that can be; `tokens` is what it takes."""

    request: Request
    tokens: int
    omitted: Omitted = field(default_factory=Omitted)


def fit(request: Request, limit: int, *, earlier: int) -> Fitted:
    """`request` within `limit` tokens; its first `earlier` messages are of before the run, the next is the work item.

    Where what stays whole and the newest round, cut to NEWEST_ROUND tokens, are within the limit, so is the result.
    """
    draft = _Draft(list(request.messages), earlier, fixed_size(request) - limit * BYTES_A_TOKEN)
    for step in _STEPS:
        if draft.over <= 0:
            break
        step(draft)
    messages = tuple(draft.sent())
    fitted = replace(request, messages=messages) if draft.touched else request
    return Fitted(fitted, request_tokens(fitted), draft.omitted)


class _Draft:
    """The messages while they are cut. `over` is how many bytes too many they are; None stands for one that is gone."""

    def __init__(self, messages: list[Message], item: int, over: int) -> None:
        self.messages: list[Message | None] = list(messages)
        self.original = messages
        self.item = item
        self.sizes = [message_size(message) for message in messages]
        self.over = over + sum(self.sizes)
        self.touched = self.over > 0
        after = range(item + 1, len(messages))
        self.newest = max((at for at in after if messages[at].role == "assistant"), default=len(messages))
        tools = [at for at, message in enumerate(messages) if message.role == "tool"]
        self.numbers = {at: number for number, at in enumerate(tools, 1)}
        self.cut_calls: list[str] = []
        self._noted: set[str] = set()

    def put(self, at: int, message: Message | None) -> None:
        """Another message in that place, None for none."""
        size = 0 if message is None else message_size(message)
        self.over += size - self.sizes[at]
        self.messages[at], self.sizes[at] = message, size

    def drop(self, places: Sequence[int], note: str) -> None:
        """Leave messages out; the note of that kind, which says so, takes its room once."""
        self.over += 0 if note in self._noted else _NOTE
        self._noted.add(note)
        for at in places:
            if self.messages[at] is not None:
                self.put(at, None)

    def results(self, *, newest: bool) -> list[int]:
        """The places of results that are there, of the newest round or of those before it."""
        return [at for at in self.numbers if self.messages[at] is not None and (at > self.newest) is newest]

    def message(self, at: int) -> Message:
        """The message in a place where there is one."""
        message = self.messages[at]
        assert message is not None  # noqa: S101 - whoever asks has looked
        return message

    def sent(self) -> Iterator[Message]:
        """The messages that are left, the first of them and the work item saying what is missing."""
        gone_turns = sum(message is None for message in self.messages[: self.item])
        gone = [at for at in self.numbers if self.messages[at] is None]
        first = True
        for at, message in enumerate(self.messages):
            if message is None:
                continue
            text = message.text
            if first and gone_turns:
                text = f"(left out to keep within max_input_tokens: {gone_turns:,} messages before this one)\n\n{text}"
            if at == self.item and gone:
                text = f"{text}\n\n{self._rounds_note(gone)}"
            first = False
            yield message if text == message.text else replace(message, text=text)

    def _rounds_note(self, gone: Sequence[int]) -> str:
        """What was called in rounds that are left out, so that it is not called again."""
        called = Counter(self.original[at].tool_name for at in gone).most_common()
        names = ", ".join(f"{name} {times:,} times" for name, times in called[:_MOST_NAMES])
        more = " and others" if len(called) > _MOST_NAMES else ""
        span = f"results {self.numbers[gone[0]]} to {self.numbers[gone[-1]]}"
        return f"(left out: you have called {names}{more} since; {results.NAME} shows {span})"

    @property
    def omitted(self) -> Omitted:
        """What is not as it was."""
        pairs = list(zip(self.original, self.messages, strict=True))
        gone = [at for at, (_, now) in enumerate(pairs) if now is None]
        changed = [at for at, (before, now) in enumerate(pairs) if now is not None and now.text != before.text]
        left_out = [
            at for at in self.numbers if at in gone or self.message(at).text == results.pointer(self.numbers[at])
        ]
        return Omitted(
            sum(at < self.item for at in gone),
            tuple(self.numbers[at] for at in left_out),
            tuple(self.numbers[at] for at in changed if at in self.numbers and at not in left_out),
            sum(pairs[at][0].role == "assistant" for at in gone if at > self.item),
            tuple(dict.fromkeys(self.cut_calls)),
            sum(at not in self.numbers for at in changed),
        )


def _point_at_earlier_results(draft: _Draft) -> None:
    for at in draft.results(newest=False):
        if draft.over <= 0:
            return
        _point(draft, at)


def _cut_newest_to_a_page(draft: _Draft) -> None:
    _cut_newest(draft, _PAGE)


def _cut_newest_to_a_paragraph(draft: _Draft) -> None:
    _cut_newest(draft, _PARAGRAPH)


def _cut_newest_to_a_line(draft: _Draft) -> None:
    _cut_newest(draft, 0)


def _shorten_arguments(draft: _Draft) -> None:
    for at in range(draft.item + 1, len(draft.messages)):
        message = draft.messages[at]
        if draft.over <= 0:
            return
        if message is not None and message.calls:
            calls = tuple(_short_call(call) for call in message.calls)
            draft.cut_calls += [now.name for now, then in zip(calls, message.calls, strict=True) if now != then]
            draft.put(at, replace(message, calls=calls))


def _drop_earlier_rounds(draft: _Draft) -> None:
    """Leave out whole rounds, the oldest first: an answer, the results of its calls and what was said after them."""
    begins = [at for at in range(draft.item + 1, draft.newest + 1) if at == draft.newest or _answers(draft, at)]
    for start, end in pairwise(begins):
        if draft.over <= 0:
            return
        draft.drop(range(start, end), _RESULTS)


def _drop_earlier_turns(draft: _Draft) -> None:
    """Leave out turns of before the run, the oldest first, so that what is left begins with a question."""
    at = 0
    while at < draft.item and draft.over > 0:
        end = at + 1
        while end < draft.item and draft.original[end].role == "assistant":
            end += 1
        draft.drop(range(at, end), _TURNS)
        at = end


def _shorten_newest_texts(draft: _Draft) -> None:
    for at in range(draft.newest, len(draft.messages)):
        message = draft.messages[at]
        if draft.over > 0 and message is not None and message.role != "tool" and sent(message.text) > _SHORT:
            draft.put(at, replace(message, text=beginning(message.text, _SHORT // 2) + "…"))


def _drop_newest_calls(draft: _Draft) -> None:
    """Leave out calls of the newest round with their results, the first ones first; the last call stays."""
    if draft.newest == len(draft.messages):
        return
    places = draft.results(newest=True)
    for at in places[:-1]:
        if draft.over <= 0:
            return
        asked = draft.message(draft.newest)
        draft.put(draft.newest, replace(asked, calls=asked.calls[1:]))
        draft.drop([at], _RESULTS)


_STEPS: tuple[Callable[[_Draft], None], ...] = (
    _point_at_earlier_results,
    _cut_newest_to_a_page,
    _shorten_arguments,
    _drop_earlier_turns,
    _cut_newest_to_a_paragraph,
    _drop_earlier_rounds,
    _cut_newest_to_a_line,
    _shorten_newest_texts,
    _drop_newest_calls,
)


def _answers(draft: _Draft, at: int) -> bool:
    message = draft.messages[at]
    return message is not None and message.role == "assistant"


def _point(draft: _Draft, at: int) -> None:
    """Let a result give way to the line that says how to read it, where that is shorter."""
    message = draft.message(at)
    line = results.pointer(draft.numbers[at])
    if sent(line) < sent(message.text):
        draft.put(at, replace(message, text=line))


def _cut_newest(draft: _Draft, least: int) -> None:
    """Cut the newest results to one size that fits, at least `least` bytes each; the shorter ones stay whole."""
    places = draft.results(newest=True)
    texts = {at: sent(draft.message(at).text) for at in places}
    level = max(_level(sorted(texts.values()), sum(texts.values()) - draft.over), least)
    for at in places:
        if texts[at] > level:
            _cut(draft, at, level)


def _level(sizes: Sequence[int], room: int) -> int:
    """The most that each may keep so that all together keep at most `room`."""
    for number, size in enumerate(sizes):
        share = max(room, 0) // (len(sizes) - number)
        if size > share:
            return share
        room -= size
    return sizes[-1] if sizes else 0


def _cut(draft: _Draft, at: int, most: int) -> None:
    """Cut a result to `most` bytes with the way to read on, or to that way alone where there is no room for more."""
    message, number = draft.message(at), draft.numbers[at]
    failed = _FAILED if message.text.startswith(_FAILED) else ""
    whole, size = results.beginning(draft.original[at].text.removeprefix(failed), number)
    end = len(beginning(whole, most))
    while end > 0:
        text = failed + results.part(whole, number, 0, end, size=size)
        over = sent(text) - most
        if over <= 0:
            draft.put(at, replace(message, text=text))
            return
        end -= max(over // BYTES_A_TOKEN, 16)
    _point(draft, at)


def _short_call(call: ToolCall) -> ToolCall:
    """A call whose long arguments are cut; what is no JSON, or is still long then, becomes an empty object."""
    if sent(call.arguments) <= _LONG_ARGUMENTS:
        return call
    try:
        text = json.dumps(_short_value(json.loads(call.arguments)), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "{}"
    return replace(call, arguments=text if sent(text) <= _LONG_ARGUMENTS else "{}")


def _short_value(value: object) -> object:
    if isinstance(value, str) and len(value) > _SHORT:
        return f"{value[: _SHORT // 2]}… ({len(value) - _SHORT // 2:,} more characters are left out)"
    if isinstance(value, dict):
        return {key: _short_value(each) for key, each in value.items()}
    return [_short_value(each) for each in value] if isinstance(value, list) else value
