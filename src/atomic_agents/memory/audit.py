"""What of a memory is junk: what the persona says already, what was recalled and kept again, secrets, the unused."""

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from atomic_agents.guard import secrets
from atomic_agents.memory import alike
from atomic_agents.memory.inventory import Finding, Fix, Inventory
from atomic_agents.vault.note import Note

UNUSED = datetime.timedelta(days=60)
_QUOTED = re.compile(r"</?document[\s>]|\bpath=\"[^\"]*(?:memory|wiki|journal)/", re.IGNORECASE)
_OF_MEMORY = re.compile(r"\brecall(?:ed)?\b|\bread_note\b|(?:^|/)memory/[^\s]+\.md|^(?:user|feedback|project|decision|"
                        r"reference)_\w+\.md$", re.IGNORECASE)  # fmt: skip
_SHORT = 5
"""A text of fewer words may stand in another by chance."""


def restated_persona(memory: Inventory) -> Iterator[Finding]:
    """No note repeats what the persona says in every run."""
    persona = {name: alike.shingles(text) for name, text in memory.persona.items()}
    for file, other in alike.contained(_texts(memory), persona):
        message = f"persona/{other} says so already, in every run"
        yield _finding(memory, "persona", file, message, Fix("archive", file))


def recall_loops(memory: Inventory) -> Iterator[Finding]:
    """No note keeps again what was recalled from another."""
    texts = _texts(memory)
    wholes = texts | {path: alike.shingles(found.body) for path, found in memory.wiki.items()}
    looped = {}
    for file, other in alike.contained(texts, wholes):
        whole = memory.notes.get(other)
        if whole is None or alike.likeness(texts[file], wholes[other]) < alike.SAME:
            looped[file] = other
    for file, found in memory.current.items():
        other = looped.get(file, "")
        older = memory.notes.get(other)
        if _QUOTED.search(found.body):
            yield _finding(memory, "recall-loop", file, "quotes what was recalled from memory", Fix("archive", file))
        elif other and (older is None or _age(older) <= _age(found) or _cites_memory(found)):
            fix = Fix("merge", other, file) if older else None
            yield _finding(memory, "recall-loop", file, f"says again what stands in {other}", fix)


def duplicates(memory: Inventory) -> Iterator[Finding]:
    """No two notes have one text."""
    first: dict[tuple[str, ...], Note] = {}
    for found in sorted(memory.current.values(), key=_age):
        text = tuple(alike.words(found.body))
        older = first.setdefault(text, found)
        if text and older is not found:
            fix = Fix("merge", older.file, found.file)
            yield _finding(memory, "duplicate", found.file, f"has the text of {older.file}", fix)


def kept_secrets(memory: Inventory, known: Iterable[str] = ()) -> Iterator[Finding]:
    """No note holds a key or a password."""
    known = tuple(known)
    for file, document in memory.documents.items():
        for number in secrets.lines_with_secrets(document.text, known)[:1]:
            hint = f"atomic-agents memory redact {memory.agent} TEXT"
            yield Finding("secret", document.path, number, f"{file} holds what looks like a secret", hint)


def never_recalled(memory: Inventory) -> Iterator[Finding]:
    """A note of more than 60 days was seen again since it was captured, or is pinned."""
    for file, found in memory.current.items():
        if found.captured is None or found.pinned or found.captured >= memory.today - UNUSED:
            continue
        if found.last_seen is None or found.last_seen <= found.captured:
            message = f"was never recalled since {found.captured}"
            yield _finding(memory, "never-recalled", file, message, None, key="last_seen")


RULES: Mapping[str, Callable[[Inventory], Iterator[Finding]]] = {
    rule.__name__: rule for rule in (restated_persona, recall_loops, duplicates, kept_secrets, never_recalled)
}


def run(memory: Inventory, known: Iterable[str] = ()) -> list[Finding]:
    """Everything that the rules find, in order of place; `known` are secrets to look for."""
    found = [finding for rule in RULES.values() if rule is not kept_secrets for finding in rule(memory)]
    found += kept_secrets(memory, known)
    return sorted(found, key=lambda finding: (finding.path, finding.line, finding.rule, finding.message))


def _texts(memory: Inventory) -> dict[str, frozenset[str]]:
    long = {file: found for file, found in memory.current.items() if len(alike.words(found.body)) >= _SHORT}
    return {file: alike.shingles(found.body) for file, found in long.items()}


def _finding(
    memory: Inventory, rule: str, file: str, message: str, fix: Fix | None, *, key: str = ""
) -> Finding:  # fmt: skip
    document = memory.documents[file]
    line = memory.line(file, key) if key else document.body_line
    hint = f"atomic-agents memory archive {memory.agent} {file}"
    if fix and fix.verb == "merge":
        hint = f"atomic-agents memory merge {memory.agent} {fix.file} {fix.other}"
    return Finding(rule, document.path, line, message, hint, fix)


def _cites_memory(found: Note) -> bool:
    return any(_OF_MEMORY.search(source) for source in found.sources)


def _age(found: Note) -> tuple[datetime.date, str]:
    return found.captured or datetime.date.min, found.file
