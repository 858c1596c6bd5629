"""Carries out what findings propose, and writes the index anew; all in a notebook, so that it is shown and undone."""

import re
from collections.abc import Iterable

from atomic_agents.core.document import REMOVE
from atomic_agents.memory import edits, hooks
from atomic_agents.memory.inventory import Finding, Fix, Inventory, is_ours
from atomic_agents.memory.notebook import Notebook
from atomic_agents.vault import index, layout, slices
from atomic_agents.vault.note import Note


def mend(book: Notebook, memory: Inventory, findings: Iterable[Finding]) -> list[str]:
    """Make the changes that findings propose, each once; says in lines what was done."""
    fixes = dict.fromkeys(finding.fix for finding in findings if finding.fix)
    said = [line for fix in fixes if fix.verb != "reindex" and (line := _mend(book, fix))]
    if any(fix.verb == "reindex" for fix in fixes) and reindex(book, memory):
        said.append("wrote INDEX.md anew")
    return said


def reindex(book: Notebook, memory: Inventory) -> bool:
    """Bring the index up to date and split it where it is long; whether anything of it changed.

    Lines stay where they are, with their hooks; those of notes that are gone go, notes that are not listed are added,
    and what is archived or superseded moves to the archive.
    """
    folder = layout.memory(book.agent)
    pages = {path.removeprefix(folder): _text(book, path) for path in (*book.index_pages(), *memory.pages)}
    notes = {file: found for file in memory.notes if (found := book.note(file))}
    whole = slices.joined(pages) if pages.get("INDEX.md") else "# Memory Index\n"
    whole = hooks.refreshed(whole, memory.former_hooks, {file: found.description for file, found in notes.items()})
    fresh = {
        f"{folder}{file}": text for file, text in slices.split(_with_all(_tidied(whole, notes, memory), notes)).items()
    }
    before = {path: _text(book, path) for path in book.index_pages()}
    if fresh == before:
        return False
    book.set_index(fresh)
    return True


def _mend(book: Notebook, fix: Fix) -> str:
    found = book.note(fix.file)
    if found is None or (found.hidden and fix.verb != "link"):
        return ""  # an earlier fix has seen to it
    match fix.verb:
        case "archive":
            return edits.archive(book, fix.file)
        case "merge":
            other = book.note(fix.other)
            return edits.merge(book, fix.file, [fix.other], found.body) if other and not other.hidden else ""
        case "link":
            return _link(book, fix.file, fix.other)
        case _:
            return _unlink(book, found, fix.other)


def _link(book: Notebook, old: str, new: str) -> str:
    """Have both notes say that the second supersedes the first."""
    before, after = edits.find(book, old), edits.find(book, new)
    known = book.note(new)
    names = list(dict.fromkeys([*(known.supersedes if known else ()), old]))
    book.put(after.edit({"supersedes": names, "supersedes_list": REMOVE}))
    book.put(before.edit({"superseded_by": new, "pinned": REMOVE}))
    book.index_archive(old)
    return f"{new} supersedes {old}, and both say so"


def _unlink(book: Notebook, found: Note, target: str) -> str:
    """Take a link to a note that is gone out of the front matter."""
    document = edits.find(book, found.file)
    left = [each for each in found.supersedes if each != target]
    changes: dict[str, object] = {"supersedes": left, "supersedes_list": REMOVE} if target in found.supersedes else {}
    if found.superseded_by.partition("#")[0] == target:
        changes["superseded_by"] = REMOVE
    book.put(document.edit(changes))
    return f"{found.file} names {target} no more"


def _tidied(text: str, notes: dict[str, Note], memory: Inventory) -> str:
    """The index without lines of what is gone or listed already, and with archived notes in the archive."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    gone: set[int] = set()
    moved: list[str] = []
    back: list[tuple[str, str]] = []
    listed: set[str] = set()
    for number, file, inside in index.listing(text):
        line, found = lines[number - 1], notes.get(file)
        if not (found or is_ours(file)) or not index.stands_alone(line):
            continue
        there = found or f"{layout.memory(memory.agent)}{file}" in memory.paths
        if not there or file in listed:
            gone.add(number)
        elif found and found.hidden != inside:
            gone.add(number)
            if found.hidden:
                moved.append(line.rstrip("\r\n"))
            else:
                back.append((index.section(found.type), line.rstrip("\r\n")))
        listed.add(file)
    text = "".join(line for number, line in enumerate(lines, 1) if number not in gone)
    for title in dict.fromkeys(title for title, _ in back):
        text = index.insert(text, title, "\n".join(line for each, line in back if each == title))
    return index.archived(text, "\n".join(moved)) if moved else text


def _with_all(text: str, notes: dict[str, Note]) -> str:
    listed = {file for _, file in index.files(text)}
    missing: dict[str, list[str]] = {}
    for found in notes.values():
        if found.file not in listed and not found.hidden:
            line = index.entry(found.name, found.file, found.description)
            missing.setdefault(index.section(found.type), []).append(line)
    for title in filter(missing.__contains__, index.SECTIONS.values()):
        text = index.insert(text, title, "\n".join(missing[title]))
    return text


def _text(book: Notebook, path: str) -> str:
    return (book.read(path) or b"").decode(errors="surrogateescape")
