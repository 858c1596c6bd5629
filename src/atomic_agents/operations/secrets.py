"""Look for keys, keep them and take them away; no function here hands a value back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from atomic_agents.core.errors import UsageError
from atomic_agents.core.key import NAME, Keeper, normal
from atomic_agents.core.values import near
from atomic_agents.guard.keys import Keys, Sight
from atomic_agents.guard.secrets import redact
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout, mcp_servers, tool_file

PLACES = ("keyring", "file")
"""The places that can be written to, in the order in which they are chosen and looked at."""


@dataclass(frozen=True, slots=True)
class PlaceState:
    """A place and what keeps it from being used, "" where nothing does."""

    name: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a key was put, and the place that goes before it and has another, "" where none has."""

    name: str
    where: str
    before: str = ""


def named(name: str) -> str:
    """The normal name; one that cannot be any is not repeated, for it may be the key itself."""
    if not NAME.fullmatch(name) or redact(name) != name:
        raise UsageError(
            "that cannot be the name of a key; a provider's name is one, or a variable's",
            hint="atomic-agents secrets check openai\natomic-agents secrets check GITHUB_TOKEN",
        )
    return normal(name)


def look(workspace: Workspace, name: str) -> Sight:
    """Where a key is, without asking for it: no command is run."""
    found = workspace.keys.look(named(name))
    there = "" if found.where else workspace.place_of(name) or ""
    return Sight(found.name, there, found.troubles) if there else found


def wanted(workspace: Workspace) -> Mapping[str, tuple[str, ...]]:
    """The names that tools and MCP servers of this vault are to be given, and the files that say so."""
    found: dict[str, list[str]] = {}
    for agent in workspace.vault.survey().agents if workspace.exists() else ():
        for tool in tool_file.read_all(workspace.store, agent):
            for name in tool.env:
                found.setdefault(normal(name), []).append(tool.path)
        path = layout.settings(agent, "mcp.md")
        for server in mcp_servers.servers(workspace.vault.settings_of(path, "mcp.md")):
            for name in server.variables:
                found.setdefault(normal(name), []).append(path)
    return {name: tuple(dict.fromkeys(paths)) for name, paths in sorted(found.items())}


def meant(workspace: Workspace, name: str) -> str:
    """The name that somebody may have meant who wrote one that nobody has, "" where none is near."""
    names = {*workspace.keys.names(), *wanted(workspace)} - {normal(name)}
    capitals = {each.upper(): each for each in names}
    return next((capitals[each] for each in near(normal(name).upper(), capitals)), "")


def check(workspace: Workspace, name: str) -> Sight:
    """Where a key is, having asked for it.

    Raises:
        KeysFailed: no place has it, and one cannot be used.
    """
    sight = look(workspace, name)
    return sight if workspace.variable(name) else Sight(sight.name, "", sight.troubles)


def listed(workspace: Workspace) -> list[Sight]:
    """Every key that a place knows or a tool asks for, and where it is found first; no command is run for it."""
    return [look(workspace, name) for name in sorted({*workspace.keys.names(), *wanted(workspace)})]


def places(workspace: Workspace) -> list[PlaceState]:
    """The places in the order in which they are looked at."""
    return [PlaceState(place.name, place.check()) for place in workspace.keys.places]


def destination(workspace: Workspace, to: str = "") -> Keeper:
    """The place that a key would be put into: the one that is named, else the first that can be used."""
    keepers = _keepers(workspace.keys)
    if to:
        return keepers[to]
    return next((keeper for keeper in keepers.values() if not keeper.check()), keepers["file"])


def keep(workspace: Workspace, name: str, value: str, to: str = "") -> Kept:
    """Put a key into a place.

    Raises:
        UsageError: there is no value, or the name is none.
        KeysFailed: the place refuses.
    """
    name = named(name)
    if not value.strip():
        raise UsageError(f"there is no value for {name}", hint=f'printf %s "$KEY" | atomic-agents secrets set {name}')
    where = destination(workspace, to).keep(name, value.strip())
    return _kept(workspace.keys, name, where)


def holding(workspace: Workspace, name: str, place: str = "") -> list[str]:
    """The places that `forget` would take a key out of."""
    name = named(name)
    return [
        keeper.name for keeper in _keepers(workspace.keys).values() if place in {"", keeper.name} and keeper.where(name)
    ]


def forget(workspace: Workspace, name: str, place: str = "") -> list[str]:
    """Take a key out of the places that can be written to, or one of them; the names of those that had it."""
    name = named(name)
    keepers = [keeper for keeper in _keepers(workspace.keys).values() if place in {"", keeper.name}]
    had = [keeper.name for keeper in keepers if keeper.forget(name)]
    workspace.keys.forget_found(name)
    return had


def _kept(keys: Keys, name: str, where: str) -> Kept:
    keys.forget_found(name)
    first = keys.look(name).where
    return Kept(name, where, first if first != where else "")


def _keepers(keys: Keys) -> dict[str, Keeper]:
    found = {place.name: place for place in keys.places}
    return {name: cast("Keeper", found[name]) for name in PLACES}
