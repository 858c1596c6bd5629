"""Grants: standing permissions as `mandates.md` states them, each with the line it begins on."""

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents.core.values import Usd, near
from atomic_agents.vault.authority import TOOL_CLASSES, Place
from atomic_agents.vault.rules import ANY, BOOLEAN, MONEY, TEXT, TEXTS, Finding, Rule

KINDS: Mapping[str, str] = {
    "exact": "exact", "prefix": "prefix", "domain": "domain", "glob": "glob",
    "email_domain": "domain", "url_glob": "glob", "vendor": "exact",
}  # fmt: skip
"""What a target can be, by every name that is understood; the last three are the published examples'."""

PERIODS = ("hourly", "daily", "weekly", "monthly", "cumulative")
AMOUNTS = ("count", "token_usd", "external_usd")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UTC = "UTC"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_WINDOW_KEYS = ("start", "end", "time_zone", "timezone", "days", "days_of_week", "hours", "hours_local")
_LIMITS = {
    f"{period}_{amount}": Rule("integer", least=0) if amount == "count" else MONEY
    for period in PERIODS
    for amount in AMOUNTS
}
_ENFORCING = ("allowed_tools", "allowed_targets", "blocked_targets", "time_window", *_LIMITS)
_CONSTRAINTS = {
    "allowed_tools": TEXTS,
    "allowed_targets": Rule("list", items=ANY),
    "blocked_targets": Rule("list", items=ANY),
    "time_window": Rule("table", keys=dict.fromkeys(_WINDOW_KEYS, ANY)),
    **_LIMITS,
    "requires_escalation_above_token_usd": MONEY,
    "requires_escalation_above_external_usd": MONEY,
    "expected_external_usd": MONEY,
    "amount_argument": TEXT,
    "action_class": Rule("choice", choices=TOOL_CLASSES),
    "unconstrained": BOOLEAN,
    "unconstrained_justification": TEXT,
}
_WHO_AND_WHEN = {
    "granted_by": TEXT, "granted_at": Rule("date"), "scope": TEXT, "expires_at": Rule("date"), "revocable_by": ANY,
    "revoked_at": Rule("date"), "revoked_by": TEXT, "revocation_reason": TEXT,
}  # fmt: skip

MANDATES: Mapping[str, Rule] = {
    "meta": Rule(
        "table",
        keys={
            "per_agent_mandate_policy": Rule("choice", choices=("open", "listed", "forbidden")),
            "allowed_per_agent_ids": TEXTS,
        },
    ),
    "mandates": Rule(
        "map",
        items=Rule(
            "table",
            keys={
                **_WHO_AND_WHEN,
                "revocation_state": Rule("choice", choices=("active", "revoked")),
                "constraints": Rule("table", keys=_CONSTRAINTS),
            },
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Whom or what a call may reach; `kind` is exact, prefix, domain or glob."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a day in a time zone, on some days of the week, Monday 0; an end before the start is the next day."""

    start: datetime.time
    end: datetime.time
    zone: str
    days: frozenset[int]


@dataclass(frozen=True, slots=True)
class Limit:
    """The most of an amount (one of AMOUNTS) in a period (one of PERIODS)."""

    period: str
    amount: str
    most: Decimal


@dataclass(frozen=True, slots=True)
class Grant:
    """A standing permission. `home` is whose file states it: an agent's, a project's or, for "", the vault's.

    `tools` may have wildcards; without any it is about every tool of `action_class`, which is also the most dangerous
    class that it covers. `amount_argument` is the argument that says what a call costs outside, `expected_usd` what one
    costs where none does.
    """

    id: str
    home: str
    where: str
    scope: str
    granted_by: str
    granted_at: datetime.datetime
    expires_at: datetime.datetime | None
    revoked: bool
    tools: tuple[str, ...]
    action_class: str
    targets: tuple[Target, ...]
    blocked: tuple[Target, ...]
    window: Window | None
    limits: tuple[Limit, ...]
    ask_above_token: Usd | None
    ask_above_external: Usd | None
    expected_usd: Usd | None
    amount_argument: str

    def active(self, now: datetime.datetime) -> bool:
        """Whether it holds now."""
        return not self.revoked and self.granted_at <= now and (self.expires_at is None or now < self.expires_at)

    def limit(self, amount: str) -> bool:
        """Whether an amount is limited, or asked about above a sum."""
        above = {"token_usd": self.ask_above_token, "external_usd": self.ask_above_external}.get(amount)
        return above is not None or any(limit.amount == amount for limit in self.limits)


def findings(values: Mapping[str, object]) -> Iterator[Finding]:
    """What is wrong with grants beyond the kinds of their values."""
    mandates = values.get("mandates")
    for name, grant in mandates.items() if isinstance(mandates, dict) else ():
        at = ("mandates", str(name))
        if not _ID.fullmatch(str(name)):
            yield Finding(at, f"{name} cannot be the name of a grant: small letters, digits and -", "rename it")
        if isinstance(grant, dict):
            yield from _grant_findings(grant, at)


def _grant_findings(grant: Mapping[str, object], at: tuple[str, ...]) -> Iterator[Finding]:
    for key in ("granted_by", "granted_at", "scope", "revocation_state"):
        if key not in grant:
            yield Finding(at, f"the grant {at[1]} has no {key}", f"add {key}: {_EXAMPLES[key]}")
    constraints = grant.get("constraints")
    stated = constraints if isinstance(constraints, dict) else {}
    free = stated.get("unconstrained") is True and stated.get("unconstrained_justification")
    if not free and not any(key in stated for key in _ENFORCING):
        yield Finding(at, f"the grant {at[1]} limits nothing", "add constraints: allowed_tools, allowed_targets, …")
    for key in ("allowed_targets", "blocked_targets"):
        listed = stated.get(key)
        for item in listed if isinstance(listed, list) else ():
            yield from _target_findings(item, (*at, "constraints", key))
    if isinstance(stated.get("time_window"), dict):
        try:
            _window(stated["time_window"])
        except ValueError as error:
            where = (*at, "constraints", "time_window")
            hint = "time_window: {start: '09:00', end: '17:00', days: [mon, fri], time_zone: Europe/Berlin}"
            yield Finding(where, f"time_window: {error}", hint)


_EXAMPLES = {
    "granted_by": "your name",
    "granted_at": "2026-11-22",
    "scope": "what it is for",
    "revocation_state": "active",
}


def _target_findings(item: object, at: tuple[str, ...]) -> Iterator[Finding]:
    if isinstance(item, str) and item.strip():
        return
    kind = _kind_and_value(item)[0]
    if kind not in KINDS:
        meant = near(kind, KINDS)
        message = f"{kind or item!r} is not a kind of target; it can be {', '.join(KINDS)}"
        yield Finding(at, message, f"write {{kind: {meant[0] if meant else 'exact'}, value: …}}")
    elif not _kind_and_value(item)[1]:
        yield Finding(at, f"a target of kind {kind} has no value", f"write {{kind: {kind}, value: …}}")


def _kind_and_value(item: object) -> tuple[str, str]:
    if isinstance(item, str):
        return "exact", item
    if not isinstance(item, dict):
        return "", ""
    if "kind" in item:
        return str(item["kind"]), str(item.get("value") or "")
    [(kind, value), *more] = item.items() or [("", "")]
    return ("", "") if more else (str(kind), str(value or ""))


def grants(values: Mapping[str, object], place: Place, home: str) -> tuple[Grant, ...]:
    """The grants of a `mandates.md` without errors."""
    mandates = values.get("mandates")
    found = mandates.items() if isinstance(mandates, dict) else ()
    return tuple(_grant(str(name), stated, place("mandates", str(name)), home) for name, stated in found)


def _grant(name: str, stated: Mapping[str, object], where: str, home: str) -> Grant:
    inner = stated.get("constraints")
    constraints: Mapping[str, object] = inner if isinstance(inner, dict) else {}
    window = constraints.get("time_window")
    return Grant(
        id=name,
        home=home,
        where=where,
        scope=" ".join(str(stated.get("scope", "")).split()),
        granted_by=str(stated.get("granted_by", "")),
        granted_at=_moment(stated["granted_at"]),
        expires_at=_moment(stated["expires_at"]) if stated.get("expires_at") is not None else None,
        revoked=stated.get("revocation_state") == "revoked",
        tools=_texts(constraints.get("allowed_tools")),
        action_class=str(constraints.get("action_class", "external_side_effect")),
        targets=_targets(constraints.get("allowed_targets")),
        blocked=_targets(constraints.get("blocked_targets")),
        window=_window(window) if isinstance(window, dict) else None,
        limits=tuple(
            Limit(period, amount, Decimal(str(constraints[key])))
            for period in PERIODS
            for amount in AMOUNTS
            if (key := f"{period}_{amount}") in constraints
        ),
        ask_above_token=_usd(constraints.get("requires_escalation_above_token_usd")),
        ask_above_external=_usd(constraints.get("requires_escalation_above_external_usd")),
        expected_usd=_usd(constraints.get("expected_external_usd")),
        amount_argument=str(constraints.get("amount_argument", "")),
    )


def _targets(found: object) -> tuple[Target, ...]:
    pairs = [_kind_and_value(item) for item in found] if isinstance(found, list) else []
    return tuple(Target(KINDS[kind], value) for kind, value in pairs)


def _texts(found: object) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _usd(found: object) -> Usd | None:
    return None if found is None else Decimal(str(found))


def _moment(found: object) -> datetime.datetime:
    """A day is its first moment in UTC, as published; a time without a zone is one in UTC."""
    if isinstance(found, str):
        found = datetime.datetime.fromisoformat(found)
    if isinstance(found, datetime.datetime):
        return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    assert isinstance(found, datetime.date)  # noqa: S101 - the rule says so
    return datetime.datetime.combine(found, datetime.time(), datetime.UTC)


def _window(stated: Mapping[str, object]) -> Window:
    """A time window in either published shape.

    Raises:
        ValueError: a clock time, a day or a zone that is none.
    """
    import zoneinfo  # noqa: PLC0415 - 2 ms that only a grant with hours needs

    zone = str(stated.get("time_zone") or stated.get("timezone") or _UTC)
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {zone}") from error
    start, end = _hours(stated)
    days = stated.get("days") or stated.get("days_of_week") or list(DAYS)
    return Window(_clock(start), _clock(end), zone, frozenset(map(_day, days if isinstance(days, list) else [days])))


def _hours(stated: Mapping[str, object]) -> Sequence[object]:
    found = stated.get("hours") or stated.get("hours_local")
    if isinstance(found, dict):
        stated, found = found, None
    if isinstance(found, str):
        found = re.split(r"\s*[-–]\s*", found.strip())
    if found is None:
        found = [stated.get("start", "00:00"), stated.get("end", "24:00")]
    if not isinstance(found, list) or len(found) != 2:
        raise ValueError(f"{found!r} is not a start and an end")
    return found


def _clock(found: object) -> datetime.time:
    # Written without quotes, YAML takes 18:00 for a number: minutes.
    text = f"{found // 60}:{found % 60:02}" if isinstance(found, int) and not isinstance(found, bool) else str(found)
    matched = _CLOCK.fullmatch(text.strip())
    if matched is None or (matched[1] == "24" and matched[2] != "00"):
        raise ValueError(f"{found!r} is not a time of day")
    return datetime.time.max if matched[1] == "24" else datetime.time(int(matched[1]), int(matched[2]))


def _day(found: object) -> int:
    short = str(found).strip().lower()[:3]
    if short not in DAYS:
        raise ValueError(f"{found!r} is not a day of the week")
    return DAYS.index(short)
