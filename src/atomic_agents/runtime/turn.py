"""The loop of a run as a table of states: (phase, event) to the next state and the effect it asks for.

Everything that changes a run's state is in `_TABLE`. No I/O happens here, so a run is tested by scripting its events.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import (
    AnswerEmpty,
    AnswerIncomplete,
    AnswerRefused,
    AnswerTruncated,
    InternalError,
    RoundsExhausted,
)
from atomic_agents.core.model import Answer, Message
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
    Suspended,
    Wait,
    Waited,
)

Next = tuple[RunState, Effect | None]

MOST_URGES = 2
"""How often in a row a model is asked to mend a refused capture."""

MOST_TRIES = 4
"""How often one model is asked the same thing while the way to it fails."""

MOST_SECONDS = 600.0
"""For how long one model is asked the same thing, waits and all."""

LONGEST_WAIT = 60.0
"""Seconds that a provider may have us wait before the same question; one that wants more is not asked again."""

_FIRST_WAIT = 1.0


def advance(state: RunState, event: Event) -> Next:
    """The next state, and the effect to perform: None once the run is done.

    Raises:
        InternalError: the event cannot happen in this state.
    """
    if isinstance(event, Failed) and state.phase is not Phase.DONE:
        return _fail(state, event)
    transition = _TABLE.get((state.phase, type(event)))
    if transition is None:
        raise InternalError(f"a run that is {state.phase} cannot meet {type(event).__name__}")
    return transition(state, event)


def _start(state: RunState, _event: Event) -> Next:
    return replace(state, phase=Phase.ASSEMBLING), Assemble()


def _assembled(state: RunState, event: Event) -> Next:
    assert isinstance(event, Assembled)  # noqa: S101 - the table's key says so
    messages = (*event.earlier, Message("user", state.work_item))
    state = replace(state, system=event.system, tools=event.tools, messages=messages, earlier=len(event.earlier))
    return _reserve(replace(state, max_input_tokens=event.max_input_tokens))


def _reserve(state: RunState) -> Next:
    iterations = state.iterations + 1
    state = replace(state, phase=Phase.RESERVING, iterations=iterations, attempt=1, tries=1, trying=0.0)
    return state, Reserve(state.request)


def _reserved(state: RunState, _event: Event) -> Next:
    fitted = state.fitted
    return replace(state, phase=Phase.ASKING), Ask(fitted.request, fitted.omitted)


def _refused(state: RunState, event: Event) -> Next:
    assert isinstance(event, Refused)  # noqa: S101 - the table's key says so
    return replace(state, phase=Phase.CLOSING, ending=Ending.SKIPPED, reason=event.reason), Close()


def _answered(state: RunState, event: Event) -> Next:
    """Go on while tools are called; otherwise only to mend a refused capture or to get the words of an empty answer.

    What was refused or cut short is never asked again. A last request that was answered with a capture and no word is
    followed by one more, for the words. It offered no tools, so a call in its answer is none, and nothing that follows
    may look as if it waited for a result.
    """
    assert isinstance(event, Answered)  # noqa: S101 - the table's key says so
    answer = event.answer
    may_go_on = state.iterations < state.max_iterations
    state = replace(
        state,
        messages=(*state.messages, Message("assistant", answer.text, answer.calls if may_go_on else ())),
        usage=state.usage + answer.usage,
        cost=state.cost + event.cost,
        text="\n\n".join(part for part in (state.text, event.shown.strip()) if part),
        notes=event.notes,
        spoken=state.spoken or bool(event.shown.strip()),
    )
    ending = _cut_short(answer)
    if ending is Ending.OK and answer.calls and may_go_on:
        return replace(state, phase=Phase.CALLING, spoken=False, urged=0, prompted=False), Call(answer.calls)
    only_captured = state.iterations == state.max_iterations and bool(event.notes) and not state.spoken
    if ending is Ending.OK and (may_go_on or only_captured):
        if event.refused and state.urged < MOST_URGES:
            return _reserve(_told(replace(state, urged=state.urged + 1), _mend(spoken=state.spoken)))
        if not state.spoken and not state.prompted and not event.refused:
            return _reserve(
                _told(replace(state, prompted=True), "That answer had no words for the user. Answer in words.")
            )
    return _finish(state, answer, ending)


def _cut_short(answer: Answer) -> Ending:
    """Whether the provider says that the answer is not whole."""
    if answer.refusal or answer.finish == "refused":
        return Ending.REFUSED
    return Ending.TRUNCATED if answer.finish == "length" else Ending.OK


def _finish(state: RunState, answer: Answer, ending: Ending) -> Next:
    """End the run with its last answer, which may have come to nothing."""
    if ending is Ending.OK and answer.calls:
        ending = Ending.EXHAUSTED
    elif ending is Ending.OK and not state.spoken:
        ending = Ending.EMPTY
    if ending is Ending.OK:
        return replace(state, phase=Phase.CLOSING), Close()
    failure = _incomplete(state, answer, ending)
    return replace(state, phase=Phase.CLOSING, ending=ending, reason=failure.message, failure=failure), Close()


def _incomplete(state: RunState, answer: Answer, ending: Ending) -> AnswerIncomplete:
    """The error for an ending without a whole answer, in the provider's words where it gave any."""
    other = "use another model: atomic-agents models list"
    match ending:
        case Ending.TRUNCATED:
            words = f"the answer was cut at its maximum length; max_output_tokens is {state.max_output_tokens:,}"
            return AnswerTruncated(words, hint="raise max_output_tokens in model.md, or ask for less at once")
        case Ending.REFUSED:
            words = " ".join(answer.refusal.split())
            words = f"the model declined to answer: {words}" if words else "the provider's filter stopped the answer"
            hint = f"rephrase the work item, or {other}"
            return AnswerRefused(words, hint=hint, context={"refusal": answer.refusal.strip()})
        case Ending.EXHAUSTED:
            words = f"the model used all {state.iterations} rounds for tools and gave no answer"
            return RoundsExhausted(words, hint=f"ask for less at once, or {other}")
        case _:
            words = "the model thought and gave no answer" if answer.reasoning.strip() else "the model said nothing"
            return AnswerEmpty(words, hint=f"run it again, or {other}")


def _ask_failed(state: RunState, event: Event) -> Next:
    """Ask again after a while, or another model; nobody is asked again once the user has seen a part of the answer."""
    assert isinstance(event, AskFailed)  # noqa: S101 - the table's key says so
    state = replace(state, cost=state.cost + event.cost)
    if event.shown or not event.error.context.get("retryable"):
        return _fail(state, Failed(event.error))
    wait, trying = _wait(state.tries, event), state.trying + event.took
    if wait is not None and state.tries < MOST_TRIES and trying + wait <= MOST_SECONDS:
        tries, attempt = state.tries + 1, state.attempt + 1
        return replace(state, phase=Phase.WAITING, attempt=attempt, tries=tries, trying=trying + wait), Wait(wait)
    replacing = replace(
        state, phase=Phase.REPLACING, attempt=state.attempt + 1, tries=1, trying=0.0, failure=event.error
    )
    return replacing, Replace(state.request)


def _wait(tries: int, event: AskFailed) -> float | None:
    """Seconds before the next try, twice as many each time and spread by luck; None where the provider wants too many.

    What the provider wants is the least, with a little on top: those who were refused together must not return so.
    """
    wanted = event.error.context.get("retry_after")
    if not isinstance(wanted, int | float) or wanted <= 0:
        return min(LONGEST_WAIT, _FIRST_WAIT * float(2 ** (tries - 1))) * event.luck
    return None if wanted > LONGEST_WAIT else wanted * (1 + event.luck / 4)


def _waited(state: RunState, _event: Event) -> Next:
    return replace(state, phase=Phase.RESERVING), Reserve(state.request)


def _replaced(state: RunState, event: Event) -> Next:
    return _reserved(replace(state, failure=None), event)


def _irreplaceable(state: RunState, event: Event) -> Next:
    """The failure stands; why there is no other model to ask is said beside it."""
    assert isinstance(event, Refused)  # noqa: S101 - the table's key says so
    reason = "; ".join(part for part in (state.failure.message if state.failure else "", event.reason) if part)
    return replace(state, phase=Phase.CLOSING, ending=Ending.ERROR, reason=reason), Close()


def _mend(*, spoken: bool) -> str:
    rest = "and do not repeat your answer, which has been given." if spoken else "and answer."
    return f"Mend the capture if you can, {rest}"


def _called(state: RunState, event: Event) -> Next:
    assert isinstance(event, Called)  # noqa: S101 - the table's key says so
    state = replace(state, messages=(*state.messages, *event.results))
    return _reserve(_told(state) if state.notes else state)


def _suspended(state: RunState, event: Event) -> Next:
    """The run ends here; another goes on with it once the operator has answered."""
    assert isinstance(event, Suspended)  # noqa: S101 - the table's key says so
    reason = "waits for you: " + ", ".join(f"{each.tool} ({each.id})" for each in event.requests)
    return replace(state, phase=Phase.CLOSING, ending=Ending.WAITING, reason=reason, requests=event.requests), Close()


def _told(state: RunState, ask: str = "") -> RunState:
    text = "\n".join([*state.notes, ask]).strip()
    return replace(state, messages=(*state.messages, Message("user", text)), notes=())


def _closed(state: RunState, _event: Event) -> Next:
    return replace(state, phase=Phase.DONE), None


def _fail(state: RunState, event: Failed) -> Next:
    """Whatever fails, the run is closed once: a failure while closing is the end of it."""
    ending = Ending.INTERRUPTED if event.error.code == "interrupted" else Ending.ERROR
    if state.phase is Phase.CLOSING:
        closed = replace(state, phase=Phase.DONE, ending=Ending.ERROR, reason=event.error.message, failure=event.error)
        return closed, None
    failed = replace(state, phase=Phase.CLOSING, ending=ending, reason=event.error.message, failure=event.error)
    return failed, Close()


_TABLE: Mapping[tuple[Phase, type], Callable[[RunState, Event], Next]] = {
    (Phase.NEW, Started): _start,
    (Phase.ASSEMBLING, Assembled): _assembled,
    (Phase.RESERVING, Reserved): _reserved,
    (Phase.RESERVING, Refused): _refused,
    (Phase.ASKING, Answered): _answered,
    (Phase.ASKING, AskFailed): _ask_failed,
    (Phase.WAITING, Waited): _waited,
    (Phase.REPLACING, Reserved): _replaced,
    (Phase.REPLACING, Refused): _irreplaceable,
    (Phase.CALLING, Called): _called,
    (Phase.CALLING, Suspended): _suspended,
    (Phase.CLOSING, Closed): _closed,
}
