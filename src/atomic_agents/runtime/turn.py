"""The loop of a run as a table of states: (phase, event) to the next state and the effect it asks for.

Everything that changes a run's state is in `_TABLE`. No I/O happens here, so a run is tested by scripting its events.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from atomic_agents.core.errors import InternalError
from atomic_agents.core.model import Message
from atomic_agents.runtime.states import (
    Answered,
    Ask,
    Assemble,
    Assembled,
    Call,
    Called,
    Close,
    Closed,
    Effect,
    Ending,
    Event,
    Failed,
    Phase,
    Refused,
    Reserve,
    Reserved,
    RunState,
    Started,
)

Next = tuple[RunState, Effect | None]

MOST_URGES = 2
"""How often in a row a model is asked to go on that calls no tool."""


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
    messages = (Message("user", state.work_item),)
    return _reserve(replace(state, system=event.system, tools=event.tools, messages=messages))


def _reserve(state: RunState) -> Next:
    state = replace(state, phase=Phase.RESERVING, iterations=state.iterations + 1)
    return state, Reserve(state.request)


def _reserved(state: RunState, _event: Event) -> Next:
    return replace(state, phase=Phase.ASKING), Ask(state.request)


def _refused(state: RunState, event: Event) -> Next:
    assert isinstance(event, Refused)  # noqa: S101 - the table's key says so
    return replace(state, phase=Phase.CLOSING, ending="skipped", reason=event.reason), Close()


def _answered(state: RunState, event: Event) -> Next:
    """Go on while tools are called; otherwise only to mend a refused capture or to get an answer at all."""
    assert isinstance(event, Answered)  # noqa: S101 - the table's key says so
    answer = event.answer
    state = replace(
        state,
        messages=(*state.messages, Message("assistant", answer.text, answer.calls)),
        usage=state.usage + answer.usage,
        cost=state.cost + event.cost,
        text="\n\n".join(part for part in (state.text, event.shown.strip()) if part),
        notes=event.notes,
        spoken=state.spoken or bool(event.shown.strip()),
    )
    may_go_on = state.iterations < state.max_iterations
    if answer.calls and may_go_on:
        return replace(state, phase=Phase.CALLING, spoken=False, urged=0), Call(answer.calls)
    if may_go_on and state.urged < MOST_URGES and (event.refused or not state.spoken):
        urge = _urge(refused=event.refused, spoken=state.spoken)
        return _reserve(_told(replace(state, urged=state.urged + 1), urge))
    return replace(state, phase=Phase.CLOSING), Close()


def _urge(*, refused: bool, spoken: bool) -> str:
    if not refused:
        return "Now answer in words."
    rest = "and do not repeat your answer, which has been given." if spoken else "and answer."
    return f"Mend the capture if you can, {rest}"


def _called(state: RunState, event: Event) -> Next:
    assert isinstance(event, Called)  # noqa: S101 - the table's key says so
    state = replace(state, messages=(*state.messages, *event.results))
    return _reserve(_told(state) if state.notes else state)


def _told(state: RunState, ask: str = "") -> RunState:
    text = "\n".join([*state.notes, ask]).strip()
    return replace(state, messages=(*state.messages, Message("user", text)), notes=())


def _closed(state: RunState, _event: Event) -> Next:
    return replace(state, phase=Phase.DONE), None


def _fail(state: RunState, event: Failed) -> Next:
    """Whatever fails, the run is closed once: a failure while closing is the end of it."""
    ending: Ending = "interrupted" if event.error.code == "interrupted" else "error"
    if state.phase is Phase.CLOSING:
        closed = replace(state, phase=Phase.DONE, ending="error", reason=event.error.message, failure=event.error)
        return closed, None
    failed = replace(state, phase=Phase.CLOSING, ending=ending, reason=event.error.message, failure=event.error)
    return failed, Close()


_TABLE: Mapping[tuple[Phase, type], Callable[[RunState, Event], Next]] = {
    (Phase.NEW, Started): _start,
    (Phase.ASSEMBLING, Assembled): _assembled,
    (Phase.RESERVING, Reserved): _reserved,
    (Phase.RESERVING, Refused): _refused,
    (Phase.ASKING, Answered): _answered,
    (Phase.CALLING, Called): _called,
    (Phase.CLOSING, Closed): _closed,
}
