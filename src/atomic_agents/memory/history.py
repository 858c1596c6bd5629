"""What has happened to an agent's notes, change by change, and how the last of it is taken back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from atomic_agents.core.change import Revision, revision
from atomic_agents.core.errors import Conflict, DocumentMissing, UsageError
from atomic_agents.memory import patches
from atomic_agents.memory.notebook import Notebook
from atomic_agents.vault import index, layout
from atomic_agents.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Altered:
    """A document of a change: its path below the agent, its revisions before and after ("" for none), the way back."""

    path: str
    before: Revision
    after: Revision
    kept: str
    patch: patches.Patch


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of notes. `undone` says whether a later change has taken it back.

    `undoes` are the ids of the changes that it takes back, joined by commas.
    """

    id: str
    at: str
    what: str
    by: str
    reason: str
    undoes: str
    documents: tuple[Altered, ...]
    undone: bool = False

    @property
    def short(self) -> str:
        """The end of the id, which is enough to name it."""
        return self.id.rpartition("_")[2]

    @property
    def files(self) -> tuple[str, ...]:
        """The documents but the index, without `memory/`."""
        paths = (each.path.removeprefix("memory/") for each in self.documents)
        return tuple(path for path in paths if not layout.is_index(path))


def entries(vault: Vault, agent: str) -> list[Entry]:
    """Every change there is a record of, the newest first; a record that cannot be read is left out."""
    folder = layout.memory_changes(agent)
    paths = sorted(path for path in vault.store.paths(folder) if path.endswith(".json"))
    found = [entry for path in paths if (entry := read(vault, path)) is not None]
    undone: set[str] = set()
    for entry in reversed(found):
        if entry.undoes and entry.id not in undone:
            undone.update(entry.undoes.split(","))
    return [replace(entry, undone=entry.id in undone) for entry in reversed(found)]


def read(vault: Vault, path: str) -> Entry | None:
    """The change of which there is a record at a path; None where that cannot be read."""
    blob = vault.store.read(path)
    try:
        found = json.loads((blob.data if blob else b"").decode(errors="surrogateescape"))
        documents = tuple(_altered(each) for each in found["documents"])
        at, undoes = str(found["ts"]), str(found.get("undoes", ""))
        return Entry(
            str(found["id"]), at, str(found["what"]), str(found["by"]), str(found["reason"]), undoes, documents
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def find(known: Sequence[Entry], agent: str, wanted: str) -> Entry:
    """The change to take back: by its id or the end of that, or the last that was not taken back and takes none back.

    Raises:
        DocumentMissing: there is none of that id.
        UsageError: it is taken back already, or there is nothing to take back.
    """
    hint = f"atomic-agents memory history {agent}"
    if not wanted:
        last = next((entry for entry in known if entry.documents and not entry.undone and not entry.undoes), None)
        if last is None:
            raise UsageError(f"there is nothing to take back in the memory of {agent}", hint=hint)
        return last
    meant = [entry for entry in known if wanted in (entry.id, entry.short)]
    if len(meant) != 1:
        message = f"{len(meant)} changes are called {wanted}" if meant else f"there is no change {wanted}"
        raise DocumentMissing(message, hint=hint)
    if meant[0].undone:
        raise UsageError(f"{meant[0].id} is taken back already", hint=hint)
    return meant[0]


def undo(book: Notebook, entry: Entry) -> str:
    """Put every document of a change back to what it was before.

    Raises:
        Conflict: somebody has written one of them since; nothing is put back.
    """
    for each in reversed(entry.documents):
        path = f"{book.agent}/{each.path}"
        data = book.read(path)
        same = ("" if data is None else revision(data)) == each.after
        if not each.before:
            if not same and not layout.is_index(path.rpartition("/")[2]):
                raise _conflict(book, each, "was edited since")
            book.put_bytes(path, None if same else _without(data or b"", entry.files))
        elif each.kept:
            kept = book.read(f"{book.agent}/{each.kept}")
            if not same:
                raise _conflict(book, each, "was edited since")
            if kept is None or revision(kept) != each.before:
                raise _conflict(book, each, f"cannot be put back, as {each.kept} is gone or was redacted")
            book.put_bytes(path, kept)
        else:
            text = patches.apply((data or b"").decode(errors="surrogateescape"), each.patch)
            if text is None:
                raise _conflict(book, each, "was edited since in the same lines")
            book.put_bytes(path, text.encode(errors="surrogateescape"))
    at, files = entry.at[:16].replace("T", " "), ", ".join(entry.files) or "INDEX.md"
    return f"took back {entry.what} {entry.short} of {at}: {files}"


def _without(data: bytes, files: Sequence[str]) -> bytes:
    """The bytes of an index without the entries of some files."""
    text = data.decode(errors="surrogateescape")
    for file in files:
        text = index.remove(text, file)
    return text.encode(errors="surrogateescape")


def versions(vault: Vault, agent: str, file: str) -> list[str]:
    """The names of a note's former texts, the newest first."""
    folder = layout.note_versions(agent, file)
    return sorted((path.removeprefix(folder) for path in vault.store.paths(folder)), reverse=True)


def _conflict(book: Notebook, each: Altered, why: str) -> Conflict:
    file = each.path.removeprefix("memory/")
    hint = f"atomic-agents memory history {book.agent} {file}"
    return Conflict(f"{each.path} {why}; nothing was put back", hint=hint, context={"path": each.path})


def _altered(found: Mapping[str, object]) -> Altered:
    patch = found.get("patch")
    return Altered(
        str(found["path"]), str(found["before"] or ""), str(found["after"] or ""), str(found.get("kept") or ""),
        [list(each) for each in patch] if isinstance(patch, list) else [],
    )  # fmt: skip
