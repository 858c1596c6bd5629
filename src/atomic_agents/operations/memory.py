"""Look at what an agent knows."""

import contextlib
from collections.abc import Collection, Iterable, Sequence

from atomic_agents.core.document import Document
from atomic_agents.core.errors import DocumentMissing, DocumentUnreadable, PathRefused, StorageFailed
from atomic_agents.core.values import Problem
from atomic_agents.memory import edits, history
from atomic_agents.memory.history import Entry
from atomic_agents.memory.search import Passage
from atomic_agents.memory.tables import KINDS, Kind
from atomic_agents.operations import changes
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout
from atomic_agents.vault.note import Note, read


def list_notes(workspace: Workspace, name: str) -> tuple[list[Note], list[Problem]]:
    """Every note of an agent in order of path, and a problem for each that cannot be read."""
    workspace.require()
    return workspace.vault.notes(workspace.vault.agent(name).name)


def documents(
    workspace: Workspace, names: Iterable[str], start: int, most: int
) -> tuple[list[tuple[str, Note]], bool]:  # fmt: skip
    """Some of the notes and wiki pages of some agents, each with its agent, and whether there are more.

    Those that cannot be read, or are not in use, count and are left out.
    """
    workspace.require()
    today, found = workspace.clock().date(), []
    listed = [
        (name, entry, entry.path.removeprefix(folder))
        for name in names
        for folder in (layout.memory(name), layout.wiki(name))
        for entry in workspace.store.list(folder)
        if layout.is_note(entry.path.removeprefix(folder)) and not workspace.vault.is_sync_copy(entry.path)
    ]
    for name, entry, file in listed[start : start + most]:
        with contextlib.suppress(DocumentUnreadable, StorageFailed, PathRefused):
            note = workspace.vault.note(entry, file)
            if note.is_current(today):
                found.append((name, note))
    return found, len(listed) > start + most


def document(workspace: Workspace, names: Iterable[str], path: str) -> Document:
    """A note or wiki page of one of some agents, where it is in use.

    Raises:
        DocumentMissing: there is none of theirs at that path, or it is not in use.
    """
    folders = (folder for name in names for folder in (layout.memory(name), layout.wiki(name)))
    folder = next((folder for folder in folders if path.startswith(folder)), "")
    file = path.removeprefix(folder)
    found = workspace.vault.document(path) if folder and layout.is_note(file) else None
    if found is None or not read(found, file).is_current(workspace.clock().date()):
        raise DocumentMissing(f"there is no note or page {path}", hint="atomic-agents memory list AGENT")
    return found


def show(workspace: Workspace, name: str, file: str, version: str = "") -> Document:
    """A note, or one of its former texts.

    Raises:
        DocumentMissing: there is none.
    """
    book = changes.notebook(workspace, name)
    return edits.former(book, file, version) if version else edits.find(book, file)


def past(workspace: Workspace, name: str, file: str = "") -> tuple[Sequence[Entry], Sequence[str]]:
    """The changes of an agent's notes, or of one note, the newest first, and the names of that note's former texts."""
    workspace.require()
    agent = workspace.vault.agent(name).name
    found = history.entries(workspace.vault, agent)
    if not file:
        return found, ()
    plain = edits.file_name(agent, file)
    return [entry for entry in found if plain in entry.files], history.versions(workspace.vault, agent, plain)


def search(
    workspace: Workspace, name: str, query: str, limit: int = 10, kinds: Collection[Kind] = KINDS
) -> list[Passage]:
    """The passages of an agent's documents of some kinds that answer a query best, best first."""
    workspace.require()
    agent = workspace.vault.agent(name)
    workspace.memory.refresh(agent.name)
    return workspace.memory.search(agent.name, query, limit, workspace.clock().date(), kinds)
