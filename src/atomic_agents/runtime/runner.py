"""Performs the effects of a run, records each before and after it happens, and closes the run exactly once."""

import datetime
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from atomic_agents.budget.alerts import Alert
from atomic_agents.budget.prices import Prices
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError, BudgetExceeded, InternalError, ProviderFailed, RunInterrupted
from atomic_agents.core.model import Answer, Message, Model, Request
from atomic_agents.core.values import Usd
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.guard.policy import authority
from atomic_agents.guard.secrets import redact, spelled_out
from atomic_agents.memory import hooks
from atomic_agents.memory.blocks import CaptureFilter, split_blocks
from atomic_agents.memory.lifecycle import Captures
from atomic_agents.memory.notebook import Notebook
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.runtime import gate, prompt, turn
from atomic_agents.runtime.calling import Calling
from atomic_agents.runtime.closing import Also, Closing, nothing_else
from atomic_agents.runtime.fit import Omitted
from atomic_agents.runtime.gate import Gate, Judge
from atomic_agents.runtime.hearing import Seen, apart, beside_text, sound, sound_answer
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.past import Heard, Past
from atomic_agents.runtime.pool import Pool
from atomic_agents.runtime.principal import said_by_operator
from atomic_agents.runtime.purse import Purse
from atomic_agents.runtime.rendering import Rendered, check_plain, name_unreadable, render_within
from atomic_agents.runtime.states import (
    Answered,
    Ask,
    AskFailed,
    Assemble,
    Assembled,
    Call,
    Closed,
    Effect,
    Event,
    Failed,
    Replace,
    Reserve,
    Reserved,
    RunState,
    Started,
    Wait,
    Waited,
)
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.tools.builtin import builtin
from atomic_agents.tools.edits import Record
from atomic_agents.tools.hands import Hands, no_hands
from atomic_agents.tools.notes import Vouch
from atomic_agents.tools.tool import Tool
from atomic_agents.vault import call_limits, layout
from atomic_agents.vault.persona import Mode
from atomic_agents.vault.vault import Agent, AgentSettings, Vault

MAX_ITERATIONS = 8


@dataclass
class Runner:
    """One run of one agent. The caller holds the agent's lock."""

    vault: Vault
    agent: Agent
    settings: AgentSettings
    mode: Mode
    model: Model
    open_fallback: Callable[[], Model | None]
    memory: MemoryIndex
    prices: Prices
    paths: PathPolicy
    clock: Callable[[], datetime.datetime]
    order: Order
    run_id: str
    on_text: Callable[[str], None]
    earlier: tuple[Message, ...] = ()
    """What was said before in the conversation that this run goes on with, oldest first."""
    plain: tuple[str, ...] | None = None
    """What the model is told instead of the agent's own prompt; such a run has no tools and no journal."""
    also: Also = nothing_else
    secrets: Sequence[str] = ()
    sleep: Callable[[float], None] = time.sleep
    ended: Callable[[str, str], None] = lambda _agent, _run_id: None
    """Told of the run when it has ended and is recorded."""
    raised: list[Alert] = field(default_factory=list)
    """Gets what there is to tell the operator about the caps."""
    past: Past = field(default_factory=Past)
    """What the runs that this one goes on with were answered already."""
    open_hands: Callable[[Record, Callable[[str], None], Vouch], Hands] = no_hands
    """Opens the tools beyond its memory: given where to record and to warn, and who vouches for notes they write."""
    judge: Judge | None = None
    """Judges what the operator's rules leave to a judge; None where nobody can."""
    warnings: list[str] = field(default_factory=list)
    """What the operator is to hear; what happened before the run stands in it already."""
    _hands: Hands = field(default_factory=Hands)
    _sections: tuple[prompt.Section, ...] = ()
    _has_asked: bool = False
    _answer_cost: Usd = field(default_factory=Usd)

    def __post_init__(self) -> None:
        now, work_item = self.clock(), sound(self.order.work_item)
        self.order = replace(self.order, work_item=work_item)
        said = said_by_operator(work_item, trigger=self.order.trigger, parent=self.order.parent)
        captures = Captures(
            self.vault, self.agent.name, self.paths, now.date(), said, f"run {self.run_id}",
            self.settings.tools.accept_tool_notes, self.secrets,
        )  # fmt: skip
        pool = Pool(self.vault.store, self.settings.model.shared, self.run_id, self.memory, self._set_aside)
        self._purse = Purse(
            self.vault.store, self.agent.name, self.settings.model.guardrails, self.prices, self.memory, self.model,
            self.open_fallback, self.clock, self.order.critical, self.order.max_cost,
            self.warnings.append, pool, self.raised, self.past.cost,
        )  # fmt: skip
        self._transcript = Transcript(self.vault.store, self.agent.name, self.run_id, [], self.secrets)
        self._calling = Calling(
            self._transcript, self.clock, lambda: self._closing.captures,
            limits=call_limits.of(file.values for file in self.settings.files.values()),
        )  # fmt: skip
        self._closing = Closing(
            self.vault, self.agent.name, self.mode, self._purse, self._transcript, captures, self._started(),
            self.clock, self.order.key, self.plain is None, self.also, self.warnings,
        )  # fmt: skip

    def _started(self) -> dict[str, object]:
        """What was asked, whole enough to be gone on with."""
        order = self.order
        facts = {"agent": self.agent.name, "model": self.model.id, "trigger": order.trigger,
                 "work_item": order.work_item, "critical": order.critical}  # fmt: skip
        further = {
            "no_capture": not order.capture,
            "max_cost": order.max_cost,
            "idempotency_key": order.key.name if order.key else None,
            "key_request": order.key.request if order.key else None,
            "key_principal": order.key.principal if order.key else None,
            "conversation_id": order.conversation,
            "parent_run_id": order.parent,
            "plain": self.plain is not None,
            **self.past.facts,
        }
        said = {key: value for key, value in further.items() if value not in (None, "", False)}
        return {**facts, **said, **order.occasion}

    def run(self) -> Result:
        """Go from start to end; failures end the run and are part of the result, they are not raised."""
        begun = time.perf_counter()
        self._transcript.record("started", self.clock(), **self._closing.started)
        model = self.settings.model
        state = RunState(self.order.work_item, MAX_ITERATIONS, model.max_output_tokens, model.temperature)
        event: Event = Started()
        try:
            while True:
                state, effect = turn.advance(state, event)
                if effect is None:
                    break
                event = self._perform(effect, state, begun)
        finally:
            self._hands.close()
        if self._closing.closed:
            self.ended(self.agent.name, self.run_id)
        return self._result(state, begun)

    def _perform(self, effect: Effect, state: RunState, begun: float) -> Event:
        try:
            match effect:
                case Assemble():
                    return self._assemble()
                case Reserve(request):
                    known = self.past.at(state.iterations) is not None
                    return Reserved() if known else self._purse.reserve(request, state.cost)
                case Ask(request, omitted):
                    heard = self.past.at(state.iterations)
                    return self._ask(request, omitted, state) if heard is None else self._hear_again(heard, state)
                case Wait(seconds):
                    return self._wait(seconds, state)
                case Replace(request):
                    return self._purse.replace(request, state.cost)
                case Call(calls):
                    said, cost = state.messages[-1].text, self._answer_cost
                    return self._calling.call(calls, self.past.at(state.iterations), said=said, cost=cost)
                case _:
                    self._closing.close(state, self._calling.made, _milliseconds(begun))
                    return Closed()
        except (KeyboardInterrupt, SystemExit):
            return Failed(RunInterrupted("stopped by you"))
        except AtomicAgentsError as error:
            return Failed(error)
        except Exception as error:  # noqa: BLE001 - a bug must not cost the log line; the door shows it with --debug
            wrapped = InternalError(f"{type(error).__name__}: {error}", hint="run it again with --debug and report it")
            wrapped.__cause__ = error
            return Failed(wrapped)

    @property
    def undo(self) -> tuple[ChangeSet | None, tuple[str, ...]]:
        """What takes the run's last change set back, None where there is none; the tools whose doing nothing does."""
        return self._closing.undo, self._calling.acted

    def _assemble(self) -> Event:
        if self.plain is not None:
            check_plain(self.agent, self.settings, self.plain, self.earlier, self.order.work_item)
            return Assembled(self.plain, (), self.earlier, self.settings.model.max_input_tokens)
        agent = self.agent.name
        self.memory.refresh(agent)
        book = Notebook(self.vault, agent, lambda _path: True, self.clock().date())
        hooks.refresh(book, self.memory.former_hooks(agent))
        captures = self._closing.captures if self.order.capture else None
        today = self.clock().date()
        self._hands = self.open_hands(self._record, self.warnings.append, self._closing.captures.vouch)
        own = builtin(
            self.vault,
            agent,
            search=lambda query, limit: self.memory.search(agent, query, limit, today),
            captures=captures,
            paths=self.paths,
            used=self._closing.used.add,
        )
        self._calling.tools = tools = (*own, *self._hands.tools, self._calling.results.tool)
        self._calling.gate = Gate(
            self.vault, agent, self.run_id, authority(agent, self.settings), self.paths, self.clock, self._record,
            self.secrets, self.judge, self.settings.tools.classes or {}, self._calling.made, self.warnings.append,
        )  # fmt: skip
        specs = tuple(tool.spec for tool in tools)
        rendered = render_within(
            self.agent, self.settings, lambda room: self._render(tools, room), earlier=self.earlier,
            work_item=self.order.work_item, tools=specs,
        )  # fmt: skip
        if rendered.too_long:
            raise rendered.too_long
        self._warn_of(rendered)
        self._sections = rendered.prompt.sections
        for section in self._sections:
            if section.title in prompt.REMEMBERED:
                self._closing.captures.recalled(section.text)
        return Assembled(rendered.prompt.parts, specs, self.earlier, rendered.limit)

    def _render(self, tools: Sequence[Tool], room: int) -> prompt.Prompt:
        return prompt.assemble(
            self.vault, self.agent, self.settings, self.memory, now=self.clock(), trigger=self.order.trigger,
            tool_names=tuple(tool.spec.name for tool in tools), room=room,
        )  # fmt: skip

    def _record(self, event: str, facts: Mapping[str, object]) -> None:
        self._transcript.record(event, self.clock(), **facts)

    def _warn_of(self, rendered: Rendered) -> None:
        self.warnings += rendered.warnings(self.settings.model.max_input_tokens)
        if changed := self.past.changed(rendered.prompt.sections, self.secrets):
            before = self.past.run_ids[-1]
            self.warnings.append(f"changed since {before} began: {changed}; it goes on under the prompt as it is now")
        self.warnings += name_unreadable(self.memory.problems(self.agent.name))

    def _ask(self, request: Request, omitted: Omitted, state: RunState) -> Event:
        model = self._purse.model
        facts: dict[str, object] = {"iteration": state.iterations, "model": model.id, "quote": self._purse.quote}
        if omitted:
            facts["left_out"] = omitted.facts
            self.warnings += omitted.warnings(self.settings.model.max_input_tokens)
        if state.attempt > 1:
            facts["attempt"] = state.attempt
        elif not self._has_asked:
            facts |= {"system": request.system, "tools": [tool.name for tool in request.tools]}
            facts["sections"] = [{"title": part.title, "tokens": part.tokens} for part in self._sections]
        self._transcript.record("asking", self.clock(), **facts, messages=[_message(m) for m in request.messages[-3:]])
        self._has_asked = True
        streamed: list[str] = []
        seen = Seen(self._on_text(state))
        shown = CaptureFilter(seen.show)

        def pass_on(text: str) -> None:
            streamed.append(text)
            shown.feed(text)

        begun = time.monotonic()
        try:
            found = model.ask(request, pass_on)
        except BaseException as error:
            cost = self._purse.failed(error, begun=bool(streamed))
            self._transcript.record(
                "failed", self.clock(), error=str(error), status=_status(error), cost=cost, partial="".join(streamed),
                attempt=state.attempt,
            )  # fmt: skip
            if not isinstance(error, ProviderFailed):
                raise
            self._purse.lost = Usd(0)  # the state has it from here on
            luck = random.random()  # noqa: S311 - it spreads waits, and guards nothing
            return AskFailed(error, cost, shown=seen.anything, took=time.monotonic() - begun, luck=luck)
        shown.finish()
        return self._answered(request, sound_answer(found))

    def _hear_again(self, heard: Heard, state: RunState) -> Event:
        """Meet an answer that is recorded: it is shown and remembered, and neither asked for nor paid."""
        self._on_text(state)(heard.event.shown)
        if self.order.capture:
            self._closing.remember_late(heard.captures)
        return heard.event

    def _on_text(self, state: RunState) -> Callable[[str], None]:
        return apart(self.on_text) if state.text else self.on_text

    def _set_aside(self, quote: Usd) -> None:
        self._transcript.record("reserved", self.clock(), quote=quote)

    def _wait(self, seconds: float, state: RunState) -> Event:
        self._transcript.record("waiting", self.clock(), seconds=round(seconds, 3), attempt=state.attempt)
        self.warnings.append(f"{self._purse.model.id} failed and was asked again; the transcript says why")
        self.sleep(seconds)
        return Waited()

    def _answered(self, request: Request, found: Answer) -> Event:
        settled = self._purse.settle(request, found)
        cost = self._answer_cost = self._purse.lost = settled.cost  # lost, until it is in the state
        found = replace(found, usage=settled.usage)
        text, blocks = split_blocks(found.text)
        outcomes = [self._closing.captures.add(block) for block in blocks] if self.order.capture else []
        calls = [{"id": call.id, "name": call.name, "arguments": spelled_out(call.arguments)} for call in found.calls]
        refused = [at for at, outcome in enumerate(outcomes) if outcome.became == "rejected"]
        self._transcript.record(
            "answered", self.clock(), text=found.text, calls=calls,
            cost=cost, input_tokens=found.usage.input_tokens, output_tokens=found.usage.output_tokens,
            finish=found.finish, captures=[outcome.message for outcome in outcomes],
            refused=refused, **beside_text(found, settled.doubts),
        )  # fmt: skip
        self._purse.lost = Usd(0)
        return Answered(found, cost, text, tuple(outcome.message for outcome in outcomes), bool(refused))

    def _result(self, state: RunState, begun: float) -> Result:
        agent, failure = self.agent.name, state.failure
        if state.ending is Ending.SKIPPED:
            failure = BudgetExceeded(state.reason, hint=self._purse.hint(self.settings))
        elif state.ending is Ending.WAITING:
            failure = gate.waits(state.requests, self.run_id)
        transcript = layout.run_transcript(agent, self.run_id) if self._closing.closed else layout.open_run(self.run_id)
        return Result(
            run_id=self.run_id,
            agent=agent,
            model=self._purse.model.id,
            text=state.text,
            ending=state.ending,
            reason=state.reason,
            input_tokens=state.usage.input_tokens,
            output_tokens=state.usage.output_tokens,
            cost=self._closing.spent(state),
            latency_ms=_milliseconds(begun),
            captures=tuple(self._closing.captures.outcomes),
            warnings=tuple(dict.fromkeys(redact(each, self.secrets) for each in self.warnings)),
            transcript=transcript,
            failure=failure,
            resumed_from=self.past.run_ids[-1] if self.past.run_ids else "",
        )


def _status(error: BaseException) -> object:
    """The HTTP status that a provider answered with, None where it was none."""
    return error.context.get("status") if isinstance(error, ProviderFailed) else None


def _message(message: Message) -> dict[str, object]:
    return {"role": message.role, "text": message.text}


def _milliseconds(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)
