"""Take words out of everything that is kept of an agent, as one change set."""

import datetime
import functools
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Delete, Put
from atomic_agents.core.errors import Conflict
from atomic_agents.core.store import Blob
from atomic_agents.memory.redaction import renames
from atomic_agents.memory.redaction.documents import Documents, Unreadable
from atomic_agents.memory.redaction.phrase import Phrase
from atomic_agents.memory.redaction.texts import Redactor
from atomic_agents.operations import evidence
from atomic_agents.operations.redaction import elsewhere
from atomic_agents.operations.redaction.elsewhere import Left
from atomic_agents.operations.redaction.records import Records, is_record, revisions
from atomic_agents.operations.redaction.transcripts import Transcripts
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout, log
from atomic_agents.vault.kinds import Kind

_WAIT = 60.0
_TRIES = 6
_WAITS = ("holds it, and the run waits for your answer", "atomic-agents approvals list")
_BY_HAND = "edit it in a text editor"


@dataclass(frozen=True)
class Redaction:
    """What a redaction changes. `places` says how often the words stood in which document, by its path before.

    `renamed` are notes and pages, old path and new; `left` is what still holds the words, or may.
    """

    change: ChangeSet
    places: tuple[tuple[str, int], ...]
    renamed: tuple[tuple[str, str], ...]
    left: tuple[Left, ...]


def plan(workspace: Workspace, name: str, phrase: Phrase) -> Redaction:
    """Find words in everything that is kept of an agent; nothing is changed.

    Raises:
        UsageError: the words cannot be meant.
    """
    workspace.require()
    phrase.check()
    return _Plan(workspace, workspace.vault.agent(name).name, phrase).make()


def carry_out(workspace: Workspace, name: str, phrase: Phrase) -> Redaction:
    """Take the words out, from the derived databases too, which are made again when they are needed.

    Raises:
        Busy: the agent is running.
        Conflict: its documents kept changing; nothing was changed.
    """
    agent = workspace.vault.agent(name).name
    with workspace.store.lock(f"agent/{agent}", wait=_WAIT), workspace.store.lock(f"memory/{agent}", wait=_WAIT):
        workspace.close_crashed_runs_of(agent)
        found = _apply(workspace, name, phrase)
    _forget_derived(workspace)
    return found


def _apply(workspace: Workspace, name: str, phrase: Phrase) -> Redaction:
    """Plan and apply, again where somebody wrote meanwhile."""
    for attempt in range(_TRIES):
        found = plan(workspace, name, phrase)
        try:
            workspace.store.apply(found.change)
        except Conflict:
            if attempt == _TRIES - 1:
                raise
        else:
            return found
    raise AssertionError  # the last attempt returns or raises


def diff(workspace: Workspace, found: Redaction) -> Iterator[str]:
    """What a redaction that was planned changes, line by line."""

    def read(path: str) -> bytes | None:
        blob = workspace.store.read(path)
        return blob.data if blob else None

    return found.change.diff(read)


def as_json(workspace: Workspace, found: Redaction, *, dry_run: bool) -> dict[str, object]:
    """A redaction as programs read it; the diff is there where nothing was changed yet."""
    return {
        "places": dict(found.places), "renamed": dict(found.renamed),
        "left": [{"path": each.path, "why": each.why, "hint": each.hint} for each in found.left],
        "diff": list(diff(workspace, found)) if dry_run else [], "dry_run": dry_run,
    }  # fmt: skip


def _forget_derived(workspace: Workspace) -> None:
    workspace.close()
    if workspace.index_database == ":memory:":
        return
    index = Path(workspace.index_database)
    with workspace.store.lock("index", wait=_WAIT), workspace.store.lock("rollups", wait=_WAIT):
        for database in (index, index.with_name(Path(layout.ROLLUPS).name)):
            for suffix in ("-wal", "-shm", ""):
                database.with_name(database.name + suffix).unlink(missing_ok=True)


@dataclass
class _Plan:
    """The work on one agent: documents before the records that have their hashes, transcripts before logs.

    `_paths` are below the agent; what is gathered is by the path in the vault. Only documents that change are held.
    """

    workspace: Workspace
    agent: str
    phrase: Phrase
    _before: dict[str, Blob] = field(default_factory=dict)
    _after: dict[str, bytes] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _counts: dict[str, int] = field(default_factory=dict)
    _left: list[Left] = field(default_factory=list)

    def __post_init__(self) -> None:
        home = f"{self.agent}/"
        self._layout = self.workspace.vault.survey().layout
        paths = self.workspace.store.paths(home)
        self._paths = [path.removeprefix(home) for path in paths if self._layout.place(path).agent == self.agent]
        names = renames.plan(self.agent, self._paths, self.phrase)
        self._redactor = Redactor(self.phrase, names)
        self._documents = Documents(self._redactor)
        self._transcripts = Transcripts(self._redactor, self.workspace.clock())
        self._waiting_runs, self._requests = elsewhere.waiting(self.workspace, self.agent)

    def make(self) -> Redaction:
        """Edit every document in memory."""
        for path in sorted(self._paths, key=_rank):
            full = self._full(path)
            if full in self._requests:
                if self.phrase.found_in(self._text(full)):
                    self._leave(full, *_WAITS)
            elif not elsewhere.is_operators(path) and not _is_of_later(path):
                self._edit(full, self._editor(path))
        self._edit_runs()
        self._edit_records()
        self._edit_records_of_vault()
        self._follow_links()
        changes = tuple(self._changes())
        self._left += elsewhere.left(self.workspace, self.agent, self.phrase, self._redactor.renames, self._paths)
        if changes:
            changes = (*changes, self._record())
        files = self._redactor.renames.files.items()
        renamed = ((self._full(old), self._full(new)) for old, new in files if self._full(old) in self._before)
        return Redaction(
            ChangeSet(f"redact words in {self.agent}", changes),
            tuple(sorted((path, count) for path, count in self._counts.items() if count)),
            tuple(renamed),
            tuple(dict.fromkeys(self._left)),
        )

    def _full(self, path: str) -> str:
        return f"{self.agent}/{path}"

    def _edit(self, path: str, editor: Callable[[bytes], bytes] | None) -> None:
        """Edit one document, and note what of it has to stay."""
        blob = self.workspace.store.read(path)
        if blob is None:
            return
        self._seen.add(path)
        if self._new_path(path) != path:
            self._before[path] = blob
        self._redactor.kept.clear()
        count = self._redactor.count
        if editor is None:
            if self.phrase.found_in(blob.data.decode(errors="replace")):
                self._leave(path, "holds it and is no text that can be edited here", "edit it with its own program")
            return
        try:
            after = editor(blob.data)
        except Unreadable as error:
            if self.phrase.found_in(blob.data.decode(errors="replace")):
                self._leave(path, f"holds it, and {error}", _BY_HAND)
            return
        self._counts[path] = self._redactor.count - count
        for line, what in dict.fromkeys(self._redactor.kept):
            self._leave(f"{path}:{line}" if line else path, f"{what} holds it", _BY_HAND)
        if after != blob.data:
            self._before[path], self._after[path] = blob, after

    def _leave(self, path: str, why: str, hint: str) -> None:
        self._left.append(Left(path, why, hint))

    def _editor(self, path: str) -> Callable[[bytes], bytes] | None:
        """How a document is edited by what it is; None where it is no text."""
        if path.endswith(".md"):
            return lambda data: self._documents.edit(path, data, self._kind(path))
        if path.endswith(".txt"):
            return lambda data: _encoded(self._redactor.text(_decoded(data)))
        if path.endswith(".json"):
            return lambda data: self._json(data, self._redactor.json_text)
        return self._edit_log if path.endswith(".jsonl") else None

    def _kind(self, path: str) -> Kind:
        for folder, kind in (("memory/.versions/", Kind.NOTE), ("wiki/.versions/", Kind.WIKI)):
            if path.startswith(folder):
                return kind
        return self._layout.place(self._full(path)).kind

    def _json(self, data: bytes, edit: Callable[[str], str]) -> bytes:
        text = _decoded(data)
        if not is_record(text):
            raise Unreadable("it is no JSON object")
        return _encoded(edit(text))

    def _edit_log(self, data: bytes) -> bytes:
        after = self._transcripts.edit_log(data)
        self._redactor.kept += [(number, "a line that is no record") for number in self._transcripts.torn]
        return after

    def _edit_runs(self) -> None:
        """Edit transcripts in the order of their runs, and then the logs that state their ends."""
        broken = {
            checked.run_id for checked in evidence.verify(self.workspace, (), self.agent)
            if checked.verdict.state == "broken"
        }  # fmt: skip
        for run_id, path in self._runs():
            held = self._left_because(run_id, broken)
            if held is None:
                self._edit(self._full(path), self._transcript(run_id))
            elif self.phrase.found_in(self._text(self._full(path))):
                self._leave(self._full(path), *held)
        for path in self._paths:
            if path.startswith("log/") and path.endswith(".jsonl"):
                self._edit(self._full(path), self._edit_log)

    def _runs(self) -> Iterator[tuple[str, str]]:
        """Id and path of every transcript, those of runs that others go on with before these."""
        paths = {layout.run_id_of(path): path for path in self._paths if path.startswith("runs/")}
        paths.pop("", None)
        earlier = {run_id: self._resumed_from(path) for run_id, path in paths.items()}
        done: set[str] = set()
        for last in sorted(paths):
            line, run_id = list[tuple[str, str]](), last
            while run_id in paths and run_id not in done:
                done.add(run_id)
                line.append((run_id, paths[run_id]))
                run_id = earlier[run_id]
            yield from reversed(line)

    def _resumed_from(self, path: str) -> str:
        blob = self.workspace.store.read(self._full(path))
        started = next(log.read(path, blob.data), None) if blob else None
        return str(started.record.get("resumed_from", "")) if started else ""

    def _left_because(self, run_id: str, broken: set[str]) -> tuple[str, str] | None:
        if run_id in self._waiting_runs:
            return _WAITS
        if run_id in broken:
            return "holds it, and is not as it was written", f"atomic-agents runs verify {run_id}"
        return None

    def _transcript(self, run_id: str) -> Callable[[bytes], bytes]:
        def edit(data: bytes) -> bytes:
            after = self._transcripts.edit(run_id, data)
            self._redactor.kept += [(number, "a line that is no record") for number in self._transcripts.torn]
            return after

        return edit

    def _edit_records(self) -> None:
        """Edit what has the hashes or whole texts of other documents."""
        known = revisions({self._before[path].data: after for path, after in self._after.items()})
        records = Records(self.agent, self._documents, known)
        for path in filter(_is_of_record, self._paths):
            edit = records.change if path.startswith("memory/") else records.undo
            edit = records.dream if path.startswith("dreams/") else edit
            self._edit(self._full(path), functools.partial(self._json, edit=edit))

    def _edit_records_of_vault(self) -> None:
        """Edit what the vault itself keeps of the agent: what the operator was told, how its schedules ended."""
        mark = f'"agent": {json.dumps(self.agent, ensure_ascii=False)}'.encode()

        def edit(data: bytes) -> bytes:
            lines = data.split(b"\n")
            return b"\n".join(self._transcripts.edit_log(line) if mark in line else line for line in lines)

        for path in self.workspace.store.paths(layout.ALERTS):
            self._edit(path, edit)
        for path in self.workspace.store.paths(f"{layout.SCHEDULE_STATES}{self.agent}/"):
            self._edit(path, functools.partial(self._json, edit=self._redactor.json_text))

    def _follow_links(self) -> None:
        """Let links from documents that stay otherwise, in the whole vault, lead to the new names."""
        if not self._redactor.renames.files:
            return
        own = {self._full(path) for path in self._paths}
        for path in self.workspace.store.paths():
            inner = path.removeprefix(f"{self.agent}/")
            if not path.endswith(".md") or layout.is_private(path) or path in self._seen or inner.startswith("raw/"):
                continue
            blob = self.workspace.store.read(path)
            text, folder = _decoded(blob.data) if blob else "", inner.partition("/")[0]
            after = self._redactor.renames.follow(text, folder=folder, own=path in own)
            if blob is not None and after != text:
                self._before[path], self._after[path] = blob, _encoded(after)

    def _text(self, path: str) -> str:
        blob = self.workspace.store.read(path)
        return _decoded(blob.data) if blob else ""

    def _new_path(self, path: str) -> str:
        inner = path.removeprefix(f"{self.agent}/")
        return path if inner == path else self._full(self._redactor.renames.path(inner))

    def _changes(self) -> Iterator[Change]:
        for path, blob in self._before.items():
            new = self._new_path(path)
            if new != path:
                yield Delete(path, expect=blob.revision)
                yield Put(new, self._after.get(path, blob.data), expect=ABSENT, mode=blob.mode)
            elif path in self._after:
                yield Put(path, self._after[path], expect=blob.revision)

    def _record(self) -> Put:
        """What `memory history` says of it: that it was done, and not what was taken out."""
        now = datetime.datetime.now(datetime.UTC)  # as every record of a change has it, so that they are in order
        stamp = f"{now.strftime('%Y%m%dT%H%M%S%fZ')}_{secrets.token_hex(4)}"
        record = {
            "id": stamp, "ts": now.astimezone().isoformat(timespec="seconds"), "what": "redact", "by": "operator",
            "reason": "", "documents": [],
        }  # fmt: skip
        text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
        return Put(f"{layout.memory_changes(self.agent)}{stamp}.json", text.encode(), expect=ABSENT)


def _rank(path: str) -> tuple[int, str]:
    """Notes come before their former texts, and both before the indexes, whose lines follow them."""
    if layout.is_index(path.rpartition("/")[2]):
        return 2, path
    return int("/.versions/" in path), path


def _is_of_record(path: str) -> bool:
    folders = ("memory/.versions/changes/", "runs/changes/")
    return path.endswith(".json") and (
        path.startswith(folders) or (path.startswith("dreams/") and path.endswith("/manifest.json"))
    )


def _is_of_later(path: str) -> bool:
    """Whether a document is edited after those whose hashes it has."""
    is_transcript = path.startswith("runs/") and layout.run_id_of(path) != ""
    return is_transcript or (path.startswith("log/") and path.endswith(".jsonl")) or _is_of_record(path)


def _decoded(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
