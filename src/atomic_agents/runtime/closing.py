"""The end of a run: what it learned, did and cost as one change set, and its one log line whatever happens."""

import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from atomic_agents.budget import ledger
from atomic_agents.core.change import ABSENT, Append, Change, ChangeSet, Put
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError, Conflict
from atomic_agents.core.values import Usd, format_usd
from atomic_agents.guard.secrets import redact
from atomic_agents.memory.lifecycle import Captures
from atomic_agents.memory.seen import seen_again
from atomic_agents.runtime import replay
from atomic_agents.runtime.purse import Purse
from atomic_agents.runtime.states import RunState
from atomic_agents.runtime.transcript import Transcript, log_model, run_record
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
    warnings: Sequence[str] = ()
    """What the operator hears of the run, which the log line has too."""
    used: set[str] = field(default_factory=set)
    """The documents that the model was shown something of when it asked its memory."""
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
            captured = self.captures.changes()
            seen = seen_again(self.vault, self.agent, self.used, captured, self.captures.paths, self.clock().date())
            changes = (*captured, *self.captures.record(), *seen, *self._journal(state, record))
            return (*changes, *self._kept(state), *self.also(state, record)), record

        try:
            self._close(whole)
        except Exception as error:
            code = error.code if isinstance(error, AtomicAgentsError) else "internal"
            failed = {
                "status": Ending.ERROR.log_status,
                "ending": Ending.ERROR,
                "error": f"{code}: {error}",
                "captures": None,
            }
            try:
                happened_before = not self._close(lambda: ((), self._record(state, tool_calls, latency_ms) | failed))
            except Exception:  # noqa: BLE001 - what kept the whole from being written is the cause
                happened_before = False
            if not happened_before:
                raise

    def remember_late(self, captures: Iterable[object]) -> None:
        """Take captures in that were taken by a run which was cut off before it could write them."""
        for capture in captures:
            self.captures.add_late(capture)

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
                self._apply(changes)
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

    def _apply(self, changes: Sequence[Change]) -> None:
        """Write it all, and keep what the log now comes to where that was known before."""
        store, sums = self.vault.store, self.purse.sums
        line = next(one for one in changes if isinstance(one, Append) and one.path.startswith(layout.log(self.agent)))
        before = ledger.known(store, line.path, sums)
        self.undo = store.apply(ChangeSet(f"end {self.transcript.run_id}", changes))
        if before is not None:
            ledger.keep_grown(store, before, line, sums)

    def _is_closed(self) -> bool:
        return self.vault.store.read(layout.run_transcript(self.agent, self.transcript.run_id)) is not None

    def _take_captures_again(self) -> None:
        self.captures = self.captures.again()

    def _record(
        self, state: RunState, tool_calls: Sequence[Mapping[str, object]], latency_ms: float
    ) -> dict[str, object]:
        usage, model = state.usage, self.purse.model.id
        written = [outcome.file for outcome in self.captures.outcomes if outcome.file]
        return {
            **run_record(self.transcript.run_id, self.agent, self.clock(), self.started),
            "model": log_model(model),
            "status": state.ending.log_status,
            "ending": state.ending,
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
            "warnings": list(dict.fromkeys(self.warnings)) or None,
            "skip_reason": state.reason if state.ending is Ending.SKIPPED else None,
            "error": f"{state.failure.code}: {state.failure.message}" if state.failure else None,
        }

    def _kept(self, state: RunState) -> Sequence[Change]:
        """The whole answer under its idempotency key; any other leaves it free, and one that waits is gone on with."""
        if self.key is not None and state.ending is Ending.WAITING:
            anew = {key: value for key, value in self.started.items() if key != "resumed_from"}
            return replay.cut_off(self.vault.store, self.agent, self.transcript.run_id, anew)
        if self.key is None:
            return ()
        if state.ending is not Ending.OK:
            final = state.ending is Ending.ERROR or state.ending.unanswered
            return replay.free(self.vault.store, self.agent, self.key) if final else ()
        kept = replay.keep(
            self.agent, self.key, run_id=self.transcript.run_id, now=self.clock(), model=self.purse.model.id,
            text=state.text, captures=self.captures.outcomes, secrets=self.transcript.secrets,
        )  # fmt: skip
        return (kept,)

    def _journal(self, state: RunState, record: Mapping[str, object]) -> Sequence[Change]:
        """What the run did, in its agent's journal; one that was skipped before it asked anything did nothing."""
        if not self.journals or (state.ending is Ending.SKIPPED and not state.asked):
            return ()
        now = self.clock()
        path = layout.journal_day(self.agent, now.date())
        blob = self.vault.store.read(path)
        before = blob.data.decode(errors="surrogateescape") if blob else ""
        facts = [outcome.message for outcome in self.captures.outcomes]
        facts.append(f"{record['model']}, {format_usd(self.spent(state))}, {record['ending']}")
        outcome = state.text if state.ending is Ending.OK else f"{state.text}\n\nIt ended early: {state.reason}"
        said = journal.run_entry(
            now,
            run_id=self.transcript.run_id,
            trigger=str(self.started["trigger"]),
            work_item=str(self.started["work_item"]),
            outcome=outcome,
            facts=facts,
        )
        entry = redact(said, self.transcript.secrets)
        text = journal.append(before, entry, day=now.date(), agent=self.agent)
        if before.endswith("\n") and text.startswith(before):
            # As lines at the end, so that a busy day is not written anew by each of its runs.
            return tuple(Append(path, line) for line in text[len(before) : -1].split("\n"))
        return (Put(path, text.encode(errors="surrogateescape"), expect=blob.revision if blob else ABSENT),)
