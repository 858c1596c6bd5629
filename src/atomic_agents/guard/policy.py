"""What is done about a call: allow, audit, judge, ask or deny, with the rule and the line it comes from. Pure.

The vault's word is a floor: what is said for one agent, in `policy.md` or its `judges.md`, can only be stricter. Deny
wins over every grant. Where nobody says anything, `DEFAULTS` hold.
"""

import datetime
import os
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from atomic_agents.core.values import Usd, key_of
from atomic_agents.guard import grants as granting
from atomic_agents.guard.grants import Uses
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.guard.wanted import Wanted, names
from atomic_agents.vault.authority import (
    LEVELS,
    JudgeSettings,
    Names,
    Place,
    Said,
    ToolPolicy,
    judge_settings,
    tool_policy,
)
from atomic_agents.vault.grants import Grant, grants
from atomic_agents.vault.settings import Settings
from atomic_agents.vault.vault import AgentSettings

Action = Literal["allow", "audit", "judge", "ask", "deny"]

DEFAULTS = {
    "read_only": Said("bypass", "default"),
    "reversible_write": Said("audit", "default"),
    "external_side_effect": Said("ask", "default"),
    "high_risk": Said("ask", "default"),
}
_WITH_A_JUDGE = Said("judge", "default, where judges.md names a model")


@dataclass(frozen=True, slots=True)
class Authority:
    """Everything that says what an agent may do: the vault's policy, the agent's part of it, judges, grants.

    `judges` are those that hold for it, its project's before its own; `grants` also those of its project and the vault.
    """

    vault: ToolPolicy = field(default_factory=ToolPolicy)
    own: ToolPolicy = field(default_factory=ToolPolicy)
    judges: tuple[JudgeSettings, ...] = ()
    grants: tuple[Grant, ...] = ()

    @property
    def judge(self) -> JudgeSettings | None:
        """The judge that is asked: the agent's own where it names a model, else its project's."""
        return next((each for each in reversed(self.judges) if each.model), self.judges[-1] if self.judges else None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done about a call, why, and the line that says so; `grant` is the one whose use it is."""

    action: Action
    why: str
    where: str
    grant: Grant | None = None
    external_usd: Usd = Decimal(0)


def decide(authority: Authority, wanted: Wanted, uses: Uses, now: datetime.datetime) -> Verdict:
    """The verdict on a call."""
    refused = next(_refusals(authority, wanted), None)
    if refused:
        return refused
    base = level(authority, wanted.tool, wanted.kind)
    rule = f"{wanted.tool} is {wanted.kind}: {base.level}"
    if base.level == "deny":
        return Verdict("deny", rule, base.where)
    hidden = max((each.hides_target for each in authority.judges), key=("ask", "deny").index, default="ask")
    said = granting.opinion(authority.grants, wanted, uses, now, hidden=hidden)
    where = said.grant.where if said.grant else base.where
    match said.says:
        case "denies":
            return Verdict("deny", said.why, where, said.grant)
        case "covers":
            return Verdict("allow", said.why, where, said.grant, said.external_usd)
        case "asks" if base.strictness < LEVELS.index("ask"):
            return Verdict("ask", said.why, where)
        case "asks":
            return Verdict("ask", f"{rule}; {said.why}", base.where)
        case _:
            return Verdict(_action(base.level), rule, base.where)


def standing(authority: Authority, wanted: Wanted) -> Said:
    """What holds for a tool whatever it is called with: its level, or that a list denies it."""
    refused = next(_refusals(authority, wanted), None)
    return Said("deny", refused.where) if refused else level(authority, wanted.tool, wanted.kind)


def level(authority: Authority, tool: str, kind: str) -> Said:
    """The level that holds for a tool of a class."""
    floor = _nearest(authority.vault, tool) or authority.vault.classes.get(kind)
    stated = [*([floor] if floor else []), *(each.classes[kind] for each in authority.judges if kind in each.classes)]
    base = max(stated, key=lambda each: each.strictness, default=None) or _default(authority, kind)
    own = [each for each in (_nearest(authority.own, tool), authority.own.classes.get(kind)) if each]
    return max([base, *own], key=lambda each: each.strictness)


def kept(paths: PathPolicy, wanted: Wanted) -> str:
    """A document of the vault that an argument names and that such a tool may not write; "" where none does.

    Tools of the agent's own and of servers write past the vault's guards, so what they are given is looked at here.
    """
    for value, named in _texts(wanted.arguments) if wanted.kind != "read_only" and paths.root else ():
        for place in _places(paths, value.strip(), named=named):
            found = _inside(os.path.realpath(paths.root), os.path.realpath(place))
            if found and not paths.may_write_directly(found):
                return found
    return ""


_PATHS = frozenset((
    "path", "file", "file_path", "filepath", "filename", "target_path", "destination", "destination_path", "source",
    "write_to", "output_path", "directory", "folder", "paths", "files", "uri", "from_path", "to_path", "old_path",
    "new_path", "dest", "src", "dst", "root", "dir", "cwd", "working_directory",
))  # fmt: skip


def _texts(found: object, *, named: bool = False) -> Iterator[tuple[str, bool]]:
    """Every text in arguments, and whether it stands below a name that says it is a path."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _texts(value, named=named or str(key).casefold() in _PATHS)
    elif isinstance(found, list | tuple):
        for each in found:
            yield from _texts(each, named=named)
    elif isinstance(found, str):
        yield found, named


def _places(paths: PathPolicy, text: str, *, named: bool) -> Iterator[str]:
    """What a text may mean on disk: surely where it is absolute, else where something is there by that name.

    A tool of the agent's own is told paths below its folder, a server starts in the home folder.
    """
    text = urllib.parse.unquote(text.removeprefix("file://").removeprefix("localhost")) if "://" in text else text
    if not text or "\n" in text or "\0" in text:
        return
    whole = os.path.expanduser(text)
    if os.path.isabs(whole):
        yield whole
    elif named:
        tries = (os.path.join(home, text) for home in (f"{paths.root}/{paths.agent}", os.path.expanduser("~")))
        yield from (each for each in tries if os.path.lexists(each))


def _inside(root: str, place: str) -> str:
    """The document or folder of the vault at a place, the vault itself by its place; "" where it is outside."""
    above, here = (each.casefold().split(os.sep) for each in (root, place))
    if here == above:
        return place
    return "/".join(place.split(os.sep)[len(above) :]) if here[: len(above)] == above else ""


def _default(authority: Authority, kind: str) -> Said:
    judged = kind == "external_side_effect" and authority.judge is not None and authority.judge.model
    return _WITH_A_JUDGE if judged else DEFAULTS[kind]


def _action(found: str) -> Action:
    match found:
        case "bypass":
            return "allow"
        case "audit" | "judge" | "deny":
            return found
        case _:
            return "ask"


def _nearest(policy: ToolPolicy, tool: str) -> Said | None:
    """What `tool_policy` says of a tool: the pattern with the most letters of its own, of equal ones the strictest."""
    found = [(len(pattern.replace("*", "")), said) for pattern, said in policy.tools.items() if names(pattern, tool)]
    return max(found, key=lambda each: (each[0], each[1].strictness))[1] if found else None


def _refusals(authority: Authority, wanted: Wanted) -> Iterator[Verdict]:
    """What the lists of `policy.md` forbid, the denials first."""
    parts = (authority.vault, authority.own)
    named: Sequence[tuple[str, str, Names | None]]
    for part in parts:
        named = (("tool", wanted.tool, part.deny), ("MCP server", wanted.server, part.deny_servers))
        for what, name, listed in named:
            if name and listed and any(names(each, name) for each in listed.names):
                yield Verdict("deny", f"the {what} {name} is denied", listed.where)
    for part in parts:
        own = "" if wanted.memory else wanted.tool
        named = (("tool", own, part.allow), ("MCP server", wanted.server, part.allow_servers))
        for what, name, listed in named:
            if name and listed and not any(names(each, name) for each in listed.names):
                yield Verdict("deny", f"the {what} {name} is not among those that are allowed", listed.where)


def authority(agent: str, settings: AgentSettings) -> Authority:
    """What the settings of an agent, without errors, say it may do."""
    policy = settings.files.get("policy.md")
    vault, own = ToolPolicy(), ToolPolicy()
    if policy is not None:
        place = Place(policy.path, policy.lines)
        vault = tool_policy(policy.values, place)
        agents = policy.values.get("agents")
        key = key_of(agents if isinstance(agents, dict) else (), agent)
        own = tool_policy(policy.values, place, ("agents", key))
    stated = [*settings.inherited, *settings.files.values()]
    judges = [judge_settings(each.values, Place(each.path, each.lines)) for each in stated if each.name == "judges.md"]
    granted = _grants(agent, [each for each in stated if each.name == "mandates.md"])
    return Authority(vault, own, tuple(judges), tuple(granted))


def _grants(agent: str, files: Sequence[Settings]) -> Iterator[Grant]:
    """The grants of the vault, of a project and of the agent; the last only as far as those before allow them."""
    allowed: list[str] | None = None
    for file in files:
        home = file.path.rpartition("/")[0]
        found = grants(file.values, Place(file.path, file.lines), home)
        yield from (each for each in found if home != agent or allowed is None or each.id in allowed)
        meta = file.values.get("meta")
        rule = meta.get("per_agent_mandate_policy") if isinstance(meta, dict) else None
        if home != agent and isinstance(meta, dict) and rule in ("listed", "forbidden"):
            ids = meta.get("allowed_per_agent_ids") if rule == "listed" else []
            listed = [str(each) for each in ids] if isinstance(ids, list) else []
            allowed = listed if allowed is None else [each for each in allowed if each in listed]
