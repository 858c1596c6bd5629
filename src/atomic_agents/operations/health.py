"""Examine an installation."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, wraps
from importlib import metadata
from inspect import signature

from atomic_agents.budget import prices
from atomic_agents.core.errors import AtomicAgentsError, ModelUnknown, SettingsInvalid
from atomic_agents.core.model import Usage
from atomic_agents.core.values import format_usd
from atomic_agents.doctor import (
    alert_checks,
    check,
    disk_checks,
    grant_checks,
    hands_checks,
    memory_checks,
    run_checks,
    schedule_checks,
    secret_checks,
    settings_checks,
    unused_checks,
    vault_checks,
    world_checks,
)  # fmt: skip
from atomic_agents.doctor.check import AgentCheck, Examination, Finding, Result, VaultCheck
from atomic_agents.operations import alerting, approvals, models
from atomic_agents.operations.sending import Outcome
from atomic_agents.operations.workspace import Workspace

OF_VAULT: dict[str, VaultCheck] = {
    "env": world_checks.env,
    "python": world_checks.python,
    "packages": world_checks.packages,
    "disk": disk_checks.disk,
    "clock": disk_checks.clock,
    "schema": vault_checks.schema,
    "agents": vault_checks.agents,
    "documents": disk_checks.documents,
    "names": disk_checks.names,
    "features": unused_checks.features,
    "permissions": disk_checks.permissions,
    "backups": disk_checks.backups,
    "secrets": secret_checks.secrets,
    "locks": run_checks.locks,
    "approvals": run_checks.approvals,
    "shared-spend": run_checks.shared_spend,
    "services": world_checks.services,
    "drivers": schedule_checks.drivers,
    "workers": schedule_checks.workers,
    "alerts": alert_checks.alerts,
    "telemetry": world_checks.telemetry,
}
OF_AGENTS: dict[str, AgentCheck] = {
    "vault": vault_checks.vault,
    "provider-keys": world_checks.provider_keys,
    "model": vault_checks.model,
    "settings": settings_checks.settings,
    "spend": run_checks.spend,
    "mcp": hands_checks.mcp,
    "tools": hands_checks.tools,
    "skills": hands_checks.skills,
    "grants": grant_checks.grants,
    "memory": memory_checks.memory,
    "context": run_checks.context,
    "write-paths": vault_checks.write_paths,
    "schedules": schedule_checks.schedules,
}
WAITS = frozenset(("services", "drivers", "provider-keys", "mcp"))
"""Those that wait for other programs."""

PLUGINS = "atomic_agents.checks"
"""The entry points by which other packages add checks: functions of an Examination, or of one and an Agent."""


def examine(workspace: Workspace, *, agent: str = "", with_mcp: bool = True) -> list[Result]:
    """Run every check on the vault and its agents, or on one agent; nothing is written."""
    with suppress(AtomicAgentsError):  # told as a finding
        agent = workspace.vault.agent(agent).name if agent else ""
    examination = _examination(workspace, agent, with_mcp=with_mcp)
    if not workspace.exists():
        alone = {name: OF_VAULT[name] for name in ("env", "python", "packages")}
        return check.run(examination, alone, {})
    of_vault, of_agents, broken = _with_plugins()
    return [*check.run(examination, of_vault, of_agents, WAITS), *broken]


def _with_plugins() -> tuple[dict[str, VaultCheck], dict[str, AgentCheck], list[Result]]:
    """The checks and those that other packages add; one that cannot be had is told."""
    of_vault, of_agents, broken = dict(OF_VAULT), dict(OF_AGENTS), list[Result]()
    for point in metadata.entry_points(group=PLUGINS):
        try:
            found = point.load()
            taken = point.name in of_vault or point.name in of_agents
            if taken:
                raise ValueError("there is a check of that name already")  # noqa: TRY301 - told like any other reason
            if len(signature(found).parameters) == 1:
                of_vault[point.name] = _held(found)
            else:
                of_agents[point.name] = _held(found)
        except Exception as error:  # noqa: BLE001 - whatever a package of somebody else's raises, the others go on
            message = f"the check {point.name} of {point.value} cannot be used: {error}"
            broken.append(Result("plugins", "", Finding("warn", message, "pip uninstall or update that package")))
    return of_vault, of_agents, broken


def _held(found: Callable[..., Iterator[Finding]]) -> Callable[..., Iterator[Finding]]:
    """A check of another package, whose bugs are its own."""

    @wraps(found)
    def checked(*inputs: object) -> Iterator[Finding]:
        try:
            yield from found(*inputs)
        except Exception as error:  # noqa: BLE001 - as above
            message = f"{found.__module__} failed: {type(error).__name__}: {error}"
            yield Finding("warn", message, "report it to whoever made that package")

    return checked


def send_test(workspace: Workspace) -> list[Result]:
    """Send a message through each channel that alerts can take, and say what came of it; nothing is recorded.

    Raises:
        VaultMissing: there is no vault.
        SettingsInvalid: `policy.md` has errors.
    """
    workspace.require()
    policy = workspace.vault.settings_of("policy.md", "policy.md")
    if policy and (errors := [problem for problem in policy.problems if problem.severity == "error"]):
        raise SettingsInvalid(errors)
    found = [_sent(kind, outcome) for kind, outcome in alerting.try_channels(workspace).items()]
    none = Finding(
        "fail",
        "policy.md states no channel that alerts could take",
        "add alerts: to its front matter; docs/guides/alerts.md shows how",
    )
    return [Result("send-test", "", finding) for finding in found or [none]]


def live(workspace: Workspace, *, agent: str = "") -> list[Result]:
    """Ask one model of each provider that agents use for one word; each call is reserved, counted and logged.

    Raises:
        VaultMissing: there is no vault.
        AgentMissing: there is no such agent.
    """
    workspace.require()
    names = (workspace.vault.agent(agent).name,) if agent else workspace.vault.survey().agents
    asked: dict[str, tuple[str, str]] = {}
    for name in names:
        model = workspace.vault.settings(workspace.vault.agent(name)).model.model
        if model:
            with suppress(ModelUnknown):  # told by `provider-keys`
                asked.setdefault(workspace.provider_for(model).name, (model, name))
    return [_asked(workspace, model, name) for model, name in asked.values()]


def _asked(workspace: Workspace, model: str, agent: str) -> Result:
    try:
        found = models.try_out(workspace, model, agent)
    except AtomicAgentsError as error:
        return Result("live", agent, Finding("fail", f"{model}: {error.message}", error.hint))
    if found.failure is not None:
        return Result("live", agent, Finding("fail", f"{model}: {found.failure.message}", found.failure.hint))
    return Result(
        "live", agent, Finding("pass", f"{model} answers: {format_usd(found.cost)}, {found.latency_ms / 1000:.1f} s")
    )


def _sent(kind: str, outcome: Outcome) -> Finding:
    if outcome.state == "sent":
        return Finding("pass", f"{kind}: sent")
    arrived = "may not have arrived" if outcome.state == "unsure" else "not sent"
    return Finding("fail", f"{kind}: {arrived}: {outcome.why}", f"correct alerts.{kind} in policy.md, or what it names")


def _examination(workspace: Workspace, agent: str, *, with_mcp: bool) -> Examination:
    def priced(model: str) -> bool:
        return prices.is_free(model) or prices.load(workspace.vault).cost(model, Usage(input_tokens=1)) is not None

    @cache
    def inbox() -> list[approvals.Item]:
        return approvals.inbox(workspace)

    @cache
    def lost() -> dict[str, tuple[str, str]]:
        return approvals.troubles(workspace, inbox())

    return Examination(
        config=workspace.config,
        store=workspace.store,
        check_model=workspace.check_model,
        priced=priced,
        now=workspace.clock(),
        open_channels=lambda: alerting.open_channels(workspace),
        list_strange=workspace.strange,
        holder=workspace.holder,
        find_services=lambda: workspace.find_services().found(),
        variable=workspace.variable,
        secrets=workspace.secrets,
        has_variable=lambda name: workspace.place_of(name) is not None,
        waiting=lambda: [(item.agent, item.asked) for item in inbox() if not item.answered and item.id not in lost()],
        lost=lambda: [(item.agent, *lost()[item.id]) for item in inbox() if item.id in lost()],
        exports=workspace.export is not None,
        only_agent=agent,
        with_mcp=with_mcp,
    )
