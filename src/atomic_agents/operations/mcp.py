"""The MCP servers of an agent: which there are, adding and removing one, and accepting what they say of their tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import ABSENT, Change, ChangeSet, Put
from atomic_agents.core.document import parse, render
from atomic_agents.core.errors import DocumentMissing, UsageError
from atomic_agents.core.values import Problem, near
from atomic_agents.guard.secrets import redact
from atomic_agents.operations import mcp_log
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import hands, layout, mcp_servers, settings
from atomic_agents.vault.mcp_servers import Accepted, Server
from atomic_agents.vault.settings import Settings
from atomic_agents.vault.vault import Agent

if TYPE_CHECKING:
    from atomic_agents.tools.mcp_client import Sessions
    from atomic_agents.tools.mcp_noise import Noise

State = Literal["accepted", "new", "changed", "broken", "unreachable"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A server as it is. `tokens` is what the definitions of its tools take in a request.

    `changes` says in lines, tool by tool, how it differs from what was accepted; `why` what is wrong with the server,
    `unusable` why a tool of it is left out of runs; `noise` that it prints more than messages.
    """

    server: Server
    state: State
    definitions: Mapping[str, Mapping[str, object]]
    """What it says of each tool: `description`, `schema` and `class`."""
    tokens: int
    changes: tuple[str, ...] = ()
    why: str = ""
    unusable: Mapping[str, str] = field(default_factory=dict)
    noise: str = ""

    @property
    def tools(self) -> Mapping[str, str]:
        """Its tools and their classes."""
        return {name: str(each.get("class", "")) for name, each in self.definitions.items()}


def list_servers(workspace: Workspace, name: str) -> list[Seen]:
    """The servers as `mcp.md` and what was accepted have them; nothing is started."""
    from atomic_agents.tools import mcp_tools  # noqa: PLC0415 - 30 ms that only agents with servers pay

    agent, file = _file(workspace, name)
    pins = mcp_servers.accepted(workspace.store, agent.name)
    problems = mcp_servers.problems(file, workspace.place_of)
    found = []
    for server in mcp_servers.servers(file):
        pin, problem = pins.get(server.name), problems.get(server.name)
        state: State = "broken" if problem else "new" if pin is None else "changed" if pin.waiting else "accepted"
        tokens = mcp_tools.tokens(pin) if pin else 0
        unusable = mcp_tools.unusable(pin.tools) if pin else {}
        why = problem.message if problem else ""
        found.append(Seen(server, state, _definitions(pin), tokens, why=why, unusable=unusable))
    return found


def check(workspace: Workspace, name: str, only: Sequence[str] = (), *, accept: bool) -> list[Seen]:
    """Speak to the servers, and compare what they say with what was accepted; with `accept`, accept it.

    Raises:
        DocumentMissing: one of `only` is not there.
    """
    from atomic_agents.tools import mcp_tools  # noqa: PLC0415 - as above
    from atomic_agents.tools.mcp_client import Sessions  # noqa: PLC0415 - as above

    agent, file = _file(workspace, name)
    servers = mcp_servers.servers(file)
    for wanted in only:
        if wanted not in (server.name for server in servers):
            raise _missing(agent, wanted, servers)
    pins = dict(mcp_servers.accepted(workspace.store, agent.name))
    problems = mcp_servers.problems(file, workspace.variable)
    noises: dict[str, str] = {}

    def heard(server: str, noise: "Noise") -> None:
        said = noise.words(server, mcp_log.keep(workspace, agent.name, server, noise.text))
        noises[server] = redact(said, workspace.secrets)

    sessions = Sessions(workspace.variable, heard=heard)
    try:
        found = []
        for server in servers:
            if not only or server.name in only:
                pin = pins.get(server.name)
                seen, now = _look(sessions, server, pin, problems.get(server.name))
                found.append(replace(seen, why=redact(seen.why, workspace.secrets)))
                if now is not None and accept:
                    pins[server.name] = now
                elif now is not None and pin is not None:
                    pins[server.name] = replace(pin, waiting=mcp_tools.waiting(pin, now.tools))
    finally:
        sessions.close()
    known = {server.name for server in servers}
    _write(workspace, agent, {name: pin for name, pin in pins.items() if name in known}, accept=accept)
    return [replace(seen, noise=noises.get(seen.server.name, "")) for seen in found]


def add(workspace: Workspace, name: str, wanted: Mapping[str, Mapping[str, object]], *, apply: bool) -> ChangeSet:
    """Add servers to `mcp.md`.

    Raises:
        UsageError: one is there already, or `mcp.md` is at version 1.
    """
    agent, file = _file(workspace, name)
    stated = dict(_stated(file))
    for each in wanted:
        if each in stated:
            raise UsageError(f"{agent.name} has a server {each}", hint=f"atomic-agents mcp remove {agent.name} {each}")
    change = _changed(workspace, agent, file, {**stated, **wanted})
    if apply:
        workspace.store.apply(change)
    return change


def remove(workspace: Workspace, name: str, server: str, *, apply: bool) -> ChangeSet:
    """Take a server out of `mcp.md`, and what was accepted of it away.

    Raises:
        DocumentMissing: there is none of that name.
    """
    agent, file = _file(workspace, name)
    stated = dict(_stated(file))
    if server not in stated:
        raise _missing(agent, server, mcp_servers.servers(file))
    del stated[server]
    pins = {each: pin for each, pin in mcp_servers.accepted(workspace.store, agent.name).items() if each != server}
    changes = [*_changed(workspace, agent, file, stated)]
    if workspace.store.read(hands.mcp_pins(agent.name)) is not None:
        changes.append(Put(hands.mcp_pins(agent.name), mcp_servers.render(pins)))
    change = ChangeSet(f"remove the MCP server {server} of {agent.name}", tuple(changes))
    if apply:
        workspace.store.apply(change)
    return change


def _look(
    sessions: "Sessions", server: Server, pin: Accepted | None, problem: Problem | None
) -> tuple[Seen, Accepted | None]:
    from atomic_agents.tools import mcp_tools  # noqa: PLC0415 - as above
    from atomic_agents.tools.mcp_client import ServerFailed  # noqa: PLC0415 - as above

    if problem is not None:
        return Seen(server, "broken", _definitions(pin), 0, why=problem.message), None
    try:
        now = mcp_tools.accepted(server, sessions.definitions(server))
    except ServerFailed as error:
        return Seen(server, "unreachable", _definitions(pin), 0, why=str(error)), None
    differences = mcp_tools.differences(pin, now) if pin else ()
    state: State = "new" if pin is None else "changed" if differences else "accepted"
    unusable = mcp_tools.unusable(now.tools)
    return Seen(server, state, now.tools, mcp_tools.tokens(now), differences, unusable=unusable), now


def _file(workspace: Workspace, name: str) -> tuple[Agent, Settings | None]:
    workspace.require()
    agent = workspace.vault.agent(name)
    found = workspace.vault.settings_of(layout.settings(agent.name, "mcp.md"), "mcp.md")
    return agent, found


def _definitions(pin: Accepted | None) -> Mapping[str, Mapping[str, object]]:
    return pin.tools if pin else {}


def _stated(file: Settings | None) -> Mapping[str, object]:
    found = file.values.get("servers") if file else None
    return found if isinstance(found, dict) else {}


def _changed(workspace: Workspace, agent: Agent, file: Settings | None, servers: Mapping[str, object]) -> ChangeSet:
    path = layout.settings(agent.name, "mcp.md")
    blob = workspace.store.read(path)
    if file is not None and file.version < CURRENT_SCHEMA_VERSION:
        way = f"atomic-agents migrate --to v{CURRENT_SCHEMA_VERSION}"
        raise UsageError(
            f"{path} is at v{file.version}, and servers are written at v{CURRENT_SCHEMA_VERSION}", hint=way
        )
    if blob is None:
        data = render({"schema_version": CURRENT_SCHEMA_VERSION, "servers": dict(servers)}, "# MCP servers")
        changes: tuple[Change, ...] = (Put(path, data, expect=ABSENT),)
    else:
        data = parse(path, blob.data).edit({"servers": dict(servers)}).data
        changes = (Put(path, data, expect=blob.revision),)
    found = settings.read("mcp.md", parse(path, data))
    errors = [problem for problem in found.problems if problem.severity == "error"]
    if errors:
        raise UsageError(f"{errors[0].where}: {errors[0].message}", hint=errors[0].hint)
    return ChangeSet(f"change the MCP servers of {agent.name}", changes)


def _write(workspace: Workspace, agent: Agent, pins: Mapping[str, Accepted], *, accept: bool) -> None:
    """Keep what is accepted, or where nothing is, what waits to be accepted."""
    path = hands.mcp_pins(agent.name)
    blob = workspace.store.read(path)
    if not accept and pins == mcp_servers.accepted(workspace.store, agent.name):
        return
    put = Put(path, mcp_servers.render(pins), expect=blob.revision if blob else ABSENT)
    what = "accept the MCP servers" if accept else "MCP tools wait to be accepted"
    workspace.store.apply(ChangeSet(f"{what} of {agent.name}", (put,)))


def _missing(agent: Agent, name: str, servers: Sequence[Server]) -> DocumentMissing:
    meant = near(name, [server.name for server in servers])
    hint = f"did you mean {meant[0]}" if meant else f"atomic-agents mcp list {agent.name}"
    return DocumentMissing(f"{agent.name} has no MCP server {name}", hint=hint)
