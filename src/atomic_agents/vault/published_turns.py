"""Conversations as the published format keeps them, a JSON file a message: read as they are, continued as Markdown."""

import datetime
import json
from collections.abc import Iterator, Sequence
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


def ids(store: Store, agent: str) -> list[str]:
    """The conversations of this machine's operator that are kept that way."""
    folder = layout.published_conversations(agent)
    found = (path.removeprefix(folder).partition("/") for path in store.paths(folder) if path.endswith(".json"))
    return list(dict.fromkeys(name for name, slash, _ in found if slash))


def paths(store: Store, agent: str, name: str) -> tuple[str, ...]:
    """The files of one."""
    folder = f"{layout.published_conversations(agent)}{name}/"
    return tuple(path for path in store.paths(folder) if path.endswith(".json"))


def adopted(store: Store, agent: str, name: str) -> Document | None:
    """The document that one would be, None where there is none; messages that cannot be read are left out."""
    messages = [found for path in paths(store, agent, name) if (found := _message(store, path))]
    document = None
    for turn in _turns(sorted(messages, key=lambda one: (one.at, one.seq))):
        document = conversation.with_turn(document, turn, agent=agent, path=layout.conversation(agent, name))
    return document


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
