"""Examine an installation."""

from atomic_agents.budget import prices
from atomic_agents.core.model import Usage
from atomic_agents.doctor import check, vault_checks, world_checks
from atomic_agents.doctor.check import AgentCheck, Examination, Result, VaultCheck
from atomic_agents.operations.workspace import Workspace

OF_VAULT: dict[str, VaultCheck] = {
    "env": world_checks.env,
    "python": world_checks.python,
    "schema": vault_checks.schema,
    "agents": vault_checks.agents,
    "locks": world_checks.locks,
}
OF_AGENTS: dict[str, AgentCheck] = {
    "vault": vault_checks.vault,
    "provider-keys": world_checks.provider_keys,
    "model": vault_checks.model,
    "mcp": world_checks.mcp,
    "memory": vault_checks.memory,
    "write-paths": vault_checks.write_paths,
}


def examine(workspace: Workspace, *, agent: str = "", with_mcp: bool = True) -> list[Result]:
    """Run every check on the vault and its agents, or on one agent; nothing is written."""
    if not workspace.exists():
        return check.run(
            _examination(workspace, agent, with_mcp=with_mcp),
            {"env": world_checks.env, "python": world_checks.python},
            {},
        )
    return check.run(_examination(workspace, agent, with_mcp=with_mcp), OF_VAULT, OF_AGENTS)


def _examination(workspace: Workspace, agent: str, *, with_mcp: bool) -> Examination:
    def priced(model: str) -> bool:
        return prices.is_free(model) or prices.load(workspace.vault).cost(model, Usage(input_tokens=1)) is not None

    return Examination(
        config=workspace.config,
        vault=workspace.vault,
        check_model=workspace.check_model,
        priced=priced,
        strange=tuple(workspace.strange()) if workspace.exists() else (),
        now=workspace.clock(),
        only_agent=agent,
        with_mcp=with_mcp,
    )
