"""Checks of what an agent can call: MCP servers, its own tools, skills."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

from atomic_agents.core.values import Problem
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.guard.secrets import redact
from atomic_agents.vault import mcp_servers, misplaced_skills, skill, tool_file
from atomic_agents.vault.mcp_servers import Accepted, Server
from atomic_agents.vault.vault import Agent

_CONNECT_SECONDS = 15.0


def mcp(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its MCP servers are there, answer, and are as they were accepted."""
    found = examination.settings(agent).files.get("mcp.md")
    if found is None or not examination.with_mcp:
        yield Finding("skip", "no mcp.md" if found is None else "left out by --no-mcp")
        return
    yield from _of(found.problems)
    broken = mcp_servers.problems(found, examination.variable)
    pins = mcp_servers.accepted(examination.vault.store, agent.name)
    accept = f"atomic-agents mcp check {agent.name} --accept"
    for server in mcp_servers.servers(found):
        pin, problem = pins.get(server.name), broken.get(server.name)
        if server.command and "/" not in server.command and shutil.which(server.command) is None:
            message = f"{server.where}: {server.command} of {server.name} is not on the PATH"
            yield Finding("fail", message, f"install {server.command}, or correct its path")
        elif problem is not None:
            yield Finding("warn", f"{problem.where}: {problem.message}; its tools are left out", problem.hint)
        elif pin is None:
            yield Finding("warn", f"{server.where}: {server.name} is not accepted yet; its tools are left out", accept)
        else:
            yield from _spoken_to(examination, server, pin, accept)


def tools(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its own tools are sound, and can be held in."""
    found = tool_file.read_all(examination.vault.store, agent.name)
    if not found:
        yield Finding("skip", "no tools of its own")
        return
    yield from _of(tuple(problem for each in found for problem in each.problems))
    for each in found:
        for name in each.env if each.sound else ():
            if not examination.has_variable(name):
                hint = f"export {name}=…\natomic-agents secrets set {name}"
                yield Finding("warn", f"{each.path}: it needs {name}, which is not set; its calls fail", hint)
    from atomic_agents.tools import process  # noqa: PLC0415 - 10 ms that only agents with tools pay

    holds, open_to = process.isolation()
    if "files" in open_to:
        yield Finding("warn", f"its tools run in their {holds}; {open_to}", "run it on a Linux that has Landlock")


def skills(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its skills can be offered."""
    found = skill.skills(examination.vault, agent)
    misplaced = tuple(misplaced_skills.find(examination.vault, agent))
    if not found and not misplaced:
        yield Finding("skip", "no skills")
    yield from _of(tuple(problem for each in found for problem in each.problems))
    yield from _of(misplaced)


def _spoken_to(examination: Examination, server: Server, pin: Accepted, accept: str) -> Iterator[Finding]:
    """What a server says of itself; only one that was accepted is started."""
    from atomic_agents.tools import mcp_tools  # noqa: PLC0415 - 30 ms that only agents with servers pay
    from atomic_agents.tools.mcp_client import ServerFailed, Sessions, launch  # noqa: PLC0415 - as above

    noises: list[str] = []
    sessions = Sessions(
        examination.variable, _CONNECT_SECONDS, lambda name, noise: noises.append(noise.words(name, ""))
    )
    same, failure, now = True, "", pin
    try:
        same = launch(server) == pin.launch
        now = mcp_tools.accepted(server, sessions.definitions(server)) if same else pin
    except ServerFailed as error:
        failure = redact(str(error), examination.secrets)
    finally:
        sessions.close()
    for said in noises:
        hint = f"have {server.name} print to its standard error"
        yield Finding("warn", f"{server.where}: {redact(said, examination.secrets)}", hint)
    if failure:
        yield Finding("fail", f"{server.where}: {failure}", accept.removesuffix("--accept") + server.name)
        return
    yield _compared(server, pin, now, accept) if same else _changed(server, pin, replace(pin, launch=""), accept)
    for name, why in mcp_tools.unusable(pin.tools).items():
        hint = f"name the tools that are wanted: tools: [...] of {server.name} in {server.path}"
        yield Finding("warn", f"{server.where}: {name} of {server.name}: {why}; the tool is left out of runs", hint)


def _compared(server: Server, pin: Accepted, now: Accepted, accept: str) -> Finding:
    from atomic_agents.tools import mcp_tools  # noqa: PLC0415 - as above

    if mcp_tools.differences(pin, now):
        return _changed(server, pin, now, accept)
    tokens = mcp_tools.tokens(pin)
    message = f"{server.name}: {len(pin.tools):,} tools, whose definitions take about {tokens:,} tokens"
    if tokens > mcp_tools.LAZY_TOKENS:
        hint = f"name the ones that are needed: tools: […] of {server.name} in {server.path}"
        return Finding("warn", f"{message}; the model is shown their first lines", hint)
    return Finding("pass", f"{message} of each request")


def _changed(server: Server, pin: Accepted, now: Accepted, accept: str) -> Finding:
    """That a server differs from what was accepted, with all of the difference."""
    from atomic_agents.tools import mcp_tools  # noqa: PLC0415 - as above

    changes = mcp_tools.differences(pin, now)
    shown = "".join(f"\n  {line}" for line in changes)
    message = f"{server.where}: {server.name} has changed since it was accepted; what has changed is left out of runs"
    return Finding("warn", f"{message}{shown}", accept, {"changes": list(changes)})


def _of(problems: tuple[Problem, ...]) -> Iterator[Finding]:
    for problem in problems:
        state = problem.severity == "error"
        yield Finding("fail" if state else "warn", f"{problem.where}: {problem.message}", problem.hint)
