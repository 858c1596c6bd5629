"""Look at dreams, accept or reject their hunks, carry them out, take them back, throw one away."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from atomic_agents.core.change import ChangeSet, Delete
from atomic_agents.core.errors import Conflict, DocumentMissing, DocumentUnreadable, UsageError
from atomic_agents.core.values import Problem, near
from atomic_agents.guard import paths
from atomic_agents.memory import dream, history, patch, published_dream
from atomic_agents.memory.dream import Dream, Hunk, State
from atomic_agents.memory.notebook import Notebook
from atomic_agents.memory.patch import Refusal
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout
from atomic_agents.vault.vault import problem_of

_LOCK_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of carrying hunks out, or taking them back."""

    dream: Dream
    hunks: tuple[Hunk, ...]
    refused: tuple[Refusal, ...]
    changes: ChangeSet


def dreams(workspace: Workspace, name: str) -> tuple[list[Dream], list[Problem]]:
    """The dreams of an agent, newest first, those of the published form too, and those that cannot be read."""
    workspace.require()
    agent = workspace.vault.agent(name).name
    found: list[Dream] = []
    problems: list[Problem] = []
    for dream_id in sorted(_ids(workspace, agent), reverse=True):
        try:
            found.append(_read(workspace, agent, dream_id))
        except DocumentUnreadable as error:
            problems.append(problem_of(error))
    return found, problems


def find(workspace: Workspace, name: str, wanted: str | None) -> Dream:
    """A dream by its id or the start or end of it; without one the newest.

    Raises:
        DocumentMissing: there is none.
        UsageError: more than one is meant.
    """
    workspace.require()
    agent = workspace.vault.agent(name).name
    ids = sorted(_ids(workspace, agent))
    meant = ids[-1:] if wanted is None else [each for each in ids if each == wanted]
    meant = meant or [each for each in ids if wanted and (each.startswith(wanted) or each.endswith(wanted))]
    if len(meant) > 1:
        listed = "\n".join(f"atomic-agents dream show {agent} {each}" for each in meant[:5])
        raise UsageError(f"{len(meant):,} dreams of {agent} are called {wanted}…", hint=listed)
    if not meant:
        others = near(wanted or "", ids)
        hint = f"did you mean {others[0]}" if others else f"atomic-agents dream {agent} --plan"
        raise DocumentMissing(
            f"{agent} has no dream {wanted or 'yet'}".replace("no dream yet", "not dreamt yet"), hint=hint
        )
    return _read(workspace, agent, meant[0])


def review(workspace: Workspace, found: Dream, verdicts: Mapping[int, bool]) -> Dream:
    """Keep which hunks are accepted and which are not.

    Raises:
        UsageError: there is no such hunk, or it is carried out already.
    """
    numbers = {hunk.number: hunk for hunk in found.hunks}
    for number in verdicts:
        if number not in numbers:
            raise UsageError(f"{found.id} has no hunk {number}", hint=f"it has {_span(numbers)}")
        if numbers[number].state == "applied":
            raise UsageError(
                f"hunk {number} is carried out", hint=f"atomic-agents dream revert {found.agent} {found.id}"
            )
    states: dict[int, State] = {number: "accepted" if yes else "rejected" for number, yes in verdicts.items()}
    hunks = [replace(hunk, state=states.get(hunk.number, hunk.state)) for hunk in found.hunks]
    after = found.having(hunks)
    workspace.store.apply(ChangeSet(f"review {found.id}", dream.changes(after)))
    return dream.written(after)


def apply(workspace: Workspace, found: Dream, *, dry_run: bool) -> Applied:
    """Carry out what is accepted as one change set; hunks whose notes have changed since are refused and stay.

    Raises:
        UsageError: nothing is accepted.
        Busy: a run of the agent is under way.
    """
    accepted = [hunk for hunk in found.hunks if hunk.state == "accepted"]
    if not accepted:
        raise UsageError(
            f"no hunk of {found.id} is accepted", hint=f"atomic-agents dream review {found.agent} {found.id}"
        )
    with workspace.store.lock(f"agent/{found.agent}", wait=_LOCK_WAIT):
        notebook = _notebook(workspace, found.agent)
        taken, refused = patch.apply(notebook, accepted)
        done = {hunk.number: replace(hunk, state="applied") for hunk in taken}
        stamp = found.facts.get("applied_at") or workspace.clock().isoformat()
        after = found.having([done.get(hunk.number, hunk) for hunk in found.hunks])
        after = after.having(after.hunks, applied_at=stamp) if taken else after
        edits = (*notebook.changes(), *notebook.record("dream", by="operator", reason=f"apply {found.id}"))
        changes = ChangeSet(f"apply {found.id}", (*edits, *dream.changes(after)) if taken else ())
        if not dry_run and taken:
            workspace.store.apply(changes)
    return Applied(after, tuple(taken), tuple(refused), changes)


def revert(workspace: Workspace, found: Dream, *, dry_run: bool) -> Applied:
    """Take back everything that was carried out, or nothing; the hunks are open again.

    Raises:
        UsageError: nothing was carried out here.
        Conflict: notes have changed since; it says which.
    """
    applied = [hunk for hunk in found.hunks if hunk.state == "applied"]
    if not applied or published_dream.is_published(found):
        raise UsageError(f"nothing of {found.id} was carried out here", hint=f"atomic-agents dream list {found.agent}")
    with workspace.store.lock(f"agent/{found.agent}", wait=_LOCK_WAIT):
        notebook = _notebook(workspace, found.agent)
        reason = f"apply {found.id}"
        known = [entry for entry in history.entries(workspace.vault, found.agent) if entry.reason == reason]
        records = [entry for entry in known if entry.what == "dream" and not entry.undone]
        refused = patch.revert(notebook, applied, records)
        if refused:
            whys = "; ".join(f"hunk {number}: {why}" for number, why in refused)
            raise Conflict(f"{found.id} stays as it is: {whys}", hint="correct those notes in a text editor")
        undoes = records[0].id if len(records) == 1 else ""
        hunks = [replace(hunk, state="open") if hunk in applied else hunk for hunk in found.hunks]
        after = found.having(hunks, applied_at=None, reverted_at=workspace.clock().isoformat())
        edits = (
            *notebook.changes(),
            *notebook.record("dream", by="operator", reason=f"revert {found.id}", undoes=undoes),
        )
        changes = ChangeSet(f"revert {found.id}", (*edits, *dream.changes(after)))
        if not dry_run:
            workspace.store.apply(changes)
    return Applied(after, tuple(applied), (), changes)


def discard(workspace: Workspace, found: Dream, *, dry_run: bool) -> ChangeSet:
    """Throw a dream away; what it cost stays in the log.

    Raises:
        UsageError: a part of it is carried out.
    """
    if found.count("applied"):
        raise UsageError(
            f"a part of {found.id} is carried out, and is taken back with it",
            hint=f"atomic-agents dream revert {found.agent} {found.id}",
        )
    blobs = ((path, workspace.store.read(path)) for path in workspace.store.paths(layout.dream(found.agent, found.id)))
    gone = ChangeSet(f"discard {found.id}", tuple(Delete(path, blob.revision) for path, blob in blobs if blob))
    if not dry_run:
        workspace.store.apply(gone)
    return gone


def _ids(workspace: Workspace, agent: str) -> set[str]:
    folder = layout.dreams(agent)
    names = (path.removeprefix(folder) for path in workspace.store.paths(folder))
    return {
        name.partition("/")[0]
        for name in names
        if name.endswith(f"/{dream.MANIFEST}") and dream.is_id(name.partition("/")[0])
    }


def _read(workspace: Workspace, agent: str, dream_id: str) -> Dream:
    blob = workspace.store.read(layout.dream(agent, dream_id, dream.MANIFEST))
    if blob is None:
        raise DocumentMissing(f"{agent} has no dream {dream_id}", hint=f"atomic-agents dream list {agent}")
    found = dream.read(agent, dream_id, blob.data, blob.revision)
    if published_dream.is_published(found):
        return published_dream.adopted(workspace.vault, found, workspace.clock().date())
    return found


def _notebook(workspace: Workspace, agent: str) -> Notebook:
    settings = workspace.vault.settings(workspace.vault.agent(agent))
    allowed = paths.policy(agent, settings.tools, str(workspace.config.root))
    return Notebook(workspace.vault, agent, allowed.may_write, workspace.clock().date())


def _span(numbers: Iterable[int]) -> str:
    found = sorted(numbers)
    return "none" if not found else f"1 to {found[-1]}" if len(found) > 1 else "1"
