"""Ask a model for JSON of a given form, through the gate that runs go through; a wrong answer goes back once."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Generic, TypeVar

from atomic_agents.core.change import Change
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError, ProviderFailed
from atomic_agents.core.model import Message, Request
from atomic_agents.core.values import Usd
from atomic_agents.operations import runs
from atomic_agents.operations.runs import Bench
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.runner import Order, Result
from atomic_agents.runtime.states import RunState
from atomic_agents.vault.settings import ModelSettings

Found = TypeVar("Found")

_AGAIN = """{head}, asked again: that is not what was asked for:
{wrong}
Send the whole answer again, mended: one JSON object and nothing else."""
_MOST_WRONG = 20
_AGAIN_TOKENS = 1_500  # what is said about a wrong answer


class Misunderstood(Exception):
    """The answer is not what was asked for; each argument says one way in which it is not."""


@dataclass(frozen=True, slots=True)
class Asked(Generic[Found]):
    """What became of a question: the value, or the failure that kept it from coming, and the runs that it took."""

    value: Found | None
    runs: tuple[Result, ...]
    failure: AtomicAgentsError | None = None

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


def ask(
    bench: Bench, order: Order, system: tuple[str, ...], *, understand: Callable[[str, int], Found],
    keep: Callable[[Found, RunState, Mapping[str, object]], Sequence[Change]],
) -> Asked[Found]:  # fmt: skip
    """Ask for what `understand` accepts; `keep` says what the vault gets of it, in the change set that ends its run.

    `understand` is given the answer and the number of the attempt, and raises Misunderstood where it is wrong; the
    first one is sent back with the reasons.
    """
    question, earlier = order.work_item, tuple[Message, ...]()
    results: list[Result] = []
    listening = _Listening(understand, keep)
    for attempt in (1, 2):
        listening.attempt = attempt
        left = None if order.max_cost is None else max(order.max_cost - _cost(results), Decimal(0))
        again = replace(order, work_item=question, max_cost=left)
        result = runs.ask(bench, again, system, earlier=earlier, also=listening.changes)
        results.append(result)
        if result.failure is not None or listening.found is not None:
            return Asked(listening.found, tuple(results), result.failure)
        earlier = (Message("user", order.work_item), Message("assistant", result.text or "(nothing)"))
        head = order.work_item.partition("\n")[0]
        question = _AGAIN.format(head=head, wrong="\n".join(f"- {each}" for each in listening.wrong[:_MOST_WRONG]))
    failure = ProviderFailed(
        f"{results[-1].model} did not answer as asked, twice: {listening.wrong[0]}",
        hint=f"name another model: --model ID\natomic-agents runs show {results[-1].run_id}",
    )
    return Asked(None, tuple(results), failure)


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
    """Understands the answer as its run ends, so that what comes of it is written with the run's log line."""

    understand: Callable[[str, int], Found]
    keep: Callable[[Found, RunState, Mapping[str, object]], Sequence[Change]]
    attempt: int = 1
    found: Found | None = None
    wrong: tuple[str, ...] = ("it is empty",)

    def changes(self, state: RunState, record: Mapping[str, object]) -> Sequence[Change]:
        """What the vault gets of the answer; nothing where it is wrong."""
        if state.ending is not Ending.OK:
            return ()
        try:
            self.found = self.understand(state.text, self.attempt)
        except Misunderstood as error:
            self.found, self.wrong = None, tuple(map(str, error.args))
            return ()
        return self.keep(self.found, state, record)


def _back(settings: ModelSettings) -> int:
    return settings.max_output_tokens + _AGAIN_TOKENS


def _cost(results: Sequence[Result]) -> Usd:
    return sum((result.cost for result in results), Decimal(0))
