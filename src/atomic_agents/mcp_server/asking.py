"""A question to an agent, from when it is asked until its answer: progress, cancellation, what is said in the end."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from mcp.server.context import ServerRequestContext as Context

from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.core.values import format_usd
from atomic_agents.mcp_server.saying import words
from atomic_agents.mcp_server.tools import Question
from atomic_agents.operations import conversations
from atomic_agents.runtime import replay
from atomic_agents.runtime.conversation import Talk
from atomic_agents.runtime.order import Order
from atomic_agents.web.auth import Caller
from atomic_agents.web.desk import Desk, Going

GONE = "atomic_agents.gone"
"""The key of an HTTP request's scope with the event that is set when its sender has gone."""

Clean = Callable[[str], Awaitable[str]]

_PACE = 0.1  # seconds between two looks at what is there to tell
_PULSE = 5.0  # seconds of silence after which a sign of life is sent


async def ask(
    desk: Desk, context: Context, caller: Caller, question: Question, clean: Clean
) -> tuple[list[str], bool]:  # fmt: skip
    """The answer and a line about the run, and whether it failed; a run that waits for an approval says so.

    Who takes the question back stops the run at the next word of its model. So does who goes away, unless a key lets
    them ask for the answer again.

    Raises:
        AtomicAgentsError: what kept the run from beginning.
        Refused: too many are under way.
    """
    talk = await desk.read(conversations.talk, question.conversation) if question.conversation else None
    kept = None
    if question.key:
        kept = replay.key(
            question.key, work_item=question.work_item, conversation=question.conversation, principal=caller.principal
        )  # fmt: skip
    going = desk.ask(question.agent, Order(question.work_item, "api", key=kept), talk=talk, streams=True)
    leaving = None if kept else asyncio.create_task(_stop_when_gone(context, going))
    try:
        await _follow(context, going, clean)
    finally:
        if leaving is not None:
            leaving.cancel()
        if not going.ended.is_set():
            going.stop()
    return _answer(going, talk)


async def _follow(context: Context, going: Going, clean: Clean) -> None:
    """Tell what the run says as it goes on. Progress counts seconds, since nobody knows how much there is to come."""
    begun = told_at = time.monotonic()
    heard = told = ""
    message: str | None = f"{going.agent} is asked: {going.run_id}"
    while True:
        now = time.monotonic()
        if message or now - told_at > _PULSE:
            await context.session.report_progress(now - begun, message=message)
            told_at = now
        if going.ended.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PACE):
                await going.ended.wait()
        heard += _waiting(going)
        # The last word waits until it is whole: half a secret would not be known for one.
        whole = await clean(heard if going.ended.is_set() else "".join(heard.rpartition(" ")[:2]))
        message = whole.removeprefix(told) if whole.startswith(told) else None
        told = whole if message is not None else told


def _waiting(going: Going) -> str:
    pieces = (going.pieces.get_nowait() for _ in range(going.pieces.qsize()))
    return "".join(f"\nwarning: {each.text}\n" if each.notice else each.text for each in pieces if each)


async def _stop_when_gone(context: Context, going: Going) -> None:
    gone = context.request.scope[GONE] if context.request is not None else None
    if isinstance(gone, asyncio.Event):
        await gone.wait()
        going.stop()


def _answer(going: Going, talk: Talk | None) -> tuple[list[str], bool]:
    result, failure = going.result, going.failure
    if result is None:
        assert failure is not None  # noqa: S101 - a run that has ended has one of the two
        raise failure
    facts = [f"run {result.run_id}", format_usd(result.cost)]
    if result.replayed:
        facts.append("the answer that this key had got")
    elif talk is not None:
        facts.append(f"conversation {talk.id}")
    waits = failure is not None and failure.code == "approval-needed"
    said = [result.text] if result.text else []
    if failure is not None:
        said.append(_waits(failure) if waits else words(failure))
    return [*said, f"({', '.join(facts)})"], failure is not None and not waits


def _waits(failure: AtomicAgentsError) -> str:
    return f"waiting for an approval: {failure.message}\n{failure.hint}\nthe run goes on once the operator has answered"
