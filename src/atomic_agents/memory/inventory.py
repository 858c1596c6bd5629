"""What an agent remembers, read once for those who judge it: notes, pages of the index, persona, every path."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from atomic_agents.core.document import Document
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable
from atomic_agents.core.values import Problem
from atomic_agents.vault import layout, note
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Vault, problem_of


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that mends a finding: a verb of `memory.mending`, the note, and another note where two are needed."""

    verb: str
    file: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with what an agent remembers: the rule, where, in words, and what mends it.

    `line` counts from 1; 0 means the document as a whole. `hint` is what to type or to edit by hand.
    """

    rule: str
    path: str
    line: int
    message: str
    hint: str = ""
    fix: Fix | None = None

    @property
    def where(self) -> str:
        """`path:line`, which editors jump to."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class Inventory:
    """An agent's memory as it is. `pages` are INDEX.md and its slices by path; `paths` all documents of the agent."""

    agent: str
    today: datetime.date
    documents: Mapping[str, Document]
    """The notes that can be read, by file name."""
    notes: Mapping[str, Note]
    pages: Mapping[str, str]
    copies: tuple[str, ...]
    """Paths of the copies that a sync tool made of conflicts."""
    problems: tuple[Problem, ...]
    persona: Mapping[str, str]
    wiki: Mapping[str, Note]
    paths: frozenset[str]
    former_hooks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What notes were described as before, by file name, as far as that is known."""

    @property
    def current(self) -> Mapping[str, Note]:
        """The notes that are loaded."""
        return {file: found for file, found in self.notes.items() if found.is_current(self.today)}

    def line(self, file: str, key: str) -> int:
        """The line of a note's front matter that states a key."""
        return self.documents[file].line_of(key)


def take(
    vault: Vault, agent: str, today: datetime.date, former_hooks: Mapping[str, frozenset[str]] | None = None
) -> Inventory:
    """Read everything that an agent remembers; `former_hooks` are those that its index knows."""
    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    folder = layout.memory(agent)
    paths = frozenset(vault.store.paths(f"{agent}/"))
    names = sorted(path.removeprefix(folder) for path in paths if path.startswith(folder))
    there = frozenset(names)
    copies = {name for name in names if layout.is_conflict_copy(name) or layout.copied_from(name) in there}
    for file in (name for name in names if layout.is_note(name) and name not in copies):
        found = _document(vault, f"{folder}{file}", problems)
        if found is not None:
            documents[file] = found
    opened = vault.agent(agent)
    persona = {name: vault.text(f"{opened.persona_home}/{name}") for name in layout.PERSONA_FILES}
    return Inventory(
        agent, today, documents, {file: note.read(found, file) for file, found in documents.items()},
        {f"{folder}{name}": text(vault, f"{folder}{name}") for name in names if layout.is_index(name)},
        tuple(f"{folder}{name}" for name in sorted(copies) if ".versions/" not in name),
        tuple(problems), persona, _wiki(vault, agent, paths), paths, former_hooks or {},
    )  # fmt: skip


def _wiki(vault: Vault, agent: str, paths: frozenset[str]) -> Mapping[str, Note]:
    folder, found = layout.wiki(agent), {}
    pages = (path for path in paths if path.startswith(folder) and layout.copied_from(path) not in paths)
    for path in sorted(path for path in pages if layout.is_note(path.removeprefix(folder))):
        document = _document(vault, path, [])
        if document is not None:
            found[path] = note.read(document, path.removeprefix(folder))
    return found


def _document(vault: Vault, path: str, problems: list[Problem]) -> Document | None:
    try:
        return vault.document(path)
    except DocumentUnreadable as error:
        problems.append(problem_of(error))
    except AtomicAgentsError as error:
        problems.append(Problem(path, 0, error.message, error.hint))
    return None


def text(vault: Vault, path: str) -> str:
    """The text of a page of the index, whatever its bytes; "" where there is none."""
    blob = vault.store.read(path)
    return blob.data.decode(errors="surrogateescape") if blob else ""


def is_ours(file: str) -> bool:
    """Whether an entry of the index can only mean a note of the same folder."""
    return "/" not in file and file.endswith(".md") and not layout.is_index(file)
