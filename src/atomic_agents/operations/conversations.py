"""Look at conversations, take one's last turn back, take one out of the vault or away."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.core.change import ChangeSet, Delete
from atomic_agents.core.errors import Conflict, DocumentMissing, DocumentUnreadable, UsageError
from atomic_agents.core.values import Problem, near
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.conversation import Talk, load
from atomic_agents.vault import conversation, hands, layout, published_turns
from atomic_agents.vault.conversation import Conversation
from atomic_agents.vault.vault import problem_of

_LOCK_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Listing:
    """Conversations, the one that was gone on with last first, and those that cannot be read."""

    found: tuple[Conversation, ...]
    problems: tuple[Problem, ...]


def talk(workspace: Workspace, text: str) -> Talk:
    """A turn of the conversation whose id somebody typed; `new` makes one.

    Raises:
        UsageError: that cannot be an id.
    """
    return Talk(conversation.conversation_id(text, workspace.clock()))


def list_conversations(workspace: Workspace, name: str | None = None, *, containing: str = "") -> Listing:
    """The conversations of one agent, or of all, whoever they were with; `containing` a text in what was said."""
    workspace.require()
    vault = workspace.vault
    names = [vault.agent(name).name] if name else list(vault.survey().agents)
    found: list[Conversation] = []
    problems: list[Problem] = []
    for agent in names:
        for conversation_id in _ids(workspace, agent):
            try:
                one = load(vault, agent, conversation_id)
            except DocumentUnreadable as error:
                problems.append(problem_of(error))
                continue
            if one is not None and _contains(one, containing):
                found.append(one)
            for path in published_turns.unreadable(workspace.store, agent, conversation_id):
                hint = "correct it, or take it away"
                problems.append(Problem(path, 0, "is no message of a conversation, and is left out", hint))
    return Listing(tuple(sorted(found, key=lambda one: one.last, reverse=True)), tuple(problems))


def show(workspace: Workspace, name: str, text: str) -> Conversation:
    """One conversation.

    Raises:
        DocumentMissing: with the nearest id there is.
        DocumentUnreadable: its document is not what the format says.
    """
    workspace.require()
    agent = workspace.vault.agent(name).name
    conversation_id = _id(workspace, text)
    found = load(workspace.vault, agent, conversation_id)
    if found is None:
        ids = _ids(workspace, agent)
        of_others = [each for each in ids if each.partition("/")[2] == conversation_id]
        if len(of_others) == 1 and (found := load(workspace.vault, agent, of_others[0])) is not None:
            return found
        meant = near(conversation_id, ids)
        hint = f"did you mean {meant[0]}" if meant else f"atomic-agents conversations list {agent}"
        context = {"agent": agent, "conversation": conversation_id, "conversations": ids}
        raise DocumentMissing(f"{agent} has no conversation {conversation_id}", hint=hint, context=context)
    return found


def as_markdown(found: Conversation) -> str:
    """A conversation to read or send: who said what and when, without what only the vault needs."""
    lines = [f"# {found.title or found.id}", "", f"With {found.agent}, from {found.started:%Y-%m-%d %H:%M}."]
    for turn in found.turns:
        ended = "" if turn.ended == "ok" else f" ({turn.ended})"
        lines += ["", f"**You**, {turn.at:%Y-%m-%d %H:%M}", "", turn.asked.strip()]
        lines += ["", f"**{found.agent}**, {turn.answered_at:%Y-%m-%d %H:%M}{ended}", "", turn.answer.strip()]
    return "\n".join(lines).rstrip() + "\n"


def as_json(found: Conversation) -> Mapping[str, object]:
    """A conversation for a program."""
    turns = [
        {
            "run_id": turn.run_id,
            "at": turn.at.isoformat(),
            "asked": turn.asked,
            "answered_at": turn.answered_at.isoformat(),
            "answer": turn.answer,
            "status": turn.ended,
            "cost_usd": float(turn.cost),
            "captures": list(turn.captured),
        }
        for turn in found.turns
    ]
    summary = found.summary and {"text": found.summary.text, "turns": found.summary.covers}
    return {**about(found), "summary": summary, "turns": turns}


def about(found: Conversation) -> Mapping[str, object]:
    """What a list says of a conversation."""
    return {
        "id": found.id,
        "agent": found.agent,
        "principal": published_turns.principal(found.id),
        "title": found.title,
        "started": found.started.isoformat(),
        "last": found.last.isoformat(),
        "turns": len(found.turns),
        "cost_usd": float(found.cost),
        "path": found.document.path,
    }


def export(found: Conversation, form: str) -> str:
    """A conversation as `md` or `json`."""
    return as_markdown(found) if form == "md" else json.dumps(as_json(found), ensure_ascii=False, indent=2) + "\n"


def plan_delete(workspace: Workspace, name: str, text: str) -> ChangeSet:
    """The change set that takes a conversation away; the notes that came of it stay."""
    found = show(workspace, name, text)
    paths = (found.document.path, *published_turns.paths(workspace.store, found.agent, found.id))
    blobs = [(path, workspace.store.read(path)) for path in paths]
    gone = tuple(Delete(path, expect=blob.revision) for path, blob in blobs if blob)
    return ChangeSet(f"delete conversation {found.id} of {found.agent}", gone)


def delete(workspace: Workspace, name: str, plan: ChangeSet) -> None:
    """Carry out `plan_delete`.

    Raises:
        Busy: a turn of the agent is under way.
        Conflict: the conversation went on since.
    """
    with workspace.store.lock(f"agent/{workspace.vault.agent(name).name}", wait=_LOCK_WAIT):
        workspace.store.apply(plan)


def take_back(workspace: Workspace, name: str, said: Talk) -> tuple[str, ...]:
    """Take a turn, its captures and files back; the documents that were put back. Its cost stays in the log.

    Raises:
        UsageError: there is nothing to take back.
        Conflict: one of its documents was edited since; nothing was changed.
    """
    if said.undo is None:
        raise UsageError(
            "there is nothing to take back",
            hint="/undo takes back turns of this chat, the last one first, back to one that has waited for you",
        )
    with workspace.store.lock(f"agent/{workspace.vault.agent(name).name}", wait=_LOCK_WAIT):
        try:
            workspace.store.apply(said.undo)
        except Conflict as error:
            hint = "edit the conversation and its notes in a text editor"
            raise Conflict(f"the turn stays: {error.message}", hint=hint, context=error.context) from error
    paths, said.undo = said.undo.paths, None
    kept = hands.run_changes(workspace.vault.agent(name).name, "")[:-1]
    return tuple(dict.fromkeys(path for path in paths if not layout.is_version(path) and not path.startswith(kept)))


def _contains(found: Conversation, text: str) -> bool:
    wanted = text.casefold()
    return not wanted or any(wanted in each.casefold() for turn in found.turns for each in (turn.asked, turn.answer))


def _id(workspace: Workspace, text: str) -> str:
    if text.strip() == conversation.NEW:
        raise UsageError("new is no conversation that there is", hint="atomic-agents conversations list")
    return conversation.conversation_id(text, workspace.clock())


def _ids(workspace: Workspace, agent: str) -> list[str]:
    folder = layout.conversations(agent)
    files = (path.removeprefix(folder) for path in workspace.store.paths(folder))
    ours = [
        file.removesuffix(".md")
        for file in files
        if file.endswith(".md") and file.count("/") < 2 and not any(part[0] == "." for part in file.split("/"))
    ]
    return list(dict.fromkeys([*ours, *published_turns.folders(workspace.store, agent)]))
