"""A conversation with each provider in its own wire format: every format is put to every test here."""

import json
import time

import pytest

from atomic_agents.core.errors import ProviderFailed
from atomic_agents.core.model import Answer, Finish, Message, Request, ToolCall, ToolSpec, Usage
from atomic_agents.testing.servers import ModelServer, Reply
from atomic_agents.testing.wires import WIRES, Wire

WEATHER = ToolSpec(
    "weather",
    "The weather in a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ASKED = Request(("be brief",), [Message("user", "hello")], max_output_tokens=55)
WITH_TOOL = Request(("be brief",), [Message("user", "Rome and Oslo?")], [WEATHER])
CALLS = (ToolCall("call-1", "weather", '{"city":"Rome"}'), ToolCall("call-2", "weather", '{"city":"Oslo"}'))


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Wire:
    found = WIRES[request.param]
    if not found.is_installed:
        pytest.skip(f"needs the extra [{found.family}]")
    return found


def ask(wire: Wire, server: ModelServer, request: Request = ASKED) -> Answer:
    return wire.open(server).ask(request, lambda _: None)


def failure(wire: Wire, reply: Reply) -> ProviderFailed:
    with wire.server([reply]) as server, pytest.raises(ProviderFailed) as caught:
        ask(wire, server)

    assert len(server.requests) == 1
    return caught.value


def test_text_arrives_in_pieces_while_the_model_still_speaks(wire: Wire) -> None:
    pieces: list[str] = []
    arrived: list[float] = []

    def hear(piece: str) -> None:
        pieces.append(piece)
        arrived.append(time.monotonic())

    with wire.server([Reply("a slow answer that trickles in", pause=0.05)]) as server:
        answer = wire.open(server).ask(ASKED, hear)
        done = time.monotonic()

    assert "".join(pieces) == answer.text == "a slow answer that trickles in"
    assert done - arrived[0] > 0.1


def test_the_prompt_the_question_and_the_limit_on_output_arrive(wire: Wire) -> None:
    with wire.server("fine") as server:
        ask(wire, server)
        sent = json.dumps(server.requests[0])

    assert all(found in sent for found in ('"be brief"', '"hello"', "55"))


def test_two_calls_at_once_come_whole_and_their_results_go_back(wire: Wire) -> None:
    with wire.server([Reply("let me look", calls=CALLS), Reply("sunny and wet")]) as server:
        model = wire.open(server)
        first = model.ask(WITH_TOOL, lambda _: None)
        results = [Message("tool", f"result-{call.id}", call_id=call.id, tool_name="weather") for call in first.calls]
        turns = [*WITH_TOOL.messages, Message("assistant", first.text, first.calls), *results]
        second = model.ask(Request((), turns, [WEATHER]), lambda _: None)
        sent = json.dumps(server.requests[1])

    assert (first.text, first.finish) == ("let me look", "tool_calls")
    assert [(call.id, json.loads(call.arguments)) for call in first.calls] == [
        ("call-1", {"city": "Rome"}),
        ("call-2", {"city": "Oslo"}),
    ]
    assert sent.index("Rome") < sent.index("Oslo") < sent.index("result-call-1") < sent.index("result-call-2")
    assert (second.text, second.calls) == ("sunny and wet", ())


def test_what_the_schema_of_a_tool_says_arrives(wire: Wire) -> None:
    with wire.server("fine") as server:
        ask(wire, server, WITH_TOOL)
        sent = json.dumps(server.requests[0])

    assert all(found in sent for found in ('"weather"', '"The weather in a city"', '"city"', '"required": ["city"]'))


def test_usage_is_what_is_billed_and_nothing_where_none_is_reported(wire: Wire) -> None:
    billed = Usage(input_tokens=100, output_tokens=7, cache_read_tokens=50)
    with wire.server([Reply("fine", usage=billed)]) as server:
        usage = ask(wire, server).usage

    assert usage == (Usage() if wire.family == "ollama" else billed)  # that server states none


@pytest.mark.parametrize("finish", ["length", "refused"])
def test_an_answer_that_was_cut_or_refused_says_so(wire: Wire, finish: Finish) -> None:
    with wire.server([Reply("half of", finish=finish)]) as server:
        answer = ask(wire, server)

    assert answer.finish == finish


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (429, True), (500, True), (503, True), (529, True)],
)
def test_an_error_comes_in_the_providers_own_words(wire: Wire, status: int, *, retryable: bool) -> None:
    error = failure(wire, Reply("the model is on holiday", status=status, error_type="some_error"))

    assert error.message == f"{wire.model} answered {status}: the model is on holiday"
    assert error.exit_status == 7
    assert (error.context["status"], error.context["retryable"]) == (status, retryable)
    assert error.context["billable"] is False
    assert bool(error.hint) is (status != 400)


@pytest.mark.parametrize("status", [429, 529])
def test_the_seconds_that_a_provider_asks_for_are_passed_on(wire: Wire, status: int) -> None:
    error = failure(wire, Reply("slow down", status=status, retry_after="7"))

    assert error.context["retry_after"] == 7
    assert error.hint == "run it again in 7 s"


def test_a_connection_that_drops_in_the_middle_may_have_cost_something_and_passes(wire: Wire) -> None:
    error = failure(wire, Reply("the beginning of an answer", breaks=True))

    assert "broke off" in error.message
    assert (error.exit_status, error.context["retryable"], error.context["billable"]) == (7, True, True)


def test_a_connection_that_drops_before_a_word_passes(wire: Wire) -> None:
    error = failure(wire, Reply(silent=True))

    assert (error.exit_status, error.context["retryable"]) == (7, True)


def test_a_server_that_is_not_there_could_not_be_reached_and_cost_nothing(wire: Wire) -> None:
    with wire.server("fine") as server:
        pass

    with pytest.raises(ProviderFailed, match="could not be reached") as caught:
        ask(wire, server)

    assert (caught.value.context["retryable"], caught.value.context["billable"]) == (True, False)


def test_the_connection_is_kept_from_one_question_to_the_next(wire: Wire) -> None:
    with wire.server("fine") as server:
        for _ in range(3):
            ask(wire, server)

    assert (len(server.requests), server.connections) == (3, 1)
