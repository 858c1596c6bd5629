"""Tools of MCP servers as the operator has accepted them; the model sees nothing else.

Nothing is started to list them. The first call of a server in a run starts it, and compares what it says of its tools
with what was accepted: one that says otherwise is withheld. One that died is compared again before it is started
again. Where definitions are many, the model gets names and first lines, and asks for the rest.
"""

import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from atomic_agents.core.model import ToolSpec
from atomic_agents.core.visible import visible
from atomic_agents.tools.mcp_client import Definition, ServerFailed, Sessions, launch
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.tool import Tool
from atomic_agents.vault.mcp_servers import Accepted, Server
from atomic_agents.vault.tool_schema import schema_problems

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
    return {"description": found.description, "schema": found.schema, "class": found.kind}


def unusable(tools: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Why tools of a server cannot be offered, by their names; nothing of those that can."""
    problems = {name: schema_problems(each.get("schema"), "inputSchema") for name, each in tools.items()}
    return {name: found[0] for name, found in problems.items() if found}


def waiting(pin: Accepted, now: Mapping[str, Mapping[str, object]]) -> dict[str, Mapping[str, object] | None]:
    """The accepted tools that a server describes otherwise now, None for one that is gone."""
    return {name: now.get(name) for name, each in pin.tools.items() if now.get(name) != each}


def differences(pin: Accepted, now: Accepted) -> tuple[str, ...]:
    """How a server differs from what was accepted, in lines of words and diffs; nothing where it does not."""
    found = [] if pin.launch == now.launch else ["its command, arguments, files or address have changed"]
    for name in sorted({*pin.tools, *now.tools}):
        before, after = pin.tools.get(name), now.tools.get(name)
        if before is None or after is None:
            found.append(f"{name} is {'new' if before is None else 'gone'}")
        elif before != after:
            for key in ("description", "schema", "class"):
                lines = list(_diff(before.get(key), after.get(key)))
                if lines:
                    plus = sum(line.startswith("+") for line in lines)
                    found += [f"{name}: another {key}: +{plus} -{len(lines) - plus} lines", *(f"  {x}" for x in lines)]
    return tuple(map(visible, found))


def _diff(before: object, after: object) -> Iterator[str]:
    """The lines that are taken away and those that come instead, each whole."""
    import difflib  # noqa: PLC0415 - 4 ms that only a change needs

    one, other = ((each if isinstance(each, str) else _canonical(each, 1)).split("\n") for each in (before, after))
    diff = itertools.islice(difflib.unified_diff(one, other, n=0, lineterm=""), 2, None)
    yield from (f"{line[0]} {line[1:]}" for line in diff if not line.startswith("@@"))


def fingerprint(pin: Mapping[str, object]) -> str:
    """The hash of all that a server says of a tool."""
    return f"sha256:{hashlib.sha256(_canonical(pin).encode()).hexdigest()}"


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
    differs: Callable[[str, Mapping[str, Mapping[str, object] | None]], None] = lambda _server, _tools: None
    """Told by a server's name which of its tools wait for the operator, after it was asked."""
    _checked: dict[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)
    _checking: threading.Lock = field(default_factory=threading.Lock)

    def tools(self, server: Server, pin: Accepted, stated: Mapping[str, str]) -> list[Tool]:
        """The tools of a server, as they were accepted; `stated` are the classes that `tools.md` gives."""
        found = []
        if pin.waiting:
            self._withhold(server, pin.waiting)
        broken = unusable(pin.tools)
        for name, why in broken.items():
            self.warn(f"{server.where}: {name} of {server.name}: {why}; the tool is left out")
        for name, each in pin.tools.items():
            if name in pin.waiting or name in broken:
                continue
            full = qualified(server.name, name)
            stated_schema = each.get("schema")
            schema = {"type": "object", **stated_schema} if isinstance(stated_schema, dict) else {}
            found.append(Tool(
                ToolSpec(full, str(each.get("description", "")), schema),
                self._handle(server, pin, name),
                kind=stated.get(full, str(each.get("class", "external_side_effect"))), origin=f"mcp:{server.name}",
                fingerprint=fingerprint(each),
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
        changed = waiting(pin, now)
        if changed.keys() - pin.waiting.keys():
            self._withhold(server, changed)
        self.differs(server.name, changed)
        return now

    def _withhold(self, server: Server, changed: Iterable[str]) -> None:
        self.warn(f"{server.name} describes {', '.join(changed)} otherwise than accepted; withheld: {self.accept}")

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


def _canonical(value: object, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=separators, indent=indent)
