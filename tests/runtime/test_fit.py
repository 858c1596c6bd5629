import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.core.model import Message, Request, ToolCall, ToolSpec
from atomic_agents.memory.fence import fence
from atomic_agents.runtime.fit import NEWEST_ROUND, Fitted, fit
from atomic_agents.runtime.sizes import request_tokens, sent
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.results import Results, pointer

TOOL = ToolSpec("read_file", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
ITEM = Message("user", "What stands in the files?")
TEXTS = st.one_of(
    st.text(max_size=60),
    st.builds(lambda unit, times: unit * times, st.sampled_from(["lorem ipsum ", '"quoted"\n', "木の家", "\\"]),
              st.integers(0, 3_000)),
)  # fmt: skip


def fenced(text: str) -> str:
    return f'<document path="a.md">\n{text}\n</document>'


def round_of(*results: str, number: int = 0, text: str = "", arguments: str = '{"path": "a.md"}') -> list[Message]:
    """An answer that calls a tool once for each result, and the results; providers may use an id again."""
    calls = tuple(ToolCall(f"c{number}-{at}", "read_file", arguments) for at in range(len(results)))
    told = (
        Message("tool", found, call_id=call.id, tool_name=call.name) for call, found in zip(calls, results, strict=True)
    )
    return [Message("assistant", text, calls), *told]


def asked(*messages: Message, system: str = "You read files.") -> Request:
    return Request((system,), messages, (TOOL,))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Request, int]:
    earlier: list[Message] = []
    for _ in range(draw(st.integers(0, 4))):
        earlier += [Message("user", draw(TEXTS)), Message("assistant", draw(TEXTS))]
    rounds: list[Message] = []
    for number in range(draw(st.integers(0, 4))):
        found = draw(st.lists(TEXTS.map(fenced), min_size=1, max_size=5))
        arguments = json.dumps({"path": draw(TEXTS)})
        rounds += round_of(*found, number=number, text=draw(TEXTS), arguments=arguments)
        rounds += [Message("user", draw(TEXTS))] if draw(st.booleans()) else []
    return asked(*earlier, ITEM, *rounds), len(earlier)


def pairs(request: Request) -> list[tuple[list[str], list[str]]]:
    """The ids of the calls of each answer, and those of the results that follow it."""
    found: list[tuple[list[str], list[str]]] = []
    for message in request.messages:
        if message.role == "assistant":
            found.append(([call.id for call in message.calls], []))
        elif message.role == "tool":
            found[-1][1].append(message.call_id)
    return found


@given(conversations(), st.integers(0, 20_000))
def test_a_request_fits_wherever_its_core_does_and_calls_keep_their_results(
    given_: tuple[Request, int], more: int
) -> None:  # fmt: skip
    request, earlier = given_
    core = request_tokens(asked(ITEM)) + NEWEST_ROUND

    found = fit(request, core + more, earlier=earlier)

    assert found.tokens == request_tokens(found.request) <= core + more
    assert all(calls == results for calls, results in pairs(found.request))
    assert found.request.system == request.system
    assert any(ITEM.text in message.text for message in found.request.messages if message.role == "user")
    assert bool(found.omitted) == (found.request != request)
    for message in found.request.messages:
        assert message.text.count("<document") == message.text.count("</document>")
        assert all(isinstance(json.loads(call.arguments), dict) for call in message.calls)


@given(conversations())
def test_what_fits_is_sent_as_it_is(given_: tuple[Request, int]) -> None:
    request, earlier = given_

    assert fit(request, request_tokens(request), earlier=earlier) == Fitted(request, request_tokens(request))


def test_earlier_results_give_way_to_a_line_before_the_newest_are_cut() -> None:
    old, new = fenced("old " * 1_000), fenced("new " * 1_000)
    request = asked(ITEM, *round_of(old, old), *round_of(new, number=1))

    found = fit(request, 2_000, earlier=0)

    texts = [message.text for message in found.request.messages if message.role == "tool"]
    assert texts == [pointer(1), pointer(2), new]
    assert found.omitted.facts == {"results": [1, 2]}


def test_one_result_that_is_too_long_is_cut_and_says_where_it_goes_on() -> None:
    whole = fenced("word " * 4_000)
    found = fit(asked(ITEM, *round_of("a", whole)), 1_500, earlier=0)

    short, cut = (message.text for message in found.request.messages if message.role == "tool")
    assert short == "a"
    shown, _, rest = cut.partition("\n… ")
    assert whole.startswith(shown)
    assert f"call read_result with result 2 and offset {len(shown)} for them\n</document>" in rest
    assert 1_400 < found.tokens <= 1_500
    assert found.omitted.facts == {"cut": [2]}


def test_parallel_results_share_the_room_and_the_short_ones_stay_whole() -> None:
    sizes = (10, 30_000, 400, 30_000, 30_000)
    found = fit(asked(ITEM, *round_of(*(fenced("x" * size) for size in sizes))), 4_000, earlier=0)

    lengths = [len(message.text) for message in found.request.messages if message.role == "tool"]
    assert found.omitted.facts == {"cut": [2, 4, 5]}
    assert max(lengths) - min(lengths[1], lengths[3], lengths[4]) < 20
    assert found.tokens > 3_900


def test_turns_of_before_the_run_are_left_out_from_the_oldest_once_results_have_given_way() -> None:
    earlier = [Message(role, f"{number} " * 300) for number in range(8) for role in ("user", "assistant")]
    found = fit(asked(*earlier, ITEM, *round_of(fenced("x" * 40_000))), 2_500, earlier=len(earlier))

    gone = found.omitted.turns
    assert 0 < gone < len(earlier)
    first = found.request.messages[0]
    assert first.role == "user"
    assert first.text == (
        f"(left out to keep within max_input_tokens: {gone} messages before this one)\n\n{earlier[gone].text}"
    )
    assert found.request.messages[len(earlier) - gone].text == ITEM.text


@pytest.mark.parametrize("many", [1, 8, 32])
def test_long_arguments_of_calls_are_cut_and_stay_json(many: int) -> None:
    arguments = json.dumps({"path": "a.md", "content": "木" * 5_000})
    found = fit(asked(ITEM, *round_of(*["written"] * many, arguments=arguments)), 1_500 + 150 * many, earlier=0)

    calls = next(message.calls for message in found.request.messages if message.role == "assistant")
    assert all(json.loads(call.arguments)["path"] == "a.md" for call in calls if call.arguments != "{}")
    assert found.omitted.calls == ("read_file",)


def test_a_result_that_was_cut_before_is_cut_further_and_read_on_from_there() -> None:
    results = Results()
    whole = "".join(f"word {number} " for number in range(20_000))
    shown = results.keep(as_data("a tool", whole))

    found = fit(asked(ITEM, *round_of(shown)), 1_500, earlier=0)

    text, _, rest = found.request.messages[-1].text.partition("\n… ")
    missing, offset = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+(?= more)|(?<=offset )\d+", rest))
    assert (offset, offset + missing) == (len(text), len(fence("a tool", whole)))
    part = results.tool.handle({"result": 1, "offset": offset})
    assert part.partition("\n")[2].startswith(fence("a tool", whole)[offset : offset + 100])


def test_where_nothing_more_can_give_way_the_request_is_as_short_as_it_can_be() -> None:
    request = asked(ITEM, *round_of(*[fenced("x" * 9_000)] * 30))

    found = fit(request, 1, earlier=0)

    assert found.tokens <= request_tokens(asked(ITEM)) + NEWEST_ROUND


def test_bytes_are_counted_as_they_are_sent() -> None:
    text = 'a "quoted" line\nand 木\\\x07'

    assert sent(text) == len(json.dumps(text, ensure_ascii=False).encode()) - 2
