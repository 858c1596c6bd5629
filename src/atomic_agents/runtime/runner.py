"""Performs the effects of a run, records each before and after it happens, and closes the run exactly once."""

import datetime
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from atomic_agents.budget.prices import Prices
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import AtomicAgentsError, BudgetExceeded, InternalError, ProviderFailed, RunInterrupted
from atomic_agents.core.model import Answer, Message, Model, Request, ToolCall
from atomic_agents.core.values import Usd
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory.blocks import CaptureFilter, split_blocks
from atomic_agents.memory.lifecycle import Captures, Outcome
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.runtime import prompt, turn
from atomic_agents.runtime.closing import Also, Closing, nothing_else
from atomic_agents.runtime.pool import Pool
from atomic_agents.runtime.purse import Purse
from atomic_agents.runtime.replay import Key
from atomic_agents.runtime.states import (
    Answered,
    Ask,
    AskFailed,
    Assemble,
    Assembled,
    Call,
    Called,
    Closed,
    Effect,
    Ending,
    Event,
    Failed,
    Replace,
    Reserve,
    RunState,
    Started,
    Wait,
    Waited,
)
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.tools.builtin import builtin
from atomic_agents.tools.tool import Tool, ToolResult, answers
from atomic_agents.vault import layout
from atomic_agents.vault.persona import Mode
from atomic_agents.vault.vault import Agent, AgentSettings, Vault

MAX_ITERATIONS = 8
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a run."""

    work_item: str
    trigger: str = "manual"
    critical: bool = False
    capture: bool = True
    max_cost: Usd | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a run did. `text` is the answer; `failure` the error that ended it, None where nothing failed."""

    run_id: str
    agent: str
    model: str
    text: str
    ending: Ending
    reason: str
    input_tokens: int
    output_tokens: int
    cost: Usd
    latency_ms: float
    captures: tuple[Outcome, ...]
    warnings: tuple[str, ...]
    transcript: str
    failure: AtomicAgentsError | None = None
    replayed: bool = False


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
    secrets: tuple[str, ...] = ()
    sleep: Callable[[float], None] = time.sleep
    _warnings: list[str] = field(default_factory=list)
    _tool_calls: list[dict[str, object]] = field(default_factory=list)
    _tools: tuple[Tool, ...] = ()
    _sections: tuple[prompt.Section, ...] = ()

    def __post_init__(self) -> None:
        now, work_item = self.clock(), _sound(self.order.work_item)
        self.order = replace(self.order, work_item=work_item)
        captures = Captures(self.vault, self.agent.name, self.paths, now.date(), work_item)
        pool = Pool(self.vault.store, self.settings.model.shared, self.run_id, self.memory, self._set_aside)
        self._purse = Purse(
            self.vault.store, self.agent.name, self.settings.model.guardrails, self.prices, self.memory, self.model,
            self.open_fallback, lambda: self.clock().date(), self.order.critical, self.order.max_cost,
            self._warnings.append, pool,
        )  # fmt: skip
        started = {"agent": self.agent.name, "model": self.model.id, "trigger": self.order.trigger,
                   "work_item": work_item, "critical": self.order.critical}  # fmt: skip
        if self.order.key:
            started["idempotency_key"] = self.order.key.name
        self._transcript = Transcript(self.vault.store, self.agent.name, self.run_id, [], self.secrets)
        self._closing = Closing(
            self.vault, self.agent.name, self.mode, self._purse, self._transcript, captures, started, self.clock,
            self.order.key, self.plain is None, self.also,
        )  # fmt: skip

    def run(self) -> Result:
        """Go from start to end; failures end the run and are part of the result, they are not raised."""
        begun = time.perf_counter()
        self._transcript.record("started", self.clock(), **self._closing.started)
        model = self.settings.model
        state = RunState(self.order.work_item, MAX_ITERATIONS, model.max_output_tokens, model.temperature)
        event: Event = Started()
        while True:
            state, effect = turn.advance(state, event)
            if effect is None:
                break
            event = self._perform(effect, state, begun)
        return self._result(state, begun)

    def _perform(self, effect: Effect, state: RunState, begun: float) -> Event:
        try:
            match effect:
                case Assemble():
                    return self._assemble()
                case Reserve(request):
                    return self._purse.reserve(request, state.cost)
                case Ask(request):
                    return self._ask(request, state)
                case Wait(seconds):
                    return self._wait(seconds, state)
                case Replace(request):
                    return self._purse.replace(request, state.cost)
                case Call(calls):
                    return self._call(calls)
                case _:
                    self._closing.close(state, self._tool_calls, _milliseconds(begun))
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
    def undo(self) -> ChangeSet | None:
        """What takes the run's last change set back; None where there is none."""
        return self._closing.undo

    def _assemble(self) -> Event:
        if self.plain is not None:
            return Assembled(self.plain, ())
        agent = self.agent.name
        self.memory.refresh(agent)
        captures = self._closing.captures if self.order.capture else None
        today = self.clock().date()
        self._tools = builtin(
            self.vault,
            agent,
            search=lambda query, limit: self.memory.search(agent, query, limit, today),
            captures=captures,
            paths=self.paths,
        )
        found = prompt.assemble(
            self.vault, self.agent, self.settings, self.memory, now=self.clock(), trigger=self.order.trigger,
            tool_names=tuple(tool.spec.name for tool in self._tools),
            work_item=prompt.said(self.earlier, self.order.work_item),
        )  # fmt: skip
        self._warn_of(found)
        self._sections = found.sections
        return Assembled(found.parts, tuple(tool.spec for tool in self._tools), self.earlier)

    def _warn_of(self, found: prompt.Prompt) -> None:
        most = self.settings.model.max_input_tokens
        tokens = found.tokens + prompt.estimate(prompt.said(self.earlier, self.order.work_item))
        if found.cut:
            self._warnings.append(f"left out to keep within {most:,} tokens: {', '.join(found.cut)}")
        if tokens > most:
            self._warnings.append(f"the prompt takes about {tokens:,} tokens, and max_input_tokens is {most:,}")
        self._warnings += found.problems
        problems = self.memory.problems(self.agent.name)
        self._warnings += [f"{problem.where}: {problem.message}" for problem in problems[:_NAMED]]
        if len(problems) > _NAMED:
            more = len(problems) - _NAMED
            self._warnings.append(f"{more:,} more documents could not be read; atomic-agents doctor names them")

    def _ask(self, request: Request, state: RunState) -> Event:
        model = self._purse.model
        facts: dict[str, object] = {"iteration": state.iterations, "model": model.id, "quote": self._purse.quote}
        if state.attempt > 1:
            facts["attempt"] = state.attempt
        elif state.iterations == 1:
            facts |= {"system": request.system, "tools": [tool.name for tool in request.tools]}
            facts["sections"] = [{"title": part.title, "tokens": part.tokens} for part in self._sections]
        self._transcript.record("asking", self.clock(), **facts, messages=[_message(m) for m in request.messages[-3:]])
        streamed: list[str] = []
        seen = _Seen(_apart(self.on_text) if state.text else self.on_text)
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
                "failed", self.clock(), error=str(error), cost=cost, partial="".join(streamed), attempt=state.attempt
            )
            if not isinstance(error, ProviderFailed):
                raise
            self._purse.lost = Usd(0)  # the state has it from here on
            luck = random.random()  # noqa: S311 - it spreads waits, and guards nothing
            return AskFailed(error, cost, shown=seen.anything, took=time.monotonic() - begun, luck=luck)
        shown.finish()
        return self._answered(replace(found, text=_sound(found.text)))

    def _set_aside(self, quote: Usd) -> None:
        self._transcript.record("reserved", self.clock(), quote=quote)

    def _wait(self, seconds: float, state: RunState) -> Event:
        self._transcript.record("waiting", self.clock(), seconds=round(seconds, 3), attempt=state.attempt)
        self._warnings.append(f"{self._purse.model.id} failed and was asked again; the transcript says why")
        self.sleep(seconds)
        return Waited()

    def _answered(self, found: Answer) -> Event:
        cost = self._purse.lost = self._purse.paid_for(found.usage)  # lost, until it is in the state
        text, blocks = split_blocks(found.text)
        outcomes = [self._closing.captures.add(block) for block in blocks] if self.order.capture else []
        calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in found.calls]
        self._transcript.record(
            "answered", self.clock(), text=found.text, calls=calls,
            cost=cost, input_tokens=found.usage.input_tokens, output_tokens=found.usage.output_tokens,
            finish=found.finish, captures=[outcome.message for outcome in outcomes],
        )  # fmt: skip
        self._purse.lost = Usd(0)
        refused = any(outcome.became == "rejected" for outcome in outcomes)
        return Answered(found, cost, text, tuple(outcome.message for outcome in outcomes), refused)

    def _call(self, calls: Sequence[ToolCall]) -> Event:
        """Call the tools; where the run is stopped meanwhile, what has no answer yet is told so in the transcript."""
        results: list[Message] = []
        try:
            for result in answers(self._tools, calls):
                results.append(self._called(result))  # noqa: PERF401 - what came before an interruption counts
        except (KeyboardInterrupt, SystemExit):
            for call in calls[len(results) :]:
                self._called(ToolResult(call, "the run was stopped before this was answered", failed=True))
            raise
        return Called(tuple(results))

    def _called(self, result: ToolResult) -> Message:
        facts: dict[str, object] = {"tool_name": result.call.name, "tool_use_id": result.call.id}
        self._tool_calls.append(facts | ({"error": result.text} if result.failed else {}))
        self._transcript.record("called", self.clock(), **facts, failed=result.failed, text=result.text)
        text = f"error: {result.text}" if result.failed else result.text
        return Message("tool", text, call_id=result.call.id, tool_name=result.call.name)

    def _result(self, state: RunState, begun: float) -> Result:
        agent, failure = self.agent.name, state.failure
        if state.ending == "skipped":
            failure = BudgetExceeded(state.reason, hint=_skip_hint(agent, self.settings, self._purse))
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
            warnings=tuple(dict.fromkeys(self._warnings)),
            transcript=transcript,
            failure=failure,
        )


@dataclass
class _Seen:
    """Passes text on, and knows whether there was any."""

    pass_on: Callable[[str], None]
    anything: bool = False

    def show(self, text: str) -> None:
        self.anything = self.anything or bool(text.strip())
        self.pass_on(text)


def _skip_hint(agent: str, settings: AgentSettings, purse: Purse) -> str:
    if purse.unreadable:
        return f"correct or remove that line, in a text editor: {purse.unreadable.partition(' ')[0]}"
    if purse.unpriced:
        return f"state the price of {purse.model.id} in prices.toml, or what to take for it: unknown_price: assume-max"
    if purse.shared:
        return f"raise the cap in {layout.settings('', 'policy.md')}, which holds for all agents together"
    file = settings.files.get("model.md")
    path = file.path if file else layout.settings(agent, "model.md")
    return f"raise the cap in {path}, or pass the daily cap once: atomic-agents run {agent} --critical --work-item …"


def _message(message: Message) -> dict[str, object]:
    return {"role": message.role, "text": message.text}


def _milliseconds(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)


def _sound(text: str) -> str:
    """A text that can be written down: half characters, which a shell or a server may send, become question marks."""
    return text.encode(errors="replace").decode()


def _apart(on_text: Callable[[str], None]) -> Callable[[str], None]:
    """Text below what was said before tools were called."""
    gap = ["\n\n"]

    def pass_on(text: str) -> None:
        if gap and text.strip():
            on_text(gap.pop())
        on_text(text)

    return pass_on
