"""Hooks of INDEX.md that say what a note was described as before somebody edited it by hand.

Only a hook that equals a former description is brought up to date: any other was written by hand.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from atomic_agents.core.change import ChangeSet
from atomic_agents.memory.notebook import Notebook
from atomic_agents.vault import index

Former = Mapping[str, AbstractSet[str]]
"""Former descriptions of notes by file name."""


def stale(text: str, former: Former) -> Iterator[tuple[int, str]]:
    """Line, from 1, and file of every entry of an index whose hook is a former description."""
    lines = text.split("\n")
    for number, file in index.files(text):
        hook = index.hook_of(lines[number - 1].rstrip("\r"))[1]
        if hook and any(_says(hook, each) for each in former.get(file, ())):
            yield number, file


def _says(hook: str, description: str) -> bool:
    """Whether a hook is a description, which is cut where the line would be too long."""
    plain = " ".join(description.split())
    return hook == plain or (hook.endswith("…") and plain.startswith(hook.removesuffix("…").rstrip()))


def refreshed(text: str, former: Former, described: Mapping[str, str]) -> str:
    """The index with those hooks replaced by what the notes are described as now."""
    lines = text.split("\n")
    for number, file in stale(text, former):
        line = lines[number - 1]
        before, _ = index.hook_of(line.rstrip("\r"))
        end = "\r" if line.endswith("\r") else ""
        lines[number - 1] = f"{before}{' '.join(described.get(file, '').split())}"[: index.MAX_ENTRY].rstrip() + end
    return "\n".join(lines)


def changes(book: Notebook, former: Former) -> ChangeSet | None:
    """The change set that brings the index of an agent up to date; None where no hook is stale."""
    pages = {path: (book.read(path) or b"").decode(errors="surrogateescape") for path in book.index_pages()}
    described = {file: found.description for file in former if (found := book.note(file))}
    fresh = {path: refreshed(text, former, described) for path, text in pages.items()}
    if fresh == pages:
        return None
    book.set_index(fresh)
    return ChangeSet(f"refresh the hooks of {book.agent}", book.changes())


def refresh(book: Notebook, former: Former) -> None:
    """Bring stale hooks up to date, for a prompt that is about to be assembled."""
    change = changes(book, former) if former else None
    if change is not None:
        book.vault.store.apply(change)
