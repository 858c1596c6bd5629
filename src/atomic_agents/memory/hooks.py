"""Hooks of INDEX.md that say what a note was described as before somebody edited it by hand.

Only a hook that equals a former description, or that this program is recorded to have written, is brought up to date:
any other was written by hand.
"""

import contextlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import Conflict
from atomic_agents.memory.history import Entry
from atomic_agents.memory.notebook import Notebook
from atomic_agents.vault import index, layout

Former = Mapping[str, AbstractSet[str]]
"""Former descriptions of notes by file name."""


def stale(text: str, former: Former, described: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Line, from 1, and file of every entry of an index whose hook is a former description.

    `described` holds by file what the notes are described as now.
    """
    for number, file, hook in _former_hooks(text, former):
        if file in described and not _says(hook, described[file]):
            yield number, file


def _former_hooks(text: str, former: Former) -> Iterator[tuple[int, str, str]]:
    """Line, file and hook of every entry whose hook is a former description, whatever the note says now."""
    lines = text.split("\n")
    for number, file in index.files(text):
        if file in former and index.stands_alone(lines[number - 1]):
            hook = index.hook_of(lines[number - 1].rstrip("\r"))[1]
            if hook and any(_says(hook, each) for each in former[file]):
                yield number, file, hook


def _says(hook: str, description: str) -> bool:
    """Whether a hook is a description, which is cut where the line would be too long."""
    plain, begun = index.one_line(description), hook.removesuffix("…").rstrip()
    return hook == plain or (hook != begun != "" and plain.startswith(begun))


def refreshed(text: str, former: Former, described: Mapping[str, str]) -> str:
    """The index with those hooks replaced by what the notes are described as now."""
    lines = text.split("\n")
    for number, file in stale(text, former, described):
        line = lines[number - 1]
        end = "\r" if line.endswith("\r") else ""
        lines[number - 1] = index.with_hook(line.rstrip("\r"), described[file]) + end
    return "\n".join(lines)


def written(entry: Entry) -> Iterator[tuple[str, str]]:
    """File and hook of each index entry that a recorded change wrote.

    A line that the change only moved, or that an undo brought back, may have been written by hand, and is left out.
    """
    pages = [each.patch for each in entry.documents if layout.is_index(each.path.rpartition("/")[2])]
    there = [str(line) for patch in pages for place in patch for line in _lines(place[2])]
    before = {str(line) for patch in pages for place in patch for line in _lines(place[3])}
    for line in there if not entry.undoes else ():
        for _, file in index.files(line) if line not in before else ():
            if hook := index.hook_of(line.rstrip("\r\n"))[1]:
                yield file, hook


def _lines(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def changes(book: Notebook, former: Former) -> ChangeSet | None:
    """The change set that brings the index of an agent up to date; None where no hook is stale."""
    pages = {path: (book.read(path) or b"").decode(errors="surrogateescape") for path in book.index_pages()}
    files = {file for text in pages.values() for _, file, _ in _former_hooks(text, former)}
    described = {file: found.description for file in files if (found := book.note(file))}
    fresh = {path: refreshed(text, former, described) for path, text in pages.items()}
    if fresh == pages:
        return None
    book.set_index(fresh)
    return ChangeSet(f"refresh the hooks of {book.agent}", book.changes())


def refresh(book: Notebook, former: Former) -> None:
    """Bring stale hooks up to date, for a prompt that is about to be assembled.

    Where somebody writes the index at the same time, what they write stays, and the next run looks again.
    """
    change = changes(book, former) if former else None
    if change is not None:
        with contextlib.suppress(Conflict):
            book.vault.store.apply(change)
