"""Standing permissions: which there are and what is used of them, a new one, one that is taken back."""

import datetime
import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents.core.change import ABSENT, ChangeSet, Put
from atomic_agents.core.document import Document, parse, render
from atomic_agents.core.errors import Conflict, DocumentMissing, SettingsInvalid, UsageError
from atomic_agents.core.values import near
from atomic_agents.guard import grants as granting
from atomic_agents.guard import policy
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import uses
from atomic_agents.vault import layout, settings
from atomic_agents.vault.grants import Grant, Limit
from atomic_agents.vault.markdown import sections

_FILE = "mandates.md"
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant and its use: `used` for each of its limits, `times` in all, `last` the latest one."""

    grant: Grant
    state: str
    used: tuple[tuple[Limit, Decimal], ...]
    times: int
    last: datetime.datetime | None


def granted(workspace: Workspace, agent: str = "") -> list[Granted]:
    """The grants that hold for an agent, or all there are, those of the vault first.

    Raises:
        AgentMissing: there is no such agent.
        SettingsInvalid: what states them has errors.
    """
    workspace.require()
    vault = workspace.vault
    names = (vault.agent(agent).name,) if agent else vault.survey().agents
    found: dict[tuple[str, str], Grant] = {}
    for name in names:
        stated = vault.settings(vault.agent(name))
        stated.check()
        found |= {(each.home, each.id): each for each in policy.authority(name, stated).grants}
    return [_with_use(workspace, grant) for _, grant in sorted(found.items())]


def find(workspace: Workspace, selector: str, agent: str = "") -> Granted:
    """One grant by its name.

    Raises:
        DocumentMissing: there is none.
        UsageError: several agents have one of that name.
    """
    known = granted(workspace, agent)
    found = [each for each in known if each.grant.id == selector]
    if not found:
        meant = near(selector, [each.grant.id for each in known])
        hint = f"atomic-agents grants show {meant[0]}" if meant else "atomic-agents grants list"
        raise DocumentMissing(f"there is no grant {selector}", hint=hint)
    if len(found) > 1:
        hint = "\n".join(f"atomic-agents grants show {selector} --agent {each.grant.home}" for each in found)
        raise UsageError(f"{len(found)} grants are called {selector}", hint=hint)
    return found[0]


def added(workspace: Workspace, agent: str, name: str, scope: str, constraints: Mapping[str, object], *,
          until: datetime.date | None = None, by: str = "") -> ChangeSet:  # fmt: skip
    """The change set that gives an agent a grant.

    Raises:
        UsageError: there is one of that name, or it is not one that a grant can be.
    """
    workspace.require()
    home = workspace.vault.agent(agent).name
    path = layout.settings(home, _FILE)
    blob = workspace.store.read(path)
    grant: dict[str, object] = {
        "granted_by": by or operator(),
        "granted_at": workspace.clock().date(),
        "scope": scope,
        "revocation_state": "active",
        **({"expires_at": until} if until else {}),
        "constraints": dict(constraints),
    }
    if blob is None:
        body = f"# Grants of {home}\n\nWhat it may do without asking each time. `atomic-agents grants list {home}`"
        data = render({"schema_version": _VERSION, "mandates": {name: grant}}, body)
    else:
        data = _with(parse(path, blob.data), name, grant)
    return _checked(f"grant {name} to {home}", path, data, blob.revision if blob else ABSENT)


def revoked(workspace: Workspace, found: Grant, *, by: str = "", reason: str = "") -> ChangeSet:
    """The change set that takes a grant back; it stays on record, and what it named is asked about from then on.

    Raises:
        Conflict: it is revoked already.
    """
    path = layout.settings(found.home, _FILE)
    blob = workspace.store.read(path)
    if blob is None or found.revoked:
        raise Conflict(f"{found.id} is revoked already", hint=f"atomic-agents grants show {found.id}")
    document = parse(path, blob.data)
    said: dict[str, object] = {
        "revocation_state": "revoked",
        "revoked_at": workspace.clock().date(),
        "revoked_by": by or operator(),
        **({"revocation_reason": reason} if reason else {}),
    }
    # The text may state the grant too, as version 1 did, and must not say otherwise.
    document = document.with_body(_revoked_in_text(document, found.id, said))
    mandates = document.meta.get("mandates")
    if settings.version_of(document) >= _VERSION and isinstance(mandates, dict):
        document = document.edit({"mandates": {**mandates, found.id: {**mandates[found.id], **said}}})
    return _checked(f"revoke {found.id}", path, document.data, blob.revision)


def rate(text: str) -> tuple[str, int | str]:
    """The constraint of `5/day` or `$40/month`, by its key.

    Raises:
        UsageError: it is neither.
    """
    matched = _RATE.fullmatch(text.strip().lower())
    if matched is None:
        raise UsageError(
            f"{text!r} is no limit", hint="--limit 5/day, or --limit '$40/month'; also /hour, /week, /total"
        )
    period = _PERIODS[matched["period"]]
    if matched["usd"]:
        return f"{period}_external_usd", matched["most"]
    if "." in matched["most"]:
        raise UsageError(f"{text!r} is no count", hint="--limit 5/day")
    return f"{period}_count", int(matched["most"])


_RATE = re.compile(r"(?P<usd>\$)?(?P<most>\d+(?:\.\d+)?)/(?P<period>hour|day|week|month|total)")
_PERIODS = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly", "total": "cumulative"}


def operator() -> str:
    """Who is at the keyboard, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"


def _with_use(workspace: Workspace, grant: Grant) -> Granted:
    now = workspace.clock()
    found = list(uses.all_uses(workspace.store, grant))
    used = tuple((limit, granting.used(limit, found, now)) for limit in grant.limits)
    return Granted(grant, _state(grant, now), used, len(found), max((use.at for use in found), default=None))


def _state(grant: Grant, now: datetime.datetime) -> str:
    if grant.revoked:
        return "revoked"
    if grant.expires_at and now >= grant.expires_at:
        return "expired"
    return "active" if grant.active(now) else "not yet"


def _with(document: Document, name: str, grant: Mapping[str, object]) -> bytes:
    stated = settings.read(_FILE, document).values.get("mandates")
    known = stated if isinstance(stated, dict) else {}
    if name in known:
        raise UsageError(f"there is a grant {name} already", hint=f"atomic-agents grants show {name}")
    if settings.version_of(document) >= _VERSION:
        return document.edit({"mandates": {**known, name: grant}}).data
    own = render(grant, "").decode().split("---\n")[1]
    return document.with_body(f"{document.body.rstrip()}\n\n## {name}\n\n{own}").data


def _revoked_in_text(document: Document, name: str, said: Mapping[str, object]) -> str:
    section = next((each for each in sections(document.body) if each.level == 2 and each.title == name), None)
    lines = document.body.split("\n")
    for line in section.lines if section else ():
        if re.match(r"revocation_state[ \t]*:", line.text):
            own = render(said, "").decode().split("---\n")[1].rstrip("\n")
            lines[line.number - 1] = own
            break
    return "\n".join(lines)


def _checked(reason: str, path: str, data: bytes, expect: str) -> ChangeSet:
    """A change set whose document has no errors.

    Raises:
        SettingsInvalid: carrying all of them.
    """
    errors = [each for each in settings.read(_FILE, parse(path, data)).problems if each.severity == "error"]
    if errors:
        raise SettingsInvalid(errors)
    return ChangeSet(reason, (Put(path, data, expect=expect),))
