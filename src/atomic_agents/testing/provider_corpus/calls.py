"""Tool calls as servers number, name and repeat them."""

from atomic_agents.core.ending import Ending
from atomic_agents.testing.provider_corpus.row import (
    CHAT,
    WITH_TOOL,
    Row,
    Sent,
    answered,
    call,
    calling,
    chunk,
    completion,
    deltas,
    failed,
    stream,
)

_ROME, _OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'
_BOTH = (("weather", _ROME), ("weather", _OSLO))


def _calls(name: str, sent: Sent, *calls: tuple[str, str]) -> Row:
    expected = answered("", finish="tool_calls", calls=calls)
    return Row(f"calls: {name}", CHAT, sent, expected, WITH_TOOL)


_ONE = (("weather", _ROME),)
ROWS = (
    _calls("two, each with an id and an index", calling(
        [call("weather", "", id_="a")], [call(None, _ROME)], [call("weather", "", id_="b", index=1)],
        [call(None, _OSLO, index=1)]), *_BOTH),
    _calls("arguments in small pieces", calling(
        [call("weather", "", id_="a")], *([call(None, letter)] for letter in _ROME)), *_ONE),
    _calls("two in one chunk", calling(
        [call("weather", _ROME, id_="a"), call("weather", _OSLO, id_="b", index=1)]), *_BOTH),
    _calls("two with index 0 each", calling([call("weather", _ROME, id_="a")], [call("weather", _OSLO, id_="b")]),
           *_BOTH),
    _calls("two with index 0 each, arguments in pieces", calling(
        [call("weather", '{"city":', id_="a")], [call(None, ' "Rome"}')], [call("weather", '{"city":', id_="b")],
        [call(None, ' "Oslo"}')]), *_BOTH),
    _calls("two with index 0 each, other tools", calling(
        [call("weather", _ROME, id_="a")], [call("recall", "{}", id_="b")]), ("weather", _ROME), ("recall", "{}")),
    _calls("two without an index", calling(
        [call("weather", _ROME, id_="a", index=None), call("weather", _OSLO, id_="b", index=None)]), *_BOTH),
    _calls("two without an index or an id", calling(
        [call("weather", _ROME, index=None), call("weather", _OSLO, index=None)]), *_BOTH),
    _calls("two with the same id", calling(
        [call("weather", _ROME, id_="a")], [call("weather", _OSLO, id_="a", index=1)]), *_BOTH),
    _calls("two without ids", calling([call("weather", _ROME)], [call("weather", _OSLO, index=1)]), *_BOTH),
    _calls("two without ids and with index 0 each", calling(
        [call("weather", _ROME)], [call("weather", _OSLO)]), *_BOTH),
    _calls("two with empty ids", calling(
        [call("weather", _ROME, id_="")], [call("weather", _OSLO, id_="", index=1)]), *_BOTH),
    _calls("the id and the name with every piece", calling(
        *([call("weather", part, id_="a")] for part in ('{"city"', ': "Ro', 'me"}'))), *_ONE),
    _calls("an id that is a number", calling([call("weather", _ROME, id_=7)]), *_ONE),
    _calls("arguments of null", calling([call("weather", None, id_="a")]), ("weather", "{}")),
    _calls("arguments that never come", calling([call("weather", "", id_="a")]), ("weather", "{}")),
    _calls("arguments twice", calling([call("weather", _ROME, id_="a")], [call(None, _ROME)]), *_ONE),
    _calls("arguments twice, in pieces and then whole", calling(
        [call("weather", '{"city": ', id_="a")], [call(None, '"Rome"}')], [call("weather", _ROME, id_="a")]), *_ONE),
    _calls("an empty object before the arguments", calling(
        [call("weather", "{}", id_="a")], [call(None, _ROME)]), *_ONE),
    _calls("arguments as an object", calling([call("weather", {"city": "Rome"}, id_="a")]), *_ONE),
    _calls("the end called stop", deltas(chunk({"tool_calls": [call("weather", _ROME, id_="a")]})), *_ONE),
    _calls("an old function call", deltas(
        chunk({"function_call": {"name": "weather", "arguments": ""}}),
        chunk({"function_call": {"arguments": _ROME}}), finish="function_call"), *_ONE),
    _calls("in a whole completion", completion(
        {"content": None, "tool_calls": [call("weather", _ROME, id_="a"), call("weather", _OSLO, id_="b")]},
        "tool_calls"), *_BOTH),
    _calls("wrong arguments are passed on as they are", calling([call("weather", '{"city": ', id_="a")]),
           ("weather", '{"city": ')),
    Row("calls: after some words and some reasoning", CHAT, deltas(
        chunk({"reasoning_content": "the plan"}), chunk({"content": "Let me look."}),
        chunk({"tool_calls": [call("weather", _ROME, id_="a")]}), finish="tool_calls"),
        answered("Let me look.", finish="tool_calls", calls=_ONE, reasoning="the plan"), WITH_TOOL),
    Row("calls: cut off in the middle of the arguments", CHAT,
        Sent(stream(chunk({"tool_calls": [call("weather", '{"city": ', id_="a")]}), done=False)),
        failed("broke off", retryable=True, billable=True)),
    Row("calls: the maximum was reached in the middle of the arguments", CHAT,
        deltas(chunk({"tool_calls": [call("weather", '{"city": ', id_="a")]}), finish="length"),
        answered("", ending=Ending.TRUNCATED, finish="length", calls=(("weather", '{"city": '),)), WITH_TOOL),
)  # fmt: skip
