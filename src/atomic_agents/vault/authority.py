"""Who may do what, as `policy.md` and `judges.md` say it: levels by class and by tool, allow and deny lists, judges.

Each thing that is said keeps its place, `path:line`, so that whoever is refused can be shown the line.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from atomic_agents.core.values import Usd, near
from atomic_agents.vault.rules import ANY, BOOLEAN, MONEY, TEXT, TEXTS, Finding, Rule

TOOL_CLASSES = ("read_only", "reversible_write", "external_side_effect", "high_risk")
"""What a tool can be, the most harmless first."""

LEVELS = ("bypass", "audit", "judge", "ask", "deny")
"""What is done about a call, the loosest first."""

_PUBLISHED = {"allow_with_audit": "audit", "judge_required": "judge", "escalate": "ask"}
WORDS = (*LEVELS, *_PUBLISHED)
"""Every way to write a level."""

_LEVEL = Rule("choice", choices=WORDS)
_CLASS_POLICY = Rule("table", keys=dict.fromkeys(TOOL_CLASSES, _LEVEL))
_ALLOW_DENY = Rule("table", keys={"allow": TEXTS, "deny": TEXTS})
_FAILURES = (
    "JudgeUnavailable", "JudgeBudgetExhausted", "JudgePolicyInvalid", "JudgeProposalInvalid",
    "JudgeAmendedProposalRejected",
)  # fmt: skip

POLICY: Mapping[str, Rule] = {
    "tools": _ALLOW_DENY,
    "mcp_servers": _ALLOW_DENY,
    "class_policy": _CLASS_POLICY,
    "tool_policy": Rule("map", items=_LEVEL),
}
"""What `policy.md` says about tools, for the vault and below `agents` for one of them."""

GROUPS = Rule("map", items=TEXTS)

JUDGES: Mapping[str, Rule] = {
    "backend": Rule("choice", choices=("rules", "llm")),
    "model": TEXT,
    "timeout_ms": Rule("integer", least=1),
    "budget": Rule("table", keys={"daily_usd": MONEY, "monthly_usd": MONEY, "per_action_usd": MONEY}),
    "class_policy": _CLASS_POLICY,
    "failure_policy": Rule("table", keys={**dict.fromkeys(_FAILURES, ANY), **dict.fromkeys(TOOL_CLASSES, ANY)}),
    "escalation": Rule(
        "table",
        keys={
            "destination": TEXT,
            "auto_decide_after_seconds": Rule("integer", least=1),
            "fallback_on_timeout": ANY,
            "resolution_poll_cycle_seconds": Rule("number", least=0),
            "operator_notification": ANY,
        },
    ),
    "audit": Rule("map", items=ANY),
    "mandates": Rule(
        "table",
        keys={
            "unextractable_target_action": Rule("choice", choices=("block", "escalate")),
            **dict.fromkeys(
                (
                    "suspicious_rebind_throttle_s",
                    "reservation_ttl_s",
                    "cap_breach_action_class_default",
                    "high_risk_lock_timeout_s",
                    "no_expiry_warning",
                ),
                ANY,
            ),
        },
    ),
    "judge_captures": BOOLEAN,
    "read_audit_mode": TEXT,
    "specialist_composition": ANY,
    "validation": TEXT,
}


@dataclass(frozen=True, slots=True)
class Said:
    """A level, and the line that says so."""

    level: str
    where: str

    @property
    def strictness(self) -> int:
        """The place in LEVELS."""
        return LEVELS.index(self.level)


@dataclass(frozen=True, slots=True)
class Names:
    """Names of tools or servers, with wildcards, and the line that lists them."""

    names: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """What one part of `policy.md` says; None where it lists nothing of that kind."""

    allow: Names | None = None
    deny: Names | None = None
    allow_servers: Names | None = None
    deny_servers: Names | None = None
    classes: Mapping[str, Said] = field(default_factory=dict)
    tools: Mapping[str, Said] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """A `judges.md`. `on_failure` is what happens where the judge cannot be asked: deny, or ask the operator.

    `expires` is how long an approval may be waited for; None is for ever.
    """

    where: str
    model: str = ""
    per_action: Usd | None = None
    daily: Usd | None = None
    monthly: Usd | None = None
    classes: Mapping[str, Said] = field(default_factory=dict)
    on_failure: str = "deny"
    expires: datetime.timedelta | None = None
    seconds: float | None = None
    """How long a judgment may take; one that comes later is none."""
    hides_target: str = "ask"


def findings(name: str, values: Mapping[str, object]) -> Iterator[Finding]:
    """What is wrong beyond the kinds of values: groups that are not there, words that would be a hole."""
    if name == "judges.md":
        yield from _judge_findings(values)
        return
    if "model" in values:
        yield Finding(("model",), "model has no effect in policy.md", "state model in AGENT/model.md", "warning")
    groups = values.get("groups")
    known = tuple(groups) if isinstance(groups, dict) else ()
    agents = values.get("agents")
    parts = [((), values), *((("agents", str(key)), part) for key, part in _items(agents))]
    for at, part in parts:
        for key in ("tools", "mcp_servers", "tool_policy"):
            for inner, names in _name_lists(part, key):
                for each in names:
                    if each.startswith("@") and each[1:] not in known:
                        meant = near(each[1:], known)
                        hint = f"write @{meant[0]}" if meant else f"add groups: {{{each[1:]}: [...]}}"
                        yield Finding((*at, key, *inner), f"there is no group {each}", hint)


def _judge_findings(values: Mapping[str, object]) -> Iterator[Finding]:
    failure = values.get("failure_policy")
    for at, said in _leaves(failure):
        if said not in ("allow", "block", "escalate"):
            message = f"{'.'.join(at)} is {said!r}; it can be block or escalate"
            yield Finding(("failure_policy", *at), message, "write block")
        elif said == "allow":
            message = f"{'.'.join(at)} is allow; what nobody can judge is refused all the same"
            yield Finding(("failure_policy", *at), message, "write block or escalate", "warning")
    escalation = values.get("escalation")
    destination = escalation.get("destination") if isinstance(escalation, dict) else None
    if isinstance(destination, str) and destination.strip("/") not in ("vault", "vault/escalations"):
        message = f"destination is {destination}; approvals stand in vault/escalations, where no agent can write"
        yield Finding(("escalation", "destination"), message, "write vault/escalations", "warning")


def tool_policy(values: Mapping[str, object], place: "Place", at: tuple[str, ...] = ()) -> ToolPolicy:
    """What the part of `policy.md` at `at` says about tools."""
    part: object = values
    for key in at:
        part = part.get(key) if isinstance(part, dict) else None
    groups = values.get("groups")

    def names(key: str, inner: str) -> Names | None:
        table = part.get(key) if isinstance(part, Mapping) else None
        found = table.get(inner) if isinstance(table, Mapping) else None
        return Names(expanded(found, groups), place(*at, key, inner)) if isinstance(found, list) and found else None

    def said(key: str) -> dict[str, Said]:
        table = part.get(key) if isinstance(part, Mapping) else None
        return {
            each: Said(level(value), place(*at, key, str(name)))
            for name, value in _items(table)
            for each in expanded([name], groups)
        }

    return ToolPolicy(
        names("tools", "allow"), names("tools", "deny"), names("mcp_servers", "allow"), names("mcp_servers", "deny"),
        said("class_policy"), said("tool_policy"),
    )  # fmt: skip


def judge_settings(values: Mapping[str, object], place: "Place") -> JudgeSettings:
    """A `judges.md` without errors."""
    budget, escalation, mandates = values.get("budget"), values.get("escalation"), values.get("mandates")
    failure, timeout = values.get("failure_policy"), values.get("timeout_ms")
    expires = escalation.get("auto_decide_after_seconds") if isinstance(escalation, dict) else None
    hides = mandates.get("unextractable_target_action") if isinstance(mandates, dict) else None
    unavailable = failure.get("JudgeUnavailable") if isinstance(failure, dict) else None

    def money(key: str) -> Usd | None:
        value = budget.get(key) if isinstance(budget, dict) else None
        return None if value is None else Decimal(str(value))

    return JudgeSettings(
        where=place("model" if "model" in values else "class_policy"),
        model=str(values.get("model") or "") if values.get("backend") != "rules" else "",
        per_action=money("per_action_usd"),
        daily=money("daily_usd"),
        monthly=money("monthly_usd"),
        classes={
            str(name): Said(level(value), place("class_policy", str(name)))
            for name, value in _items(values.get("class_policy"))
        },
        seconds=timeout / 1000 if isinstance(timeout, int) else None,
        on_failure="ask" if unavailable == "escalate" else "deny",
        expires=datetime.timedelta(seconds=expires) if isinstance(expires, int) else None,
        hides_target="deny" if hides == "block" else "ask",
    )


class Place:
    """Where a settings file says something: called with a path of keys, gives `path:line`."""

    def __init__(self, path: str, lines: Mapping[str, int]) -> None:
        self._path, self._lines = path, lines

    def __call__(self, *at: str) -> str:
        """The line of the value at `at`, or of the innermost key above it that has one."""
        for end in range(len(at), 0, -1):
            if line := self._lines.get(".".join(at[:end])):
                return f"{self._path}:{line}"
        return self._path


def level(value: object) -> str:
    """A level by its own name or the published one."""
    return _PUBLISHED.get(str(value), str(value))


def expanded(names: object, groups: object) -> tuple[str, ...]:
    """Names with each `@group` replaced by what is in it."""
    found: list[str] = []
    for name in names if isinstance(names, list) else ():
        text = str(name)
        inside = groups.get(text[1:]) if text.startswith("@") and isinstance(groups, dict) else None
        found += map(str, inside) if isinstance(inside, list) else (text,)
    return tuple(found)


def _items(found: object) -> list[tuple[str, object]]:
    return [(str(key), value) for key, value in found.items()] if isinstance(found, Mapping) else []


def _name_lists(part: object, key: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    table = part.get(key) if isinstance(part, Mapping) else None
    if key == "tool_policy":
        yield (), [name for name, _ in _items(table)]
        return
    for inner, names in _items(table):
        if isinstance(names, list):
            yield (inner,), [str(name) for name in names]


def _leaves(found: object, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _leaves(value, (*at, str(key)))
    elif found is not None:
        yield at, found
