"""Performs the effects of a run, records each before and after it happens, and closes the run exactly once."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from atomic_agents.budget import ledger, limits
from atomic_agents.budget.prices import Prices
from atomic_agents.core.change import ABSENT, Change, ChangeSet, Put
from atomic_agents.core.errors import AtomicAgentsError, BudgetExceeded, Conflict, InternalError, RunInterrupted
from atomic_agents.core.model import Answer, Message, Model, Request
from atomic_agents.core.values import Usd
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory.lifecycle import Captures, Outcome, split_blocks
from atomic_agents.memory.search import MemoryIndex
from atomic_agents.runtime import prompt, turn
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
    Phase,
    Refused,
    Reserve,
    Reserved,
    RunState,
    Started,
)
from atomic_agents.runtime.stream import CaptureFilter
from atomic_agents.runtime.transcript import Transcript, run_record
from atomic_agents.tools.builtin import builtin
from atomic_agents.tools.tool import Tool, ToolResult, answer
from atomic_agents.vault import journal, layout
from atomic_agents.vault.persona import Mode
from atomic_agents.vault.vault import Agent, AgentSettings, Vault

MAX_ITERATIONS = 8
_CLOSE_TRIES = 5
_FALLBACK_CEILING = Decimal("1.5")


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
    _fell_back: bool = False
    _quote: Usd = Decimal(0)
    _estimated: bool = False
    _failed_cost: Usd = Decimal(0)

    def __post_init__(self) -> None:
        self._transcript = Transcript(self.vault.store, self.agent.name, self.run_id, [])
        self._captures = self._new_captures()
        self._search = lambda query, limit: self.memory.search(self.agent.name, query, limit, self.clock().date())

    def run(self) -> Result:
        """Go from start to end; failures end the run and are part of the result, they are not raised."""
        begun = time.perf_counter()
        started = {"agent": self.agent.name, "model": self.model.id, "trigger": self.order.trigger,
                   "work_item": self.order.work_item, "critical": self.order.critical}  # fmt: skip
        self._transcript.record("started", self.clock(), **started)
        state = RunState(
            self.order.work_item, MAX_ITERATIONS, self.settings.model.max_output_tokens, self.settings.model.temperature
        )
        event: Event = Started()
        while True:
            state, effect = turn.advance(state, event)
            if effect is None:
                break
            event = self._perform(effect, state, started, begun)
        return self._result(state, begun)

    def _perform(self, effect: Effect, state: RunState, started: Mapping[str, object], begun: float) -> Event:
        try:
            match effect:
                case Assemble():
                    return self._assemble()
                case Reserve(request):
                    return self._reserve(request, state)
                case Ask(request):
                    return self._ask(request, state.iterations)
                case Call(calls):
                    return Called(tuple(self._call(result) for result in (answer(self._tools, call) for call in calls)))
                case _:
                    self._close(state, started, begun)
                    return Closed()
        except KeyboardInterrupt:
            return Failed(RunInterrupted("stopped by you"))
        except AtomicAgentsError as error:
            return Failed(error)
        except Exception as error:  # noqa: BLE001 - a bug must not cost the log line; the door shows it with --debug
            wrapped = InternalError(f"{type(error).__name__}: {error}", hint="run it again with --debug and report it")
            wrapped.__cause__ = error
            return Failed(wrapped)

    def _assemble(self) -> Event:
        self.memory.refresh(self.agent.name)
        captures = self._captures if self.order.capture else None
        self._tools = builtin(self.vault, self.agent.name, search=self._search, captures=captures, paths=self.paths)
        names = tuple(tool.spec.name for tool in self._tools)
        found = prompt.assemble(
            self.vault,
            self.agent,
            self.settings,
            self.memory,
            now=self.clock(),
            trigger=self.order.trigger,
            tool_names=names,
        )
        if found.cut:
            self._warnings.append(
                f"left out to keep within {self.settings.model.max_input_tokens:,} tokens: {', '.join(found.cut)}"
            )
        self._warnings += [f"{problem.where}: {problem.message}" for problem in self.memory.problems(self.agent.name)]
        return Assembled(found.parts, tuple(tool.spec for tool in self._tools))

    def _reserve(self, request: Request, state: RunState) -> Event:
        """Judge the most that the request can cost; the agent's lock makes the verdict hold until it is spent."""
        guardrails = self.settings.model.guardrails
        quote = self._most(self.model, request)
        if self.order.max_cost is not None and not (quote is not None and state.cost + quote <= self.order.max_cost):
            most = "an unknown sum" if quote is None else f"${state.cost + quote:.4f}"
            return Refused(f"the run could cost {most} and --max-cost is ${self.order.max_cost:.2f}")
        spent = limits.Spent()
        if guardrails.enabled and quote != 0:
            spent = ledger.spent(self.vault.store, self.agent.name, self.clock().date(), self.memory)
            spent = limits.Spent(spent.day + state.cost, spent.month + state.cost, spent.unreadable)
        verdict = limits.judge(guardrails, spent, quote, critical=self.order.critical)
        if verdict.action == "fallback":
            return self._fall_back(request, spent, verdict)
        if verdict.action == "skip":
            return Refused(verdict.reason)
        if verdict.action == "alert":
            self._warnings.append(verdict.reason)
        self._quote = quote or Decimal(0)
        return Reserved()

    def _fall_back(self, request: Request, spent: limits.Spent, verdict: limits.Verdict) -> Event:
        """Use the cheaper model up to one and a half times the cap; beyond that, or without one, skip."""
        fallback = self.model if self._fell_back else self.open_fallback()
        if fallback is None:
            return Refused(f"{verdict.reason}; there is no fallback_model")
        quote = self._most(fallback, request)
        guardrails = self.settings.model.guardrails
        passed = quote is None or any(
            cap is not None and used + quote > cap * _FALLBACK_CEILING
            for cap, used in ((guardrails.daily_cap, spent.day), (guardrails.monthly_cap, spent.month))
        )
        if passed or quote is None:
            return Refused(f"{verdict.reason}; the fallback model could pass 1.5 times the cap")
        if not self._fell_back:
            self._warnings.append(f"{verdict.reason}; {fallback.id} answers instead")
        self.model, self._fell_back, self._quote = fallback, True, quote
        return Reserved()

    def _most(self, model: Model, request: Request) -> Usd | None:
        if model.local:
            return Decimal(0)
        texts = [*request.system, *(message.text for message in request.messages)]
        texts += [call.arguments for message in request.messages for call in message.calls]
        texts += [f"{tool.description}{tool.parameters}" for tool in request.tools]
        tokens = sum(map(prompt.estimate, texts))
        return self.prices.most(model.id, input_tokens=tokens, output_tokens=request.max_output_tokens)

    def _ask(self, request: Request, iteration: int) -> Event:
        facts: dict[str, object] = {"iteration": iteration, "model": self.model.id, "quote": self._quote}
        if iteration == 1:
            facts |= {"system": request.system, "tools": [tool.name for tool in request.tools]}
        self._transcript.record("asking", self.clock(), **facts, messages=[_message(m) for m in request.messages[-3:]])
        streamed: list[str] = []
        shown = CaptureFilter(self.on_text)

        def pass_on(text: str) -> None:
            streamed.append(text)
            shown.feed(text)

        try:
            found = self.model.ask(request, pass_on)
        except BaseException as error:
            # Whatever had begun to arrive is paid for, though nobody says how much it was.
            billable = isinstance(error, KeyboardInterrupt) or (
                isinstance(error, AtomicAgentsError) and bool(error.context.get("billable"))
            )
            cost = self._quote if streamed or billable else Decimal(0)
            self._estimated = self._estimated or cost > 0
            self._failed_cost = cost
            self._transcript.record("failed", self.clock(), error=str(error), cost=cost, partial="".join(streamed))
            raise
        shown.finish()
        return self._answered(found)

    def _answered(self, found: Answer) -> Event:
        cost = self.prices.cost(self.model.id, found.usage, local=self.model.local)
        if cost is None:
            self._warnings.append(
                f"the price of {self.model.id} is not known; this run counts as $0 until prices.toml states it"
            )
        text, blocks = split_blocks(found.text) if self.order.capture else (found.text, [])
        outcomes = [self._captures.add(block) for block in blocks]
        calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in found.calls]
        self._transcript.record(
            "answered", self.clock(), text=found.text, calls=calls,
            cost=cost or Decimal(0), input_tokens=found.usage.input_tokens, output_tokens=found.usage.output_tokens,
            finish=found.finish, captures=[outcome.message for outcome in outcomes],
        )  # fmt: skip
        refused = any(outcome.became == "rejected" for outcome in outcomes)
        return Answered(found, cost or Decimal(0), text, tuple(outcome.message for outcome in outcomes), refused)

    def _call(self, result: ToolResult) -> Message:
        facts: dict[str, object] = {"tool_name": result.call.name, "tool_use_id": result.call.id}
        self._tool_calls.append(facts | ({"error": result.text} if result.failed else {}))
        self._transcript.record("called", self.clock(), **facts, failed=result.failed, text=result.text)
        text = f"error: {result.text}" if result.failed else result.text
        return Message("tool", text, call_id=result.call.id, tool_name=result.call.name)

    def _close(self, state: RunState, started: Mapping[str, object], begun: float) -> None:
        """Write notes, index, journal, transcript and the log line as one change set."""
        now = self.clock()
        record = self._record(state, started, now, begun)
        for _ in range(_CLOSE_TRIES):
            changes = (
                *self._captures.changes(),
                *self._journal(state, record, now),
                *self._transcript.closing(now, record),
            )
            try:
                self.vault.store.apply(ChangeSet(f"end {self.run_id}", changes))
            except Conflict:
                self._take_captures_again()
            else:
                return
        raise Conflict(
            f"documents of {self.agent.name} kept changing while the run ended",
            hint="close the editor that writes them",
        )

    def _record(
        self, state: RunState, started: Mapping[str, object], now: datetime.datetime, begun: float
    ) -> dict[str, object]:
        usage, written = state.usage, [outcome.file for outcome in self._captures.outcomes if outcome.file]
        status = {"ok": "ok", "skipped": "skipped", "interrupted": "interrupted"}.get(state.ending, "error")
        return {
            **run_record(self.run_id, self.agent.name, now, started),
            "model": self.model.id.partition(":")[2]
            if self.model.id.startswith(("openai:", "anthropic:"))
            else self.model.id,
            "status": status,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": self._spent(state),
            "latency_ms": round((time.perf_counter() - begun) * 1000, 1),
            "cache_hit_tokens": usage.cache_read_tokens,
            "cache_miss_tokens": usage.input_tokens - usage.cache_read_tokens,
            "fallback": self._fell_back,
            "agent_mode": self.mode,
            "tool_calls": self._tool_calls or None,
            "tool_iterations": state.iterations if state.iterations > 1 else None,
            "captures": written or None,
            "cost_estimated_via_fallback": self._estimated or None,
            "skip_reason": state.reason if state.ending == "skipped" else None,
            "error": f"{state.failure.code}: {state.failure.message}" if state.failure else None,
        }

    def _spent(self, state: RunState) -> Usd:
        return state.cost + self._failed_cost

    def _journal(self, state: RunState, record: Mapping[str, object], now: datetime.datetime) -> Sequence[Change]:
        if state.ending == "skipped":
            return ()
        path = layout.journal_day(self.agent.name, now.date())
        blob = self.vault.store.read(path)
        before = blob.data.decode(errors="surrogateescape") if blob else ""
        facts = [outcome.message for outcome in self._captures.outcomes]
        facts.append(f"{record['model']}, ${self._spent(state):.4f}, {record['status']}")
        outcome = state.text if state.ending == "ok" else f"{state.text}\n\nIt ended early: {state.reason}"
        entry = journal.run_entry(
            now,
            run_id=self.run_id,
            trigger=self.order.trigger,
            work_item=self.order.work_item,
            outcome=outcome,
            facts=facts,
        )
        text = journal.append(before, entry, day=now.date(), agent=self.agent.name)
        return (Put(path, text.encode(errors="surrogateescape"), expect=blob.revision if blob else ABSENT),)

    def _new_captures(self) -> Captures:
        return Captures(self.vault, self.agent.name, self.paths, self.clock().date(), self.order.work_item)

    def _take_captures_again(self) -> None:
        """Somebody edited a document meanwhile: fold the captures over what stands there now."""
        former, self._captures = self._captures, self._new_captures()
        for capture in former.taken:
            self._captures.add(capture)

    def _result(self, state: RunState, begun: float) -> Result:
        failure = state.failure
        if state.ending == "skipped":
            failure = BudgetExceeded(state.reason, hint=_skip_hint(self.agent.name, self.settings))
        ended = state.phase is Phase.DONE
        return Result(
            run_id=self.run_id,
            agent=self.agent.name,
            model=self.model.id,
            text=state.text,
            ending=state.ending,
            reason=state.reason,
            input_tokens=state.usage.input_tokens,
            output_tokens=state.usage.output_tokens,
            cost=self._spent(state),
            latency_ms=round((time.perf_counter() - begun) * 1000, 1),
            captures=tuple(self._captures.outcomes),
            warnings=tuple(dict.fromkeys(self._warnings)),
            transcript=layout.run_transcript(self.agent.name, self.run_id) if ended else layout.open_run(self.run_id),
            failure=failure,
        )


def _skip_hint(agent: str, settings: AgentSettings) -> str:
    file = settings.files.get("model.md")
    path = file.path if file else layout.settings(agent, "model.md")
    return f"raise the cap in {path}, or pass the daily cap once: atomic-agents run {agent} --critical --work-item …"


def _message(message: Message) -> dict[str, object]:
    return {"role": message.role, "text": message.text}
