"""Checks of what an agent remembers: notes, pages, the index, copies of conflicts."""

from collections.abc import Iterator

from atomic_agents.core.document import Document
from atomic_agents.core.values import Problem
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.doctor.disk_checks import conflicted
from atomic_agents.memory import inventory, lint
from atomic_agents.memory.inventory import Inventory
from atomic_agents.vault import layout, note
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.vault import Agent


def memory(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """Its notes and pages can be read, and INDEX.md agrees with them.

    `atomic-agents doctor --fix memory` brings the index up to date; `atomic-agents memory lint AGENT` says more.
    """
    there = frozenset(entry.path for entry, _ in examination.by_agent.get(agent.name, ()))
    for place, document in examination.memory(agent):
        if isinstance(document, Problem):
            yield Finding("fail", f"{document.where}: {document.message}", document.hint)
            continue
        if layout.is_conflict_copy(place.name) or layout.copied_from(document.path) in there:
            message = f"{document.path} is the copy that a sync tool made of a conflict"
            yield Finding("warn", message, "merge it into the other file and delete it")
            continue
        yield from conflicted(document)
        for problem in note.problems(document, wiki=place.kind is Kind.WIKI) if document.has_front_matter else ():
            yield Finding("warn", f"{problem.where}: {problem.message}", problem.hint)
    known = _inventory(examination, agent)
    for found in drift(known) if known.pages else ():  # the first note that is remembered makes the index
        yield Finding("warn", f"{found.where}: {found.message}", found.hint)


def drift(known: Inventory) -> Iterator[inventory.Finding]:
    """What `memory lint` says of notes that the index does not know, or that are gone; the rest of it is advice."""
    return (found for found in lint.index_entries(known) if found.rule in ("index-missing", "index-orphan"))


def _inventory(examination: Examination, agent: Agent) -> Inventory:
    """What the rules look at, from what has been read already."""
    folder = layout.memory(agent.name)
    documents = {
        place.name: found for place, found in examination.memory(agent)
        if place.kind is Kind.NOTE and isinstance(found, Document)
    }  # fmt: skip
    entries = examination.by_agent.get(agent.name, ())
    pages = {
        entry.path: inventory.text(examination.vault, entry.path) for entry, place in entries
        if place.kind is Kind.INDEX and entry.path.startswith(folder)
    }  # fmt: skip
    paths = frozenset(entry.path for entry, _ in entries)
    return Inventory(
        agent.name, examination.now.date(), documents, examination.notes(agent), pages, (),
        (), {}, {}, paths,
    )  # fmt: skip
