"""Look at what an agent knows."""

from atomic_agents.core.values import Problem
from atomic_agents.memory.search import Passage
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.note import Note


def list_notes(workspace: Workspace, name: str) -> tuple[list[Note], list[Problem]]:
    """Every note of an agent in order of path, and a problem for each that cannot be read."""
    workspace.require()
    return workspace.vault.notes(workspace.vault.agent(name).name)


def search(workspace: Workspace, name: str, query: str, limit: int = 10) -> list[Passage]:
    """The passages that match a query best, best first."""
    workspace.require()
    agent = workspace.vault.agent(name)
    workspace.memory.refresh(agent.name)
    return workspace.memory.search(agent.name, query, limit, workspace.clock().date())
