"""Whether a grant covers a call, and what it says where it does not: pure, from the grants, the call and their use.

A grant binds by tool and target, whether or not anybody cites it. What it blocks is denied; beyond its counts and sums
nothing is done; whatever else it does not cover of a tool that it names is asked about, also once it has ended.
"""

import datetime
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from atomic_agents.core.values import Usd
from atomic_agents.guard.wanted import Wanted, names, reaches
from atomic_agents.vault.authority import TOOL_CLASSES
from atomic_agents.vault.grants import Grant, Limit


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a grant, as the record has it."""

    grant: str
    at: datetime.datetime
    token_usd: Usd = Decimal(0)
    external_usd: Usd = Decimal(0)


Uses = Callable[[Grant], Sequence[Use]]
"""Every use of a grant so far."""

Says = Literal["covers", "denies", "asks", "nothing"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the grants say about a call; `external_usd` is what it costs outside, where that is limited."""

    says: Says
    why: str = ""
    grant: Grant | None = None
    external_usd: Usd = Decimal(0)


def opinion(grants: Sequence[Grant], wanted: Wanted, uses: Uses, now: datetime.datetime, *, hidden: str) -> Opinion:
    """What the grants say; `hidden` is what holds where nothing tells the target: ask or deny."""
    concerned = [grant for grant in grants if _names(grant, wanted)]
    for grant in concerned:
        for value in wanted.everything:
            if any(reaches(target, value, strictly=False) for target in grant.blocked):
                return Opinion("denies", f"the grant {grant.id} blocks {value}", grant)
    found = [_of(grant, wanted, uses, now, hidden) for grant in concerned]
    for says in ("covers", "denies", "asks"):
        for each in found:
            if each.says == says:
                return each
    return Opinion("nothing")


def used(limit: Limit, uses: Sequence[Use], now: datetime.datetime) -> Decimal:
    """What of a limit is used up in the period that `now` lies in."""
    since = _since(limit.period, now)
    inside = [use for use in uses if since is None or use.at >= since]
    if limit.amount == "count":
        return Decimal(len(inside))
    return sum((use.token_usd if limit.amount == "token_usd" else use.external_usd for use in inside), Decimal(0))


def _names(grant: Grant, wanted: Wanted) -> bool:
    if grant.tools:
        return any(names(pattern, wanted.tool) for pattern in grant.tools)
    return wanted.kind == grant.action_class and not wanted.memory


def _of(grant: Grant, wanted: Wanted, uses: Uses, now: datetime.datetime, hidden: str) -> Opinion:
    outside = _outside(grant, wanted, now)
    if outside:
        # One that is about a whole class of tools says nothing about what it does not reach.
        return Opinion("asks" if grant.tools else "nothing", f"the grant {grant.id} {outside}", grant)
    if grant.targets and not wanted.targets:
        why = f"the grant {grant.id} limits the targets, and no argument of {wanted.tool} says what it reaches"
        return Opinion("denies" if hidden == "deny" else "asks", why, grant)
    external = _external(grant, wanted)
    if external is None and grant.limit("external_usd"):
        return Opinion("asks", f"the grant {grant.id} limits USD, and nothing says what {wanted.tool} costs", grant)
    cost = external or Decimal(0)
    above = _above(grant, wanted, cost)
    if above:
        return Opinion("asks", above, grant)
    for passed in _passed(grant, wanted, cost, uses, now):
        return Opinion("asks" if wanted.kind == "high_risk" else "denies", passed, grant)
    return Opinion("covers", f"the grant {grant.id} covers it", grant, cost)


def _outside(grant: Grant, wanted: Wanted, now: datetime.datetime) -> str:
    """Why a grant does not reach as far as the call, "" where it does."""
    if grant.revoked:
        return "is revoked"
    if now < grant.granted_at:
        return f"begins on {grant.granted_at:%Y-%m-%d}"
    if not grant.active(now):
        return f"ended on {grant.expires_at:%Y-%m-%d}"
    if TOOL_CLASSES.index(wanted.kind) > TOOL_CLASSES.index(grant.action_class):
        return f"covers up to {grant.action_class}, and {wanted.tool} is {wanted.kind}"
    if not _open(grant, now):
        return "does not hold at this hour"
    for value in wanted.targets if grant.targets else ():
        if not any(reaches(target, value, strictly=True) for target in grant.targets):
            return f"does not cover {value}"
    return ""


def _open(grant: Grant, now: datetime.datetime) -> bool:
    window = grant.window
    if window is None:
        return True
    here = now.astimezone(zoneinfo.ZoneInfo(window.zone))
    time = here.time().replace(tzinfo=None)
    if window.start <= window.end:
        return window.start <= time < window.end and here.weekday() in window.days
    if time >= window.start:
        return here.weekday() in window.days
    return time < window.end and (here.weekday() - 1) % 7 in window.days


def _external(grant: Grant, wanted: Wanted) -> Usd | None:
    """What a call costs outside; None where nobody can tell."""
    if not grant.amount_argument:
        return grant.expected_usd
    value = wanted.arguments.get(grant.amount_argument)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _above(grant: Grant, wanted: Wanted, external: Usd) -> str:
    if grant.ask_above_external is not None and external > grant.ask_above_external:
        return f"the grant {grant.id} asks above ${grant.ask_above_external}, and this costs ${external}"
    if grant.ask_above_token is not None and wanted.token_usd > grant.ask_above_token:
        return f"the grant {grant.id} asks above ${grant.ask_above_token} for the model"
    return ""


def _passed(grant: Grant, wanted: Wanted, external: Usd, uses: Uses, now: datetime.datetime) -> Iterator[str]:
    """The limits that the call would pass."""
    found = uses(grant) if grant.limits else ()
    more = {"count": Decimal(1), "token_usd": wanted.token_usd, "external_usd": external}
    for limit in grant.limits:
        before = used(limit, found, now)
        if before + more[limit.amount] > limit.most:
            yield f"the grant {grant.id} allows {said(limit)}, and {_shown(limit, before)} is used"


def in_words(grant: Grant) -> str:
    """A grant as the model is told of it."""
    targets = ", ".join(f"{target.kind} {target.value}" for target in grant.targets)
    window = grant.window
    parts = [
        ", ".join(grant.tools) or f"every tool that is {grant.action_class}",
        f"only {targets}" if targets else "",
        *(said(limit) for limit in grant.limits),
        f"from {window.start:%H:%M} to {window.end:%H:%M} {window.zone}" if window else "",
        f"until {grant.expires_at:%Y-%m-%d}" if grant.expires_at else "",
    ]
    return f"{grant.id}: {'; '.join(part for part in parts if part)}. {grant.scope}"


def said(limit: Limit) -> str:
    """A limit in words: `5 a day`, `$40 in all`."""
    period = {"hourly": "an hour", "daily": "a day", "weekly": "a week", "monthly": "a month", "cumulative": "in all"}
    of = " of the model" if limit.amount == "token_usd" else ""
    return f"{_shown(limit, limit.most)}{of} {period[limit.period]}"


def _shown(limit: Limit, amount: Decimal) -> str:
    return f"{amount:,f}" if limit.amount == "count" else f"${amount:,f}"


def _since(period: str, now: datetime.datetime) -> datetime.datetime | None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case "hourly":
            return now - datetime.timedelta(hours=1)
        case "daily":
            return midnight
        case "weekly":
            return midnight - datetime.timedelta(days=now.weekday())
        case "monthly":
            return midnight.replace(day=1)
        case _:
            return None
