"""What tools write: one change set a call, applied at once, kept with what takes it back.

One a call rather than one a run: what a tool has said is done is done, later calls see it, a run that dies loses none
of it, somebody who edits meanwhile is met where the model can still react, and each change can be taken back alone.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Delete, Put, revision
from atomic_agents.core.document import MAX_BYTES, parse
from atomic_agents.core.errors import PathRefused
from atomic_agents.core.store import Store
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.guard.secrets import refuse
from atomic_agents.vault import hands, layout
from atomic_agents.vault.settings import version_of

Record = Callable[[str, Mapping[str, object]], None]
"""Write an event with its facts into the run's transcript."""

_VERSION = 2
_NOTE = re.compile(r".+/(?:memory|wiki)/(?P<file>.+)", re.IGNORECASE)
"""A note or page of whichever agent, however the disk takes the name of its folder."""


@dataclass
class Edits:
    """The changes that one run's tools make."""

    store: Store
    agent: str
    run_id: str
    paths: PathPolicy
    record: Record
    done: int = field(default=0)
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

    def apply(self, reason: str, before: Mapping[str, bytes | None], after: Mapping[str, bytes | None]) -> str:
        """Make documents what `after` says, expecting them as `before` has them; the lines of the diff.

        Raises:
            Conflict: somebody has written in between; nothing was written.
            PathRefused: one of them may not be written.
            SecretRefused: one of them would hold a key that stands in none of them yet.
        """
        after = {path: self._allowed(path, before[path], data) for path, data in after.items()}
        if all(before[path] == data for path, data in after.items()):
            return ""
        self._refuse_secrets(before, after)
        changes = tuple(_change(path, before[path], data) for path, data in after.items())
        number = self.done + 1
        kept = _undo_record(reason, before, after)
        own = Put(hands.run_change(self.agent, self.run_id, number), kept, expect=ABSENT)
        self.store.apply(ChangeSet(f"{self.run_id}: {reason}", (*changes, own)))
        self.done = number
        diff = "\n".join(ChangeSet(reason, changes).diff(before.get))
        self.record("wrote", {"reason": reason, "paths": list(after), "diff": diff, "undo": own.path})
        return diff

    def _refuse_secrets(self, before: Mapping[str, bytes | None], after: Mapping[str, bytes | None]) -> None:
        there = b"\n".join(data for data in before.values() if data).decode(errors="replace")
        for path, data in after.items():
            refuse(path, (data or b"").decode(errors="replace"), self.secrets, before=there)

    def _allowed(self, path: str, before: bytes | None, data: bytes | None) -> bytes | None:
        """The text as it may be kept: a note or page is of the current version and never claims the operator's word."""
        self._check(path)
        if data is None:
            return None
        if len(data) > MAX_BYTES:
            raise PathRefused(f"{path} would have {len(data):,} bytes; a document may have {MAX_BYTES:,}")
        kept = _NOTE.match(path)
        if kept is None or not layout.is_note(kept["file"]):
            return data
        document = parse(path, data)
        said = parse(path, before).meta.get("provenance") if before is not None else None
        claimed = document.meta.get("provenance")
        if claimed == "operator" and said != "operator":
            raise PathRefused(f"{path} would claim that the operator vouches for it; use remember, or write inference")
        if not path.startswith((layout.memory(self.agent), layout.wiki(self.agent))):
            return data
        missing: dict[str, object] = {} if version_of(document) >= _VERSION else {"schema_version": _VERSION}
        return document.edit(missing | ({} if claimed else {"provenance": "inference"})).data

    def _check(self, path: str) -> None:
        if not self.paths.may_write(path):
            raise PathRefused(f"you may not write {path}: no write path of tools.md covers it, or it is the operator's")


def undo(store: Store, path: str) -> ChangeSet:
    """What takes back the change that is kept at `path`; it refuses where somebody has written since."""
    blob = store.read(path)
    kept = json.loads(blob.data if blob else b'{"reason": "", "changes": []}')
    changes: list[Change] = []
    for each in kept["changes"]:
        expect = each["after"] or ABSENT
        if each["before"] is None:
            changes.append(Delete(each["path"], expect=expect))
        else:
            changes.append(Put(each["path"], base64.b64decode(each["before"]), expect=expect))
    return ChangeSet(f"take back: {kept['reason']}", (*changes, Delete(path)))


def of_run(store: Store, agent: str, run_id: str) -> Sequence[str]:
    """Where what takes back each change of a run is kept, the newest first."""
    return sorted(store.paths(hands.run_changes(agent, run_id)), reverse=True)


def _change(path: str, before: bytes | None, after: bytes | None) -> Change:
    expect = ABSENT if before is None else revision(before)
    return Delete(path, expect=expect) if after is None else Put(path, after, expect=expect)


def _undo_record(reason: str, before: Mapping[str, bytes | None], after: Mapping[str, bytes | None]) -> bytes:
    changes = []
    for path, data in after.items():
        was = before[path]
        former = None if was is None else base64.b64encode(was).decode()
        changes.append({"path": path, "before": former, "after": None if data is None else revision(data)})
    return json.dumps({"reason": reason, "changes": changes}, ensure_ascii=False, indent=1).encode() + b"\n"
