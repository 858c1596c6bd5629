import json

from atomic_agents.telemetry import spans
from atomic_agents.telemetry.names import Name
from atomic_agents.telemetry.spans import Event, Span

RUN = "run-20261122-120000-000000-0badcafe"
NOON = 1795348800 * 10**9
SECOND = 10**9
STARTED: Event = {"event": "started", "agent": "caldwell", "model": "anthropic:claude-haiku-4-5", "trigger": "cron"}
ASKING: Event = {"event": "asking", "model": "anthropic:claude-haiku-4-5", "quote": "0.5",
                 "system": ["be brief"], "messages": [{"role": "user", "text": "how is Rome?"}]}  # fmt: skip
CALLS = [{"id": f"call-{n}", "name": "weather", "arguments": '{"city": "Rome"}'} for n in (1, 2)]
WANTS: Event = {"event": "answered", "text": "", "calls": CALLS, "cost": "0.25", "input_tokens": 10,
                "output_tokens": 2, "finish": "tool_calls"}  # fmt: skip
CALLED: Event = {"event": "called", "tool_name": "weather", "failed": False, "text": "sunny"}
SAYS: Event = {**WANTS, "text": "It is sunny.", "calls": [], "finish": "stop"}
FAILED: Event = {"event": "failed", "error": "m answered 529: Overloaded", "status": 529, "cost": "0"}
CLOSED: Event = {"event": "closed", "status": "ok", "cost_usd": "0.5"}


def at(*events: Event) -> list[Event]:
    """The events as a transcript has them, one a second from noon on."""
    return [
        {"ts": f"2026-11-22T12:00:{second:02}+00:00", "n": second + 1, **event} for second, event in enumerate(events)
    ]


def of(*events: Event, content: bool = False) -> tuple[Span, ...]:
    return spans.of(RUN, RUN, at(*events), content=content)


def test_a_run_is_a_span_from_its_start_to_its_end_with_what_it_cost() -> None:
    (run, *_) = of(STARTED, ASKING, SAYS, CLOSED)

    assert (run.name, run.start, run.end, run.parent) == ("invoke_agent caldwell", NOON, NOON + 3 * SECOND, 0)
    assert run.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "caldwell",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-haiku-4-5",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2,
        "atomic_agents.cost_usd": 0.5,
        "atomic_agents.run_id": RUN,
        "atomic_agents.trigger": "cron",
        "atomic_agents.status": "ok",
    }


def test_each_request_is_a_span_below_the_run() -> None:
    run, first, second, *_ = of(STARTED, ASKING, WANTS, CALLED, ASKING, SAYS, CLOSED)

    assert (first.name, first.start, first.end) == ("chat claude-haiku-4-5", NOON + SECOND, NOON + 2 * SECOND)
    assert {first.parent, second.parent} == {run.id}
    assert {first.trace, second.trace} == {run.trace}
    assert first.attributes[Name.FINISH_REASONS] == ("tool_calls",)
    assert first.attributes[Name.COST] == 0.25


def test_calls_that_ran_side_by_side_begin_with_the_answer_that_wanted_them() -> None:
    called = [{**CALLED, "tool_use_id": call["id"]} for call in CALLS]
    *_, first, second = of(STARTED, ASKING, WANTS, *called, CLOSED)

    assert [(tool.start, tool.end) for tool in (first, second)] == [
        (NOON + 2 * SECOND, NOON + 3 * SECOND),
        (NOON + 2 * SECOND, NOON + 4 * SECOND),
    ]
    assert (first.name, first.attributes[Name.TOOL_CALL]) == ("execute_tool weather", "call-1")


def test_a_request_that_failed_says_how_and_the_next_attempt_is_a_span_of_its_own() -> None:
    _, failed, answered = of(STARTED, ASKING, FAILED, {"event": "waiting"}, ASKING, SAYS, CLOSED)

    assert (failed.error, failed.attributes[Name.ERROR]) == ("m answered 529: Overloaded", "529")
    assert answered.error == ""


def test_a_run_that_failed_says_why() -> None:
    run, *_ = of(STARTED, ASKING, FAILED, {**CLOSED, "status": "error"})

    assert (run.error, run.attributes[Name.ERROR]) == ("m answered 529: Overloaded", "error")


def test_a_run_that_a_budget_stopped_has_not_failed() -> None:
    run, *_ = of(STARTED, {**CLOSED, "status": "skipped"})

    assert (run.error, run.attributes[Name.STATUS]) == ("", "skipped")


def test_a_run_whose_process_died_ends_with_the_last_thing_it_did() -> None:
    run, asked = of(STARTED, ASKING, {**CLOSED, "status": "crashed"})

    assert (run.error, run.end) == ("crashed", NOON + SECOND)
    assert (asked.error, asked.end) == ("it was never answered", NOON + SECOND)
    assert asked.attributes[Name.COST] == 0.5


def test_a_child_is_in_the_trace_of_the_run_that_started_it() -> None:
    parent, *_ = of(STARTED, CLOSED)
    child, *_ = spans.of("run-2", RUN, at({**STARTED, "parent_run_id": RUN}, CLOSED), content=False)

    assert (child.trace, child.parent) == (parent.trace, parent.id)
    assert child.id != parent.id


def test_a_run_has_the_same_ids_whoever_exports_it() -> None:
    assert of(STARTED, ASKING, SAYS, CLOSED) == of(STARTED, ASKING, SAYS, CLOSED)


def test_nothing_that_was_said_is_in_a_span_unless_it_is_asked_for() -> None:
    failed: Event = {**CALLED, "tool_use_id": "call-1", "failed": True, "text": "no weather in Rome"}
    events = (STARTED, ASKING, WANTS, failed, ASKING, SAYS, CLOSED)

    assert not any(word in str(of(*events)) for word in ("Rome", "sunny", "brief"))
    assert all(word in str(of(*events, content=True)) for word in ("Rome", "sunny", "brief"))


def test_what_was_said_has_the_form_of_the_conventions() -> None:
    _, asked, *_ = of(STARTED, ASKING, {**WANTS, "text": "let me look", "calls": CALLS[:1]}, CLOSED, content=True)

    assert json.loads(str(asked.attributes[Name.INSTRUCTIONS])) == [{"type": "text", "content": "be brief"}]
    assert json.loads(str(asked.attributes[Name.INPUT])) == [
        {"role": "user", "parts": [{"type": "text", "content": "how is Rome?"}]}
    ]
    assert json.loads(str(asked.attributes[Name.OUTPUT])) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "let me look"}, {"type": "tool_call", **CALLS[0]}],
            "finish_reason": "tool_calls",
        }
    ]


def test_a_transcript_without_a_beginning_or_times_has_no_spans() -> None:
    assert of(ASKING, CLOSED) == ()
    assert spans.of(RUN, RUN, [STARTED, CLOSED], content=False) == ()
