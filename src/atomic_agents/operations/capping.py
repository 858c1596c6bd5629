"""Caps that fit what an agent has cost so far, and the change set that states them in its `model.md`.

A cap is held against what is spent and the most that the next request can cost, so one that fits leaves room for that.
"""

import contextlib
import datetime
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from atomic_agents.budget import prices
from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.document import Document, parse, same
from atomic_agents.core.errors import DocumentUnreadable, UsageError
from atomic_agents.core.model import Usage
from atomic_agents.core.values import Usd, format_usd
from atomic_agents.operations import record
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.sizes import most_tokens_within
from atomic_agents.vault import layout, settings
from atomic_agents.vault.settings import ModelSettings, unknown_price

ENOUGH_DAYS = 14
"""Days on which something was spent; from fewer nothing is concluded."""
_WINDOW = 30
_RUNS = 10_000
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Caps in USD under which no run of the recorded days would have been stopped, and what decided them."""

    agent: str
    daily: Usd
    monthly: Usd
    days: int
    reason: str
    """What decided the daily cap."""
    monthly_reason: str


def suggest(
    agent: str, spent: Mapping[datetime.date, Usd], today: datetime.date, *, dearest_run: Usd, most: Usd
) -> Suggestion | None:
    """The caps that the last days suggest; None where they are too few.

    A day may cost twice what 19 of 20 days did, a month half as much again as the last 30 days. There is always room
    for the most expensive run seen, and for `most`, what one more request can cost.
    """
    first = today - datetime.timedelta(days=_WINDOW)
    recent = {day: cost for day, cost in spent.items() if cost > 0 and first < day <= today}
    costs = sorted(recent.values())
    if len(costs) < ENOUGH_DAYS:
        return None
    total = sum(costs, Decimal(0))
    high = costs[math.ceil(len(costs) * 0.95) - 1]
    room = f"and {format_usd(most)}, the most that one request can cost"
    daily, reason = max(
        (2 * high, f"twice {format_usd(high)}, which 19 of 20 days stayed within"),
        (3 * total / len(costs), "three times the average day"),
        (dearest_run + most, f"{format_usd(dearest_run)}, the most expensive run, {room}"),
        (costs[-1] + most, f"{format_usd(costs[-1])}, the most expensive day, {room}"),
    )
    monthly, monthly_reason = max(
        (total * Decimal("1.5"), f"half as much again as {format_usd(total)}, what the last {_WINDOW} days cost"),
        (total + most, f"{format_usd(total)}, what the last {_WINDOW} days cost, {room}"),
        (daily, "no less than a day may cost"),
    )
    found = Suggestion(agent, _cents(daily), _cents(monthly), len(costs), reason, monthly_reason)
    return found if _would_have_held(found, recent, most) else None


def _would_have_held(found: Suggestion, recent: Mapping[datetime.date, Usd], most: Usd) -> bool:
    """Whether every recorded day, and every month of them, could have ended with one more request under the caps."""
    months: dict[str, Usd] = {}
    for day, cost in recent.items():
        months[f"{day:%Y-%m}"] = months.get(f"{day:%Y-%m}", Decimal(0)) + cost
    return all(cost + most <= found.daily for cost in recent.values()) and all(
        cost + most <= found.monthly for cost in months.values()
    )


def most_of_a_request(workspace: Workspace, model: ModelSettings) -> Usd | None:
    """The most that is set aside for one request of an agent, of its model or of its fallback.

    None where it has no model, or nobody knows what one of them costs and such a model is not asked.
    """
    known = prices.load(workspace.vault)
    tokens = Usage(most_tokens_within(model.max_input_tokens), model.max_output_tokens)
    unknown = {"free": Decimal(0), "assume-max": known.assumed(tokens)}
    assumed = unknown.get(unknown_price(model.guardrails, model.shared))
    costs = []
    for name in filter(None, (model.model, model.fallback_model)):
        local = prices.is_free(name)
        cost = known.most(name, input_tokens=tokens.input_tokens, output_tokens=tokens.output_tokens, local=local)
        costs.append(assumed if cost is None else cost)
    return None if None in costs else max((cost for cost in costs if cost is not None), default=None)


def dearest_run(workspace: Workspace, agent: str, since: datetime.date) -> Usd:
    """What the most expensive run of an agent has cost since a day."""
    listed = record.list_runs(workspace, agent, since=since, limit=_RUNS)
    return max((line.cost for line in listed.runs if line.cost is not None), default=Decimal(0))


def plan(workspace: Workspace, name: str, daily: Usd, monthly: Usd) -> ChangeSet:
    """The change set that caps an agent in its own `model.md`; every other line stays.

    Raises:
        UsageError: a cap is none, or the file is not one in which caps can be stated.
    """
    workspace.require()
    agent = workspace.vault.agent(name)
    path = layout.settings(agent.name, "model.md")
    document = workspace.vault.document(path)
    if not (daily.is_finite() and monthly.is_finite() and daily > 0 and monthly > 0):
        raise UsageError("a cap is a sum in USD above 0", hint="write 0.50")
    if document is None or settings.version_of(document) < settings.EXPLICIT:
        why = "has no model.md of its own" if document is None else "has its settings in the published sections"
        hint = "state its caps in a text editor" if document is None else "atomic-agents migrate --to v2"
        raise UsageError(f"{agent.name} {why}", hint=hint)
    caps = {"enabled": True, "daily_cap_usd": float(daily), "monthly_cap_usd": float(monthly)}
    blob = workspace.store.read(path)
    put = Put(path, _edited(document, caps).data, expect=blob.revision if blob else "changed")
    return ChangeSet(f"cap {agent.name}", (put,))


def _edited(document: Document, caps: Mapping[str, object]) -> Document:
    """The document with caps stated: line by line, so that comments stay, where the block's form allows it."""
    stated = document.meta.get("cost_guardrails")
    stated = stated if isinstance(stated, dict) else {}
    if all(stated.get(key) == value for key, value in caps.items()):
        return document
    lines = document.text.splitlines(keepends=True)
    for key, value in caps.items():
        at = document.line_of("cost_guardrails", key) - 1
        own = re.fullmatch(rf"(\s+{key}:[ \t]+)[^#\s]+(\s*(?:#.*)?\s*)", lines[at]) if at >= 0 else None
        if own and stated.get(key) != value:
            lines[at] = f"{own[1]}{_as_written(value)}{own[2]}"
    with contextlib.suppress(DocumentUnreadable):
        edited = parse(document.path, "".join(lines).encode())
        if same(edited.meta, {**document.meta, "cost_guardrails": {**stated, **caps}}):
            return edited
    return document.edit({"cost_guardrails": {**stated, **caps}})


def _as_written(value: object) -> str:
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else json.dumps(value)


def _cents(amount: Usd) -> Usd:
    return amount.quantize(_CENT, rounding=ROUND_CEILING)
