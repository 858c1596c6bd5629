"""Idempotency keys: the answer that a key has got, kept in the same change as the end of the run that gave it."""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.change import Put
from atomic_agents.core.errors import UsageError
from atomic_agents.core.store import Store
from atomic_agents.guard.secrets import redacted
from atomic_agents.memory.lifecycle import Outcome
from atomic_agents.vault import layout

_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Key:
    """A key as somebody gave it, and the hash of what was asked under it."""

    name: str
    request: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer that a key has got, and the hash of what was asked."""

    run_id: str
    request: str
    at: str
    model: str
    text: str
    captures: tuple[Outcome, ...]


def key(name: str, *, work_item: str, model: str = "", conversation: str = "") -> Key:
    """A key for a work item; `model` is the one that was asked for, "" where the agent's own is to answer.

    Raises:
        UsageError: the key is empty or longer than 2,048 characters.
    """
    if not name.strip() or len(name) > _LONGEST:
        raise UsageError(
            f"an idempotency key has 1 to {_LONGEST:,} characters", hint="--idempotency-key daily-report-2026-11-22"
        )
    asked = json.dumps([work_item, model, conversation])
    return Key(name, hashlib.sha256(asked.encode()).hexdigest())


def keep(
    agent: str, asked: Key, *, run_id: str, now: datetime.datetime, model: str, text: str, captures: Sequence[Outcome],
    secrets: Sequence[str],
) -> Put:  # fmt: skip
    """The change that keeps an answer under its key."""
    value = {
        "key": asked.name,
        "agent": agent,
        "run_id": run_id,
        "ts": now.isoformat(),
        "request": asked.request,
        "model": model,
        "text": text,
        "captures": [{"became": each.became, "file": each.file, "message": each.message} for each in captures],
    }
    data = json.dumps(redacted(value, secrets), ensure_ascii=False, indent=2)
    return Put(_path(agent, asked.name), f"{data}\n".encode(errors="replace"))


def kept(store: Store, agent: str, asked: Key) -> Kept | None:
    """The answer that a key has got; None where it has none, or where what was kept cannot be read.

    Raises:
        UsageError: something else was asked under this key.
    """
    blob = store.read(_path(agent, asked.name))
    found = _kept(blob.data) if blob else None
    if found is not None and found.request != asked.request:
        raise UsageError(
            f"the idempotency key {asked.name} has answered another work item or model",
            hint=f"use another key; what it answered: atomic-agents runs show {found.run_id}",
            context={"idempotency_key": asked.name, "run_id": found.run_id},
        )
    return found


def _kept(data: bytes) -> Kept | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, Mapping) or not all(
        isinstance(value.get(name), str) for name in ("run_id", "request", "ts", "model", "text")
    ):
        return None
    listed = value.get("captures")
    captures = tuple(
        Outcome(each["became"], str(each["file"]), str(each["message"]))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, Mapping) and {"became", "file", "message"} <= each.keys()
    )
    return Kept(value["run_id"], value["request"], value["ts"], value["model"], value["text"], captures)


def _path(agent: str, name: str) -> str:
    return layout.run_key(agent, hashlib.sha256(name.encode(errors="replace")).hexdigest())
