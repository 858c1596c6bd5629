"""What tools write: one change set a call, applied at once, kept with what takes it back.

One a call rather than one a run: what a tool has said is done is done, later calls see it, a run that dies loses none
of it, somebody who edits meanwhile is met where the model can still react, and each change can be taken back alone.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Delete, Put, revision
from atomic_agents.core.document import MAX_BYTES
from atomic_agents.core.errors import PathRefused
from atomic_agents.core.store import Store
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.guard.secrets import refuse
from atomic_agents.tools import notes
from atomic_agents.tools.notes import Texts, Vouch
from atomic_agents.vault import hands, layout

Record = Callable[[str, Mapping[str, object]], None]
"""Write an event with its facts into the run's transcript."""


@dataclass
class Edits:
    """The changes that one run's tools make."""

    store: Store
    agent: str
    run_id: str
    paths: PathPolicy
    record: Record
    done: int = field(default=0)
    vouch: Vouch = notes.claim
    """Who vouches for a note that the model writes as a file."""
    secrets: Sequence[str] = ()
    """What must not be kept in clear, beside what has the shape of a key."""

    def read(self, path: str) -> bytes | None:
        """A document that may be written.

        Raises:
            PathRefused: it may not.
        """
        self._check(path)
        blob = self.store.read(path)
        return blob.data if blob else None

    def apply(self, reason: str, before: Texts, after: Texts) -> str:
        """Make documents what `after` says, expecting them as `before` has them; the lines of the diff.

        `reason` begins with the verb.

        Raises:
            Conflict: somebody has written in between; nothing was written.
            PathRefused: one of them may not be written.
            SecretRefused: one of them would hold a key that stands in none of them yet.
        """
        after = {path: self._allowed(path, before[path], data) for path, data in after.items()}
        after = {path: data for path, data in after.items() if before[path] != data}
        if not after:
            return ""
        self._refuse_secrets(before, after)
        before, after = notes.listed(self.agent, before, after, self._bytes)
        kept = {path: data for path, data in after.items() if self._is_note(path)}
        others = {path: data for path, data in after.items() if path not in kept and before[path] != data}
        changes = tuple(_change(path, before[path], data) for path, data in others.items())
        what = reason.partition(" ")[0]
        memory = notes.change(self.store, self.agent, before, kept, what=what, reason=f"run {self.run_id}")
        number = self.done + 1
        record = _undo_record(reason, before, others, memory.id)
        own = Put(hands.run_change(self.agent, self.run_id, number), record, expect=ABSENT)
        self.store.apply(ChangeSet(f"{self.run_id}: {reason}", (*changes, *memory.changes, own)))
        self.done = number
        shown = tuple(_change(path, before[path], data) for path, data in after.items())
        diff = "\n".join(ChangeSet(reason, shown).diff(before.get))
        self.record("wrote", {"reason": reason, "paths": list(after), "diff": diff, "undo": own.path})
        return diff

    def _refuse_secrets(self, before: Mapping[str, bytes | None], after: Mapping[str, bytes | None]) -> None:
        there = b"\n".join(data for data in before.values() if data).decode(errors="replace")
        for path, data in after.items():
            refuse(path, (data or b"").decode(errors="replace"), self.secrets, before=there)

    def _allowed(self, path: str, before: bytes | None, data: bytes | None) -> bytes | None:
        """The text as it may be kept: a note or page is of the current version and never claims the operator's word."""
        self._check(path)
        if data is not None and len(data) > MAX_BYTES:
            raise PathRefused(f"{path} would have {len(data):,} bytes; a document may have {MAX_BYTES:,}")
        return notes.check(self.agent, path, before, data, self.vouch)

    def _check(self, path: str) -> None:
        if refusal := self.paths.write_refusal(path):
            raise PathRefused(refusal)

    def _is_note(self, path: str) -> bool:
        folder = layout.memory(self.agent)
        return path.startswith(folder) and layout.is_note(path.removeprefix(folder))

    def _bytes(self, path: str) -> bytes | None:
        blob = self.store.read(path)
        return blob.data if blob else None


def undo(store: Store, path: str) -> ChangeSet:
    """What takes back the change that is kept at `path`; it refuses where somebody has written since."""
    record = _Record(store, path)
    changes = notes.take_back(store, record.agent, record.memory, record.changes, record.reason)
    return ChangeSet(record.reason, (*changes, Delete(path)))


def undo_run(store: Store, agent: str, run_id: str, earlier: Sequence[Change] = ()) -> tuple[Change, ...]:
    """`earlier` changes, and what takes back everything that a run's tools wrote, the newest first.

    Raises:
        Conflict: somebody has written since.
    """
    records = [_Record(store, path) for path in of_run(store, agent, run_id)]
    changes = [*earlier, *(change for each in records for change in each.changes)]
    ids = [each for record in records for each in record.memory]
    taken = notes.take_back(store, agent, ids, changes, f"take back what the tools of {run_id} wrote")
    return (*taken, *(Delete(record.path) for record in records))


def of_run(store: Store, agent: str, run_id: str) -> Sequence[str]:
    """Where what takes back each change of a run is kept, the newest first."""
    return sorted(store.paths(hands.run_changes(agent, run_id)), reverse=True)


def _change(path: str, before: bytes | None, after: bytes | None) -> Change:
    expect = ABSENT if before is None else revision(before)
    return Delete(path, expect=expect) if after is None else Put(path, after, expect=expect)


def _undo_record(reason: str, before: Texts, after: Texts, memory: str) -> bytes:
    changes = []
    for path, data in after.items():
        was = before[path]
        former = None if was is None else base64.b64encode(was).decode()
        changes.append({"path": path, "before": former, "after": None if data is None else revision(data)})
    facts = {"reason": reason, "changes": changes, **({"memory": memory} if memory else {})}
    return json.dumps(facts, ensure_ascii=False, indent=1).encode() + b"\n"


class _Record:
    """What is kept of one change: what takes its documents back, and the ids of the changes of notes it came with."""

    def __init__(self, store: Store, path: str) -> None:
        blob = store.read(path)
        facts = json.loads(blob.data if blob else b'{"reason": "", "changes": []}')
        self.path, self.agent = path, path.partition("/runs/changes/")[0]
        self.reason = f"take back: {facts['reason']}"
        self.memory = [str(facts["memory"])] if facts.get("memory") else []
        self.changes: list[Change] = []
        for each in facts["changes"]:
            expect = each["after"] or ABSENT
            if each["before"] is None:
                self.changes.append(Delete(each["path"], expect=expect))
            else:
                self.changes.append(Put(each["path"], base64.b64decode(each["before"]), expect=expect))
