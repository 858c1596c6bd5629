"""The skills of an agent."""

from atomic_agents.core.values import Problem
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import misplaced_skills, skill
from atomic_agents.vault.skill import Skill


def list_skills(workspace: Workspace, name: str) -> list[Skill]:
    """Every skill that an agent has from the vault, its role and its own folder, those with problems too.

    Raises:
        AgentMissing: there is no such agent.
    """
    workspace.require()
    return skill.skills(workspace.vault, workspace.vault.agent(name))


def list_misplaced(workspace: Workspace, name: str) -> list[Problem]:
    """What stands among the skills of an agent, and is in no run for its name or place.

    Raises:
        AgentMissing: there is no such agent.
    """
    workspace.require()
    return misplaced_skills.find(workspace.vault, workspace.vault.agent(name))
