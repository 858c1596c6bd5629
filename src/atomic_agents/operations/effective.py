"""Every setting in force, each with the file and line, the variable or the default that it comes from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from atomic_agents import config
from atomic_agents.core.document import Document
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.values import Problem
from atomic_agents.guard.secrets import redacted
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import settings
from atomic_agents.vault.settings import CostGuardrails, ModelSettings, Settings

DEFAULT = "default"
_HIDDEN = ("env", "headers")
"""Tables whose values may be secrets; those that name a variable are none."""
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "HEADERS")


@dataclass(frozen=True, slots=True)
class Value:
    """A setting that holds: the file or group it belongs to, its key, its JSON value, and where that comes from."""

    group: str
    key: str
    value: object
    where: str


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds, and what is wrong with what is stated."""

    values: tuple[Value, ...]
    problems: tuple[Problem, ...]


def of_agent(workspace: Workspace, name: str) -> Effective:
    """What holds for an agent: its own files, its role's and project's, and the vault's `policy.md`."""
    workspace.require()
    agent = workspace.vault.agent(name)
    found = workspace.vault.settings(agent)
    stated: list[Value] = []
    for file in (*found.files.values(), *found.inherited):
        stated += (value for value in _stated(workspace, file) if _concerns(value, agent.name))
    own = [value for value in stated if value.group == "model.md"]
    others = [value for value in stated if value.group != "model.md"]
    values = (*_model(own, others, found.model, agent.name), *others)
    return Effective(_shown(workspace, values), found.problems)


def of_vault(workspace: Workspace) -> Effective:
    """What holds for everything: the environment, and the vault's `policy.md`."""
    policy = workspace.vault.settings_of("policy.md", "policy.md") if workspace.exists() else None
    values = (_root(workspace), *_variables(workspace.config.environ), *(_stated(workspace, policy) if policy else ()))
    return Effective(_shown(workspace, values), policy.problems if policy else ())


def _root(workspace: Workspace) -> Value:
    environ, root = workspace.config.environ, workspace.config.root
    stated = environ.get("ATOMIC_AGENTS_ROOT", "")
    if config.is_address(stated) or config.load(None, environ).root != root:
        where = "--root"
    else:
        where = "env:ATOMIC_AGENTS_ROOT" if stated else DEFAULT
    return Value("environment", "root", str(root), where)


def _variables(environ: Mapping[str, str]) -> Iterator[Value]:
    for name, _, default in config.VARIABLES:
        if name == "ATOMIC_AGENTS_ROOT" or "<" in name:
            continue
        if stated := environ.get(name, "").strip():
            yield Value("environment", name, "(set)" if name.endswith(_SECRET) else stated, f"env:{name}")
        elif default:
            yield Value("environment", name, default, DEFAULT)


def _stated(workspace: Workspace, file: Settings) -> Iterator[Value]:
    """What a file says, key for key."""
    try:
        document = workspace.vault.document(file.path)
    except DocumentUnreadable:
        document = None
    for at, value in _leaves(file.values):
        yield Value(file.name, ".".join(at), _hidden(at, value), f"{file.path}:{_line(file, document, at)}")


def _leaves(values: Mapping[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, str(key)))
        else:
            yield (*above, str(key)), value


def _line(file: Settings, document: Document | None, at: Sequence[str]) -> int:
    if document is not None and file.version > 1:
        return document.line_of(*at)
    return next((line for end in range(len(at), 0, -1) if (line := file.lines.get(".".join(at[:end])))), 1)


def _hidden(at: Sequence[str], value: object) -> object:
    secret = any(part in _HIDDEN for part in at[:-1]) and isinstance(value, str) and "$" not in value
    return "(set)" if secret else value


def _concerns(value: Value, agent: str) -> bool:
    """Whether it is said of this agent, or of all of them."""
    other = value.group == "policy.md" and value.key.startswith("agents.")
    return not other or value.key.startswith(f"agents.{agent}.")


def _model(own: Sequence[Value], others: Sequence[Value], found: ModelSettings, agent: str) -> Iterator[Value]:
    """What holds of `model.md`: what it says, the vault's caps where those are lower, and the defaults."""
    stated = {value.key: value for value in own}
    policy = {each.key: each for each in others if each.group == "policy.md"}
    defaults = _effective(settings.model_settings(None))
    for key, value in _effective(found).items():
        said = stated.pop(key, None)
        if said is not None and _is(said.value, value):
            yield replace(said, value=value)
        else:
            ruled = _ruled(policy, key, agent, value) if value != defaults[key] else ""
            yield Value("model.md", key, value, ruled or DEFAULT)
    yield from (value for key, value in stated.items() if key != "provider")


def _is(said: object, value: object) -> bool:
    """Whether a setting holds as it is said; a model's id may have its provider before it."""
    if isinstance(said, int | float) and isinstance(value, int | float):
        return float(said) == float(value)
    return said == value or (isinstance(value, str) and value.endswith(f":{said}"))


def _ruled(policy: Mapping[str, Value], key: str, agent: str, value: object) -> str:
    """The line of `policy.md` whose cap has made a setting what it is, "" where none has."""
    periods = [period for period in ("daily", "monthly") if period in key] or ["daily", "monthly"]
    keys = [f"{scope}cost_caps.{period}_usd" for period in periods for scope in (f"agents.{agent}.", "")]
    caps = [policy[cap] for cap in keys if cap in policy]
    return next((cap.where for cap in caps if not key.endswith("_usd") or _is(cap.value, value)), "")


def _effective(found: ModelSettings) -> dict[str, object]:
    caps: CostGuardrails = found.guardrails
    return {
        "model": found.model,
        "fallback_model": found.fallback_model,
        "max_input_tokens": found.max_input_tokens,
        "max_output_tokens": found.max_output_tokens,
        "temperature": found.temperature,
        "cost_guardrails.enabled": caps.enabled,
        "cost_guardrails.daily_cap_usd": None if caps.daily_cap is None else float(caps.daily_cap),
        "cost_guardrails.monthly_cap_usd": None if caps.monthly_cap is None else float(caps.monthly_cap),
        "cost_guardrails.daily_cap_action": caps.daily_action,
        "cost_guardrails.monthly_cap_action": caps.monthly_action,
        "cost_guardrails.warning_thresholds": list(caps.warning_thresholds),
        "cost_guardrails.unknown_price": caps.unknown_price,
    }


def _shown(workspace: Workspace, values: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(replace(value, value=redacted(value.value, workspace.secrets)) for value in values)
