"""Everything beyond its memory that an agent can call in a run: files, the web, skills, its own tools, MCP servers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from atomic_agents.core.values import Problem
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.tools import files, question, skills
from atomic_agents.tools.edits import Edits, Record
from atomic_agents.tools.notes import Vouch
from atomic_agents.tools.tool import Tool
from atomic_agents.vault import mcp_servers, misplaced_skills, skill, tool_file
from atomic_agents.vault.vault import Agent, AgentSettings, Vault

if TYPE_CHECKING:
    from atomic_agents.tools.mcp_client import Sessions
    from atomic_agents.tools.mcp_noise import Noise

TAKEN = frozenset((
    "recall", "read_note", "remember", "read_file", "list_files", "search_files", "write_file", "edit_file",
    "move_file", "fetch_url", "read_skill", "tool_details", "ask_operator", "read_result", "read_wiki", "read_journal",
    "list_index",
))  # fmt: skip
"""Names that no tool of the operator's or of a server can have."""

Warn = Callable[[str], None]
Variable = Callable[[str], str | None]
KeepLog = Callable[[str, str], str]
"""Keep what an MCP server printed, by the server's name; the path that it is at, "" for nowhere."""


@dataclass(frozen=True, slots=True)
class Hands:
    """The tools of one run; whoever opened them closes them, which ends what was started for them."""

    tools: tuple[Tool, ...] = ()
    close: Callable[[], None] = lambda: None


def no_hands(_record: Record, _warn: Warn, _vouch: Vouch) -> Hands:
    """None at all."""
    return Hands()


def opened(
    vault: Vault, agent: Agent, settings: AgentSettings, *, paths: PathPolicy, variable: Variable, run_id: str,
    record: Record, warn: Warn, vouch: Vouch, keep_log: KeepLog, secrets: Sequence[str] = (),
) -> Hands:  # fmt: skip
    """The tools of a run.

    `vouch` says who vouches for a note that the model writes as a file, `keep_log` keeps what a server printed. What
    cannot be offered is said through `warn` and left out; it never keeps a run from going on.
    """
    edits = Edits(vault.store, agent.name, run_id, paths, record, vouch=vouch, secrets=secrets)
    found = [question.tool(), *files.reading(vault.store, paths), *files.writing(edits)]
    if settings.tools.fetch_hosts:
        from atomic_agents.tools import web  # noqa: PLC0415 - 15 ms that only agents which may fetch pay

        found.append(web.tool(web.Web(settings.tools.fetch_hosts)))
    every = skill.skills(vault, agent)
    known = [each for each in every if each.sound]
    _warn_of_skills(
        [*(each.problems for each in every), *([each] for each in misplaced_skills.find(vault, agent))], warn
    )
    if known:
        found.append(skills.tool(vault.store, known))
    found += _offered(_own(vault, agent, settings, paths, variable, warn), warn)
    if "mcp.md" not in settings.files:
        return Hands(tuple(found))
    from atomic_agents.tools.mcp_client import Sessions  # noqa: PLC0415 - 30 ms that only agents with servers pay
    from atomic_agents.tools.mcp_tools import lazily  # noqa: PLC0415 - as above

    def heard(server: str, noise: "Noise") -> None:
        warn(noise.words(server, keep_log(server, noise.text)))

    sessions = Sessions(variable, heard=heard)
    found += lazily(_offered(_of_servers(vault, agent, settings, sessions, warn), warn))
    return Hands(tuple(found), sessions.close)


def _warn_of_skills(found: Iterable[Sequence[Problem]], warn: Warn) -> None:
    """Say of each skill that is left out why it is; of one with several errors the first."""
    for problems in found:
        error = next((problem for problem in problems if problem.severity == "error"), None)
        if error is not None:
            warn(f"{error.where}: {error.message}; the skill is left out")


def _offered(tools: Iterator[Tool], warn: Warn) -> list[Tool]:
    """The tools that may be called, each name once."""
    found: dict[str, Tool] = {}
    for each in tools:
        name = each.spec.name
        if name in found:
            warn(f"{name} of {each.origin} has the name of a tool of {found[name].origin}; it is left out")
        else:
            found[name] = each
    return list(found.values())


def _own(
    vault: Vault, agent: Agent, settings: AgentSettings, paths: PathPolicy, variable: Variable, warn: Warn
) -> Iterator[Tool]:
    for each in tool_file.read_all(vault.store, agent.name):
        problems = [problem for problem in each.problems if problem.severity == "error"]
        if each.name in TAKEN:
            warn(f"{each.path}: {each.name} is the name of a built-in tool; it is left out")
        elif problems:
            warn(f"{problems[0].where}: {problems[0].message}; the tool is left out")
        else:
            from atomic_agents.tools import on_disk  # noqa: PLC0415 - 10 ms that only agents with tools pay

            stated = settings.tools.classes or {}
            yield on_disk.tool(each, paths=paths, stated=stated, variable=variable, warn=warn)


def _of_servers(
    vault: Vault, agent: Agent, settings: AgentSettings, sessions: "Sessions", warn: Warn
) -> Iterator[Tool]:
    from atomic_agents.tools.mcp_tools import Servers  # noqa: PLC0415 - as above

    file = settings.files["mcp.md"]
    pins = mcp_servers.accepted(vault.store, agent.name)
    accept = f"atomic-agents mcp check {agent.name} --accept"
    usable = Servers(sessions, accept, warn, partial(mcp_servers.keep_waiting, vault.store, agent.name))
    broken = mcp_servers.problems(file, sessions.variable)
    for server in mcp_servers.servers(file):
        problem, pin = broken.get(server.name), pins.get(server.name)
        if problem is not None:
            warn(f"{problem.where}: {problem.message}; the tools of {server.name} are left out")
        elif pin is None:
            warn(f"{server.where}: {server.name} is not accepted yet; its tools are left out: {accept}")
        else:
            yield from usable.tools(server, pin, settings.tools.classes or {})
