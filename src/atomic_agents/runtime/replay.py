"""Idempotency keys: the answer that a key has got, kept in the same change as the end of the run that gave it.

The key of a run whose process died names that run, so that asking again goes on with it.
"""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.change import Change, Delete, Put
from atomic_agents.core.errors import UsageError
from atomic_agents.core.store import Store
from atomic_agents.guard.secrets import redacted
from atomic_agents.memory.lifecycle import Outcome
from atomic_agents.vault import layout

_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Key:
    """A key as somebody gave it, and the hash of what was asked under it.

    The same name of two principals is two keys; "" is everybody who works on this machine.
    """

    name: str
    request: str
    principal: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer that a key has got, and the hash of what was asked."""

    run_id: str
    request: str
    at: str
    model: str
    text: str
    captures: tuple[Outcome, ...]


def key(name: str, *, work_item: str, model: str = "", conversation: str = "", principal: str = "") -> Key:
    """A key for a work item; `model` is the one that was asked for, "" where the agent's own is to answer.

    Raises:
        UsageError: the key is empty or longer than 2,048 characters.
    """
    if not name.strip() or len(name) > _LONGEST:
        raise UsageError(
            f"an idempotency key has 1 to {_LONGEST:,} characters", hint="--idempotency-key daily-report-2026-11-22"
        )
    asked = json.dumps([work_item, model, conversation])
    return Key(name, hashlib.sha256(asked.encode()).hexdigest(), principal)


def keep(
    agent: str, asked: Key, *, run_id: str, now: datetime.datetime, model: str, text: str, captures: Sequence[Outcome],
    secrets: Sequence[str],
) -> Put:  # fmt: skip
    """The change that keeps an answer under its key."""
    value = {
        "key": asked.name,
        "principal": asked.principal,
        "agent": agent,
        "run_id": run_id,
        "ts": now.isoformat(),
        "request": asked.request,
        "model": model,
        "text": text,
        "captures": [{"became": each.became, "file": each.file, "message": each.message} for each in captures],
    }
    data = json.dumps(redacted(value, secrets), ensure_ascii=False, indent=2)
    return Put(_path(agent, asked), f"{data}\n".encode(errors="replace"))


def kept(store: Store, agent: str, asked: Key) -> Kept | None:
    """The answer that a key has got; None where it has none, or where what was kept cannot be read.

    Raises:
        UsageError: something else was asked under this key.
    """
    blob = store.read(_path(agent, asked))
    found = _kept(blob.data) if blob else None
    if found is not None and found.request != asked.request:
        raise UsageError(
            f"the idempotency key {asked.name} has answered another work item or model",
            hint=f"use another key; what it answered: atomic-agents runs show {found.run_id}",
            context={"idempotency_key": asked.name, "run_id": found.run_id},
        )
    return found


def cut_off(store: Store, agent: str, run_id: str, started: Mapping[str, object]) -> tuple[Change, ...]:
    """The change that lets the key of a run whose process died name it.

    A run that went on with another and died as well leaves the key free: what kills each try must not keep the key.
    """
    name, request = started.get("idempotency_key"), started.get("key_request")
    if not isinstance(name, str) or not isinstance(request, str):
        return ()
    asked = Key(name, request, str(started.get("key_principal", "")))
    if started.get("resumed_from"):
        return free(store, agent, asked)
    value = {
        "key": name, "principal": asked.principal, "agent": agent, "cut_off": run_id, "request": request,
    }  # fmt: skip
    return (Put(_path(agent, asked), f"{json.dumps(value, ensure_ascii=False, indent=2)}\n".encode(errors="replace")),)


def free(store: Store, agent: str, asked: Key) -> tuple[Change, ...]:
    """The change that takes the run that was cut off from a key, where there is one."""
    path = _path(agent, asked)
    blob = store.read(path)
    found = _value(blob.data) if blob else None
    return (Delete(path, expect=blob.revision),) if blob and found and "cut_off" in found else ()


def to_resume(store: Store, agent: str, asked: Key) -> str:
    """The run whose process died before it answered the key; "" where there is none."""
    blob = store.read(_path(agent, asked))
    found = _value(blob.data) if blob else None
    return str(found.get("cut_off", "")) if found and found.get("request") == asked.request else ""


def _value(data: bytes) -> Mapping[str, object] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping) else None


def _kept(data: bytes) -> Kept | None:
    value = _value(data) or {}
    run_id, request, at, model, text = (value.get(name) for name in ("run_id", "request", "ts", "model", "text"))
    if not (
        isinstance(run_id, str) and isinstance(request, str) and isinstance(at, str) and isinstance(model, str)
        and isinstance(text, str)
    ):  # fmt: skip
        return None
    listed = value.get("captures")
    captures = tuple(
        Outcome(each["became"], str(each["file"]), str(each["message"]))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, Mapping) and {"became", "file", "message"} <= each.keys()
    )
    return Kept(run_id, request, at, model, text, captures)


def _path(agent: str, asked: Key) -> str:
    """Where the answer of a key is kept; that of nobody in particular is where it has always been."""
    name = f"{asked.principal}\0{asked.name}" if asked.principal else asked.name
    return layout.run_key(agent, hashlib.sha256(name.encode(errors="replace")).hexdigest())
