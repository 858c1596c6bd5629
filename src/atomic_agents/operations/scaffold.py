"""Make a new agent from a template."""

import shlex

from atomic_agents._version import __version__
from atomic_agents.core.change import ABSENT, ChangeSet, Put
from atomic_agents.core.errors import AgentExists, PathRefused, UsageError
from atomic_agents.core.store import check_new_path
from atomic_agents.core.values import is_agent_name
from atomic_agents.migration.plan import refuse_newer, take_census
from atomic_agents.operations import templates
from atomic_agents.operations.templates import TEMPLATES, Origin
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout


def scaffold(workspace: Workspace, name: str, *, template: str, model: str) -> ChangeSet:
    """The change set that makes a new agent from a template and records where it came from; nothing is written here.

    Raises:
        UsageError: a bad name or an unknown template.
        AgentExists: there is an agent of that name, or a document that it would need.
        VaultTooNew: a newer package has written here.
    """
    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template}", hint=f"--template {'|'.join(TEMPLATES)}")
    _check_free(workspace, name)
    values = {"name": name.rpartition("/")[2], "model": model, "today": workspace.clock().date().isoformat()}
    files = templates.filled(template, values)
    puts = tuple(Put(f"{name}/{path}", text.encode(), expect=ABSENT) for path, text in files.items())
    for put in puts:
        if workspace.store.read(put.path) is not None:
            hint = f"choose another name, or move {put.path} away"
            raise AgentExists(f"{put.path} is there already; nothing was changed", hint=hint)
    record = templates.record(workspace, name, Origin(template, __version__, values, files))
    return ChangeSet(f"make {name} from the template {template}", (*puts, record))


def _check_free(workspace: Workspace, name: str) -> None:
    """Refuse a name that cannot be an agent's, or not in this vault."""
    try:
        check_new_path(layout.identity(name))
    except PathRefused:
        possible = False
    else:
        possible = is_agent_name(name)
    if not possible:
        hint = "use letters, digits and hyphens, such as scout"
        raise UsageError(f"{name!r} cannot be the name of an agent", hint=hint)
    survey = workspace.vault.survey()
    if name in survey.agents:
        hint = f"atomic-agents info {shlex.quote(name)}"
        raise AgentExists(f"there is an agent {name} already; nothing of it was changed", hint=hint)
    after = layout.agents([*map(layout.identity, survey.agents), layout.identity(name)])
    lost = [agent for agent in (name, *survey.agents) if agent not in after]
    if lost:
        owner = max((agent for agent in after if lost[0].startswith(f"{agent}/")), key=len)
        hint = "choose another name, such as " + name.replace("/", "-")
        raise UsageError(f"{lost[0]} would stand in a folder that belongs to the agent {owner}", hint=hint)
    refuse_newer(take_census(workspace.vault, survey).highest)


def best_model(workspace: Workspace) -> str:
    """The best model that is usable here: by a key found, else a server on loopback, else the embedded one."""
    for provider in workspace.providers():
        for offer in provider.offers():
            if offer.availability == "ready":
                return offer.id
    return "embedded:quote"
