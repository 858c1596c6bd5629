"""Projects of several agents: what a role inherits from its role folder and from its project."""

from dataclasses import dataclass

SHARED_FILES = ("canon.md", "style_guide.md", "judges.md")
"""What a project states for its agents, beside its folder `policy/`; any of these makes it one."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Where an agent's shared documents stand.

    `role_home` is "" in the single-project layout, where agents stand in `<project>/agents/<role>` and share only what
    the project states.
    """

    project_home: str
    role: str
    role_home: str


def candidate(agent: str) -> Cascade | None:
    """The cascade that the name of an agent allows; its documents decide whether it is one."""
    parts = agent.split("/")
    if len(parts) < 3 or parts[-2] != "agents":
        return None
    project = parts[:-2]
    if len(project) >= 2 and project[-2] == "projects":
        return Cascade("/".join(project), parts[-1], "/".join([*project[:-2], "roles", parts[-1]]))
    return Cascade("/".join(project), parts[-1], "")
