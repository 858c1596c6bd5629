"""What a run that was cut off has been answered already, so that the run which goes on with it asks nobody twice."""

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from atomic_agents.core.model import Answer, Finish, ToolCall
from atomic_agents.core.values import Usd
from atomic_agents.guard.approvals import Approval
from atomic_agents.guard.secrets import redact
from atomic_agents.memory.blocks import split_blocks
from atomic_agents.runtime.prompt import Section
from atomic_agents.runtime.record import Event, Record
from atomic_agents.runtime.states import Answered
from atomic_agents.tools.builtin import REMEMBER
from atomic_agents.tools.tool import ToolResult

_FINISHES: tuple[Finish, ...] = ("stop", "tool_calls", "length", "refused")
_UNSURE = "the process died while this was under way, and whether it happened is not known; look before you try again"


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer that the model gave, and what became of it as far as that is recorded.

    `told` is what the model was to hear of its fenced captures, `refused` says which of them were not taken. `results`
    are those of its first calls, in their order. `kept`: what it remembered is in the vault. `requests` are what the
    operator was asked, by the place of the call; `begun` the places of calls that were being made.
    """

    answer: Answer
    told: tuple[str, ...] = ()
    refused: frozenset[int] = frozenset()
    results: tuple[ToolResult, ...] = ()
    kept: bool = False
    requests: Mapping[int, Approval] = field(default_factory=dict)
    begun: frozenset[int] = frozenset()

    @property
    def unsure(self) -> ToolResult | None:
        """The answer to a call that was being made and has none: whether it happened is not known."""
        at = len(self.results)
        return ToolResult(self.answer.calls[at], _UNSURE, failed=True) if at in self.begun else None

    @property
    def event(self) -> Answered:
        """The answer as it is met again; it was paid for by the run that asked."""
        shown, _ = split_blocks(self.answer.text)
        return Answered(self.answer, Decimal(0), shown, self.told, bool(self.refused))

    @property
    def captures(self) -> Iterator[object]:
        """The captures of it that were taken and are not in the vault yet, in order."""
        if self.kept:
            return
        _, blocks = split_blocks(self.answer.text)
        yield from (block for at, block in enumerate(blocks[: len(self.told)]) if at not in self.refused)
        for result in self.results:
            if result.call.name == REMEMBER and not result.failed:
                yield json.loads(result.call.arguments)


@dataclass(frozen=True, slots=True)
class Past:
    """The runs that a run goes on with, oldest first, and what they were answered; empty where it begins anew.

    `head` is the hash of the last line of the last one's transcript, `system` what the model was told, `cost` what they
    cost, which their own log lines state.
    """

    run_ids: tuple[str, ...] = ()
    head: str = ""
    heard: tuple[Heard, ...] = ()
    system: tuple[str, ...] = ()
    cost: Usd = Decimal(0)

    @property
    def facts(self) -> Mapping[str, object]:
        """What the transcript of the run that goes on says about it."""
        return {"resumed_from": self.run_ids[-1], "resumed_hash": self.head} if self.run_ids else {}

    def at(self, iteration: int) -> Heard | None:
        """The answer to a request, the first being 1; None where it has to be asked."""
        return self.heard[iteration - 1] if iteration <= len(self.heard) else None

    def changed(self, sections: Iterable[Section], secrets: Sequence[str]) -> str:
        """What of the operator's part of the prompt is not as it was, in words; "" where all of it is."""
        stable = [(section.title, redact(section.text, secrets)) for section in sections if section.stable]
        before = self.system[0] if self.system else ""
        if not before or before == "\n\n".join(text for _, text in stable):
            return ""
        return ", ".join(title for title, text in stable if text not in before) or "a part that is gone"


def heard(records: Iterable[Record]) -> tuple[Heard, ...]:
    """What the model answered in runs that each go on with the one before."""
    found: list[Heard] = []
    for event in (event for record in records for event in record.events):
        if event.name == "answered":
            found.append(_heard(event))
        elif event.name == "called" and found and event.facts.get("stopped") is not True:
            found[-1] = _with_result(found[-1], event)
        elif event.name == "requested" and found and (request := request_of(event)):
            found[-1] = replace(found[-1], requests={**found[-1].requests, request.at: request})
        elif event.name == "calling" and found and isinstance(at := event.facts.get("at"), int):
            found[-1] = replace(found[-1], begun=found[-1].begun | {at})
        elif event.name == "closed" and event.facts.get("captures"):
            found = [replace(each, kept=True) for each in found]
    return tuple(found)


def _heard(event: Event) -> Heard:
    calls = tuple(
        ToolCall(str(call.get("id")), str(call.get("name")), str(call.get("arguments")))
        for call in event.items("calls")
        if isinstance(call, Mapping)
    )
    finish = next((each for each in _FINISHES if each == event.text("finish")), _FINISHES[0])
    refused = frozenset(at for at in event.items("refused") if isinstance(at, int))
    told = tuple(map(str, event.items("captures")))
    return Heard(Answer(event.text("text"), calls, finish=finish), told, refused)


def _with_result(before: Heard, event: Event) -> Heard:
    at = len(before.results)
    if at == len(before.answer.calls):
        return before
    failed = event.facts.get("failed") is True
    result = ToolResult(before.answer.calls[at], event.text("text"), failed)
    return replace(before, results=(*before.results, result))


def request_of(event: Event) -> Approval | None:
    """What the operator was asked; None where the line does not say all of it."""
    arguments, at, asked = event.facts.get("arguments"), event.facts.get("at"), event.text("asked")
    if not isinstance(arguments, dict) or not isinstance(at, int) or not asked:
        return None
    expires = event.text("expires")
    return Approval(
        event.text("approval"), event.text("agent"), event.text("run_id"), at, event.text("tool_use_id"),
        event.text("tool_name"), event.text("class"), arguments, event.text("fingerprint"), event.text("binding"),
        event.text("rule"), event.text("where"), event.text("said"), datetime.datetime.fromisoformat(asked),
        datetime.datetime.fromisoformat(expires) if expires else None,
    )  # fmt: skip
