"""Settings files: typed YAML front matter at v2, the published sections at v1; every problem with its line.

No setting ever falls back to a default because it was written wrongly: a value that does not parse is an error, and so
is a body that states another value than the front matter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core import frontmatter
from atomic_agents.core.document import Document
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.values import Problem, Usd, key_of
from atomic_agents.vault import authority, call_limits, channels, grants, v1_settings
from atomic_agents.vault.rules import BOOLEAN, MONEY, TEXT, TEXTS, Finding, Rule, check, differences

CAP_ACTIONS = ("skip", "fallback", "alert")
UNKNOWN_PRICES = ("block", "assume-max", "free")
"""What holds where nobody knows a model's price, the strictest first."""
TOOL_CLASSES = authority.TOOL_CLASSES
EXPLICIT = 2
"""From this version on, settings stand in front matter."""
_Path = tuple[str, ...]
_TOKENS = Rule("integer", least=1)
_GUARDRAILS = Rule(
    "table",
    keys={
        "enabled": BOOLEAN,
        "daily_cap_usd": MONEY,
        "monthly_cap_usd": MONEY,
        "daily_cap_action": Rule("choice", choices=CAP_ACTIONS),
        "monthly_cap_action": Rule("choice", choices=CAP_ACTIONS),
        "warning_thresholds": Rule("list", items=Rule("number", least=0, most=1)),
        "alert_channel": Rule("choice", choices=channels.CHOICES),
        "unknown_price": Rule("choice", choices=UNKNOWN_PRICES),
    },
)
_POLICY = {
    "cost_caps": Rule("table", keys={"daily_usd": MONEY, "monthly_usd": MONEY}),
    **authority.POLICY,
    "model": TEXT,
}

_TOOLS = call_limits.RULES | {
    "read_paths": TEXTS,
    "write_paths": TEXTS,
    "read_only_paths": TEXTS,
    "external_apis": TEXTS,
    "fetch_hosts": TEXTS,
    "hard_nos": TEXTS,
    "tool_classes": Rule("map", items=Rule("choice", choices=TOOL_CLASSES)),
    "accept_tool_notes": BOOLEAN,
}

_SERVER = {
    "command": TEXT,
    "args": TEXTS,
    "env": Rule("map", items=TEXT),
    "transport": Rule("choice", choices=("stdio", "http", "streamable-http")),
    "url": TEXT,
    "headers": Rule("map", items=TEXT),
    "timeout_s": Rule("number", least=1, most=3600),
    "tools": TEXTS,
    "description": TEXT,
}

_DEPTH = {"mcp.md": 2, "judges.md": 2, "mandates.md": 2, "policy.md": 4}
"""How deep the keys are whose lines are told, where that is deeper than the outermost."""

NOT_OURS = ("schema_version", "tags", "aliases", "cssclasses")
"""Front matter that is no setting: the version, and the properties that Obsidian gives any document."""

RULES: Mapping[str, Mapping[str, Rule]] = {
    "model.md": {
        "model": TEXT,
        "fallback_model": TEXT,
        "provider": TEXT,
        "max_input_tokens": _TOKENS,
        "max_output_tokens": _TOKENS,
        "temperature": Rule("number", least=0, most=2),
        "dedup_body_hash": BOOLEAN,
        "conversation_backend": TEXT,
        "cost_guardrails": _GUARDRAILS,
    },
    "tools.md": _TOOLS,
    "tools.override.md": _TOOLS,
    "roster.md": {"delegate_to": TEXTS},
    "mcp.md": {"allowed_commands": TEXTS, "servers": Rule("map", items=Rule("table", keys=_SERVER))},
    "judges.md": authority.JUDGES,
    "mandates.md": grants.MANDATES,
    "serve.md": {
        "identity_header": TEXT,
        "bind_host": TEXT,
        "bind_port": Rule("integer", least=1, most=65535),
        "allow_no_auth": BOOLEAN,
        "max_body_bytes": Rule("integer", least=1),
        "idempotency_header": TEXT,
        "identity_is_perimeter_verified": BOOLEAN,
    },
    "policy.md": {
        **_POLICY,
        "groups": authority.GROUPS,
        "cost_guardrails": _GUARDRAILS,
        "alerts": Rule("table", keys=channels.RULES),
        "agents": Rule("map", items=Rule("table", keys=_POLICY)),
    },
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What one settings file says.

    `values` holds the keys that are stated and right; `lines` the file line of each top-level key, and of keys below
    some by their path with dots; `version` is 1 for the published sections and 2 for front matter.
    """

    name: str
    path: str
    version: int
    values: Mapping[str, object]
    lines: Mapping[str, int]
    problems: tuple[Problem, ...]


def version_of(document: Document) -> int:
    """The schema version of a settings document; one without front matter of ours is at 1."""
    stated = document.meta.get("schema_version")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else 1


def read(name: str, document: Document) -> Settings:
    """Read a settings document of either version; problems are returned, never raised."""
    version = version_of(document)
    if version < EXPLICIT:
        return _read_sections(name, document)
    values = {key: value for key, value in document.meta.items() if key not in NOT_OURS}
    lines = {".".join(at): document.line_of(*at) for at in _places(values, _DEPTH.get(name, 1))}
    if version > CURRENT_SCHEMA_VERSION:
        message = f"is at v{version}, and this package reads up to v{CURRENT_SCHEMA_VERSION}"
        hint = "pip install --upgrade atomic-agents-stack"
        newer = Problem(document.path, document.line_of("schema_version"), message, hint)
        return Settings(name, document.path, version, values, lines, (newer,))
    findings = list(_findings(name, values))
    problems = [_problem(document.path, document.line_of(*at), finding) for at, finding in findings]
    problems += [
        Problem(document.path, document.head_line + line - 1, f"{key} is stated twice", f"take one {key} away")
        for key, line in frontmatter.repeated(document.head)
    ]
    problems += _contradictions(name, document, values)
    return Settings(name, document.path, version, _right(values, findings), lines, tuple(problems))


def _places(values: Mapping[str, object], depth: int) -> Iterator[_Path]:
    for key, value in values.items():
        yield (str(key),)
        if depth > 1 and isinstance(value, dict):
            yield from ((str(key), *at) for at in _places(value, depth - 1))


def _read_sections(name: str, document: Document) -> Settings:
    stated = v1_settings.read(name, document.body, document.body_line)
    problems = [Problem(document.path, line, message, hint) for line, message, hint in stated.problems]
    findings = list(_findings(name, stated.values))
    problems += [_problem(document.path, stated.line_of(*at), finding) for at, finding in findings]
    problems += _misplaced(name, document)
    return Settings(name, document.path, 1, _right(stated.values, findings), stated.lines, tuple(problems))


def _misplaced(name: str, document: Document) -> Iterator[Problem]:
    """Settings in front matter that does not say it is at v2, so that they are not read."""
    if not document.has_front_matter and document.body.lstrip("\r\n").startswith("schema_version:"):
        message = "schema_version: stands without a line of --- above it, so it is not read"
        yield Problem(
            document.path, 1, message, f"write --- above line 1 of {document.path}, and below its last setting"
        )
        return
    stated = document.meta.get("schema_version")
    line = document.line_of("schema_version")
    if "schema_version" in document.meta and (isinstance(stated, bool) or not isinstance(stated, int)):
        message = f"schema_version is {stated!r}; a whole number is needed"
        yield Problem(document.path, line, message, "write schema_version: 2")
        return
    for key in document.meta:
        if key in RULES[name]:
            message = f"{key} stands in front matter without schema_version: 2, so it is not read"
            yield Problem(document.path, document.line_of(key), message, "write schema_version: 2 above it")


def _contradictions(name: str, document: Document, values: Mapping[str, object]) -> Iterator[Problem]:
    """What the text states otherwise than the front matter; both lines are named."""
    stated = v1_settings.read(name, document.body, document.body_line)
    for key, value in stated.values.items():
        for at in differences(value, values.get(key), (key,)):
            there = (
                f"{document.path}:{document.line_of(*at)}" if key in values else f"the front matter of {document.path}"
            )
            said = ".".join(at)
            message = f"the text states another {said} than {there}, and only the front matter is read"
            hint = f"say it once: change {said} in the front matter, and take it out of the text"
            yield Problem(document.path, stated.line_of(*at), message, hint)


def unreadable(name: str, error: DocumentUnreadable) -> Settings:
    """The settings of a document that could not even be read as text."""
    path, line = str(error.context["path"]), error.context["line"]
    problem = Problem(path, line if isinstance(line, int) else 0, str(error.context["message"]), error.hint)
    return Settings(name, path, 0, {}, {}, (problem,))


def _findings(name: str, values: Mapping[str, object]) -> Iterator[tuple[_Path, Finding]]:
    found = list(check(dict(values), Rule("table", keys=RULES[name])))
    if name == "policy.md" and not any(finding.at[:1] == ("alerts",) for finding in found):
        found += channels.findings(values.get("alerts"))
    if name in ("policy.md", "judges.md"):
        found += authority.findings(name, values)
    if name == "mandates.md":
        found += grants.findings(values)
    yield from ((finding.at, finding) for finding in found)
    guardrails = values.get("cost_guardrails")
    if name == "model.md" and isinstance(guardrails, dict) and "fallback_model" not in values:
        for key in ("daily_cap_action", "monthly_cap_action"):
            if guardrails.get(key) == "fallback":
                at = ("cost_guardrails", key)
                message = f"{key} is fallback and there is no fallback_model; the run is skipped instead"
                yield at, Finding(at, message, "add fallback_model, or write skip", "warning")


def _problem(path: str, line: int, finding: Finding) -> Problem:
    return Problem(path, line, finding.message, finding.hint, finding.severity)


def _right(values: Mapping[str, object], findings: list[tuple[_Path, Finding]]) -> dict[str, object]:
    """The values without those top-level keys that have an error."""
    broken = {at[0] for at, finding in findings if at and finding.severity == "error"}
    return {key: value for key, value in values.items() if key not in broken}


@dataclass(frozen=True, slots=True)
class CostGuardrails:
    """Spending limits in USD; None is no limit of that kind, 0 freezes."""

    enabled: bool = False
    daily_cap: Usd | None = None
    monthly_cap: Usd | None = None
    daily_action: str = "skip"
    monthly_action: str = "alert"
    warning_thresholds: tuple[float, ...] = (0.5, 0.8)
    alert_channel: str = ""
    """Where alerts go, one of `channels.CHOICES`; "" is every channel there is."""
    unknown_price: str = UNKNOWN_PRICES[0]

    @property
    def capped(self) -> bool:
        """Whether they limit anything."""
        return self.enabled and not (self.daily_cap is None and self.monthly_cap is None)


def unknown_price(own: CostGuardrails, shared: CostGuardrails) -> str:
    """What holds where nobody knows a model's price: the strictest that an agent and the vault say."""
    stated = [own.unknown_price, *([shared.unknown_price] if shared.enabled else [])]
    return min(stated, key=UNKNOWN_PRICES.index)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`model.md`, typed; `model` is None where the file states none. `shared` are the caps of all agents together."""

    model: str | None
    fallback_model: str | None
    max_input_tokens: int
    max_output_tokens: int
    temperature: float | None
    guardrails: CostGuardrails
    shared: CostGuardrails = CostGuardrails()


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """`tools.md`, typed; paths as written, relative ones are below the agent."""

    read_paths: tuple[str, ...] = ()
    write_paths: tuple[str, ...] = ()
    read_only_paths: tuple[str, ...] = ()
    external_apis: tuple[str, ...] = ()
    hard_nos: tuple[str, ...] = ()
    classes: Mapping[str, str] | None = None
    accept_tool_notes: bool = False
    fetch_hosts: tuple[str, ...] = ()

    def extended(self, by: "ToolSettings") -> "ToolSettings":
        """A role's settings and what an instance adds to them; only a class can be stated anew."""
        return ToolSettings(
            read_paths=self.read_paths + by.read_paths,
            write_paths=self.write_paths + by.write_paths,
            read_only_paths=self.read_only_paths + by.read_only_paths,
            external_apis=self.external_apis + by.external_apis,
            fetch_hosts=self.fetch_hosts + by.fetch_hosts,
            hard_nos=self.hard_nos + by.hard_nos,
            classes={**(self.classes or {}), **(by.classes or {})},
            accept_tool_notes=self.accept_tool_notes or by.accept_tool_notes,
        )


def model_settings(settings: Settings | None) -> ModelSettings:
    """The typed values of a `model.md` without errors; the published defaults stand where it says nothing."""
    values = settings.values if settings else {}
    return ModelSettings(
        model=_model_id(values, "model"),
        fallback_model=_model_id(values, "fallback_model"),
        max_input_tokens=_integer(values, "max_input_tokens", 12000),
        max_output_tokens=_integer(values, "max_output_tokens", 4000),
        temperature=_number(values, "temperature"),
        guardrails=_guardrails(values.get("cost_guardrails")),
    )


def under_policy(model: ModelSettings, policy: Settings | None, agent: str) -> ModelSettings:
    """The settings of an agent under the vault's `policy.md`: of each period the lower cap holds; policy's skips.

    The `cost_guardrails` of `policy.md` hold for all agents together, and hold unless they say `enabled: false`.
    """
    values = policy.values if policy else {}
    agents = values.get("agents")
    own = agents.get(key_of(agents, agent)) if isinstance(agents, dict) else None
    stated = [found.get("cost_caps") for found in (values, own) if isinstance(found, dict)]
    guardrails = model.guardrails
    if not guardrails.enabled:
        guardrails = replace(guardrails, daily_cap=None, monthly_cap=None)
    for caps in stated:
        daily = _cap(caps.get("daily_usd")) if isinstance(caps, dict) else None
        monthly = _cap(caps.get("monthly_usd")) if isinstance(caps, dict) else None
        if daily is not None and (guardrails.daily_cap is None or daily < guardrails.daily_cap):
            guardrails = replace(guardrails, enabled=True, daily_cap=daily, daily_action="skip")
        if monthly is not None and (guardrails.monthly_cap is None or monthly < guardrails.monthly_cap):
            guardrails = replace(guardrails, enabled=True, monthly_cap=monthly, monthly_action="skip")
    of_all = values.get("cost_guardrails")
    together = {"enabled": True, "monthly_cap_action": "skip", **of_all} if isinstance(of_all, dict) else None
    guardrails = guardrails if guardrails.enabled else model.guardrails
    return replace(model, guardrails=guardrails, shared=_guardrails(together))


def tool_settings(settings: Settings | None) -> ToolSettings:
    """The typed values of a `tools.md` without errors."""
    values = settings.values if settings else {}
    classes = values.get("tool_classes")
    return ToolSettings(
        read_paths=_texts(values, "read_paths"),
        write_paths=_texts(values, "write_paths"),
        read_only_paths=_texts(values, "read_only_paths"),
        external_apis=_texts(values, "external_apis"),
        fetch_hosts=_texts(values, "fetch_hosts"),
        hard_nos=_texts(values, "hard_nos"),
        classes={str(key): str(value) for key, value in classes.items()} if isinstance(classes, dict) else {},
        accept_tool_notes=values.get("accept_tool_notes") is True,
    )


def _guardrails(found: object) -> CostGuardrails:
    if not isinstance(found, dict):
        return CostGuardrails()
    thresholds = found.get("warning_thresholds", [0.5, 0.8])
    return CostGuardrails(
        enabled=bool(found.get("enabled", False)),
        daily_cap=_cap(found.get("daily_cap_usd")),
        monthly_cap=_cap(found.get("monthly_cap_usd")),
        daily_action=str(found.get("daily_cap_action", "skip")),
        monthly_action=str(found.get("monthly_cap_action", "alert")),
        warning_thresholds=tuple(float(item) for item in thresholds),
        alert_channel=str(found.get("alert_channel", "")),
        unknown_price=str(found.get("unknown_price", UNKNOWN_PRICES[0])),
    )


def _cap(value: object) -> Usd | None:
    return None if value is None else Decimal(str(value))


def _model_id(values: Mapping[str, object], key: str) -> str | None:
    model, provider = values.get(key), values.get("provider")
    if not isinstance(model, str):
        return None
    return f"{provider}:{model}" if isinstance(provider, str) and ":" not in model else model


def _integer(values: Mapping[str, object], key: str, default: int) -> int:
    value = values.get(key, default)
    return value if isinstance(value, int) else default


def _number(values: Mapping[str, object], key: str) -> float | None:
    value = values.get(key)
    return float(value) if isinstance(value, int | float) else None


def _texts(values: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = values.get(key)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
