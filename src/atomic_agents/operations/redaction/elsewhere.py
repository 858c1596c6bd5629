"""What still holds the words after a redaction, or may: each place with why, and what to type."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atomic_agents.memory.redaction.phrase import Phrase
from atomic_agents.memory.redaction.renames import Renames
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import hands, layout, log

_OPERATORS = ("persona/", "skills/", "tools/", "raw/", "evals/", "schedules/")
_OPERATORS_FILES = (*layout.SETTINGS_FILES, hands.AGENTS_FILE, hands.PINS_FILE, "persona.link.md")
_MACHINE_NAMED = ("log/", "runs/", "journal/", "dreams/", "vault/", "memory/.versions/", "wiki/.versions/")


@dataclass(frozen=True, slots=True)
class Left:
    """A place that is left as it is: its path, maybe with a line, why, and what to type or to edit."""

    path: str
    why: str
    hint: str


def is_operators(path: str) -> bool:
    """Whether a document below an agent is a file that its operator writes."""
    return path.startswith(_OPERATORS) or path in _OPERATORS_FILES


def waiting(workspace: Workspace, agent: str) -> tuple[set[str], set[str]]:
    """The runs of an agent that wait for the operator, and the paths of their requests.

    What they ask for must not change meanwhile.
    """
    runs, paths = set[str](), set[str]()
    for path in workspace.store.paths(hands.WAITING):
        blob = workspace.store.read(path)
        try:
            pointer = json.loads(blob.data) if blob else {}
        except (ValueError, RecursionError):
            continue
        if isinstance(pointer, dict) and pointer.get("agent") == agent:
            runs.add(str(pointer.get("run_id", "")))
            paths.add(str(pointer.get("path", "")))
    return runs, paths


def left(
    workspace: Workspace, agent: str, phrase: Phrase, renames: Renames, paths: Sequence[str]
) -> Iterator[Left]:  # fmt: skip
    """Files of the operator, names of files, runs that are open, pages that were rendered, snapshots."""
    for path in paths:
        full = f"{agent}/{path}"
        if is_operators(path) and phrase.found_in(_text(workspace, full)):
            ingest = f"edit it, then: atomic-agents wiki ingest {agent} {shlex.quote(path)}"
            yield Left(full, "is a file of yours that holds it", ingest if path.startswith("raw/") else "edit it")
        if renames.path(path) == path and _is_named(path) and phrase.in_name(path.rpartition("/")[2]):
            yield Left(full, "has it in its name", "rename it, and correct what names it")
    again = shlex.join(["atomic-agents", "memory", "redact", agent, phrase.text])
    for path in workspace.store.paths(layout.OPEN_RUNS):
        text = _text(workspace, path)
        first = next(log.read(path, text.encode(errors="replace")), None)
        if first and first.record.get("agent") == agent and phrase.found_in(text):
            yield Left(path, "holds it and is of a run that has not ended", f"when it has ended: {again}")
    if any(phrase.found_in(_text(workspace, path)) for path in workspace.store.paths(f"{layout.DASHBOARD}/")):
        yield Left(f"{layout.DASHBOARD}/", "has rendered pages that hold it", "atomic-agents dashboard render")
    for path in workspace.store.paths(f"{layout.SNAPSHOTS}/"):
        if path.endswith(".tar.gz"):
            yield Left(path, "is a snapshot and may hold it", f"rm {shlex.quote(str(workspace.config.root / path))}")


def _is_named(path: str) -> bool:
    """Whether somebody chose the name of a file, rather than the format."""
    name = path.rpartition("/")[2]
    fixed = layout.is_index(name) or name in (*_OPERATORS_FILES, *layout.PERSONA_FILES)
    return not fixed and not path.startswith(_MACHINE_NAMED)


def _text(workspace: Workspace, path: str) -> str:
    blob = workspace.store.read(path)
    return blob.data.decode(errors="replace") if blob else ""
