"""What an agent can call, whether its own tools are sound, what one says, and taking back what tools wrote."""

import json
from dataclasses import dataclass

from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import DocumentMissing, UsageError
from atomic_agents.core.values import Problem, near
from atomic_agents.guard import paths
from atomic_agents.guard.secrets import redact
from atomic_agents.operations import record, runs
from atomic_agents.operations.workspace import Workspace
from atomic_agents.tools import edits, hands, on_disk, process
from atomic_agents.tools.tool import Tool
from atomic_agents.vault import tool_file
from atomic_agents.vault.tool_file import ToolFile
from atomic_agents.vault.vault import Agent


@dataclass(frozen=True, slots=True)
class Listing:
    """What a run could call, why other tools are left out, and how far an agent's own are held in on this machine."""

    tools: tuple[Tool, ...]
    left_out: tuple[str, ...]
    isolation: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tested:
    """What a tool said to one call; `ok` is False where it failed."""

    name: str
    kind: str
    fingerprint: str
    ok: bool
    text: str


def list_tools(workspace: Workspace, name: str) -> Listing:
    """Every tool of an agent; nothing is started.

    Raises:
        AgentMissing: there is no such agent.
        SettingsInvalid: its settings have errors.
    """
    agent = _agent(workspace, name)
    settings = runs.checked_settings(workspace, agent)
    left_out: list[str] = []
    found = runs.tools(workspace, agent, settings, left_out.append)
    own = any(tool.origin.startswith(agent.name) for tool in found)
    return Listing(found, tuple(left_out), process.isolation() if own or left_out else ())


def validate(workspace: Workspace, name: str) -> tuple[list[ToolFile], list[Problem]]:
    """An agent's own tools and everything that is wrong with them; no code of theirs is run."""
    agent = _agent(workspace, name)
    found = tool_file.read_all(workspace.store, agent.name)
    problems = [problem for each in found for problem in each.problems]
    problems += [
        Problem(each.path, 0, f"{each.name} is the name of a built-in tool", "rename both files")
        for each in found
        if each.name in hands.TAKEN
    ]
    for each in found:
        problems += _syntax(each)
    return found, problems


def test(workspace: Workspace, name: str, tool: str, arguments: str) -> Tested:
    """Call one of an agent's own tools as a run would, whatever its class: the operator asked for it.

    Raises:
        DocumentMissing: it has no tool of that name.
        UsageError: the arguments are not JSON, or not what the tool takes.
    """
    agent = _agent(workspace, name)
    settings = runs.checked_settings(workspace, agent)
    found = {each.name: each for each in tool_file.read_all(workspace.store, agent.name)}
    if tool not in found:
        meant = near(tool, found) or sorted(found)
        hint = f"did you mean {meant[0]}" if meant else f"atomic-agents tools list {agent.name}"
        raise DocumentMissing(f"{agent.name} has no tool {tool} of its own", hint=hint)
    ours = found[tool]
    if not ours.sound:
        problem = ours.problems[0]
        raise UsageError(f"{problem.where}: {problem.message}", hint=problem.hint)
    given = _arguments(arguments, ours, agent.name)
    allowed = paths.policy(agent.name, settings.tools, str(workspace.config.root))
    kind = on_disk.kind(ours, settings.tools.classes or {})
    try:
        text, ok = on_disk.call(ours, given, paths=allowed, given=on_disk.granted(ours, workspace.variable)), True
    except process.ToolFailed as error:
        text, ok = str(error), False
    return Tested(tool, kind, ours.fingerprint, ok=ok, text=redact(text, workspace.secrets))


def undo(workspace: Workspace, run: str, *, apply: bool) -> ChangeSet:
    """What takes back everything that a run's tools wrote, the newest first; applied where `apply` says so.

    Raises:
        DocumentMissing: there is no such run, or its tools wrote nothing.
        Conflict: somebody has written since; nothing is taken back.
    """
    workspace.require()
    line = record.find(workspace, run)
    if not edits.of_run(workspace.store, line.agent, line.run_id):
        raise DocumentMissing(f"the tools of {line.run_id} wrote nothing, or it was taken back already")
    changes = edits.undo_run(workspace.store, line.agent, line.run_id)
    whole = ChangeSet(f"take back what the tools of {line.run_id} wrote", changes)
    if apply:
        with workspace.store.lock(f"agent/{line.agent}", wait=0):
            workspace.store.apply(whole)
    return whole


def _agent(workspace: Workspace, name: str) -> Agent:
    workspace.require()
    return workspace.vault.agent(name)


def _arguments(text: str, tool: ToolFile, agent: str) -> dict[str, object]:
    from atomic_agents.memory import schema  # noqa: PLC0415 - 0.1 s that only a call pays

    example = f"atomic-agents tools test {agent} {tool.name} --arguments '{{…}}'"
    try:
        given = json.loads(text)
    except ValueError as error:
        raise UsageError(f"the arguments are not JSON: {error}", hint=example) from error
    wrong = schema.wrong(given, tool.schema, name="arguments")
    if wrong or not isinstance(given, dict):
        raise UsageError(f"the arguments are wrong: {'; '.join(wrong)}", hint=example)
    return given


def _syntax(tool: ToolFile) -> list[Problem]:
    """Whether the handler's code is Python and has a handler, without running any of it."""
    import ast  # noqa: PLC0415 - 5 ms that only this pays

    text = tool.sources.get(f"{tool.name}.py", "")
    path = f"{tool.path.removesuffix('.md')}.py"
    if not text:
        return []
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [Problem(path, error.lineno or 0, f"is not Python: {error.msg}", "correct the line")]
    if not any(_defines_handler(node) for node in tree.body):
        return [Problem(path, 0, "has no handler", "write def handler(input): …, or async def")]
    return []


def _defines_handler(node: object) -> bool:
    import ast  # noqa: PLC0415 - as above

    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name == "handler"
    if isinstance(node, ast.Assign):
        return any(isinstance(each, ast.Name) and each.id == "handler" for each in node.targets)
    if isinstance(node, ast.ImportFrom | ast.Import):
        return any((each.asname or each.name) == "handler" for each in node.names)
    return False
