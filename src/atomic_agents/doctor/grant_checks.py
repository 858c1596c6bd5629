"""Checks of grants: each can still be used, names tools that there are, and is used."""

import datetime
from collections.abc import Iterator

from atomic_agents.core.values import near
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.guard import grants as granting
from atomic_agents.guard import policy
from atomic_agents.guard.wanted import names
from atomic_agents.runtime import uses
from atomic_agents.tools.hands import TAKEN
from atomic_agents.vault import mcp_servers, tool_file
from atomic_agents.vault.grants import Grant
from atomic_agents.vault.vault import Agent

_UNUSED = datetime.timedelta(days=30)


def grants(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its grants hold, name tools that there are, and are used.

    One that has ended or is used up has its tools asked about each time. `atomic-agents permissions AGENT` shows what
    was used.
    """
    settings = examination.settings(agent)
    stated = [*settings.inherited, *settings.files.values()]
    if any(problem.severity == "error" for each in stated for problem in each.problems):
        return  # told where they stand
    found = [each for each in policy.authority(agent.name, settings).grants if _is_told_of(examination, agent, each)]
    if not found:
        yield Finding("skip", "no grants of its own")
        return
    known = _tools(examination, agent)
    for grant in found:
        unknown = list(_unknown(grant, known)) if grant.home == agent.name else []
        yield from unknown or _of(examination, grant)


def _is_told_of(examination: Examination, agent: Agent, grant: Grant) -> bool:
    """Whether a grant is the agent's own, or is for several of which this is the first."""
    among = [each.name for each in examination.agents if not grant.home or f"{each.name}/".startswith(f"{grant.home}/")]
    return grant.home == agent.name or among[:1] == [agent.name]


def _unknown(grant: Grant, known: set[str]) -> Iterator[Finding]:
    for pattern in grant.tools:
        if not any(names(pattern, tool) for tool in known):
            meant = near(pattern, known)
            hint = f"did you mean {meant[0]}" if meant else f"atomic-agents tools list {grant.home}"
            yield Finding("warn", f"{grant.where}: {grant.id} is for {pattern}, and there is no such tool", hint)


def _of(examination: Examination, grant: Grant) -> Iterator[Finding]:
    now, revoke = examination.now, f"atomic-agents grants revoke {grant.id}"
    if grant.revoked or now < grant.granted_at:
        return
    if not grant.active(now):
        message = f"{grant.where}: {grant.id} ended on {grant.expires_at:%Y-%m-%d}; its tools are asked about"
        yield Finding("warn", message, f"{revoke}\nor state a later expires_at")
        return
    used = list(uses.all_uses(examination.vault.store, grant))
    for limit in grant.limits:
        if limit.period == "cumulative" and granting.used(limit, used, now) >= limit.most:
            message = f"{grant.where}: {grant.id} is used up: {granting.said(limit)}"
            yield Finding("warn", message, f"{revoke}\nor raise its limit")
            return
    since = max((use.at for use in used), default=grant.granted_at)
    if now - since > _UNUSED:
        message = f"{grant.where}: {grant.id} was not used since {since:%Y-%m-%d}"
        yield Finding("warn", message, revoke)


def _tools(examination: Examination, agent: Agent) -> set[str]:
    """The names that a call can have, whether or not it would be let through."""
    found = {*TAKEN, *(each.name for each in tool_file.read_all(examination.vault.store, agent.name))}
    if "mcp.md" in examination.settings(agent).files:
        from atomic_agents.tools.mcp_tools import qualified  # noqa: PLC0415 - 30 ms that only agents with servers pay

        pins = mcp_servers.accepted(examination.vault.store, agent.name)
        found |= {qualified(server, tool) for server, pin in pins.items() for tool in pin.tools}
    return found
