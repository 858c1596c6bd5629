"""The end of a run: what it learned, did and cost as one change set, and its one log line whatever happens."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Put
from atomic_agents.core.errors import AtomicAgentsError, Conflict
from atomic_agents.core.values import Usd
from atomic_agents.memory.lifecycle import Captures
from atomic_agents.runtime import replay
from atomic_agents.runtime.purse import Purse
from atomic_agents.runtime.states import RunState
from atomic_agents.runtime.transcript import Transcript, run_record
from atomic_agents.vault import journal, layout
from atomic_agents.vault.persona import Mode
from atomic_agents.vault.vault import Vault

_TRIES = 6
_PAUSE = 0.02  # seconds, longer each time

Also = Callable[[RunState, Mapping[str, object]], Sequence[Change]]
"""Further changes of a run that ends, from its state and its log line."""


def nothing_else(_state: RunState, _record: Mapping[str, object]) -> Sequence[Change]:
    """No further changes."""
    return ()


@dataclass
class Closing:
    """Closes one run. `captures` is what it wrote in the end: folded anew where somebody edited meanwhile."""

    vault: Vault
    agent: str
    mode: Mode
    purse: Purse
    transcript: Transcript
    captures: Captures
    started: Mapping[str, object]
    clock: Callable[[], datetime.datetime]
    key: replay.Key | None = None
    journals: bool = True
    also: Also = nothing_else
    closed: bool = False
    undo: ChangeSet | None = None

    def close(self, state: RunState, tool_calls: Sequence[Mapping[str, object]], latency_ms: float) -> None:
        """Write notes, index, journal, transcript and the log line as one change set.

        Where that cannot be done the log line is written without the rest, and what went wrong is raised.

        Raises:
            Conflict: the documents kept changing.
            AtomicAgentsError: whatever the store says.
        """

        def whole() -> tuple[Sequence[Change], Mapping[str, object]]:
            record = self._record(state, tool_calls, latency_ms)
            changes = (*self.captures.changes(), *self._journal(state, record), *self._kept(state))
            return (*changes, *self.also(state, record)), record

        try:
            self._close(whole)
        except Exception as error:
            code = error.code if isinstance(error, AtomicAgentsError) else "internal"
            failed = {"status": "error", "error": f"{code}: {error}", "captures": None}
            if self._close(lambda: ((), self._record(state, tool_calls, latency_ms) | failed)):
                raise

    def spent(self, state: RunState) -> Usd:
        """What the run has cost, with what was paid for answers that never came."""
        return state.cost + self.purse.lost

    def _close(self, build: Callable[[], tuple[Sequence[Change], Mapping[str, object]]]) -> bool:
        """Apply what `build` returns; False where an earlier attempt turns out to have happened."""
        interrupted = False
        for attempt in range(_TRIES):
            try:
                changes, record = build()
                changes = (*changes, *self.transcript.closing(self.clock(), record))
                self.undo = self.vault.store.apply(ChangeSet(f"end {self.transcript.run_id}", changes))
            except Conflict:
                if self._is_closed():
                    self.closed = True
                    return False
                time.sleep(_PAUSE * attempt)
                self._take_captures_again()
            except KeyboardInterrupt:
                # Whether it happened shows at the next attempt; a second interruption is meant.
                if interrupted:
                    raise
                interrupted = True
            else:
                self.closed = True
                return True
        raise Conflict(
            f"documents of {self.agent} kept changing while the run ended", hint="close the editor that writes them"
        )

    def _is_closed(self) -> bool:
        return self.vault.store.read(layout.run_transcript(self.agent, self.transcript.run_id)) is not None

    def _take_captures_again(self) -> None:
        before = self.captures
        fresh = Captures(before.vault, before.agent, before.paths, before.today, before.said_by_operator)
        self.captures = before.over(fresh)

    def _record(
        self, state: RunState, tool_calls: Sequence[Mapping[str, object]], latency_ms: float
    ) -> dict[str, object]:
        usage, model = state.usage, self.purse.model.id
        written = [outcome.file for outcome in self.captures.outcomes if outcome.file]
        bare = model.partition(":")[2] if model.startswith(("openai:", "anthropic:")) else model
        return {
            **run_record(self.transcript.run_id, self.agent, self.clock(), self.started),
            "model": bare,
            "status": state.ending,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": self.spent(state),
            "latency_ms": latency_ms,
            "cache_hit_tokens": usage.cache_read_tokens,
            "cache_miss_tokens": usage.input_tokens - usage.cache_read_tokens,
            "fallback": self.purse.fell_back,
            "agent_mode": self.mode,
            "tool_calls": list(tool_calls) or None,
            "tool_iterations": state.iterations if state.iterations > 1 else None,
            "captures": written or None,
            "cost_estimated_via_fallback": self.purse.estimated or None,
            "skip_reason": state.reason if state.ending == "skipped" else None,
            "error": f"{state.failure.code}: {state.failure.message}" if state.failure else None,
        }

    def _kept(self, state: RunState) -> Sequence[Change]:
        """The answer under its idempotency key; a run that ended otherwise leaves the key free."""
        if self.key is None or state.ending != "ok":
            return ()
        kept = replay.keep(
            self.agent, self.key, run_id=self.transcript.run_id, now=self.clock(), model=self.purse.model.id,
            text=state.text, captures=self.captures.outcomes, secrets=self.transcript.secrets,
        )  # fmt: skip
        return (kept,)

    def _journal(self, state: RunState, record: Mapping[str, object]) -> Sequence[Change]:
        """What the run did, in its agent's journal; one that was skipped before it asked anything did nothing."""
        if not self.journals or (state.ending == "skipped" and not state.asked):
            return ()
        now = self.clock()
        path = layout.journal_day(self.agent, now.date())
        blob = self.vault.store.read(path)
        before = blob.data.decode(errors="surrogateescape") if blob else ""
        facts = [outcome.message for outcome in self.captures.outcomes]
        facts.append(f"{record['model']}, ${self.spent(state):.4f}, {record['status']}")
        outcome = state.text if state.ending == "ok" else f"{state.text}\n\nIt ended early: {state.reason}"
        entry = journal.run_entry(
            now,
            run_id=self.transcript.run_id,
            trigger=str(self.started["trigger"]),
            work_item=str(self.started["work_item"]),
            outcome=outcome,
            facts=facts,
        )
        text = journal.append(before, entry, day=now.date(), agent=self.agent)
        return (Put(path, text.encode(errors="surrogateescape"), expect=blob.revision if blob else ABSENT),)
