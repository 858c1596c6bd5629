"""The tools: one that asks for each agent, a search of memory, and what became of a run."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from jsonschema import Draft202012Validator
from mcp.types import Tool, ToolAnnotations

from atomic_agents.core.errors import AgentMissing, UsageError
from atomic_agents.core.values import near
from atomic_agents.mcp_server import resources
from atomic_agents.mcp_server.saying import clean
from atomic_agents.operations import agents, memory, record, shapes
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout
from atomic_agents.web.auth import Caller

Json = dict[str, object]
Reading = Callable[[Workspace], object]

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,48}")
_ASK = "ask_"
_TEXT: Json = {"type": "string", "pattern": r"\S"}


def _schema(required: tuple[str, ...], **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_QUESTION = _schema(
    ("work_item",),
    work_item={**_TEXT, "description": "what is wanted, with all that it needs to know"},
    conversation={
        **_TEXT,
        "description": "`new` begins one that can be gone on with, by the id that comes with its answer",
    },
    idempotency_key={
        **_TEXT, "description": "the same work item again under the same key gives the same answer, without another run"
    },
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """A work item for an agent; `conversation` and `key` are "" where there is none."""

    agent: str
    work_item: str
    conversation: str
    key: str


def tool_name(agent: str) -> str:
    """The tool that asks an agent: its name, or where clients would not take that, one that is like it."""
    if _PLAIN.fullmatch(agent):
        return f"{_ASK}{agent}"
    like = re.sub(r"[^A-Za-z0-9_-]+", "_", agent)[:40].strip("_")
    return f"{_ASK}{like}_{hashlib.sha256(agent.encode()).hexdigest()[:6]}"


def offered(workspace: Workspace, caller: Caller) -> list[Tool]:
    """The tools that a caller may call."""
    asking = [
        Tool(
            name=tool_name(name), title=f"Ask {name}", input_schema=_QUESTION,
            description=clean(workspace, f"Ask the agent {name}. {agents.introduction(workspace, name)}".strip()),
        )
        for name in agents.names(workspace)
        if caller.may("run") and caller.reaches(name)
    ]  # fmt: skip
    return [*asking, *(tool for tool, _ in _READERS.values() if caller.may("read"))]


def found(workspace: Workspace, caller: Caller, name: str, arguments: Mapping[str, object]) -> Question | Reading:
    """A call as what is to be done.

    Raises:
        AgentMissing: there is no such agent within reach.
        UsageError: there is no such tool, or it does not take that.
        Refused: the caller may not.
    """
    if name in _READERS:
        caller.require("read")
        tool, read = _READERS[name]
        _check(tool.input_schema, arguments)
        return partial(read, caller=caller, arguments=arguments)
    within = {tool_name(agent): agent for agent in agents.names(workspace) if caller.reaches(agent)}
    if name not in within:
        known = [*within, *_READERS]
        hint = f"did you mean {meant[0]}" if (meant := near(name, known)) else f"there are: {', '.join(known)}"
        if name.startswith(_ASK):
            raise AgentMissing(f"there is no agent {name.removeprefix(_ASK)}", hint=hint)
        raise UsageError(f"there is no tool {name}", hint=hint)
    caller.require("run")
    _check(_QUESTION, arguments)
    return Question(
        within[name], str(arguments["work_item"]).strip(), str(arguments.get("conversation", "")),
        str(arguments.get("idempotency_key", "")),
    )  # fmt: skip


def _search(workspace: Workspace, *, caller: Caller, arguments: Mapping[str, object]) -> object:
    agent, limit = str(arguments["agent"]).strip("/"), arguments.get("limit", 10)
    if not caller.reaches(agent):
        raise AgentMissing(f"there is no agent {agent}", hint=f"there are: {', '.join(caller.agents)}")
    assert isinstance(limit, int | float)  # noqa: S101 - the schema says so
    hits = memory.search(workspace, agent, str(arguments["query"]), int(limit))
    readable = (layout.memory(agent), layout.wiki(agent))
    return [
        shown | ({"uri": resources.uri(hit.path)} if hit.path.startswith(readable) else {})
        for hit, shown in zip(hits, shapes.passages(hits), strict=True)
    ]


def _run(workspace: Workspace, *, caller: Caller, arguments: Mapping[str, object]) -> object:
    shown = record.show(workspace, str(arguments["run_id"]))
    if not caller.reaches(shown.line.agent):
        raise AgentMissing(f"there is no run {arguments['run_id']} within reach")
    whole = shapes.run(shown)
    left_out = ("log", "transcript", "sections", "events", "torn", "parent", "children")
    kept = {key: value for key, value in whole.items() if key not in left_out}
    return kept | {"reason": shown.line.text("reason") or None}


def _check(schema: Mapping[str, object], arguments: Mapping[str, object]) -> None:
    properties = schema["properties"]
    takes = ", ".join(properties) if isinstance(properties, Mapping) else ""
    for error in Draft202012Validator(schema).iter_errors(arguments):
        where = ".".join(str(part) for part in error.absolute_path)
        said = error.message if len(error.message) < 300 else f"does not fit {error.validator}"
        raise UsageError(f"{where}: {said}" if where else said, hint=f"it takes {takes}")


_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_READERS: Mapping[str, tuple[Tool, Callable[..., object]]] = {
    "search_memory": (
        Tool(
            name="search_memory", title="Search memory", annotations=_READS,
            description="The passages of an agent's notes, wiki, sources, journal and conversations that answer a "
            "query best, best first, each with where it stands; dates in the query count.",
            input_schema=_schema(
                ("agent", "query"),
                agent={**_TEXT, "description": "its name, with slashes where it has any"}, query=_TEXT,
                limit={"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            ),
        ),
        _search,
    ),
    "show_run": (
        Tool(
            name="show_run", title="Show a run", annotations=_READS,
            description="What became of a run, such as one that waited for an approval: its answer, what it "
            "read, what it cost.",
            input_schema=_schema(("run_id",), run_id=_TEXT),
        ),
        _run,
    ),
}  # fmt: skip
