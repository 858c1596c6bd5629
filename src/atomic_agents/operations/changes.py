"""Change what an agent remembers: each verb is planned in a notebook, shown as a diff, applied, recorded and undone."""

import secrets as randomness
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import Conflict
from atomic_agents.guard import secrets as guard
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory import audit, edits, history, inventory, lint, mending, promotion, wiki
from atomic_agents.memory.inventory import Finding
from atomic_agents.memory.notebook import Notebook
from atomic_agents.memory.promotion import Proposal
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout

Verb = Callable[[Notebook], str]
"""Edits a notebook and says in a line what it did; nothing where there was nothing to do."""

_WAIT = 60.0
_TRIES = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """What a verb would change, and what it says it did."""

    change: ChangeSet
    said: str
    diff: tuple[str, ...] = ()
    id: str = ""
    """Of the record, with which it is undone."""

    @property
    def documents(self) -> tuple[str, ...]:
        """What a reader would call changed: without former texts and records."""
        return tuple(path for path in self.change.paths if not layout.is_version(path))


def notebook(workspace: Workspace, name: str) -> Notebook:
    """A notebook in which an operator writes: everything but what tools.md calls read-only, and the persona."""
    workspace.require()
    agent = workspace.vault.agent(name)
    tools = workspace.vault.settings(agent).tools
    allowed = PathPolicy((), ("",), tuple(f"{agent.name}/{path}" for path in tools.read_only_paths), agent.name)
    home = f"{agent.persona_home}/"

    def may_write(path: str) -> bool:
        return path.startswith(home) or allowed.may_write(path)

    return Notebook(workspace.vault, agent.name, may_write, workspace.clock().date())


def plan(workspace: Workspace, name: str, verb: Verb, *, what: str, reason: str, undoes: str = "") -> Plan:
    """What a verb would change."""
    book = notebook(workspace, name)
    said = verb(book)
    why = f"memory {what} of {book.agent}"
    edits_, record = book.changes(), book.record(what, by="operator", reason=reason or "by hand", undoes=undoes)
    shown = ChangeSet(why, [change for change in edits_ if not layout.is_version(change.path)])
    ids = [change.path.rpartition("/")[2].removesuffix(".json") for change in record]
    return Plan(ChangeSet(why, (*edits_, *record)), said, tuple(shown.diff(book.was)), "".join(ids))


def apply(workspace: Workspace, name: str, change: ChangeSet) -> None:
    """Carry out a plan.

    Raises:
        Conflict: a note was written since it was planned; nothing was changed.
    """
    with workspace.store.lock(f"memory/{workspace.vault.agent(name).name}", wait=_WAIT):
        workspace.store.apply(change)


def do(workspace: Workspace, name: str, verb: Verb, *, what: str, reason: str, undoes: str = "") -> Plan:
    """Plan and carry out at once, again where somebody wrote meanwhile; many processes may do so at the same time.

    Raises:
        Conflict: the notes kept changing.
    """
    agent = workspace.vault.agent(name).name
    with workspace.store.lock(f"memory/{agent}", wait=_WAIT):
        for attempt in range(_TRIES):
            planned = plan(workspace, name, verb, what=what, reason=reason, undoes=undoes)
            try:
                workspace.store.apply(planned.change)
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
                workspace.sleep(randomness.randbelow(20) / 1000)
            else:
                return planned
    raise AssertionError  # the last attempt returns or raises


def without_secrets(workspace: Workspace, verb: Verb) -> Verb:
    """The verb, refused where it would write a key or a password into a document that did not have it."""

    def guarded(book: Notebook) -> str:
        said = verb(book)
        for path in book.changed:
            if not layout.is_version(path):
                after, before = (_text(data) for data in (book.read(path), book.was(path)))
                guard.refuse(path, after, workspace.secrets, before=before)
        return said

    return guarded


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")


def undo(workspace: Workspace, name: str, wanted: str) -> tuple[Verb, str]:
    """The verb that takes a change back, and the id of the change: the last one unless `wanted` names another."""
    workspace.require()
    agent = workspace.vault.agent(name).name
    entry = history.find(history.entries(workspace.vault, agent), agent, wanted)
    return lambda book: history.undo(book, entry), entry.id


def examine(workspace: Workspace, name: str, *, audited: bool) -> list[Finding]:
    """What `lint` finds in the memory of an agent and the citations of its wiki; with `audited`, what `audit` does."""
    workspace.require()
    agent = workspace.vault.agent(name).name
    memory = inventory.take(workspace.vault, agent, workspace.clock().date(), former_hooks(workspace, agent))
    if audited:
        return audit.run(memory, workspace.secrets)
    cited = wiki.check(workspace.vault, agent)
    return [*lint.run(memory), *(Finding("citation", one.path, one.line, one.message, one.hint) for one in cited)]


def former_hooks(workspace: Workspace, agent: str) -> Mapping[str, frozenset[str]]:
    """What the notes of an agent were described as before they were edited by hand, by file."""
    workspace.memory.refresh(agent)
    return workspace.memory.former_hooks(agent)


def mend(workspace: Workspace, findings: Sequence[Finding]) -> Verb:
    """The verb that carries out what findings propose."""

    def verb(book: Notebook) -> str:
        memory = inventory.take(book.vault, book.agent, book.today, former_hooks(workspace, book.agent))
        return "\n".join(mending.mend(book, memory, findings))

    return verb


def reindex(workspace: Workspace) -> Verb:
    """The verb that brings the index up to date, and splits it where it is long."""

    def verb(book: Notebook) -> str:
        memory = inventory.take(book.vault, book.agent, book.today, former_hooks(workspace, book.agent))
        return "wrote INDEX.md anew" if mending.reindex(book, memory) else ""

    return verb


def proposals(workspace: Workspace, name: str) -> list[Proposal]:
    """The notes that have earned a place in the persona."""
    workspace.require()
    agent = workspace.vault.agent(name).name
    notes, _ = workspace.vault.notes(agent)
    return promotion.proposals(notes, called_upon(workspace, agent), workspace.clock().date())


def called_upon(workspace: Workspace, agent: str) -> dict[str, int]:
    """In how many runs each note was called upon: recalled or opened, not merely loaded."""
    from atomic_agents.runtime import record  # noqa: PLC0415 - only a promotion reads transcripts

    counts: dict[str, int] = {}
    folder = layout.memory(agent)
    for path in workspace.store.paths(layout.runs(agent)):
        run_id = layout.run_id_of(path)
        blob = workspace.store.read(path) if run_id else None
        if blob is None:
            continue
        found = record.read(run_id, path, blob.data, ended=True)
        seen = {one.path for one in found.documents if one.how != "prompt"}
        for file in {each.removeprefix(folder) for each in seen if each.startswith(folder)}:
            counts[file] = counts.get(file, 0) + 1
    return counts


def promote(workspace: Workspace, name: str, files: Sequence[str]) -> Verb:
    """The verb that moves notes into the persona: those that are named, or else those that have earned it."""
    agent = workspace.vault.agent(name)
    earned = {proposal.file: proposal for proposal in proposals(workspace, name)}

    def verb(book: Notebook) -> str:
        said = []
        for file in files or earned:
            found = book.note(edits.find(book, file).path.removeprefix(layout.memory(book.agent)))
            if found is not None:
                proposal = earned.get(found.file) or promotion.proposal_for(found)
                said.append(promotion.promote(book, agent.persona_home, proposal))
        return "\n".join(said)

    return verb
