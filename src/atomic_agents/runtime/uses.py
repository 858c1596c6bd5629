"""What grants were used for: a line in the agent's log for each use, written before the call that uses it."""

import datetime
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from atomic_agents.core.change import Append
from atomic_agents.core.store import Store
from atomic_agents.core.values import Usd
from atomic_agents.guard.grants import Use
from atomic_agents.guard.wanted import Wanted
from atomic_agents.vault import layout, log
from atomic_agents.vault.grants import Grant

LOCK = "grants"
"""Who holds it may judge by what is used, and use more, as one step."""

_MARK = b'"mandate_id"'


def used(run_id: str, wanted: Wanted, grant: Grant, external_usd: Usd, now: datetime.datetime) -> Append:
    """The line that counts a use; it counts also where the call fails, or its process dies."""
    record = {
        "ts": now.isoformat(), "run_id": run_id, "primitive": "tool", "status": "allowed", "summary": wanted.tool,
        "model": "", "input_tokens": 0, "output_tokens": 0, "mandate_id": grant.id, "parent_run_id": run_id,
        "trigger": "tool_call", "agent_name": wanted.agent, "tool_name": wanted.tool, "action_class": wanted.kind,
        "targets": list(wanted.targets), "token_usd": wanted.token_usd, "external_usd": external_usd,
    }  # fmt: skip
    return Append(layout.log_day(wanted.agent, now.date()), log.render(record))


def uses(store: Store, grant: Grant, now: datetime.datetime) -> list[Use]:
    """Every use of a grant that its limits ask about, of all agents that it is for."""
    since = None if any(limit.period == "cumulative" for limit in grant.limits) else now.date().replace(day=1)
    if since and any(limit.period in ("weekly", "hourly") for limit in grant.limits):
        since = min(since, now.date() - datetime.timedelta(days=7))
    return list(all_uses(store, grant, since))


def all_uses(store: Store, grant: Grant, since: datetime.date | None = None) -> Iterator[Use]:
    """The uses of a grant, from a day on or all."""
    for agent in layout.agents(store.paths(f"{grant.home}/" if grant.home else "")):
        if grant.home and agent != grant.home and not agent.startswith(f"{grant.home}/"):
            continue
        for path in store.paths(layout.log(agent)):
            day = log.day_of(path)
            if since and day and day < since:
                continue
            blob = store.read(path)
            if blob is not None and _MARK in blob.data:
                yield from _of(log.read(path, blob.data), grant.id)


def _of(lines: Iterator[log.Line], grant: str) -> Iterator[Use]:
    for line in lines:
        if line.record.get("mandate_id") != grant or not _is_use(line.record):
            continue
        try:
            at = datetime.datetime.fromisoformat(str(line.record.get("ts")))
        except ValueError:
            continue
        at = at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
        yield Use(grant, at, _usd(line.record, "token_usd"), _usd(line.record, "external_usd"))


def _is_use(record: Mapping[str, object]) -> bool:
    return str(record.get("trigger", "")).startswith("tool_call") or record.get("primitive") == "tool"


def _usd(record: Mapping[str, object], key: str) -> Usd:
    try:
        found = Decimal(str(record.get(key) or 0))
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() and found > 0 else Decimal(0)
