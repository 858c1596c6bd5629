"""Performs the effects of a run, records each before and after it happens, and closes the run exactly once."""

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from atomic_agents.budget.prices import Prices
from atomic_agents.core.errors import AtomicAgentsError, BudgetExceeded, InternalError, RunInterrupted
from atomic_agents.core.model import Answer, Message, Model, Request
from atomic_agents.core.values import Usd
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory.blocks import CaptureFilter, split_blocks
from atomic_agents.memory.lifecycle import Captures, Outcome
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.runtime import prompt, turn
from atomic_agents.runtime.closing import Closing
from atomic_agents.runtime.purse import Purse
from atomic_agents.runtime.states import (
    Answered,
    Ask,
    Assemble,
    Assembled,
    Call,
    Called,
    Closed,
    Effect,
    Ending,
    Event,
    Failed,
    Reserve,
    RunState,
    Started,
)
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.tools.builtin import builtin
from atomic_agents.tools.tool import Tool, ToolResult, answer
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
    _warnings: list[str] = field(default_factory=list)
    _tool_calls: list[dict[str, object]] = field(default_factory=list)
    _tools: tuple[Tool, ...] = ()

    def __post_init__(self) -> None:
        now, work_item = self.clock(), _sound(self.order.work_item)
        self.order = replace(self.order, work_item=work_item)
        captures = Captures(self.vault, self.agent.name, self.paths, now.date(), work_item)
        self._purse = Purse(
            self.vault.store, self.agent.name, self.settings.model.guardrails, self.prices, self.memory, self.model,
            self.open_fallback, lambda: self.clock().date(), self.order.critical, self.order.max_cost,
            self._warnings.append,
        )  # fmt: skip
        started = {"agent": self.agent.name, "model": self.model.id, "trigger": self.order.trigger,
                   "work_item": work_item, "critical": self.order.critical}  # fmt: skip
        self._transcript = Transcript(self.vault.store, self.agent.name, self.run_id, [])
        self._closing = Closing(
            self.vault, self.agent.name, self.mode, self._purse, self._transcript, captures, started, self.clock
        )

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
                case Call(calls):
                    return Called(tuple(self._called(answer(self._tools, call)) for call in calls))
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

    def _assemble(self) -> Event:
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
            tool_names=tuple(tool.spec.name for tool in self._tools), work_item=self.order.work_item,
        )  # fmt: skip
        self._warn_of(found)
        return Assembled(found.parts, tuple(tool.spec for tool in self._tools))

    def _warn_of(self, found: prompt.Prompt) -> None:
        most = self.settings.model.max_input_tokens
        tokens = found.tokens + prompt.estimate(self.order.work_item)
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
        if state.iterations == 1:
            facts |= {"system": request.system, "tools": [tool.name for tool in request.tools]}
        self._transcript.record("asking", self.clock(), **facts, messages=[_message(m) for m in request.messages[-3:]])
        streamed: list[str] = []
        shown = CaptureFilter(_apart(self.on_text) if state.text else self.on_text)

        def pass_on(text: str) -> None:
            streamed.append(text)
            shown.feed(text)

        try:
            found = model.ask(request, pass_on)
        except BaseException as error:
            cost = self._purse.failed(error, begun=bool(streamed))
            self._transcript.record("failed", self.clock(), error=str(error), cost=cost, partial="".join(streamed))
            raise
        shown.finish()
        return self._answered(replace(found, text=_sound(found.text)))

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

    def _called(self, result: ToolResult) -> Message:
        facts: dict[str, object] = {"tool_name": result.call.name, "tool_use_id": result.call.id}
        self._tool_calls.append(facts | ({"error": result.text} if result.failed else {}))
        self._transcript.record("called", self.clock(), **facts, failed=result.failed, text=result.text)
        text = f"error: {result.text}" if result.failed else result.text
        return Message("tool", text, call_id=result.call.id, tool_name=result.call.name)

    def _result(self, state: RunState, begun: float) -> Result:
        agent, failure = self.agent.name, state.failure
        if state.ending == "skipped":
            failure = BudgetExceeded(state.reason, hint=_skip_hint(agent, self.settings, self._purse.unreadable))
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


def _skip_hint(agent: str, settings: AgentSettings, unreadable: str) -> str:
    if unreadable:
        return f"correct or remove that line, in a text editor: {unreadable.partition(' ')[0]}"
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
