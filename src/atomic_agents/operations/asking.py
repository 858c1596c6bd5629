"""Ask a model for JSON of a given form, through the gate that runs go through; a wrong answer goes back once."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Generic, TypeVar

from atomic_agents.core.change import Change
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AnswerIncomplete, AtomicAgentsError, ProviderFailed
from atomic_agents.core.model import Message, Request
from atomic_agents.core.values import Usd
from atomic_agents.operations import runs
from atomic_agents.operations.runs import Bench
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.sizes import BYTES_A_TOKEN, cut, request_tokens, text_tokens
from atomic_agents.runtime.states import RunState
from atomic_agents.vault.settings import ModelSettings

Found = TypeVar("Found")

_AGAIN = """{head}, asked again: that is not what was asked for:
{wrong}
Send the whole answer again, mended: one JSON object and nothing else."""
_MOST_WRONG = 20
_WRONG_TOKENS = 1_200
AGAIN_TOKENS = _WRONG_TOKENS + 300
"""What is said about a wrong answer takes at most so many tokens."""

_LEAST_AGAIN = 100  # tokens


class Misunderstood(Exception):
    """The answer is not what was asked for; each argument says one way in which it is not."""


@dataclass(frozen=True, slots=True)
class Understood(Generic[Found]):
    """What of an answer is as it was asked for; `wrong` says of each other part what is wrong with it.

    `empty` says that nothing of it is, though something was answered.
    """

    value: Found
    wrong: tuple[str, ...] = ()
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Asked(Generic[Found]):
    """Result of a question: the value, or the failure that kept it from coming, and the runs that it took.

    `dropped` says what of the answer was left out because it is not as it was asked for. `unanswered` says that the
    failure is this answer's alone, so that other questions can still be asked.
    """

    value: Found | None
    runs: tuple[Result, ...]
    failure: AtomicAgentsError | None = None
    dropped: tuple[str, ...] = ()
    unanswered: bool = False

    @property
    def cost(self) -> Usd:
        """What it cost."""
        return _cost(self.runs)


def needs_writer(model_id: str, what: str) -> None:
    """Refuse a model that cannot write.

    Raises:
        ProviderFailed: it only quotes.
    """
    if model_id.startswith("embedded:"):
        raise ProviderFailed(
            f"{what} needs a model that writes, and {model_id} only quotes",
            hint="name one: --model ID\natomic-agents models list",
            context={"model": model_id},
        )


def most(
    workspace: Workspace, model_id: str, settings: ModelSettings, system: tuple[str, ...], text: str
) -> Usd | None:
    """The most that a question and its answer's way back can cost, None where nobody knows the price."""
    request = Request(system, (Message("user", text),), (), settings.max_output_tokens, settings.temperature)
    once = runs.most(workspace, model_id, request)
    # A quote reckons with three signs a token; the answer that goes back may be as long as answers can be.
    again = replace(request, messages=(*request.messages, Message("user", "x" * 3 * _back(settings))))
    twice = runs.most(workspace, model_id, again)
    return None if once is None or twice is None else once + twice


def room(settings: ModelSettings, system: tuple[str, ...], head: str) -> int:
    """Tokens that a question can take below `head`; with AGAIN_TOKENS less, a wrong answer can go back in full."""
    return settings.max_input_tokens - request_tokens(Request(system, (Message("user", head),)))


def ask(
    bench: Bench, order: Order, system: tuple[str, ...], *, understand: Callable[[str], Understood[Found]],
    keep: Callable[[Found, RunState, Mapping[str, object]], Sequence[Change]],
) -> Asked[Found]:  # fmt: skip
    """Ask for what `understand` accepts; `keep` says what the vault gets of it, in the change set that ends its run.

    `understand` raises Misunderstood where nothing of an answer can be used. The first answer with anything wrong in it
    is sent back with the reasons, where they fit into the input limit; of the second, or else of the first, what is
    right is kept and the rest is named.
    """
    question, earlier = order.work_item, tuple[Message, ...]()
    results: list[Result] = []
    listening = _Listening(understand, keep)
    room_again = _room_again(bench.settings.model, system, question)
    for last in (False, True) if room_again >= _LEAST_AGAIN else (True,):
        listening.last = last
        left = None if order.max_cost is None else max(order.max_cost - _cost(results), Decimal(0))
        again = replace(order, work_item=question, max_cost=left)
        result = runs.ask(bench, again, system, earlier=earlier, also=listening.changes)
        results.append(result)
        found = listening.kept
        if result.failure is not None or found is not None:
            alone = isinstance(result.failure, AnswerIncomplete)
            dropped = found.wrong if found else ()
            return Asked(found.value if found else None, tuple(results), result.failure, dropped, alone)
        wrong = "\n".join(f"- {each}" for each in listening.wrong[:_MOST_WRONG])
        wrong = cut(wrong, min(room_again, _WRONG_TOKENS) * BYTES_A_TOKEN)
        answer = cut(result.text or "(nothing)", max(room_again - text_tokens(wrong), 1) * BYTES_A_TOKEN)
        earlier = (Message("user", order.work_item), Message("assistant", answer))
        question = _AGAIN.format(head=_head(order.work_item), wrong=wrong)
    times = "twice" if len(results) > 1 else "and there was no room to ask again"
    failure = ProviderFailed(
        f"{results[-1].model} did not answer as asked, {times}: {listening.wrong[0]}",
        hint=f"name another model: --model ID\natomic-agents runs show {results[-1].run_id}",
    )
    return Asked(None, tuple(results), failure, listening.wrong, unanswered=True)


def _room_again(settings: ModelSettings, system: tuple[str, ...], question: str) -> int:
    """Tokens that are left for a wrong answer and what is wrong with it when the question is asked again."""
    again = _AGAIN.format(head=_head(question), wrong="")
    messages = (Message("user", question), Message("assistant", ""), Message("user", again))
    return settings.max_input_tokens - request_tokens(Request(system, messages))


def _head(question: str) -> str:
    return question.partition("\n")[0]


def once(on_notice: Callable[[str], None]) -> Callable[[str], None]:
    """`on_notice` for several questions: what was said before one is not said again."""
    said: set[str] = set()

    def hear(notice: str) -> None:
        if notice not in said:
            said.add(notice)
            on_notice(notice)

    return hear


def as_object(text: str) -> Mapping[str, object]:
    """The JSON object in an answer, whether or not there are words or a fence around it.

    Raises:
        Misunderstood: there is none.
    """
    start = re.search(r"\{\s*[\"}]", text)
    if start is None:
        raise Misunderstood("there is no JSON object in it")
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start.start())
    except (ValueError, RecursionError) as error:
        raise Misunderstood(f"it is not JSON: {error}") from error
    assert isinstance(value, dict)  # noqa: S101 - it begins with a brace
    return value


@dataclass
class _Listening(Generic[Found]):
    """Understands the answer as its run ends, so that what comes of it is written with the run's log line.

    `kept` is what of it is; `wrong` what is wrong with the newest answer.
    """

    understand: Callable[[str], Understood[Found]]
    keep: Callable[[Found, RunState, Mapping[str, object]], Sequence[Change]]
    last: bool = False
    kept: Understood[Found] | None = None
    wrong: tuple[str, ...] = ()
    _first: Understood[Found] | None = None

    def changes(self, state: RunState, record: Mapping[str, object]) -> Sequence[Change]:
        """What the vault gets of the answer, or of the one before it where this one is no better."""
        found = self._understood(state)
        usable = found is not None and not found.empty
        if self.last:
            self.kept = found if usable else self._first
        elif found is not None and not found.wrong:
            self.kept = found
        else:
            self._first = found if usable else None
        return self.keep(self.kept.value, state, record) if self.kept else ()

    def _understood(self, state: RunState) -> Understood[Found] | None:
        if state.ending is not Ending.OK:
            return None
        try:
            found = self.understand(state.text)
        except Misunderstood as error:
            self.wrong = tuple(map(str, error.args))
            return None
        self.wrong = found.wrong
        return found


def _back(settings: ModelSettings) -> int:
    return settings.max_output_tokens + AGAIN_TOKENS


def _cost(results: Sequence[Result]) -> Usd:
    return sum((result.cost for result in results), Decimal(0))
