"""Caps that fit what an agent has cost so far, and the change set that states them in its `model.md`."""

import contextlib
import datetime
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.document import Document, parse, same
from atomic_agents.core.errors import DocumentUnreadable, UsageError
from atomic_agents.core.values import Usd
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout, settings

ENOUGH_DAYS = 14
"""Days on which something was spent; from fewer nothing is concluded."""
_WINDOW = 30
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Caps that leave room: a day may cost twice what 19 of 20 days did, a month half as much again as the last."""

    agent: str
    daily: Usd
    monthly: Usd
    days: int


def suggest(agent: str, spent: Mapping[datetime.date, Usd], today: datetime.date) -> Suggestion | None:
    """What the last days suggest; None where they are too few."""
    first = today - datetime.timedelta(days=_WINDOW)
    costs = sorted(cost for day, cost in spent.items() if cost > 0 and first < day <= today)
    if len(costs) < ENOUGH_DAYS:
        return None
    high = costs[math.ceil(len(costs) * 0.95) - 1]
    mean = sum(costs, Decimal(0)) / len(costs)
    return Suggestion(
        agent, _cents(max(2 * high, 3 * mean)), _cents(sum(costs, Decimal(0)) * Decimal("1.5")), len(costs)
    )


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
            lines[at] = f"{own[1]}{json.dumps(value)}{own[2]}"
    with contextlib.suppress(DocumentUnreadable):
        edited = parse(document.path, "".join(lines).encode())
        if same(edited.meta, {**document.meta, "cost_guardrails": {**stated, **caps}}):
            return edited
    return document.edit({"cost_guardrails": {**stated, **caps}})


def _cents(amount: Usd) -> Usd:
    return amount.quantize(_CENT, rounding=ROUND_CEILING)
