from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import InternalError, ProviderFailed, RunInterrupted
from atomic_agents.core.model import Answer, Message, ToolCall, ToolSpec, Usage
from atomic_agents.runtime import turn
from atomic_agents.runtime.states import (
    Answered,
    Ask,
    AskFailed,
    Assemble,
    Assembled,
    Call,
    Called,
    Close,
    Closed,
    Effect,
    Event,
    Failed,
    Phase,
    Refused,
    Replace,
    Reserve,
    Reserved,
    RunState,
    Started,
    Wait,
    Waited,
)

TOOLS = (ToolSpec("recall", "search", {"type": "object"}),)
CALL = ToolCall("call-1", "recall", "{}")
RESULT = Message("tool", "nothing", call_id="call-1", tool_name="recall")
OOPS = ProviderFailed("the model is ill")


def said(text: str = "", *calls: ToolCall, shown: str | None = None, notes: tuple[str, ...] = (), refused: bool = False,
         cost: str = "0.25") -> Answered:  # fmt: skip
    answer = Answer(text, calls, Usage(10, 2), "tool_calls" if calls else "stop")
    return Answered(answer, Decimal(cost), text if shown is None else shown, notes, refused)


CAPTURE_ONLY = said("```atomic_capture\n{}\n```", shown="", notes=("remembered as user_x.md",))
REFUSED_CAPTURE = said("```atomic_capture\n{\n```", shown="", notes=("not remembered: broken",), refused=True)
EVENTS: tuple[Event, ...] = (
    Started(), Assembled(("s",), TOOLS), Reserved(), Refused("too dear"), said("done"), Called((RESULT,)), Closed(),
    Failed(OOPS), AskFailed(OOPS, Decimal(0)), Waited(),
)  # fmt: skip
POSSIBLE = {
    (Phase.NEW, Started),
    (Phase.ASSEMBLING, Assembled),
    (Phase.RESERVING, Reserved),
    (Phase.RESERVING, Refused),
    (Phase.ASKING, Answered),
    (Phase.ASKING, AskFailed),
    (Phase.WAITING, Waited),
    (Phase.REPLACING, Reserved),
    (Phase.REPLACING, Refused),
    (Phase.CALLING, Called),
    (Phase.CLOSING, Closed),
    *((phase, Failed) for phase in Phase if phase is not Phase.DONE),
}


def new(most: int = 8) -> RunState:
    return RunState("what is up?", most, 4000, None)


def play(*events: Event, most: int = 8) -> tuple[RunState, list[Effect | None]]:
    state, effects = new(most), []
    for event in (Started(), Assembled(("be brief",), TOOLS), *events):
        state, effect = turn.advance(state, event)
        effects.append(effect)
    return state, effects


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, EVENTS)))
def test_an_event_that_cannot_happen_is_refused(phase: Phase, event: Event) -> None:
    state = RunState("x", 8, 4000, None, phase=phase)

    if (phase, type(event)) in POSSIBLE:
        turn.advance(state, event)
    else:
        with pytest.raises(InternalError, match=f"a run that is {phase}"):
            turn.advance(state, event)


def test_a_run_assembles_reserves_asks_and_closes() -> None:
    state, effects = play(Reserved(), said("done"), Closed())

    assert [type(effect) for effect in effects] == [Assemble, Reserve, Ask, Close, type(None)]
    assert (state.phase, state.ending, state.text, state.cost) == (Phase.DONE, "ok", "done", Decimal("0.25"))
    assert state.usage == Usage(10, 2)


def test_what_is_reserved_is_what_is_asked() -> None:
    _, effects = play(Reserved())

    assert isinstance(effects[1], Reserve)
    assert isinstance(effects[2], Ask)
    assert effects[1].request == effects[2].request
    assert effects[2].request.tools == TOOLS


def test_tool_calls_are_called_and_their_results_go_back() -> None:
    state, effects = play(Reserved(), said("let me look", CALL), Called((RESULT,)), Reserved(), said("found"), Closed())

    assert effects[3] == Call((CALL,))
    assert state.messages == (
        Message("user", "what is up?"),
        Message("assistant", "let me look", (CALL,)),
        RESULT,
        Message("assistant", "found"),
    )
    assert state.text == "let me look\n\nfound"
    assert state.cost == Decimal("0.50")


def test_the_last_request_there_may_be_has_no_tools() -> None:
    looping = [event for _ in range(2) for event in (Reserved(), said("", CALL), Called((RESULT,)))]

    _, effects = play(*looping, most=3)

    requests = [effect.request for effect in effects if isinstance(effect, Reserve)]
    assert [bool(request.tools) for request in requests] == [True, True, False]


def test_a_model_that_calls_tools_it_was_not_given_ends_the_run() -> None:
    state, effects = play(Reserved(), said("I would look", CALL), most=1)

    assert effects[-1] == Close()
    assert state.text == "I would look"


def test_an_answer_that_is_only_a_capture_goes_back_to_the_model() -> None:
    state, effects = play(Reserved(), CAPTURE_ONLY)

    assert isinstance(effects[-1], Reserve)
    assert state.messages[-1] == Message(
        "user", "remembered as user_x.md\nThat answer had no words for the user. Answer in words."
    )


def test_a_capture_after_tools_is_no_answer_though_something_was_said_before_them() -> None:
    state, effects = play(Reserved(), said("let me look", CALL), Called((RESULT,)), Reserved(), CAPTURE_ONLY)

    assert isinstance(effects[-1], Reserve)
    assert state.messages[-1].text.endswith("That answer had no words for the user. Answer in words.")


def test_a_refused_capture_may_be_mended_without_repeating_the_answer() -> None:
    answered = said(
        "the answer\n```atomic_capture\n{\n```", shown="the answer", notes=("not remembered",), refused=True
    )

    asked, _ = play(Reserved(), answered)
    state, effects = play(Reserved(), answered, Reserved(), CAPTURE_ONLY)

    assert asked.messages[-1].text == (
        "not remembered\nMend the capture if you can, and do not repeat your answer, which has been given."
    )
    assert effects[-1] == Close()
    assert state.text == "the answer"


def test_a_mended_capture_is_no_answer_where_there_was_none_yet() -> None:
    state, _ = play(Reserved(), REFUSED_CAPTURE, Reserved(), CAPTURE_ONLY, Reserved(), said("here it is"))

    assert state.messages[2].text == "not remembered: broken\nMend the capture if you can, and answer."
    assert (state.text, state.phase) == ("here it is", Phase.CLOSING)


def test_a_last_turn_that_only_captures_is_followed_by_one_for_the_answer() -> None:
    state, effects = play(Reserved(), CAPTURE_ONLY, Reserved(), said("here it is"), most=1)
    again, over = play(Reserved(), CAPTURE_ONLY, Reserved(), CAPTURE_ONLY, most=1)

    assert isinstance(effects[3], Reserve)
    assert not effects[3].request.tools
    assert (state.text, effects[-1], over[-1]) == ("here it is", Close(), Close())
    assert again.iterations == 2


def test_a_model_that_says_nothing_is_asked_once_more_and_no_further() -> None:
    state, effects = play(Reserved(), said(), Reserved(), said())

    assert effects[-1] == Close()
    assert (state.iterations, state.ending, state.reason) == (2, Ending.EMPTY, "the model said nothing")


@pytest.mark.parametrize(
    ("answer", "ending", "reason"),
    [
        (Answer("", finish="refused"), "refused", "the provider's filter stopped the answer"),
        (Answer("", finish="stop", refusal="I will\nnot."), "refused", "the model declined to answer: I will not."),
        (Answer("The first", finish="refused", refusal="no"), "refused", "the model declined to answer: no"),
        (Answer("The first half", finish="length"), "truncated", "max_output_tokens is 4,000"),
        (Answer("", reasoning="hm", finish="length"), "truncated", "max_output_tokens is 4,000"),
        (Answer("", (CALL,), finish="length"), "truncated", "max_output_tokens is 4,000"),
        (Answer("", (CALL,), finish="refused"), "refused", "the provider's filter stopped the answer"),
    ],
)
def test_an_answer_that_the_provider_says_is_not_whole_is_never_asked_again(
    answer: Answer, ending: str, reason: str
) -> None:
    state, effects = play(Reserved(), Answered(answer, Decimal("0.25"), answer.text))

    assert (effects[-1], state.ending, state.iterations, state.text) == (Close(), ending, 1, answer.text)
    assert state.failure is not None
    assert reason in state.failure.message
    assert state.failure.exit_status == Ending(ending).exit_status == 8


def test_a_model_that_only_thinks_is_said_to_have_thought() -> None:
    thought = Answered(Answer("", reasoning="Hm."), Decimal("0.25"), "")

    state, _ = play(Reserved(), thought, Reserved(), thought)

    assert (state.ending, state.reason) == (Ending.EMPTY, "the model thought and gave no answer")


@pytest.mark.parametrize("words", ["", "Let me look once more."])
def test_a_model_that_never_stops_calling_tools_has_used_its_rounds(words: str) -> None:
    rounds = [event for _ in range(7) for event in (Reserved(), said("", CALL), Called((RESULT,)))]

    state, effects = play(*rounds, Reserved(), said(words, CALL))

    assert (effects[-1], state.ending, state.iterations, state.text) == (Close(), Ending.EXHAUSTED, 8, words)
    assert state.reason == "the model used all 8 rounds for tools and gave no answer"


def test_a_call_where_no_tool_was_offered_is_not_left_without_an_answer_before_the_next_request() -> None:
    captures = said("```atomic_capture\n{}\n```", CALL, shown="", notes=("remembered as user_x.md",))

    state, effects = play(Reserved(), captures, most=1)

    assert isinstance(effects[-1], Reserve)
    assert [message.calls for message in state.messages] == [(), (), ()]


def test_the_model_is_told_of_captures_with_the_results_of_its_calls() -> None:
    state, _ = play(Reserved(), said("noted", CALL, notes=("remembered as user_x.md",)), Called((RESULT,)))

    assert state.messages[-2:] == (RESULT, Message("user", "remembered as user_x.md"))
    assert state.notes == ()


def test_a_cap_ends_the_run_and_keeps_what_was_said() -> None:
    state, effects = play(Reserved(), said("so far", CALL), Called((RESULT,)), Refused("too dear"), Closed())

    assert effects[-2] == Close()
    assert (state.ending, state.reason, state.text) == ("skipped", "too dear", "so far")


@pytest.mark.parametrize(
    "before",
    [
        [],
        [Started()],
        [Started(), Assembled((), ())],
        [Started(), Assembled((), ()), Reserved()],
        [Started(), Assembled((), ()), Reserved(), said("", CALL)],
    ],
    ids=["new", "assembling", "reserving", "asking", "calling"],
)
def test_a_failure_in_any_phase_closes_the_run(before: list[Event]) -> None:
    state = new()
    for event in before:
        state, _ = turn.advance(state, event)

    state, effect = turn.advance(state, Failed(OOPS))

    assert effect == Close()
    assert (state.ending, state.reason, state.failure) == ("error", "the model is ill", OOPS)
    assert turn.advance(state, Closed())[0].phase is Phase.DONE


def test_a_failure_while_closing_is_the_end() -> None:
    state, effects = play(Reserved(), said("done"), Failed(OOPS))

    assert effects[-1] is None
    assert (state.phase, state.ending, state.failure) == (Phase.DONE, "error", OOPS)


def test_an_interruption_is_not_called_an_error() -> None:
    state, _ = play(Failed(RunInterrupted("stopped by you")))

    assert state.ending == "interrupted"


def ill(retry_after: float | None = None, *, cost: str = "0", shown: bool = False, took: float = 0.0,
        luck: float = 1.0) -> AskFailed:  # fmt: skip
    context = {"retryable": True} | ({} if retry_after is None else {"retry_after": retry_after})
    return AskFailed(ProviderFailed("overloaded", context=context), Decimal(cost), shown, took, luck)


def test_a_failure_that_may_pass_is_asked_again_after_a_wait_that_doubles() -> None:
    _, effects = play(Reserved(), *[event for _ in range(3) for event in (ill(), Waited(), Reserved())], said("done"))

    assert [effect.seconds for effect in effects if isinstance(effect, Wait)] == [1.0, 2.0, 4.0]
    assert effects[-1] == Close()


@pytest.mark.parametrize(("luck", "seconds"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_luck_spreads_a_wait_from_nothing_to_the_whole(luck: float, seconds: float) -> None:
    _, effects = play(Reserved(), ill(luck=luck))

    assert effects[-1] == Wait(seconds)


@pytest.mark.parametrize(("luck", "seconds"), [(0.0, 20.0), (1.0, 25.0)])
def test_what_the_provider_wants_is_the_least_that_is_waited(luck: float, seconds: float) -> None:
    _, effects = play(Reserved(), ill(20.0, luck=luck))

    assert effects[-1] == Wait(seconds)


def test_a_question_asked_again_is_the_same_one_and_reserved_anew() -> None:
    state, effects = play(Reserved(), ill(cost="0.1"), Waited(), Reserved())

    asked = [effect.request for effect in effects if isinstance(effect, Ask)]
    assert [type(effect) for effect in effects] == [Assemble, Reserve, Ask, Wait, Reserve, Ask]
    assert asked[0] == asked[1]
    assert (state.iterations, state.attempt, state.cost) == (1, 2, Decimal("0.1"))


def test_tries_are_bounded_and_then_another_model_is_asked_as_often() -> None:
    again = [event for _ in range(turn.MOST_TRIES - 1) for event in (ill(), Waited(), Reserved())]

    state, effects = play(Reserved(), *again, ill(), Reserved(), *again, ill(), Refused("there is no third"), Closed())

    assert sum(isinstance(effect, Ask) for effect in effects) == 2 * turn.MOST_TRIES
    assert sum(isinstance(effect, Replace) for effect in effects) == 2
    assert effects[-2] == Close()
    assert (state.ending, state.reason) == ("error", "overloaded; there is no third")
    assert state.failure is not None
    assert state.failure.exit_status == 7


@pytest.mark.parametrize("failed", [ill(3600.0), ill(took=700.0)], ids=["wants an hour", "took too long"])
def test_what_would_take_too_long_goes_to_the_other_model_at_once(failed: AskFailed) -> None:
    state, effects = play(Reserved(), failed, Reserved(), said("done"), Closed())

    assert [type(effect) for effect in effects[3:]] == [Replace, Ask, Close, type(None)]
    assert (state.ending, state.failure, state.text) == ("ok", None, "done")


@pytest.mark.parametrize(
    "failed", [ill(shown=True, cost="0.2"), AskFailed(OOPS, Decimal("0.2"))], ids=["seen", "for good"]
)
def test_what_was_seen_or_will_not_pass_is_not_asked_again(failed: AskFailed) -> None:
    state, effects = play(Reserved(), failed)

    assert effects[-1] == Close()
    assert (state.ending, state.failure, state.cost) == ("error", failed.error, Decimal("0.2"))


def test_each_question_has_its_own_tries() -> None:
    state, effects = play(Reserved(), ill(), Waited(), Reserved(), said("", CALL), Called((RESULT,)), Reserved(), ill())

    assert effects[-1] == Wait(1.0)
    assert state.tries == 2


answers = st.builds(
    lambda text, calls, shown, notes, refused: said(
        text, *[ToolCall(f"c{n}", "recall", "{}") for n in range(calls)], shown=text if shown else "", notes=notes,
        refused=refused,
    ),
    st.sampled_from(["", "text", " \n"]), st.integers(0, 2), st.booleans(), st.sampled_from([(), ("noted",)]),
    st.booleans(),
)  # fmt: skip
happenings = st.sampled_from(["", "", "", "", "fail", "refuse", "ill", "ill"])
fates = st.lists(st.tuples(answers, st.booleans(), happenings), max_size=12)


@settings(deadline=None)
@given(fates, st.integers(1, 9), st.booleans())
def test_whatever_happens_a_run_ends_closed_once(  # noqa: C901 - one case for each effect
    fates: list[tuple[Answered, bool, str]], most: int, closing_fails: bool
) -> None:
    state, effect = turn.advance(new(most), Started())
    script, closes, asked, shown, replaced, ills = iter(fates), 0, 0, "", False, 0
    while effect is not None:
        fate = next(script, (said("at last"), False, ""))
        event: Event
        match effect:
            case Close():
                closes += 1
                event = Failed(OOPS) if closing_fails else Closed()
            case _ if fate[2] == "fail":
                event = Failed(OOPS)
            case Assemble():
                event = Assembled(("s",), TOOLS)
            case Reserve():
                event = Refused("too dear") if fate[2] == "refuse" else Reserved()
            case Ask() if fate[2] == "ill":
                event, ills = ill(luck=0.5), ills + 1
            case Wait():
                event = Waited()
            case Replace():
                event = Refused("") if replaced else Reserved()
                replaced = True
            case Ask(request):
                event, asked = fate[0], asked + 1
                shown += fate[0].shown.strip()
                assert bool(request.tools) == (asked < most)
            case Call(calls):
                event = Called(tuple(Message("tool", "r", call_id=call.id, tool_name=call.name) for call in calls))
        state, effect = turn.advance(state, event)

    assert (state.phase, closes) == (Phase.DONE, 1)
    assert asked <= most + 1
    assert ills <= 2 * turn.MOST_TRIES * most
    assert bool(state.text) == bool(shown)
    answered = {message.call_id for message in state.messages if message.role == "tool"}
    called = {call.id for message in state.messages[:-1] for call in message.calls}
    assert called <= answered or state.ending != "ok"
