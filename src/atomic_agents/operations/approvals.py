"""The operator's inbox: what agents wait for, the answers, and the runs that go on once there is one."""

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from atomic_agents.core.change import Change, ChangeSet, Delete, Put
from atomic_agents.core.document import Document
from atomic_agents.core.errors import (
    AtomicAgentsError,
    Busy,
    Conflict,
    DocumentMissing,
    ResumeRefused,
    StorageFailed,
    UsageError,
)
from atomic_agents.core.values import near
from atomic_agents.guard import approvals
from atomic_agents.guard.approvals import Decision, Reply
from atomic_agents.operations import answers, finishing, runs
from atomic_agents.operations.grants import operator
from atomic_agents.operations.runs import LOCK_WAIT
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Result
from atomic_agents.vault import hands, layout

Say = Callable[[str], None]

_ANSWERS: tuple[Decision, ...] = ("approved", "denied", "revised", "answered")


@dataclass(frozen=True, slots=True)
class Item:
    """A request as its document has it; `state` also says `expired`, and `waits` whether it still wants an answer.

    `resumable` is False where no run of this program asked: it has left neither a word that it waits nor a record.
    """

    id: str
    agent: str
    run_id: str
    tool: str
    kind: str
    path: str
    asked: str
    expires: datetime.datetime | None
    reply: Reply
    document: Document
    waits: bool
    resumable: bool
    expired: bool = False

    @property
    def state(self) -> str:
        """What it is now, in one word."""
        return "expired" if self.expired and self.waits else self.reply.decision

    @property
    def answered(self) -> bool:
        """Whether a run can go on: there is an answer, or there can be none any more."""
        return self.waits and (self.expired or self.reply.decision in _ANSWERS)

    @property
    def is_question(self) -> bool:
        """Whether it is answered in words."""
        return approvals.is_question(self.document)

    @property
    def why(self) -> str:
        """The reason for asking, with the line of the rule."""
        return approvals.reason(self.document)

    @property
    def arguments(self) -> Mapping[str, object]:
        """What the document says it would be called with."""
        return approvals.proposed(self.document)


def inbox(workspace: Workspace, agents: Iterable[str] | None = None) -> list[Item]:
    """What waits for the operator, whoever wrote it, the oldest first; an answer that no run can carry out is none.

    `agents` are those whose folders are looked through for what this program has not asked; None is for all.
    """
    workspace.require()
    found = awaited(workspace)
    known = {item.path for item in found}
    for agent in workspace.vault.survey().agents if agents is None else agents:
        found += [item for item in _pending(workspace, agent) if item.path not in known]
    return sorted(found, key=_order)


def awaited(workspace: Workspace) -> list[Item]:
    """What runs of this program wait for, the oldest first; nearly always nothing."""
    return sorted((_checked(workspace, item) for item in _waiting(workspace)), key=_order)


def _order(item: Item) -> tuple[str, str]:
    return item.asked, item.id


def everything(workspace: Workspace) -> list[Item]:
    """Every request there is a document of, the oldest first."""
    workspace.require()
    agents = workspace.vault.survey().agents
    found = inbox(workspace, agents)
    waiting = {item.path for item in found}
    for agent in agents:
        for path in _request_paths(workspace, agent):
            item = None if path in waiting else _item(workspace, path, agent, waits=False, resumable=False)
            found += [item] if item else []
    return sorted(found, key=_order)


def find(workspace: Workspace, selector: str) -> Item:
    """One request by its id or by a part of it that no other has; "" is the only one that waits.

    Raises:
        DocumentMissing: there is none.
        UsageError: more than one is meant.
    """
    items = inbox(workspace)
    found = [item for item in items if selector in item.id] or [
        item for item in everything(workspace) if selector and selector in item.id
    ]
    if not found:
        meant = near(selector, [item.id for item in items])
        hint = f"atomic-agents approvals show {meant[0]}" if meant else "atomic-agents approvals list --all"
        raise DocumentMissing(f"no request is called {selector}" if selector else "nothing waits for you", hint=hint)
    if len(found) > 1:
        hint = "\n".join(f"atomic-agents approvals show {item.id}" for item in found[:5])
        raise UsageError(f"{len(found)} requests are meant", hint=hint)
    return found[0]


def answer(
    workspace: Workspace, item: Item, decision: Decision, *, by: str = "", note: str = "",
    arguments: Mapping[str, object] | None = None,
) -> ChangeSet:  # fmt: skip
    """The change set that writes an answer into a request; who applies it second is refused.

    To a question `note` is the answer.

    Raises:
        UsageError: it is answered in words, and this is none, or the other way round.
        UsageError: the arguments of a revision are not what the tool takes.
        Conflict: it is answered already, nobody waits for the answer any more, or its document asks something else
            than the run has asked.
    """
    show = f"atomic-agents approvals show {item.id}"
    if not item.waits or item.reply.decision not in ("pending", "unclear"):
        raise Conflict(f"{item.id} is {item.state} already", hint=show)
    if item.expired:
        raise Conflict(f"{item.id} expired at {item.expires:%Y-%m-%d %H:%M}", hint=show)
    if decision != "denied" and not item.resumable:
        raise ResumeRefused(f"{item.id} can only be denied: {why_not_resumable(item)}",
                            hint=f"atomic-agents approvals deny {item.id} --note '…'")  # fmt: skip
    if decision != "denied" and (decision == "answered") != item.is_question:
        how = "answer REQUEST 'your answer'" if item.is_question else "approve REQUEST"
        what = "is a question, which is answered in words" if item.is_question else "asks for leave, and is no question"
        raise UsageError(f"{item.id} {what}", hint=f"atomic-agents approvals {how}".replace("REQUEST", item.id))
    if decision == "answered" and not note.strip():
        raise UsageError("there is no answer", hint=f"atomic-agents approvals answer {item.id} 'your answer'")
    reply = Reply(decision, binding=item.reply.binding, arguments=arguments)
    if error := answers.unusable(workspace, item.agent, item.run_id, item.id, reply):
        raise error
    who, now = by or operator(), workspace.clock()
    if item.resumable:
        data = approvals.answered(item.document, decision, by=who, note=note, at=now, arguments=arguments)
    else:
        data = approvals.denied_as_published(item.document, by=who, note=note, at=now)
    blob = workspace.store.read(item.path)
    revision = blob.revision if blob and blob.data == item.document.data else "changed"
    return ChangeSet(f"{item.id} is {decision}", (Put(item.path, data, expect=revision),))


def why_not_resumable(item: Item) -> str:
    """Why no run goes on with the answer to a request."""
    run = f"its run, {item.run_id}," if item.run_id else "its run"
    return f"{run} has no record in this vault, so another program asked; nothing goes on here with an answer"


def go_on(workspace: Workspace, item: Item, *, on_text: Say, on_notice: Say, run_id: str = "") -> Result:
    """Finish the run that waited for an answer, as `run_id` where one is given; it ends as `finishing.resume` says."""
    wish = finishing.Wish(run_id=run_id)
    with workspace.store.lock(_lock(item.agent), wait=LOCK_WAIT):
        return finishing.resume(workspace, item.run_id, wish, on_text=on_text, on_notice=on_notice)


def troubles(workspace: Workspace, items: Sequence[Item]) -> dict[str, tuple[str, str]]:
    """What keeps requests from ever being granted, by their ids: in words, and what can be done."""
    prints: dict[str, dict[str, str]] = {}
    return {item.id: found for item in items if (found := _trouble(workspace, item, prints))}


def meet_answers(workspace: Workspace, on_notice: Say, agent: str = "") -> list[Result]:
    """Let every run go on, of one agent or of all, whose request was answered in its document, or has expired.

    What fails is said. A run that asked several things goes on with the first answer, and waits again for the next.
    Answers that another process is meeting are left to it.
    """
    results: list[Result] = []
    met: set[str] = set()
    for item in awaited(workspace):
        if not item.answered or item.run_id in met or agent not in ("", item.agent):
            continue
        met.add(item.run_id)
        try:
            with workspace.store.lock(_lock(item.agent), wait=0):
                if workspace.store.read(hands.waiting(item.id)) is not None:  # nobody has met it in between
                    results += _meet(workspace, item, on_notice)
        except Busy:
            continue
        except StorageFailed as error:  # a vault that cannot be written to can still be read
            on_notice(f"{item.run_id} cannot go on: {error.message}")
    return results


def _lock(agent: str) -> str:
    """What is held while an answer is met, so that two processes never go on with one run."""
    return f"answers/{agent}"


def _meet(workspace: Workspace, item: Item, on_notice: Say) -> list[Result]:
    on_notice(f"{item.id} is {item.state}; {item.run_id} of {item.agent} goes on")
    try:
        wish = finishing.Wish()
        return [finishing.resume(workspace, item.run_id, wish, on_text=lambda _text: None, on_notice=on_notice)]
    except AtomicAgentsError as error:
        on_notice(f"{item.run_id} cannot go on: {error.message}")
        _forget(workspace, item, error)
    return []


def _trouble(workspace: Workspace, item: Item, prints: dict[str, dict[str, str]]) -> tuple[str, str] | None:
    anew = f"atomic-agents approvals deny {item.id}\natomic-agents approvals list"
    records = (layout.run_transcript(item.agent, item.run_id), layout.open_run(item.run_id))
    if item.resumable and item.run_id and not any(workspace.store.read(path) for path in records):
        return f"{item.id}: the run that asked, {item.run_id}, is gone", anew
    if not item.resumable:
        return f"{item.id} of {item.agent} waits: {why_not_resumable(item)}", anew
    if item.expired and item.reply.decision not in _ANSWERS:
        words = f"{item.id} of {item.agent} expired at {item.expires:%Y-%m-%d %H:%M} and was never answered"
        return words, "atomic-agents approvals list  (the run goes on without it)"
    if item.agent not in prints:
        prints[item.agent] = _fingerprints(workspace, item.agent)
    now, then = prints[item.agent].get(item.tool), approvals.fingerprint(item.document)
    if now is not None and then and now != then:
        return f"{item.id}: {item.tool} was changed since {item.agent} asked for it, so it will be refused", anew
    return None


def _fingerprints(workspace: Workspace, name: str) -> dict[str, str]:
    """The hashes of an agent's tools as they are now; none where its settings have errors."""
    try:
        agent = workspace.vault.agent(name)
        settings = runs.checked_settings(workspace, agent)
    except AtomicAgentsError:
        return {}
    return {tool.spec.name: tool.fingerprint for tool in runs.tools(workspace, agent, settings)}


def _forget(workspace: Workspace, item: Item, error: AtomicAgentsError) -> None:
    """Take what nobody waits for out of the inbox: its run has ended, or is gone."""
    if error.code in ("resume-refused", "document-missing", "agent-missing"):
        path = hands.waiting(item.id)
        changes: list[Change] = [Delete(path)] if workspace.store.read(path) else []
        data = approvals.settled(item.document, f"nothing: {error.message}", workspace.clock())
        changes.append(Put(item.path, data))
        workspace.store.apply(ChangeSet(f"{item.id}: nobody waits for it", tuple(changes)))


def _checked(workspace: Workspace, item: Item) -> Item:
    """A request whose answer, where it cannot be carried out, is unclear and says why."""
    if item.expired:
        return item
    error = answers.unusable(workspace, item.agent, item.run_id, item.id, item.reply)
    if error is None:
        return item
    line = item.document.line_of("state")
    return replace(item, reply=replace(item.reply, decision="unclear", problem=error.message, line=line))


def _waiting(workspace: Workspace) -> Iterator[Item]:
    for pointer in list(workspace.store.paths(hands.WAITING)):
        blob = workspace.store.read(pointer)
        try:
            found = json.loads(blob.data) if blob else {}
        except ValueError:
            found = {}
        agent, path = str(found.get("agent", "")), str(found.get("path", ""))
        if path.startswith(hands.approvals(agent)) and (
            item := _item(workspace, path, agent, waits=True, resumable=True)
        ):
            yield item


def _item(workspace: Workspace, path: str, agent: str, *, waits: bool, resumable: bool) -> Item | None:
    try:
        document = workspace.vault.document(path)
    except AtomicAgentsError:
        return None
    if document is None or document.meta.get("type") != "escalation":
        return None
    meta, run_id = document.meta, str(document.meta.get("parent_run_id") or "")
    expires = _moment(meta.get("expires_at"))
    return Item(
        PurePosixPath(path).stem, agent, run_id, approvals.tool(document),
        str(meta.get("action_class", "")), path, str(meta.get("escalated_at", "")), expires, approvals.reply(document),
        document, waits, resumable, expires is not None and workspace.clock() >= expires,
    )  # fmt: skip


def _pending(workspace: Workspace, agent: str) -> Iterator[Item]:
    """The requests of an agent that wait as their documents have it; the others are not parsed."""
    for path in _request_paths(workspace, agent):
        try:
            blob = workspace.store.read(path)
        except AtomicAgentsError:  # told by doctor, which reads every document
            continue
        if blob is not None and approvals.is_pending(blob.data):
            item = _item(workspace, path, agent, waits=True, resumable=False)
            if item is not None:
                item = replace(item, resumable=_has_record(workspace, agent, item.run_id))
            if item is not None and item.reply.decision in ("pending", "unclear"):
                yield item


def _request_paths(workspace: Workspace, agent: str) -> list[str]:
    """The documents where requests are kept: in the usual folder, and in that which its judges.md states."""
    judges = workspace.vault.settings_of(layout.settings(agent, "judges.md"), "judges.md")
    escalation = judges.values.get("escalation") if judges else None
    stated = escalation.get("destination") if isinstance(escalation, dict) else None
    folders = dict.fromkeys((hands.approvals(agent), hands.requests(agent, stated if isinstance(stated, str) else "")))
    try:
        return [path for folder in folders for path in workspace.store.paths(folder) if path.endswith(".md")]
    except AtomicAgentsError:  # a destination outside the vault
        return [path for path in workspace.store.paths(hands.approvals(agent)) if path.endswith(".md")]


def _has_record(workspace: Workspace, agent: str, run_id: str) -> bool:
    if not run_id:
        return False
    try:
        records = (layout.run_transcript(agent, run_id), layout.open_run(run_id))
        return any(workspace.store.read(path) for path in records)
    except AtomicAgentsError:  # an id of another program may be none that this one could give
        return False


def _moment(value: object) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(str(value)) if value is not None else None
    except ValueError:
        return None
    return found.replace(tzinfo=datetime.UTC) if found and found.tzinfo is None else found
