"""What an agent's template has become since it was made, merged line by line into what its operator has made of it.

`init` records the text of every file that it writes. Three texts then decide: that one, the operator's and today's
template's. What only the template changed is taken over; where both changed the same lines, the operator's file stays
exactly as it is and the operator is told. No conflict marker is ever made, so none can be left in a file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents._version import __version__
from atomic_agents.core.change import ABSENT, Change, ChangeSet, Put, revision
from atomic_agents.core.document import parse, same
from atomic_agents.core.errors import AgentMissing, DocumentUnreadable
from atomic_agents.core.store import Blob
from atomic_agents.core.values import Problem
from atomic_agents.migration import apply, history, snapshot
from atomic_agents.migration.snapshot import Kept
from atomic_agents.operations import threeway
from atomic_agents.operations.threeway import Hunk
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout, settings

TEMPLATES = ("advisor", "researcher", "writer")
TAKEN_OVER = "templates taken over"
"""The outcome in history of a merge."""

_FORMAT = 1


class Origin(NamedTuple):
    """Where an agent came from: the template, what it was filled with, and the files it made, by their path in it."""

    template: str
    package: str
    values: Mapping[str, str]
    files: Mapping[str, str]


class Merged(NamedTuple):
    """A file that takes over what its template changed; `added` where the template has it only now."""

    path: str
    added: bool


class Conflict(NamedTuple):
    """A file that stays as it is: `hunks` are the lines that both have changed, none where `why` is another reason."""

    path: str
    why: str
    hunks: tuple[Hunk, ...]
    hint: str

    @property
    def lines(self) -> Iterator[str]:
        """It all as text: each hunk as it was, as it is in the operator's file, and as it is in the template."""
        for hunk in self.hunks:
            yield f"{self.path}:{hunk.line}"
            for label, text in (("was", hunk.base), ("yours", hunk.mine), ("template", hunk.theirs)):
                yield from (f"  {label:<9}{line}" for line in text or ("(nothing)",))


@dataclass(frozen=True, slots=True)
class TemplateUpgrades:
    """What today's templates would change; nothing has been written.

    `changes` also records what has been offered, so that no conflict is told twice. `problems` are the records that
    cannot be read.
    """

    changes: ChangeSet
    merged: tuple[Merged, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[Problem, ...] = ()


def filled(template: str, values: Mapping[str, str]) -> dict[str, str]:
    """The files of a template by their path in it, their blanks filled."""
    found: dict[str, str] = {}
    for path, text in sorted(_texts(resources.files("atomic_agents") / "templates" / template, "")):
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", value)  # noqa: PLW2901 - one blank after the other
        found[path] = text
    return found


def record(workspace: Workspace, agent: str, origin: Origin) -> Put:
    """The change that records where an agent came from, in place of any record there is."""
    path = layout.template_record(agent)
    return _put(path, origin, workspace.store.read(path))


def changes(workspace: Workspace) -> TemplateUpgrades:
    """What became of the templates of all agents that `init` made."""
    every: list[Change] = []
    merged: list[Merged] = []
    conflicts: list[Conflict] = []
    problems: list[Problem] = []
    for path in workspace.store.paths(f"{layout.TEMPLATE_RECORDS}/"):
        agent = layout.agent_of_record(path)
        blob = workspace.store.read(path)
        if not agent or blob is None:
            continue
        try:
            origin = _read(path, blob.data)
            work = _Work(workspace, agent, origin)
        except DocumentUnreadable as error:
            problems.append(Problem(path, 0, str(error.context["message"]), error.hint))
            continue
        except AgentMissing:
            continue
        work.run()
        every += work.changes
        merged += work.merged
        conflicts += work.conflicts
        if work.files != origin.files:
            every.append(_put(path, origin._replace(package=__version__, files=work.files), blob))
    reason = f"take over what the templates of {__version__} changed"
    return TemplateUpgrades(ChangeSet(reason, tuple(every)), tuple(merged), tuple(conflicts), tuple(problems))


def take_over(workspace: Workspace, found: TemplateUpgrades) -> str:
    """Write what `changes` found, after a snapshot of the files that it changes; returns the snapshot's name.

    Raises:
        Conflict: a file was edited since; nothing was changed.
    """
    now, store = workspace.clock(), workspace.store
    with apply.quiet(store, workspace.vault.survey().agents):
        name = snapshot.free_name(store, now, "pre_templates")
        puts = [change for change in found.changes if isinstance(change, Put) and not layout.is_record(change.path)]
        there = [(put, blob) for put in puts if (blob := store.read(put.path)) is not None]
        kept = [
            Kept(put.path, len(blob.data), 0o644 if blob.mode is None else blob.mode, blob.revision, revision(put.data))
            for put, blob in there
        ]
        added = {put.path: revision(put.data) for put in puts if put.expect == ABSENT}
        versions = (CURRENT_SCHEMA_VERSION, CURRENT_SCHEMA_VERSION)
        taken = snapshot.describe(name, now, found.changes.reason, versions, kept, added)
        snapshot.keep(store, taken, (blob.data for _, blob in there))
        line = history.line(now, TAKEN_OVER, *versions, snapshot=name)
        store.apply(ChangeSet(found.changes.reason, (*found.changes, line)))
    return name


class _Work:
    """One agent: `files` becomes the base of the next time."""

    def __init__(self, workspace: Workspace, agent: str, origin: Origin) -> None:
        opened = workspace.vault.agent(agent)
        self._store = workspace.store
        self._agent = opened.name
        self._stands_alone = opened.cascade is None and opened.persona_home == f"{opened.name}/persona"
        self._origin = origin
        self.files: dict[str, str] = dict(origin.files)
        self.changes: list[Put] = []
        self.merged: list[Merged] = []
        self.conflicts: list[Conflict] = []

    def run(self) -> None:
        """Look at every file that the template has or had."""
        if self._origin.template not in TEMPLATES:
            return
        today = _ours(filled(self._origin.template, self._origin.values))
        for file, theirs in today.items():
            base = self._origin.files.get(file)
            if base != theirs:
                self._offer(f"{self._agent}/{file}", file, base, theirs)
        self.files = today

    def _offer(self, path: str, file: str, base: str | None, theirs: str) -> None:
        mine = self._store.read(path)
        if base is None:
            if mine is None and self._stands_alone:
                self.changes.append(Put(path, theirs.encode(), expect=ABSENT))
                self.merged.append(Merged(path, added=True))
            return
        if mine is None:  # taken away by the operator
            return
        found = threeway.merge(base, mine.data, theirs)
        why = found.why or ("" if found.hunks else _objection(path, file, base, mine.data, theirs, found.data))
        if why or found.hunks:
            why = why or "you and the template have changed the same lines"
            self.conflicts.append(Conflict(path, why, found.hunks, self._hint()))
        elif found.data != mine.data:
            self.changes.append(Put(path, found.data, expect=mine.revision))
            self.merged.append(Merged(path, added=False))

    def _hint(self) -> str:
        """The command that shows the template as it is today."""
        import shlex  # noqa: PLC0415 - 1 ms that only a conflict needs

        model = self._origin.values.get("model", "")
        words = ["atomic-agents", "init", f"{self._agent}-today", "--template", self._origin.template]
        return shlex.join([*words, *(["--model", model] if model else []), "--dry-run"])


def _objection(path: str, file: str, base: str, mine: bytes, theirs: str, merged: bytes) -> str:
    """Why a merge without hunks is none all the same: it does not say what the two sides say; "" where it does."""
    try:
        after = parse(path, merged)
        if "/" in file:
            return ""
        found = settings.read(file, after)
        yours, old, new = parse(path, mine), parse(path, base.encode()), parse(path, theirs.encode())
    except DocumentUnreadable as error:
        return f"merged, it could not be read: {error.context['message']}"
    errors = [problem for problem in found.problems if problem.severity == "error"]
    if errors:
        return f"merged, it would be wrong: {errors[0].message}"
    if not _agrees(dict(old.meta), dict(yours.meta), dict(new.meta), dict(after.meta)):
        return "merged by lines, it would not say what you and the template say"
    return ""


_NOTHING = object()
"""The value of a key that is not there."""


def _agrees(was: object, yours: object, new: object, after: object) -> bool:
    """Whether a merged value is the operator's where the operator changed it, and the template's where not."""
    if same(yours, was) or same(new, was):
        return same(after, new if same(yours, was) else yours)
    if isinstance(was, dict) and isinstance(yours, dict) and isinstance(new, dict) and isinstance(after, dict):
        sides = (was, yours, new, after)
        keys = dict.fromkeys(key for side in sides for key in side)
        return all(_agrees(*(side.get(key, _NOTHING) for side in sides)) for key in keys)
    if isinstance(was, list) and isinstance(yours, list) and isinstance(new, list) and isinstance(after, list):
        kept = all(item in after for item in yours if item not in was)
        return kept and not any(item in after for item in was if item not in yours and item not in new)
    return same(after, yours)


def _ours(files: Mapping[str, str]) -> dict[str, str]:
    """The persona and settings files among those of a template; notes and indexes are the agent's from the start."""
    own = {*layout.SETTINGS_FILES, *(f"persona/{name}" for name in layout.PERSONA_FILES)}
    return {file: text for file, text in files.items() if file in own}


def _put(path: str, origin: Origin, there: Blob | None) -> Put:
    """Texts go by lines, so that a record can be read and compared."""
    content = {
        "format": _FORMAT,
        "template": origin.template,
        "package": origin.package,
        "values": dict(origin.values),
        "files": {file: text.split("\n") for file, text in _ours(origin.files).items()},
    }
    data = json.dumps(content, ensure_ascii=False, indent=1).encode(errors="replace") + b"\n"
    return Put(path, data, expect=ABSENT if there is None else there.revision)


def _read(path: str, data: bytes) -> Origin:
    """The record of an agent; raises DocumentUnreadable."""
    try:
        found = json.loads(data)
        if found["format"] != _FORMAT:
            raise ValueError("it is of a newer form")  # noqa: TRY301 - told like any other reason
        files = {str(file): "\n".join(map(str, lines)) for file, lines in found["files"].items()}
        values = {str(key): str(value) for key, value in found["values"].items()}
        return Origin(str(found["template"]), str(found["package"]), values, files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        message = f"where the agent came from cannot be read: {error}"
        hint = f"take {path} away to keep the agent as it is, whatever its template becomes"
        context = {"path": path, "line": 0, "message": message}
        raise DocumentUnreadable(f"{path}: {message}", hint=hint, context=context) from error


def _texts(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for child in folder.iterdir():
        if child.is_dir():
            found += _texts(child, f"{prefix}{child.name}/")
        elif child.name.endswith(".md"):
            found.append((prefix + child.name, child.read_text(encoding="utf-8")))
    return found
