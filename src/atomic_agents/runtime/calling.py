"""The tool calls of a run: each is answered, recorded and told to the model, and none that was is called again."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from atomic_agents.core.model import Message, ToolCall
from atomic_agents.core.values import Usd
from atomic_agents.guard import questions
from atomic_agents.guard.approvals import Approval
from atomic_agents.guard.secrets import redact
from atomic_agents.memory.fence import unfenced
from atomic_agents.memory.lifecycle import Captures
from atomic_agents.runtime.gate import Decision, Gate, Go, Instead, Waits
from atomic_agents.runtime.past import Heard
from atomic_agents.runtime.states import Called, Suspended
from atomic_agents.runtime.transcript import Transcript
from atomic_agents.tools.builtin import READS_MEMORY, REMEMBER
from atomic_agents.tools.pages import Cut
from atomic_agents.tools.results import Results
from atomic_agents.tools.tool import Tool, ToolResult, answers
from atomic_agents.vault.call_limits import CallLimits

_STOPPED = "the run was stopped before this was answered"


class _Waiting(Exception):
    """A call waits for the operator."""

    def __init__(self, request: Approval) -> None:
        super().__init__(request.id)
        self.request = request


@dataclass
class Calling:
    """Calls the tools of one run. `made` is what the log line says of the calls."""

    transcript: Transcript
    clock: Callable[[], datetime.datetime]
    captures: Callable[[], Captures]
    """What the run remembers, which has to know what comes from memory and what from tools."""
    tools: tuple[Tool, ...] = ()
    gate: Gate | None = None
    made: list[dict[str, object]] = field(default_factory=list)
    results: Results = field(default_factory=Results)
    """Every result, for the tool that reads on in them."""
    limits: CallLimits = field(default_factory=CallLimits)

    @property
    def acted(self) -> tuple[str, ...]:
        """The tools that did more than look, and that no change set of ours takes back."""
        done = (each for each in self.made if "error" not in each and each.get("class", "read_only") != "read_only")
        return tuple(dict.fromkeys(str(each["tool_name"]) for each in done))

    def call(self, calls: Sequence[ToolCall], heard: Heard | None, *, said: str, cost: Usd) -> Called | Suspended:
        """Answer every call of an answer that said `said` and has cost `cost`, or wait for the operator.

        `heard` is the answer where an earlier run has had it already. Where the run is stopped meanwhile, what has no
        answer yet is told so in the transcript.
        """
        results = [self._told_again(result) for result in heard.results] if heard else []
        if heard and heard.unsure:
            results.append(self._called(heard.unsure))
            self._settle(heard.requests.get(len(heard.results)), heard.unsure)
        for at, result in enumerate(heard.results if heard else ()):
            self._settle(heard.requests.get(at) if heard else None, result)
        try:
            for step in self._steps(calls, len(results)):
                for result, facts in self._together(step, heard, said, cost / len(calls)):
                    results.append(self._called(result, **facts))
        except _Waiting as waiting:
            return Suspended(self._requests(calls, waiting.request, said))
        except (KeyboardInterrupt, SystemExit):
            for call in calls[len(results) :]:
                self._called(ToolResult(call, _STOPPED, failed=True), stopped=True)
            raise
        return Called(tuple(results))

    def _steps(self, calls: Sequence[ToolCall], first: int) -> Iterator[list[tuple[int, ToolCall]]]:
        """The calls from a place on, neighbours that may run side by side together, any other alone."""
        rest = list(enumerate(calls))[first:]
        for parallel, found in groupby(rest, lambda each: (tool := self._tool(each[1])) is not None and tool.parallel):
            group = list(found)
            yield from [group] if parallel else ([each] for each in group)

    def _together(
        self, step: Sequence[tuple[int, ToolCall]], heard: Heard | None, said: str, cost: Usd
    ) -> Iterator[tuple[ToolResult, Mapping[str, object]]]:
        """What becomes of the calls of a step, in their order.

        Raises:
            _Waiting: one of them waits for the operator; those before it have their answers.
        """
        ready: list[Go] = []
        for at, call in step:
            decided = self._beyond(call, at, len(ready)) or self._decided(call, at, heard, said, cost)
            if isinstance(decided, Go):
                self._say_begun(at, decided)
                ready.append(decided)
                continue
            yield from self._made(ready)
            ready = []
            if isinstance(decided, Waits):
                raise _Waiting(decided.request)
            yield decided.result, decided.facts
            self._settle(decided.request, decided.result)
        yield from self._made(ready)

    def _decided(self, call: ToolCall, at: int, heard: Heard | None, said: str, cost: Usd) -> Decision:
        return self.gate.decide(self._tool(call), call, at, heard, said, cost) if self.gate else Go(call)

    def _beyond(self, call: ToolCall, at: int, ready: int) -> Instead | None:
        """The refusal of a call that is one too many; the operator hears of it."""
        if at >= self.limits.answer:
            words = (
                f"one answer may make {self.limits.answer:,} calls (max_calls_at_once in tools.md); make the rest later"
            )
        elif len(self.results) + ready >= self.limits.run:
            words = f"a run may make {self.limits.run:,} calls (max_calls in tools.md); answer with what you have"
        else:
            return None
        if self.gate:
            self.gate.warn(f"too many tool calls: {words.partition(';')[0]}")
        return Instead(ToolResult(call, f"refused: {words}", failed=True), {"decision": "deny", "rule": words})

    def _made(self, ready: Sequence[Go]) -> Iterator[tuple[ToolResult, Mapping[str, object]]]:
        for go, found in zip(ready, answers(self.tools, [go.call for go in ready]), strict=True):
            tool, text = self._tool(go.call), found.text.whole if isinstance(found.text, Cut) else found.text
            if tool is not None and tool.origin != "builtin":  # it may have been given secrets; the model is not
                text = redact(text, self.transcript.secrets)
            yield replace(found, text=f"{go.told}{text}"), go.facts
            self._settle(go.request, replace(found, text=text))

    def _settle(self, request: Approval | None, result: ToolResult) -> None:
        if request and self.gate:
            self.gate.settle(request, f"failed: {result.text}" if result.failed else f"done: {result.text}")

    def _say_begun(self, at: int, go: Go) -> None:
        """Write that a call is being made which must not be made twice, before it is."""
        tool = self._tool(go.call)
        if tool is not None and tool.kind != "read_only" and tool.spec.name != REMEMBER:
            facts = {"at": at, "tool_name": go.call.name, "tool_use_id": go.call.id, **go.facts}
            self.transcript.record("calling", self.clock(), **facts)

    def _requests(self, calls: Sequence[ToolCall], first: Approval, said: str) -> tuple[Approval, ...]:
        """What the operator is asked: about the call that waits, and about those behind it."""
        found = [first]
        for at, call in list(enumerate(calls))[first.at + 1 : self.limits.answer]:
            request = self.gate.file_ahead(self._tool(call), call, at, said) if self.gate else None
            found += [request] if request else []
        return tuple(found)

    def _tool(self, call: ToolCall) -> Tool | None:
        return next((tool for tool in self.tools if tool.spec.name == call.name), None)

    def _called(self, result: ToolResult, **more: object) -> Message:
        result = replace(result, text=self.results.keep(result.text))
        facts: dict[str, object] = {"tool_name": result.call.name, "tool_use_id": result.call.id}
        tool = self._tool(result.call)
        if tool is not None and tool.origin != "builtin":
            facts |= {"class": tool.kind, "origin": tool.origin, "fingerprint": tool.fingerprint}
        said = {key: more[key] for key in ("decision", "grant", "approval") if key in more}
        self.made.append(facts | said | ({"error": result.text} if result.failed else {}))
        self.transcript.record("called", self.clock(), **facts, failed=result.failed, text=result.text, **more)
        return self._told(result)

    def _told_again(self, result: ToolResult) -> Message:
        """A result that a run before was told."""
        return self._told(replace(result, text=self.results.keep_again(result.text)))

    def _told(self, result: ToolResult) -> Message:
        """A result as the model meets it."""
        if result.call.name in READS_MEMORY:
            self.captures().recalled(result.text)
        elif result.call.name == questions.TOOL:
            self.captures().answered("" if result.failed else result.text.removeprefix(questions.ANSWERS))
        elif result.call.name != REMEMBER:
            self.captures().told(result.text)
        text = f"error: {unfenced(result.text)}" if result.failed else result.text
        return Message("tool", text, call_id=result.call.id, tool_name=result.call.name)
