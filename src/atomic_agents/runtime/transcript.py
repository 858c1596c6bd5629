"""A run's own file: every effect before and after it happens, and the log line that closes it.

Each line carries the hash of the one before it, the log line that of the last; secrets are blacked out before they are
written.
"""

import datetime
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents._version import __version__
from atomic_agents.budget import alerts, deliveries
from atomic_agents.core.change import ABSENT, Append, Change, ChangeSet, Delete, Put
from atomic_agents.core.ending import Ending
from atomic_agents.core.store import Store
from atomic_agents.core.values import Usd, is_agent_name
from atomic_agents.guard.secrets import redacted
from atomic_agents.runtime import chain, replay
from atomic_agents.vault import layout, log

_SPENDING = ("asking", "answered", "failed")
_PRIMITIVES = {
    "summary": "helper",
    "dream": "dream",
    "distill": "other",
    "eval": "eval",
    "judgment": "judgment",
    "outcome_iteration": "outcome_iteration",
}
"""What the published log calls a run by its trigger, where that is not an agent's ordinary call."""

OCCASION = ("schedule", "scheduled_for", "fired_at", "missed")
"""What the log says of a run that a schedule started: its name, the time it names, the real one, how many it missed."""


def new_run_id(now: datetime.datetime) -> str:
    """An id in the published form: `run-YYYYMMDD-HHMMSS-ffffff-xxxxxxxx`."""
    return f"run-{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"


@dataclass
class Transcript:
    """The file of a run that is under way: `_runs/<run_id>.jsonl`, moved to its agent when the run ends."""

    store: Store
    agent: str
    run_id: str
    lines: list[str]
    secrets: Sequence[str] = ()
    torn: int = 0
    """Lines that a crash has left half written and that are left out."""

    def record(self, event: str, now: datetime.datetime, **facts: object) -> None:
        """Write what is about to happen or has happened, durably, before going on."""
        line = self._line(event, now, facts)
        self.store.apply(ChangeSet(f"{self.run_id}: {event}", (Append(layout.open_run(self.run_id), line),)))
        self.lines.append(line)

    def closing(self, now: datetime.datetime, record: Mapping[str, object]) -> tuple[Change, ...]:
        """The changes that end the run: its file goes to its agent, and its one log line is written."""
        facts = {"status": record["ending"], "cost_usd": record.get("cost_usd"), "captures": record.get("captures"),
                 "torn": self.torn}  # fmt: skip
        closed = self._line("closed", now, {key: value for key, value in facts.items() if value or key == "cost_usd"})
        data = "".join(f"{line}\n" for line in [*self.lines, closed])
        clean = {key: redacted(value, self.secrets) for key, value in record.items()}
        return (
            Put(layout.run_transcript(self.agent, self.run_id), data.encode(), expect=ABSENT),
            Delete(layout.open_run(self.run_id)),
            Append(
                layout.log_day(self.agent, _day(record)), log.render({**clean, log.TRANSCRIPT_HASH: chain.link(closed)})
            ),
        )

    def _line(self, event: str, now: datetime.datetime, facts: Mapping[str, object]) -> str:
        prev = chain.link(self.lines[-1]) if self.lines else chain.first(self.run_id)
        known: dict[str, object] = {"ts": now.isoformat(), "n": len(self.lines) + 1, "prev": prev, "event": event}
        facts = {key: redacted(value, self.secrets) for key, value in facts.items()}
        line = json.dumps(known | facts, ensure_ascii=False, default=str)
        return line.encode(errors="backslashreplace").decode()


def _day(record: Mapping[str, object]) -> datetime.date:
    return datetime.datetime.fromisoformat(str(record["ts"])).date()


def crashed(store: Store) -> Iterator[tuple[str, str]]:
    """Agent and run id of every run that has begun and not ended; whether it is alive, its agent's lock tells."""
    for entry in store.list(layout.OPEN_RUNS):
        blob = store.read(entry.path)
        first = next(log.read(entry.path, blob.data), None) if blob else None
        agent = str(first.record.get("agent", "")) if first else ""
        if is_agent_name(agent):
            yield agent, entry.path.removeprefix(layout.OPEN_RUNS).removesuffix(".jsonl")


def close_crashed(store: Store, agent: str, run_id: str, now: datetime.datetime) -> ChangeSet | None:
    """The change set that ends a run whose process died: one log line, what was paid for counted once.

    A request that was made and never answered counts with the most it could cost, and on the day it was made. The
    caller holds the agent's lock. None where the run has ended meanwhile.
    """
    blob = store.read(layout.open_run(run_id))
    if blob is None:
        return None
    events = [line.record for line in log.read(layout.open_run(run_id), blob.data) if line.record]
    started = events[0] if events else {}
    lines = blob.data.decode(errors="replace").split("\n")
    sound = [line for line in lines if _is_json(line)]
    torn = sum(bool(line.strip()) for line in lines) - len(sound)
    transcript = Transcript(store, agent, run_id, sound, torn=torn)
    record = {
        **run_record(run_id, agent, _last(events, now), started),
        "status": Ending.CRASHED.log_status,
        "ending": Ending.CRASHED,
        "cost_usd": spending(events),
        "input_tokens": sum(_count(event, "input_tokens") for event in events),
        "output_tokens": sum(_count(event, "output_tokens") for event in events),
        "error": "the process died before the run ended",
    }
    # Who closes it may be a command that tells nobody: the alert waits in the record for the next run's end.
    told = alerts.of_failure(
        agent,
        str(record["trigger"]),
        now.date(),
        ending=Ending.CRASHED,
        code="crashed",
        message=f"{record['error']}",
        run_id=run_id,
    )
    waiting = (deliveries.append(deliveries.line_of(alert, now), now) for alert in told)
    key = replay.cut_off(store, agent, run_id, started)
    return ChangeSet(f"close {run_id}, whose process died", (*transcript.closing(now, record), *key, *waiting))


def run_record(run_id: str, agent: str, now: datetime.datetime, started: Mapping[str, object]) -> dict[str, object]:
    """The keys of a log line that are known when a run starts."""
    return {
        "ts": now.isoformat(),
        "run_id": run_id,
        "primitive": _PRIMITIVES.get(str(started.get("trigger", "")), "agent_call"),
        "summary": log.summary(str(started.get("work_item", ""))),
        "model": log_model(str(started.get("model", ""))),
        "cost_source": "judge" if started.get("trigger") == "judgment" else "actor",
        "parent_run_id": started.get("parent_run_id"),
        "trigger": str(started.get("trigger", "")),
        "agent_name": agent,
        "critical": started.get("critical", False),
        "idempotency_key": started.get("idempotency_key"),
        "conversation_id": started.get("conversation_id"),
        "resumed_from": started.get("resumed_from"),
        **{key: started[key] for key in OCCASION if key in started},
        "package": __version__,
    }


def log_model(model: str) -> str:
    """The id of a model as the published log has it: without the provider where everybody knows it."""
    return model.partition(":")[2] if model.startswith(("openai:", "anthropic:")) else model


def spending(events: list[Mapping[str, object]]) -> Usd:
    """What the recorded requests cost: answered ones what they did, an unanswered one the most it could."""
    total, open_quote = Decimal(0), Decimal(0)
    for event in events:
        if event.get("event") == "asking":
            open_quote = Decimal(str(event.get("quote") or 0))
        elif event.get("event") in _SPENDING:
            total += Decimal(str(event.get("cost") or 0))
            open_quote = Decimal(0)
    return total + open_quote


def _last(events: Sequence[Mapping[str, object]], now: datetime.datetime) -> datetime.datetime:
    """When the run last did anything."""
    for event in reversed(events):
        try:
            found = datetime.datetime.fromisoformat(str(event.get("ts")))
        except ValueError:
            continue
        if found.tzinfo is not None:
            return min(found, now)
    return now


def _count(event: Mapping[str, object], key: str) -> int:
    value = event.get(key)
    return value if isinstance(value, int) else 0


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
