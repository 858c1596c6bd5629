"""What an operator does with notes: add, edit, merge, supersede, pin, archive, restore, accept; all in a notebook.

Each verb says in a line what it did. What is refused is an error with the command to type.
"""

import re
from collections.abc import Mapping, Sequence

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.document import REMOVE, Document, parse, render
from atomic_agents.core.errors import Conflict, DocumentMissing, UsageError
from atomic_agents.core.values import near
from atomic_agents.memory import capture, lifecycle
from atomic_agents.memory.notebook import Notebook, file_of
from atomic_agents.vault import layout, note
from atomic_agents.vault.note import Note


def find(book: Notebook, text: str) -> Document:
    """The note that an operator means: by file name, with or without `memory/` and `.md`.

    Raises:
        DocumentMissing: there is none; with the nearest that there are.
    """
    file = file_name(book.agent, text)
    document = book.document(file)
    if document is None:
        folder = layout.memory(book.agent)
        files = [path.removeprefix(folder) for path in book.vault.store.paths(folder)]
        meant = near(file, filter(layout.is_note, files))
        hint = f"did you mean {meant[0]}" if meant else f"atomic-agents memory list {book.agent}"
        raise DocumentMissing(f"{book.agent} has no note {file}", hint=hint, context={"note": file})
    return document


def former(book: Notebook, text: str, version: str) -> Document:
    """A former text of a note, by the name of its version or the start of that.

    Raises:
        DocumentMissing: there is no such version of that note.
    """
    file = file_name(book.agent, text)
    folder = layout.note_versions(book.agent, file)
    paths = [
        path for path in book.vault.store.paths(folder) if path.startswith(f"{folder}{version.rpartition('/')[2]}")
    ]
    data = book.read(paths[0]) if len(paths) == 1 else None
    if data is None:
        hint = f"atomic-agents memory history {book.agent} {file}"
        raise DocumentMissing(f"{file} has no version {version}", hint=hint)
    return book.vault.parse(layout.note(book.agent, file), data)


def file_name(agent: str, text: str) -> str:
    """The file name that an operator means, who may leave `memory/` and `.md` out."""
    name = text.strip().removeprefix(f"{agent}/").removeprefix("memory/")
    return name if name.endswith(".md") else f"{name}.md"


def add(book: Notebook, fields: Mapping[str, object], *, supersedes: Sequence[str] = (), anyway: bool = False) -> str:
    """Write a new note for which the operator vouches, from the fields of a capture.

    Raises:
        UsageError: a field is wrong.
        Conflict: an older decision on the same subject says something else, or the note is there; `anyway` goes on.
    """
    _check(fields)
    old = [find(book, each) for each in supersedes]
    _ask_about(book, fields, old, anyway=anyway)
    file = book.free_file(str(fields["type"]), str(fields["name"]))
    meta = lifecycle.new_meta(fields, book.today) | {"provenance": "operator"}
    meta |= {key: fields[key] for key in ("pinned", "expires_at", "tags") if fields.get(key)}
    if old:
        meta["supersedes"] = [file_of(document) for document in old]
    document = parse(layout.note(book.agent, file), render(meta, str(fields["body"])))
    book.put(document)
    book.index(note.read(document, file))
    _make_obsolete(book, old, file)
    return f"added {file}" + (f", which supersedes {_listed(old)}" if old else "")


def edit(book: Notebook, text: str, fields: Mapping[str, object], body: str | None, *, anyway: bool = False) -> str:
    """Change some fields of a note, and its body; the operator vouches for it from now on.

    Raises:
        UsageError: nothing is to be changed, or a field is wrong.
        Conflict: as in `add`.
    """
    document = find(book, text)
    file = file_of(document)
    before = note.read(document, file)
    if not fields and body is None:
        hint = f"atomic-agents memory edit {book.agent} {file} --body …"
        raise UsageError(f"nothing of {file} is to be changed", hint=hint)
    _check(_as_capture(before) | dict(fields) | ({} if body is None else {"body": body}))
    changes: dict[str, object] = {
        **{key: REMOVE if value in (None, "", []) else value for key, value in fields.items()},
        "last_seen": book.today.isoformat(), "schema_version": CURRENT_SCHEMA_VERSION, "provenance": "operator",
    }  # fmt: skip
    after = with_body(document.edit(changes), body)
    claim = {"type": before.type, "name": fields.get("name", before.name), "body": body}
    _ask_about(book, claim, [document], anyway=anyway or body is None)
    book.put(after)
    return f"changed {file}{_listing(book, note.read(after, file), before)}"


def replace(book: Notebook, text: str, data: bytes) -> str:
    """Write the whole of a note as an editor left it.

    Raises:
        UsageError: it is not a note any more.
    """
    document = find(book, text)
    file = file_of(document)
    after = parse(document.path, data)
    found = note.problems(after, wiki=False)
    if found:
        raise UsageError(f"{found[0].where}: {found[0].message}", hint=found[0].hint)
    book.put(after)
    return f"changed {file}{_listing(book, note.read(after, file), note.read(document, file))}"


def merge(book: Notebook, into: str, others: Sequence[str], body: str | None) -> str:
    """Join notes into one: the texts below each other unless there is a `body`, sources and tags together.

    The others stay, superseded by it.
    """
    document = find(book, into)
    file, merged = file_of(document), note.read(document, file_of(document))
    old = [other for each in dict.fromkeys(others) if (other := find(book, each)).path != document.path]
    if not old:
        hint = f"atomic-agents memory merge {book.agent} {file} OTHER"
        raise UsageError(f"nothing is to be merged into {file}", hint=hint)
    notes = [note.read(other, file_of(other)) for other in old]
    texts = dict.fromkeys([merged.body, *(other.body for other in notes)])
    changes: dict[str, object] = {
        "sources": list(dict.fromkeys(source for each in (merged, *notes) for source in each.sources)),
        "supersedes": list(dict.fromkeys([*merged.supersedes, *(other.file for other in notes)])),
        "last_seen": book.today.isoformat(), "schema_version": CURRENT_SCHEMA_VERSION, "provenance": "operator",
    }  # fmt: skip
    tags = list(dict.fromkeys(tag for each in (merged, *notes) for tag in each.tags))
    if tags:
        changes["tags"] = tags
    after = with_body(document.edit(changes), body or "\n\n".join(texts))
    book.put(after)
    _make_obsolete(book, old, file)
    return f"merged {_listed(old)} into {file}"


def supersede(book: Notebook, old: str, new: str) -> str:
    """Say that one note makes another obsolete, in both of them.

    Raises:
        UsageError: that would lead in a circle.
    """
    before, after = find(book, old), find(book, new)
    file = file_of(after)
    chain, at = [file], note.read(after, file).superseded_by
    while at and at not in chain:
        chain.append(at)
        following = book.note(at)
        at = following.superseded_by if following else ""
    if file_of(before) in chain:
        hint = f"atomic-agents memory restore {book.agent} {file}"
        raise UsageError(f"{file} is superseded by {file_of(before)} itself", hint=hint)
    known = note.read(after, file).supersedes
    book.put(after.edit({"supersedes": list(dict.fromkeys([*known, file_of(before)]))}))
    _make_obsolete(book, [before], file)
    return f"{file} supersedes {file_of(before)}"


def pin(book: Notebook, text: str) -> str:
    """Have a note loaded in every run."""
    document = find(book, text)
    found = note.read(document, file_of(document))
    if not found.is_current(book.today):
        raise UsageError(f"{found.file} is not loaded at all: {why_hidden(found)}", hint=_bring_back(book.agent, found))
    book.put(document.edit({"pinned": True}))
    return f"pinned {found.file}"


def unpin(book: Notebook, text: str) -> str:
    """Have a note loaded only when it is recent or recalled."""
    document = find(book, text)
    book.put(document.edit({"pinned": REMOVE}))
    return f"unpinned {file_of(document)}"


def archive(book: Notebook, text: str) -> str:
    """Keep a note and load it no more."""
    document = find(book, text)
    book.put(document.edit({"archived": True, "pinned": REMOVE}))
    book.index_archive(file_of(document))
    return f"archived {file_of(document)}"


def accept(book: Notebook, text: str) -> str:
    """Let a note be loaded that says what a tool said; it goes on to be quoted as that."""
    document = find(book, text)
    found = note.read(document, file_of(document))
    if not found.held:
        vouched = found.provenance or "not stated"
        raise UsageError(f"{found.file} does not wait to be accepted: its provenance is {vouched}")
    after = document.edit({"accepted": book.today.isoformat()})
    book.put(after)
    book.index(note.read(after, found.file))
    return f"accepted {found.file}"


def restore(book: Notebook, text: str, version: str) -> str:
    """Bring back a former text of a note, by the name of its version, or what is archived or superseded.

    Raises:
        DocumentMissing: there is no such version of that note.
    """
    file = file_name(book.agent, text)
    if version:
        after = former(book, file, version).edit({"schema_version": CURRENT_SCHEMA_VERSION})
        before = book.note(file)
    else:
        document = find(book, file)
        before = note.read(document, file)
        after = document.edit({"archived": REMOVE, "superseded_by": REMOVE})
        _forget(book, before)
    book.put(after)
    found = note.read(after, file)
    if found.hidden:
        book.index_archive(file)
    elif before is not None and before.hidden:
        book.index_unarchive(found)
    else:
        book.index(found, before)
    return f"restored {file}" + (f" as it was in {version}" if version else "")


def why_hidden(found: Note) -> str:
    """Why a note is not loaded, in a few words."""
    if found.superseded_by:
        return f"superseded by {found.superseded_by}"
    return "archived" if found.archived else "not accepted" if found.held else "expired"


def with_body(document: Document, body: str | None) -> Document:
    """The document over another body, in its own line endings."""
    if body is None:
        return document
    return document.with_body(re.sub(r"\r\n?|\n", document.newline, f"\n{body.strip()}\n"))


def _bring_back(agent: str, found: Note) -> str:
    if found.held and not (found.archived or found.superseded_by):
        return f"atomic-agents memory accept {agent} {found.file}"
    if found.archived or found.superseded_by:
        return f"atomic-agents memory restore {agent} {found.file}"
    return f"atomic-agents memory edit {agent} {found.file} --expires ''"


def _forget(book: Notebook, found: Note) -> None:
    """Take the link to a note that is current again out of the one that superseded it."""
    other = book.document(found.superseded_by) if found.superseded_by else None
    if other is not None:
        left = [each for each in note.read(other, file_of(other)).supersedes if each != found.file]
        book.put(other.edit({"supersedes": left, "supersedes_list": REMOVE}))


def _listing(book: Notebook, after: Note, before: Note) -> str:
    """Bring the index up to date; what there is to say of it."""
    if after.hidden:
        return ""
    mark = book.index_pages(), [book.read(path) for path in book.index_pages()]
    book.index(after, former=before)
    same = (after.name, after.description) == (before.name, before.description)
    kept = mark == (book.index_pages(), [book.read(path) for path in book.index_pages()])
    return "" if same or not kept else "; its line in INDEX.md was written by hand and stays"


def _make_obsolete(book: Notebook, old: Sequence[Document], file: str) -> None:
    for document in old:
        book.put(document.edit({"superseded_by": file, "pinned": REMOVE}))
        book.index_archive(file_of(document))


def _ask_about(book: Notebook, fields: Mapping[str, object], old: Sequence[Document], *, anyway: bool) -> None:
    if anyway or fields["type"] != "decision":
        return
    known = {file_of(document) for document in old}
    for other in lifecycle.contradicted(book, str(fields["name"]), str(fields["body"])):
        if other.file not in known:
            hint = f"--supersede {other.file}   where this replaces it\n--anyway   where both hold"
            message = f"{other.file} decides the same differently, so nothing was written: {other.description}"
            raise Conflict(message, hint=hint, context={"note": other.file})


def _check(fields: Mapping[str, object]) -> None:
    wrong = capture.wrong(fields)
    if wrong:
        raise UsageError(wrong.removeprefix("capture: "), hint="atomic-agents memory add --help")


def _as_capture(found: Note) -> dict[str, object]:
    return {
        "type": found.type, "name": found.name, "description": found.description, "confidence": found.confidence,
        "sources": list(found.sources), "body": found.body or "-",
    }  # fmt: skip


def _listed(documents: Sequence[Document]) -> str:
    return ", ".join(map(file_of, documents))
