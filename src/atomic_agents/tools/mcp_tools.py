"""Tools of MCP servers as the operator has accepted them; the model sees nothing else.

Nothing is started to list them. The first call of a server in a run starts it, and compares what it says of its tools
with what was accepted: one that says otherwise is withheld. One that died is compared again before it is started
again. Where definitions are many, the model gets names and first lines, and asks for the rest.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from atomic_agents.core.model import ToolSpec
from atomic_agents.tools.mcp_client import Definition, ServerFailed, Sessions, launch
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.tool import Tool
from atomic_agents.vault.mcp_servers import Accepted, Server

LAZY_TOKENS = 3_000
"""Above this the definitions of MCP tools are not shown to the model whole."""

_LONGEST = 64
_FIRST = 120


def qualified(server: str, tool: str) -> str:
    """The name under which a model calls a tool of a server: signs that every provider takes, 64 at most."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}__{tool}")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{hashlib.sha256(f'{server}__{tool}'.encode()).hexdigest()[:8]}"


def pinned(found: Definition) -> dict[str, object]:
    """A tool's description, as it is kept and compared."""
    return {"description": found.description, "schema": dict(found.schema), "class": found.kind}


def accepted(server: Server, definitions: Iterable[Definition]) -> Accepted:
    """What is accepted where the operator accepts a server as it is now.

    Raises:
        ServerFailed: its command is not there.
    """
    wanted = (each for each in definitions if server.only is None or each.name in server.only)
    return Accepted(launch(server), {each.name: pinned(each) for each in wanted})


def tokens(accepted: Accepted) -> int:
    """About how many tokens the definitions of a server's tools take in a request."""
    return sum(len(json.dumps({"name": name, **pin}, ensure_ascii=False)) // 4 for name, pin in accepted.tools.items())


@dataclass
class Servers:
    """The accepted servers of one run."""

    sessions: Sessions
    accept: str
    """The command with which the operator accepts them anew."""
    warn: Callable[[str], None]
    _checked: dict[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)
    _checking: threading.Lock = field(default_factory=threading.Lock)

    def tools(self, server: Server, pin: Accepted, stated: Mapping[str, str]) -> list[Tool]:
        """The tools of a server, as they were accepted; `stated` are the classes that `tools.md` gives."""
        found = []
        for name, each in pin.tools.items():
            full = qualified(server.name, name)
            schema = each.get("schema")
            found.append(Tool(
                ToolSpec(full, str(each.get("description", "")), schema if isinstance(schema, dict) else {}),
                self._handle(server, pin, name),
                kind=stated.get(full, str(each.get("class", "external_side_effect"))), origin=f"mcp:{server.name}",
                fingerprint=f"sha256:{hashlib.sha256(_canonical(each).encode()).hexdigest()}",
            ))  # fmt: skip
        return found

    def _handle(self, server: Server, pin: Accepted, tool: str) -> Callable[[Mapping[str, object]], str]:
        def handle(arguments: Mapping[str, object]) -> str:
            self._check(server, pin, tool)
            return as_data(f"mcp:{server.name}/{tool}", self.sessions.call(server, tool, arguments), provenance="tool")

        return handle

    def _check(self, server: Server, pin: Accepted, tool: str) -> None:
        """Whether the server is the one that was accepted, and says of the tool what it said then."""
        with self._checking:
            if server.name not in self._checked or not self.sessions.is_open(server):
                self._checked[server.name] = self._look(server, pin)
        if self._checked[server.name].get(tool) != pin.tools[tool]:
            raise ServerFailed(f"{server.name} describes {tool} otherwise than accepted; your operator is told")

    def _look(self, server: Server, pin: Accepted) -> Mapping[str, Mapping[str, object]]:
        try:
            now = self._definitions(server, pin)
        except ServerFailed as error:
            self.warn(f"{error}; its tools are withheld: {self.accept}")
            raise
        changed = [name for name, each in pin.tools.items() if now.get(name) != each]
        if changed:
            self.warn(f"{server.name} describes {', '.join(changed)} otherwise than accepted; withheld: {self.accept}")
        return now

    def _definitions(self, server: Server, pin: Accepted) -> Mapping[str, Mapping[str, object]]:
        if launch(server) != pin.launch:
            raise ServerFailed(f"{server.name} is not what was accepted: its command, arguments or files have changed")
        return {each.name: pinned(each) for each in self.sessions.definitions(server)}


def lazily(tools: Sequence[Tool]) -> list[Tool]:
    """Tools whose definitions are many as names and first lines, with a tool that shows the whole of one."""
    size = sum(len(json.dumps([each.spec.description, each.spec.parameters])) // 4 for each in tools)
    if size <= LAZY_TOKENS:
        return list(tools)
    whole = {each.spec.name: each.spec for each in tools}

    def show(arguments: Mapping[str, object]) -> str:
        spec = whole.get(str(arguments["name"]))
        if spec is None:
            raise LookupError(f"there is no tool {arguments['name']}")
        text = json.dumps({"description": spec.description, "arguments": spec.parameters}, ensure_ascii=False, indent=1)
        return as_data(spec.name, text, provenance="tool")

    details = ToolSpec(
        "tool_details",
        "The whole description and the arguments of a tool that is listed with its first line. Ask before you call it.",
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string"}},
        },
    )
    return [*map(_stub, tools), Tool(details, show, parallel=True)]


def _stub(tool: Tool) -> Tool:
    first = tool.spec.description.strip().partition("\n")[0][:_FIRST]
    short = ToolSpec(tool.spec.name, f"{first} (tool_details shows its arguments)", {"type": "object"})
    return Tool(
        short, tool.handle, tool.parallel, tool.seconds, tool.kind, tool.origin, tool.fingerprint, tool.spec.parameters
    )


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
