"""The skills of an agent."""

from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import skill
from atomic_agents.vault.skill import Skill


def list_skills(workspace: Workspace, name: str) -> list[Skill]:
    """Every skill that an agent has from the vault, its role and its own folder, those with problems too.

    Raises:
        AgentMissing: there is no such agent.
    """
    workspace.require()
    return skill.skills(workspace.vault, workspace.vault.agent(name))
