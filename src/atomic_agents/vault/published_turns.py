"""Conversations as the published format keeps them, a JSON file a message: read as they are, continued as Markdown.

A folder of a principal holds a folder for each conversation. Those of `local`, the operator of this machine, have the
id of their folder; those of others have `principal/id`, and their Markdown stands in the principal's folder too.
"""

import datetime
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from atomic_agents.core.document import Document
from atomic_agents.core.store import Store
from atomic_agents.vault import conversation, layout
from atomic_agents.vault.conversation import Turn


@dataclass(frozen=True, slots=True)
class _Message:
    at: datetime.datetime
    seq: int
    role: str
    content: str
    run_id: str


LOCAL = "local"
"""The principal that is the operator of this machine."""


def principal(conversation_id: str) -> str:
    """Whose a conversation is."""
    return conversation_id.partition("/")[0] if "/" in conversation_id else LOCAL


def folders(store: Store, agent: str) -> dict[str, str]:
    """The folder of each conversation that is kept that way, with its slash, by id."""
    top = layout.conversations(agent)
    inside = (path.removeprefix(top).split("/") for path in store.paths(top) if path.endswith(".json"))
    named: dict[str, dict[str, None]] = {}
    for parts in inside:
        if len(parts) == 3:
            named.setdefault(parts[0], {})[parts[1]] = None
    found: dict[str, str] = {}
    for owner, owner_id in _ids(named).items():
        for name, name_id in _ids(named[owner]).items():
            found[name_id if owner == LOCAL else f"{owner_id}/{name_id}"] = f"{top}{owner}/{name}/"
    return found


def paths(store: Store, agent: str, conversation_id: str) -> tuple[str, ...]:
    """The files of one."""
    folder = folders(store, agent).get(conversation_id)
    return tuple(path for path in store.paths(folder) if path.endswith(".json")) if folder else ()


def unreadable(store: Store, agent: str, conversation_id: str) -> list[str]:
    """The files of one whose message cannot be read."""
    return [path for path in paths(store, agent, conversation_id) if _message(store, path) is None]


def adopted(store: Store, agent: str, name: str) -> Document | None:
    """The document that one would be, None where there is none; messages that cannot be read are left out."""
    messages = [found for path in paths(store, agent, name) if (found := _message(store, path))]
    document = None
    for turn in _turns(sorted(messages, key=lambda one: (one.at, one.seq))):
        document = conversation.with_turn(document, turn, agent=agent, path=layout.conversation(agent, name))
    return document


def _ids(names: Iterable[str]) -> dict[str, str]:
    """By name: the id that is typed for it; names that would have the same are numbered."""
    found: dict[str, str] = {}
    for name in names:
        plain = conversation.plain_id(name)
        wanted, number = plain, 2
        while wanted in found.values():
            wanted, number = f"{plain}-{number}", number + 1
        found[name] = wanted
    return found


def _turns(messages: Sequence[_Message]) -> Iterator[Turn]:
    asked: Turn | None = None
    for message in messages:
        if message.role == "user":
            if asked is not None:
                yield asked
            asked = Turn(message.content, "", message.at, message.at, message.run_id)
        elif message.role == "assistant":
            turn = asked or Turn("", "", message.at, message.at, message.run_id)
            yield replace(turn, answer=message.content, answered_at=message.at)
            asked = None
    if asked is not None:
        yield asked


def _message(store: Store, path: str) -> _Message | None:
    blob = store.read(path)
    if blob is None:
        return None
    try:
        value = json.loads(blob.data)
        at = datetime.datetime.fromisoformat(str(value["ts"]))
        seq = int(value.get("seq") or 0)
        role, content = str(value["role"]), str(value["content"])
        run_id = str(value.get("run_id") or "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
    return _Message(at.replace(microsecond=0), seq, role, content, run_id)
