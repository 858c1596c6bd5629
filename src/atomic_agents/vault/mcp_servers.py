"""MCP servers as `mcp.md` states them, what the operator has accepted of each, and `.mcp.json` of other programs."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from atomic_agents.core.change import ChangeSet, Put
from atomic_agents.core.errors import Conflict, KeysFailed, UsageError
from atomic_agents.core.store import Store
from atomic_agents.core.values import Problem
from atomic_agents.vault import hands
from atomic_agents.vault.settings import Settings

SECONDS = 60.0
ALLOWED_COMMANDS = ("npx", "uvx", "python", "python3", "node", "docker")
"""What may be started where `mcp.md` states no `allowed_commands`, as the published format has it."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[A-Za-z_]\w*))")


@dataclass(frozen=True, slots=True)
class Server:
    """One server. `url` is "" for one that is started here; `only` are the tools that are wanted, None for all."""

    name: str
    path: str
    line: int
    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    url: str
    headers: Mapping[str, str]
    seconds: float
    description: str
    only: tuple[str, ...] | None

    @property
    def where(self) -> str:
        """`path:line`."""
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it names."""
        texts = (*self.env.values(), *self.headers.values())
        found = (each["braced"] or each["plain"] for text in texts for each in _VARIABLE.finditer(text))
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the operator has accepted of a server: how it is started, and each tool as it described itself.

    `waiting` are those of its tools that it describes otherwise now, None for one that is gone. They are left out of
    runs until the operator accepts the server again, or it says again what was accepted.
    """

    launch: str
    tools: Mapping[str, Mapping[str, object]]
    waiting: Mapping[str, Mapping[str, object] | None] = field(default_factory=dict)


def servers(found: Settings | None) -> tuple[Server, ...]:
    """The servers of a `mcp.md` without errors."""
    stated = found.values.get("servers") if found else None
    if found is None or not isinstance(stated, dict):
        return ()
    names = (name for name in stated if isinstance(stated[name], dict))
    return tuple(_server(found, str(name), stated[name]) for name in names)


def _server(found: Settings, name: str, stated: Mapping[str, object]) -> Server:
    seconds, only = stated.get("timeout_s", SECONDS), stated.get("tools")
    line = found.lines.get(f"servers.{name}", found.lines.get("servers", 0))
    args = stated.get("args")
    return Server(
        name=name, path=found.path, line=line, command=str(stated.get("command", "")),
        args=tuple(map(str, args)) if isinstance(args, list) else (), env=_texts(stated, "env"),
        url=str(stated.get("url", "")), headers=_texts(stated, "headers"),
        seconds=float(seconds) if isinstance(seconds, int | float) else SECONDS,
        description=str(stated.get("description", "")), only=tuple(map(str, only)) if isinstance(only, list) else None,
    )  # fmt: skip


def _texts(stated: Mapping[str, object], key: str) -> Mapping[str, str]:
    value = stated.get(key)
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def problems(found: Settings | None, variable: Callable[[str], str | None]) -> dict[str, Problem]:
    """What keeps a server from being used, by its name, as far as that can be told without starting it."""
    allowed = found.values.get("allowed_commands") if found else None
    commands = [str(each) for each in allowed] if isinstance(allowed, list) else None
    broken = {server.name: next(_problems(server, commands, variable), None) for server in servers(found)}
    return {name: problem for name, problem in broken.items() if problem is not None}


def _problems(server: Server, allowed: list[str] | None, variable: Callable[[str], str | None]) -> Iterator[Problem]:
    def problem(message: str, hint: str) -> Problem:
        return Problem(server.path, server.line, message, hint)

    if not NAME.fullmatch(server.name) or "__" in server.name:
        yield problem(f"{server.name!r} cannot be the name of a server", "rename it")
    if bool(server.command) == bool(server.url):
        how = "both a command and a url" if server.url else "neither a command nor a url"
        yield problem(f"{server.name} has {how}", "state one of the two")
    if server.url and not server.url.startswith(("http://", "https://")):
        yield problem(f"the url of {server.name} is not http or https", "correct it")
    if server.command and not _is_allowed(server.command, allowed):
        names = ", ".join(ALLOWED_COMMANDS if allowed is None else allowed) or "none"
        message = f"{server.command} of {server.name} is not among the allowed commands: {names}"
        yield problem(message, f"add {server.command} to allowed_commands in {server.path}")
    for name in server.variables:
        try:
            missing = "which is not set" if variable(name) is None else ""
        except KeysFailed as error:
            missing = f"which cannot be had: {error.message}"
        if missing:
            hint = f"export {name}=…\natomic-agents secrets set {name}"
            yield problem(f"{server.name} needs {name}, {missing}", hint)


def _is_allowed(command: str, allowed: list[str] | None) -> bool:
    """A bare name is looked for on the PATH and allowed as such; one with a folder only where it is written out.

    Where nothing is stated, one with a folder is the operator's own word, as accepting it is.
    """
    if allowed is None:
        return command in ALLOWED_COMMANDS or "/" in command.replace("\\", "/")
    return command in allowed


def filled(text: str, variable: Callable[[str], str | None]) -> str:
    """A text with `$NAME` and `${NAME}` replaced by what they stand for."""
    return _VARIABLE.sub(lambda each: variable(each["braced"] or each["plain"]) or "", text)


def accepted(store: Store, agent: str) -> Mapping[str, Accepted]:
    """What the operator has accepted, by server; nothing where the file says nothing that can be understood."""
    blob = store.read(hands.mcp_pins(agent))
    try:
        stated = json.loads(blob.data)["servers"] if blob else {}
        return {
            str(name): Accepted(
                str(pin["launch"]),
                {str(tool): dict(each) for tool, each in pin["tools"].items()},
                {str(tool): None if each is None else dict(each) for tool, each in pin.get("waiting", {}).items()},
            )
            for name, pin in stated.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def render(pins: Mapping[str, Accepted]) -> bytes:
    """The document that `accepted` reads."""
    value = {
        name: {"launch": pin.launch, "tools": dict(pin.tools)} | ({"waiting": dict(pin.waiting)} if pin.waiting else {})
        for name, pin in sorted(pins.items())
    }
    return json.dumps({"servers": value}, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def keep_waiting(store: Store, agent: str, server: str, waiting: Mapping[str, Mapping[str, object] | None]) -> None:
    """Keep which tools of a server wait for the operator; nothing where the operator writes the same file now."""
    blob, pins = store.read(hands.mcp_pins(agent)), dict(accepted(store, agent))
    if blob is None or server not in pins or pins[server].waiting == waiting:
        return
    pins[server] = replace(pins[server], waiting=waiting)
    put = Put(hands.mcp_pins(agent), render(pins), expect=blob.revision)
    with suppress(Conflict):
        store.apply(ChangeSet(f"tools of the MCP server {server} of {agent} wait to be accepted", (put,)))


def imported(text: str, source: str) -> dict[str, dict[str, object]]:
    """The servers of a `.mcp.json`, as `mcp.md` states them.

    Raises:
        UsageError: it is not one, or has a server of a kind that is not known here.
    """
    try:
        found = json.loads(text)["mcpServers"]
        names = list(found)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{source} is no .mcp.json: it has no mcpServers", hint="name another with --from") from error
    return {name: _imported(name, found[name], source) for name in names}


def _imported(name: str, stated: object, source: str) -> dict[str, object]:
    if not isinstance(stated, dict):
        raise UsageError(f"{source}: {name} is no server")
    kind = str(stated.get("type", "http" if "url" in stated else "stdio"))
    if kind not in ("stdio", "http", "streamable-http"):
        raise UsageError(f"{source}: {name} is of type {kind}; stdio and http are known here")
    server: dict[str, object] = {}
    for key in ("command", "url"):
        if stated.get(key):
            server[key] = str(stated[key])
    if isinstance(stated.get("args"), list) and stated["args"]:
        server["args"] = [str(each) for each in stated["args"]]
    for key in ("env", "headers"):
        value = stated.get(key)
        if isinstance(value, dict) and value:
            server[key] = {str(each): str(text) for each, text in value.items()}
    return server
