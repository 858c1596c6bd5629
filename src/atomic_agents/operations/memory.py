"""Look at what an agent knows."""

from collections.abc import Collection, Sequence

from atomic_agents.core.document import Document
from atomic_agents.core.values import Problem
from atomic_agents.memory import edits, history
from atomic_agents.memory.history import Entry
from atomic_agents.memory.search import Passage
from atomic_agents.memory.tables import KINDS, Kind
from atomic_agents.operations import changes
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.note import Note


def list_notes(workspace: Workspace, name: str) -> tuple[list[Note], list[Problem]]:
    """Every note of an agent in order of path, and a problem for each that cannot be read."""
    workspace.require()
    return workspace.vault.notes(workspace.vault.agent(name).name)


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
