"""What is wrong with notes and their index, told without a model; each rule is a function, its docstring the law."""

import datetime
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from atomic_agents.memory import alike, hooks
from atomic_agents.memory.inventory import Finding, Fix, Inventory, is_ours
from atomic_agents.vault import index, layout, note
from atomic_agents.vault.markdown import lines_of
from atomic_agents.vault.note import Note

STALE = datetime.timedelta(days=90)
_WIKI_LINK = re.compile(r"\[\[([^\[\]|#\n]+)[^\[\]\n]*\]\]")
_LINK = re.compile(r"\]\(<?([^()<>\s#]+\.md)(?:#[^()<>\s]*)?>?\)")
_CODE = re.compile(r"`[^`\n]*`")
_NOBODY = re.compile(r"(?:observ|infer|guess|assum|unknown|none\b|n/?a\b|self\b|model\b|-$)", re.IGNORECASE)
_REINDEX = Fix("reindex")


def unreadable(memory: Inventory) -> Iterator[Finding]:
    """A note that cannot be read is never loaded."""
    for problem in memory.problems:
        yield Finding("unreadable", problem.path, problem.line, problem.message, problem.hint)


def schema(memory: Inventory) -> Iterator[Finding]:
    """The front matter says what the format asks for."""
    for document in memory.documents.values():
        for problem in note.problems(document, wiki=False):
            yield Finding("schema", problem.path, problem.line, problem.message, problem.hint)


def provenance(memory: Inventory) -> Iterator[Finding]:
    """A note of high confidence has a source that somebody can look up."""
    for file, found in memory.current.items():
        if found.confidence == "high" and all(_NOBODY.match(source.strip()) for source in found.sources):
            said = ", ".join(found.sources) or "none"
            message = f"confidence is high, and the only source is {said}"
            yield Finding("provenance", found.path, memory.line(file, "sources"), message,
                          "name the source, or write confidence: low")  # fmt: skip


def held(memory: Inventory) -> Iterator[Finding]:
    """What a tool said waits for the operator."""
    for file, found in memory.notes.items():
        if found.held and not found.archived and not found.superseded_by:
            hint, line = f"atomic-agents memory accept {memory.agent} {file}", memory.line(file, "provenance")
            yield Finding("held", found.path, line, "a tool said it, and nobody accepted it", hint)


def dates(memory: Inventory) -> Iterator[Finding]:
    """Days do not contradict each other."""
    for file, found in memory.notes.items():
        for key, message in _wrong_days(found, memory):
            yield Finding("dates", found.path, memory.line(file, key), message, "correct the day in a text editor")


def _wrong_days(found: Note, memory: Inventory) -> Iterator[tuple[str, str]]:
    tomorrow = memory.today + datetime.timedelta(days=1)  # another machine may be in another zone
    captured, seen, expires = found.captured, found.last_seen, found.expires
    if captured and captured > tomorrow:
        yield "captured", f"captured on {captured}, which is to come"
    if seen and seen > tomorrow:
        yield "last_seen", f"last seen on {seen}, which is to come"
    if captured and seen and seen < captured:
        yield "last_seen", f"last seen on {seen}, before it was captured on {captured}"
    if captured and expires and expires < captured:
        yield "expires_at", f"expires on {expires}, before it was captured on {captured}"
    newer = memory.notes.get(found.superseded_by)
    day = newer and (newer.last_seen or newer.captured)
    if newer and day and captured and day < captured:
        yield "superseded_by", f"superseded by {newer.file}, which was last seen before it was captured, on {day}"


def expired(memory: Inventory) -> Iterator[Finding]:
    """A note that has expired is not loaded."""
    for file, found in memory.notes.items():
        if found.expires and found.expires < memory.today and not found.hidden:
            line, fix = memory.line(file, "expires_at"), Fix("archive", file)
            yield Finding("expired", found.path, line, f"expired on {found.expires}", _archive(memory, file), fix)


def stale(memory: Inventory) -> Iterator[Finding]:
    """A note was of use in the last 90 days, or is pinned."""
    for file, found in memory.current.items():
        seen = found.last_seen or found.captured
        if seen and seen < memory.today - STALE and not found.pinned:
            message = f"not seen since {seen}, {(memory.today - seen).days:,} days ago"
            yield Finding("stale", found.path, memory.line(file, "last_seen"), message, _archive(memory, file))


def links(memory: Inventory) -> Iterator[Finding]:
    """Links lead to documents that are there."""
    names = (path.rpartition("/")[2] for path in memory.paths if ".versions/" not in path)
    stems = {name.removesuffix(".md").casefold() for name in names}
    for document in memory.documents.values():
        if "](" not in document.body and "[[" not in document.body:
            continue
        for line in lines_of(document.body, document.body_line):
            text = _CODE.sub("", line.text) if line.fence is None else ""
            targets = [found for found in _LINK.findall(text) if _is_broken(memory, found)]
            targets += [
                found for found in map(str.strip, _WIKI_LINK.findall(text))
                if found.rpartition("/")[2].removesuffix(".md").casefold() not in stems
            ]  # fmt: skip
            for target in targets:
                yield Finding("link-broken", document.path, line.number, f"links to {target}, which is not there",
                              "correct the link in a text editor")  # fmt: skip


def _is_broken(memory: Inventory, target: str) -> bool:
    if "://" in target or target.startswith(("/", "mailto:")):
        return False
    here = posixpath.normpath(f"{layout.memory(memory.agent)}{target}")
    return here not in memory.paths and posixpath.normpath(f"{memory.agent}/{target}") not in memory.paths


def supersession(memory: Inventory) -> Iterator[Finding]:
    """What supersedes and what is superseded say so both, and not in a circle."""
    for file, found in memory.notes.items():
        line = memory.line(file, "superseded_by")
        target = found.superseded_by.partition("#")[0]
        if target.startswith("persona/"):
            if target.removeprefix("persona/") not in layout.PERSONA_FILES:
                yield _broken(memory, file, "superseded_by", target)
        elif target and target not in memory.notes:
            yield _broken(memory, file, "superseded_by", target)
        elif target and file in _chain(memory.notes, target):
            hint = f"atomic-agents memory restore {memory.agent} {file}"
            yield Finding("supersession", found.path, line, f"is superseded by {target} in a circle", hint)
        elif target and file not in memory.notes[target].supersedes:
            yield Finding("supersession", found.path, line, f"is superseded by {target}, which does not say so",
                          f"add {file} to supersedes in {target}", Fix("link", file, target))  # fmt: skip
        yield from _superseding(memory, file, found)


def _superseding(memory: Inventory, file: str, found: Note) -> Iterator[Finding]:
    for old in found.supersedes:
        other = memory.notes.get(old)
        if other is None:
            yield _broken(memory, file, "supersedes", old)
        elif not other.superseded_by and old != file:
            line, message = memory.line(file, "supersedes"), f"supersedes {old}, which does not say so and is loaded"
            hint = f"atomic-agents memory supersede {memory.agent} {old} {file}"
            yield Finding("supersession", found.path, line, message, hint, Fix("link", old, file))


def _broken(memory: Inventory, file: str, key: str, target: str) -> Finding:
    message = f"{key} names {target}, which is not there"
    path = memory.notes[file].path
    return Finding("link-broken", path, memory.line(file, key), message, f"correct {key}", Fix("unlink", file, target))


def _chain(notes: Mapping[str, Note], start: str) -> list[str]:
    found: list[str] = []
    while start in notes and start not in found:
        found.append(start)
        start = notes[start].superseded_by
    return found


def contradictions(memory: Inventory) -> Iterator[Finding]:
    """No two current decisions on one subject say different things."""
    decisions = [(file, found) for file, found in memory.current.items() if found.type == "decision"]
    for one, other in alike.same_subject([(file, alike.subject(found.name)) for file, found in decisions]):
        older, newer = sorted((memory.notes[one], memory.notes[other]), key=_age)
        if alike.words(older.body) != alike.words(newer.body):
            hint = f"atomic-agents memory supersede {memory.agent} {older.file} {newer.file}"
            message = f"decides the same as {older.file} and says something else"
            yield Finding("contradiction", newer.path, memory.line(newer.file, "name"), message, hint)


def near_duplicates(memory: Inventory) -> Iterator[Finding]:
    """No two current notes say the same."""
    texts = {file: alike.shingles(found.body) for file, found in memory.current.items()}
    counted = {file: Counter(alike.words(found.body)) for file, found in memory.current.items()}
    subjects = {file: alike.subject(found.name) for file, found in memory.current.items()}
    named: set[str] = set()
    for one, other, likeness in alike.pairs(texts, alike.LIKE):
        older, newer = sorted((memory.notes[one], memory.notes[other]), key=_age)
        same = likeness >= alike.SAME or alike.one_subject(subjects[one], subjects[other])
        if newer.file in named or not (same or alike.reworded(counted[one], counted[other])):
            continue
        named.add(newer.file)
        hint = f"atomic-agents memory merge {memory.agent} {older.file} {newer.file}"
        message = f"says {likeness:.0%} the same as {older.file}"
        yield Finding("near-duplicate", newer.path, memory.documents[newer.file].body_line, message, hint)


def conflict_copies(memory: Inventory) -> Iterator[Finding]:
    """No sync tool has left a copy of a conflict."""
    for path in memory.copies:
        message = "is the copy that a sync tool made of a conflict; nothing of it is loaded"
        yield Finding("conflict-copy", path, 0, message, "take over what is new in it, and delete it")


def index_entries(memory: Inventory) -> Iterator[Finding]:
    """The index lists every note once, archived ones in its archive, and nothing that is not there."""
    listed: set[str] = set()
    for path, text in memory.pages.items():
        for number, file, inside in index.listing(text):
            found = memory.notes.get(file)
            if not (found or is_ours(file)):
                continue
            if found is None and f"{layout.memory(memory.agent)}{file}" not in memory.paths:
                yield _drift("index-missing", path, number, f"lists {file}, which is not there")
            elif file in listed:
                yield _drift("index-drift", path, number, f"lists {file} twice")
            elif found and found.hidden and not inside:
                yield _drift("index-drift", path, number, f"lists {file} among what is loaded, and it is not")
            elif found and inside and not found.hidden:
                yield _drift("index-drift", path, number, f"lists {file} in the archive, and it is loaded")
            listed.add(file)
    for file, found in memory.notes.items():
        if file not in listed and not found.hidden:
            yield _drift("index-orphan", found.path, 0, "is not listed in INDEX.md")


def index_hooks(memory: Inventory) -> Iterator[Finding]:
    """A hook does not say what its note was described as before."""
    described = {file: found.description for file, found in memory.notes.items()}
    for path, text in memory.pages.items() if memory.former_hooks else ():
        for number, file in hooks.stale(text, memory.former_hooks, described):
            yield _drift("index-drift", path, number, f"says of {file} what its description was before it was edited")


def index_size(memory: Inventory) -> Iterator[Finding]:
    """A page of the index has at most 150 lines of 150 characters."""
    for path, text in memory.pages.items():
        lines = text.split("\n")
        count = len(lines) - (not lines[-1])
        if count > index.MAX_LINES:
            yield _drift("index-long", path, index.MAX_LINES + 1, f"has {count:,} lines; {index.MAX_LINES} is the most")
        for number, _ in index.files(text):
            if len(lines[number - 1].rstrip("\r")) > index.MAX_ENTRY and "INDEX_" not in lines[number - 1]:
                message = f"has {len(lines[number - 1]):,} characters; {index.MAX_ENTRY} is the most"
                yield Finding("index-long", path, number, message, "shorten the hook in a text editor")


RULES: Mapping[str, Callable[[Inventory], Iterator[Finding]]] = {
    rule.__name__: rule
    for rule in (
        unreadable, schema, provenance, held, dates, expired, stale, links, supersession, contradictions,
        near_duplicates, conflict_copies, index_entries, index_hooks, index_size,
    )
}  # fmt: skip


def run(memory: Inventory) -> list[Finding]:
    """Everything that the rules find, in order of place."""
    found = [finding for rule in RULES.values() for finding in rule(memory)]
    return sorted(found, key=lambda finding: (finding.path, finding.line, finding.rule, finding.message))


def _drift(rule: str, path: str, line: int, message: str) -> Finding:
    agent = path.partition("/memory/")[0]
    return Finding(rule, path, line, message, f"atomic-agents memory reindex {agent}", _REINDEX)


def _age(found: Note) -> tuple[datetime.date, str]:
    return found.captured or datetime.date.min, found.file


def _archive(memory: Inventory, file: str) -> str:
    return f"atomic-agents memory archive {memory.agent} {file}"
