"""What an agent may do, who allowed it, what it used lately, and what of that is stale."""

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.guard import policy
from atomic_agents.guard.grants import said
from atomic_agents.guard.policy import Authority
from atomic_agents.guard.wanted import Wanted, names
from atomic_agents.operations import approvals, grants, record, runs
from atomic_agents.operations.grants import Granted
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.gate import BUILTIN, MEMORY, SERVER, class_of
from atomic_agents.tools.tool import Tool
from atomic_agents.vault.authority import TOOL_CLASSES, Place, Said
from atomic_agents.vault.vault import AgentSettings

DAYS = 30


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for something, and the line that says so."""

    about: str
    level: str
    where: str


@dataclass(frozen=True, slots=True)
class ToolLine:
    """One tool: its class, who brought it, what holds, the grants that cover it, its use in the last 30 days."""

    name: str
    kind: str
    origin: str
    level: str
    where: str
    grants: tuple[str, ...]
    used: int
    refused: int
    last: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Permissions:
    """The page. `paths` and `others` are rules too; `stale` says in words what could go."""

    agent: str
    tools: tuple[ToolLine, ...]
    withheld: tuple[str, ...]
    paths: tuple[Rule, ...]
    others: tuple[Rule, ...]
    grants: tuple[Granted, ...]
    answers: Mapping[str, int]
    stale: tuple[str, ...]


def rules(workspace: Workspace, name: str) -> list[Rule]:
    """The rules in force for an agent: a level for each class, what is said of single tools, the lists, the grants.

    Raises:
        AgentMissing: there is no such agent.
        SettingsInvalid: a settings file that holds for it has errors.
    """
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = runs.checked_settings(workspace, agent)
    authority = policy.authority(agent.name, settings)
    found = [_rule(kind, policy.level(authority, "", kind)) for kind in TOOL_CLASSES]
    patterns = dict.fromkeys([*authority.vault.tools, *authority.own.tools])
    for pattern in patterns:
        told = [each.tools[pattern] for each in (authority.vault, authority.own) if pattern in each.tools]
        found.append(_rule(pattern, max(told, key=lambda each: each.strictness)))
    found += _lists(authority)
    if authority.judge is not None:
        found.append(
            Rule("judge", authority.judge.model or "nobody: what asks for a judge is refused", authority.judge.where)
        )
    for grant in authority.grants:
        about = f"grant {grant.id}: {', '.join(grant.tools) or grant.action_class}"
        limits = ", ".join(said(limit) for limit in grant.limits)
        found.append(Rule(about, "revoked: asks" if grant.revoked else limits or "no count", grant.where))
    return found


def permissions(workspace: Workspace, name: str) -> Permissions:
    """The page on one agent; raises what `rules` raises."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = runs.checked_settings(workspace, agent)
    authority = policy.authority(agent.name, settings)
    withheld: list[str] = []
    offered = runs.tools(workspace, agent, settings, withheld.append)
    calls = _calls(workspace, agent.name)
    classes = settings.tools.classes or {}
    lines = tuple(_line(authority, tool, classes, calls) for tool in offered)
    given = tuple(grants.granted(workspace, agent.name))
    return Permissions(
        agent.name, lines, tuple(withheld), tuple(_paths(settings)), tuple(_others(settings)), given,
        _answers(workspace, agent.name), tuple(_stale(workspace, lines, given)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Calls:
    made: Counter[str]
    refused: Counter[str]
    last: Mapping[str, datetime.datetime]


def _line(authority: Authority, tool: Tool, classes: Mapping[str, str], calls: _Calls) -> ToolLine:
    name, kind = tool.spec.name, class_of(tool, classes)
    server = tool.origin.removeprefix(SERVER) if tool.origin.startswith(SERVER) else ""
    found = policy.standing(authority, Wanted("", name, kind, {}, "", server, name in MEMORY))
    covering = tuple(each.id for each in authority.grants if any(names(pattern, name) for pattern in each.tools))
    return ToolLine(
        name, kind, tool.origin, found.level, found.where, covering, calls.made[name], calls.refused[name],
        calls.last.get(name),
    )  # fmt: skip


def _calls(workspace: Workspace, agent: str) -> _Calls:
    """What the log says was called in the last 30 days."""
    since = workspace.clock().date() - datetime.timedelta(days=DAYS)
    made, refused, last = Counter[str](), Counter[str](), dict[str, datetime.datetime]()
    for day in record.logs(workspace, (agent,), since, None):
        for path, name in day:
            for line in record.lines_of(workspace, path, name, []):
                called = line.facts.get("tool_calls")
                for call in called if isinstance(called, list) else ():
                    tool = str(call.get("tool_name")) if isinstance(call, dict) else ""
                    if isinstance(call, dict) and call.get("decision") in _REFUSED:
                        refused[tool] += 1
                    else:
                        made[tool] += 1
                        last |= {tool: max(line.at, last.get(tool, line.at))} if line.at else {}
    return _Calls(made, refused, last)


_REFUSED = ("deny", "denied", "expired", "changed", "judge")


def _rule(about: str, found: Said) -> Rule:
    return Rule(about, found.level, found.where)


def _lists(authority: Authority) -> list[Rule]:
    found = []
    for part in (authority.vault, authority.own):
        for level, what, listed in (
            ("deny", "tools", part.deny), ("allow", "tools", part.allow),
            ("deny", "MCP servers", part.deny_servers), ("allow", "MCP servers", part.allow_servers),
        ):  # fmt: skip
            if listed:
                only = "only these" if level == "allow" else "deny"
                found.append(Rule(f"{what}: {', '.join(listed.names)}", only, listed.where))
    return found


def _paths(settings: AgentSettings) -> list[Rule]:
    file = settings.files.get("tools.md")
    if file is None:
        return []
    place = Place(file.path, file.lines)
    found = []
    for key, level in (("read_paths", "read"), ("write_paths", "write"), ("read_only_paths", "read only")):
        found += [Rule(path, level, place(key)) for path in getattr(settings.tools, key)]
    return found


def _others(settings: AgentSettings) -> list[Rule]:
    """What it may spend, and to whom it may hand work."""
    found = []
    for file, key in (("model.md", "model"), ("model.md", "cost_guardrails"), ("roster.md", "delegate_to")):
        stated = settings.files.get(file)
        value = stated.values.get(key) if stated else None
        if stated is None or not value:
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name} {inner}" for name, inner in value.items() if str(name).endswith("_cap_usd"))
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        found.append(Rule(key, str(value) or "none", Place(stated.path, stated.lines)(key)))
    return found


def _answers(workspace: Workspace, agent: str) -> Mapping[str, int]:
    """How requests of the last 30 days were answered."""
    since = (workspace.clock() - datetime.timedelta(days=DAYS)).isoformat()
    items = (item for item in approvals.everything(workspace) if item.agent == agent and item.asked >= since)
    return dict(Counter(item.state for item in items))


def _stale(workspace: Workspace, lines: tuple[ToolLine, ...], given: tuple[Granted, ...]) -> list[str]:
    found = [
        f"{line.name} may be called and was not in {DAYS} days ({line.origin})"
        for line in lines
        if line.origin != BUILTIN and not line.used and line.level != "deny"
    ]
    soon = workspace.clock() + datetime.timedelta(days=7)
    for each in given:
        where = each.grant.where
        if each.state in ("expired", "revoked"):
            found.append(f"the grant {each.grant.id} is {each.state} ({where})")
        elif each.grant.expires_at and each.grant.expires_at < soon:
            found.append(f"the grant {each.grant.id} ends on {each.grant.expires_at:%Y-%m-%d} ({where})")
        elif not each.times:
            found.append(f"the grant {each.grant.id} was never used ({where})")
        elif each.grant.expires_at is None:
            found.append(f"the grant {each.grant.id} never ends ({where})")
    return found
