"""Checks of the documents: layout, schema, settings, memory, write paths."""

from collections.abc import Iterator

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.budget import prices
from atomic_agents.core.values import Problem
from atomic_agents.doctor import alert_checks, settings_checks
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.guard import paths
from atomic_agents.migration import newer
from atomic_agents.vault import layout
from atomic_agents.vault.settings import unknown_price
from atomic_agents.vault.vault import Agent


def schema(examination: Examination) -> Iterator[Finding]:
    """Every document is at the version that this package writes."""
    census = examination.census
    migrate = f"atomic-agents migrate --to v{CURRENT_SCHEMA_VERSION} --dry-run, then without --dry-run"
    if census.newer:
        yield Finding("fail", f"{newer.words(census.newer)}; it is only read", newer.remedy(examination.store))
    if census.version < CURRENT_SCHEMA_VERSION:
        old = sum(count for (_, version), count in census.counts.items() if version < CURRENT_SCHEMA_VERSION)
        noun = "1 document must" if old == 1 else f"{old:,} documents must"
        yield Finding(
            "fail", f"the vault is at v{census.version}: {noun} be migrated to v{CURRENT_SCHEMA_VERSION}", migrate
        )


def agents(examination: Examination) -> Iterator[Finding]:
    """There is an agent, and no document of the vault itself has an error."""
    if not examination.survey.agents:
        yield Finding("warn", "the vault holds no agent", "atomic-agents init my-agent")
    policy = examination.vault.settings_of("policy.md", "policy.md")
    yield from _findings(policy.problems if policy else ())
    yield from settings_checks.policies(examination)
    place = examination.survey.layout.place
    yield from _findings(
        tuple(p for p in examination.census.unreadable if not place(p.path).agent and p.path != "policy.md")
    )


def vault(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its folder holds what an agent needs."""
    settings = examination.settings(agent)
    if "model.md" not in settings.files:
        path = layout.settings(agent.name, "model.md")
        yield Finding(
            "fail",
            f"{path} is missing",
            f"write it with front matter: schema_version: 2 and model: …, or copy another agent's to {path}",
        )
    if "tools.md" not in settings.files:
        path = layout.settings(agent.name, "tools.md")
        yield Finding(
            "warn",
            f"{path} is missing, so it may remember nothing",
            f"write it with front matter: schema_version: 2 and write_paths: [memory/], in {path}",
        )
    for name, found in settings.files.items():
        if name not in ("model.md", "mcp.md", "policy.md"):
            yield from _findings(found.problems)


def model(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its model is stated and not retired, its caps hold, its price is known, and its alerts have a channel to take."""
    settings = examination.settings(agent)
    found = settings.files.get("model.md")
    if found is None:
        yield Finding("skip", "no model.md")
        return
    yield from _findings(found.problems)
    if any(problem.severity == "error" for problem in found.problems):
        return
    if settings.model.model is None:
        yield Finding(
            "fail",
            f"{found.path} states no model",
            "add a line `model: …` to its front matter; atomic-agents models list",
        )
        return
    for stated in filter(None, (settings.model.model, settings.model.fallback_model)):
        if prices.is_retired(stated):
            message = f"{found.path}: {stated} is retired by its provider, or will be soon"
            yield Finding("warn", message, "name another model: atomic-agents models list")
    guardrails = settings.model.guardrails
    yield from alert_checks.choice(found, guardrails.alert_channel, set(examination.open_channels()))
    if guardrails.enabled and not guardrails.capped:
        yield Finding(
            "warn",
            f"{found.path}: cost_guardrails are enabled and state no cap",
            "add daily_cap_usd and monthly_cap_usd below cost_guardrails",
        )
    shared = settings.model.shared
    blocks = unknown_price(guardrails, shared) == "block" and not examination.priced(settings.model.model)
    if blocks and (guardrails.capped or shared.capped):
        cap = "a cap is set" if guardrails.capped else "policy.md sets a cap for all agents"
        yield Finding(
            "fail",
            f"the price of {settings.model.model} is not known, so a run is skipped while {cap}",
            f'add to prices.toml: ["{settings.model.model}"] with input = and output = in USD a million tokens',
        )


def write_paths(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """It may write its memory and nothing of its operator's."""
    tools = examination.settings(agent).tools
    if "tools.md" not in examination.settings(agent).files:
        yield Finding("skip", "no tools.md")
        return
    policy = paths.policy(agent.name, tools, str(examination.root))
    path = examination.settings(agent).files["tools.md"].path
    if any(problem.severity == "error" for problem in examination.settings(agent).files["tools.md"].problems):
        yield Finding("skip", f"{path} has errors")
        return
    if not policy.may_write(layout.note(agent.name, "user_x.md")):
        yield Finding(
            "warn",
            f"{path}: memory/ is not among the write paths, so nothing is remembered",
            f"add memory/ to write_paths in {path}",
        )


def _findings(problems: tuple[Problem, ...]) -> Iterator[Finding]:
    for problem in problems:
        yield Finding(
            "fail" if problem.severity == "error" else "warn", f"{problem.where}: {problem.message}", problem.hint
        )
