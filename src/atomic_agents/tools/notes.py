"""Notes and pages that a model writes as files: who vouches for them, and what a change of one brings along.

A note is never the operator's word because a model wrote that it is, and no file tool changes one that is. A change of
a note is a change of memory like any other: its former text is kept, `memory history` shows it, and INDEX.md lists it.
"""

import datetime
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.change import Change, Delete, Put
from atomic_agents.core.document import REMOVE, Document, parse
from atomic_agents.core.errors import Conflict, PathRefused
from atomic_agents.core.store import Store
from atomic_agents.memory import history, vouching, wiki
from atomic_agents.memory.notebook import Notebook
from atomic_agents.vault import index, layout, note
from atomic_agents.vault.note import Note
from atomic_agents.vault.settings import version_of
from atomic_agents.vault.vault import Vault

Texts = Mapping[str, bytes | None]
"""Documents by path, None for one that is not there."""

Vouch = Callable[[str, str], Mapping[str, object]]
"""The fields that say who vouches for a body, given what the model claims."""

_NOTE = re.compile(r"(?:^|.*?/)(?:memory(?:\.archived-[^/]*)?|wiki)/.+\.md$", re.IGNORECASE | re.DOTALL)
"""A note or page of whichever agent, or of all of them, however a disk takes the name of its folder."""
_KEY = "provenance"


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """The changes that go along with a change of notes, and the id of its record in the history, "" for none."""

    changes: tuple[Change, ...] = ()
    id: str = ""


def claim(body: str, claimed: str) -> Mapping[str, object]:
    """Who vouches for a text, where it is not known what the run has heard."""
    return {_KEY: vouching.provenance(body, claimed, ())}


def check(agent: str, path: str, before: bytes | None, data: bytes | None, vouch: Vouch) -> bytes | None:
    """The text that may be kept at `path`; of what is no note or page, `data` as it is.

    Raises:
        PathRefused: the operator vouches for what is there, or `data` claims that they do.
        DocumentUnreadable: it, or what is there, is a note that cannot be read.
    """
    if not _NOTE.match(path):
        return data
    former = parse(path, before) if before is not None else None
    if former is not None and _stated(former) == "operator":
        how = "remember with supersedes replaces it, and with merge_into revises it as your inference"
        raise PathRefused(f"{path} is your operator's word, and no file tool changes or moves it; {how}")
    if former is not None and version_of(former) > CURRENT_SCHEMA_VERSION:
        raise PathRefused(f"{path} was written by a newer version of this program")
    if data is None:
        return None
    document = parse(path, data)
    if _stated(document) == "operator" or _other_keys(document):
        raise PathRefused(f"{path} would claim that the operator vouches for it; use remember, or write inference")
    if not path.startswith((layout.memory(agent), layout.wiki(agent))):
        return data
    is_page = path.startswith(layout.wiki(agent))  # nobody accepts pages, so that none is held for it
    return document.edit(_fields(former, document, claim if is_page else vouch)).data


def listed(agent: str, before: Texts, after: Texts, read: Callable[[str], bytes | None]) -> tuple[Texts, Texts]:
    """`before` and `after` with the index of the wiki, where pages are among them."""
    folder, main = layout.wiki(agent), layout.wiki_index(agent)
    pages = [path for path in after if path.startswith(folder) and layout.is_note(path.removeprefix(folder))]
    if not pages:
        return before, after
    there = read(main)
    text = (there or b"").decode(errors="surrogateescape")
    for path in pages:
        file = path.removeprefix(folder)
        found, former = _note(file, after[path]), _note(file, before[path])
        if found is None or found.hidden:
            text = index.remove(text, file)
        else:
            text = wiki.listed(text, file, found.name, found.description, former)
    data = text.encode(errors="surrogateescape") if text or there is not None else None
    return {**before, main: there}, {**after, main: data}


def change(store: Store, agent: str, before: Texts, after: Texts, *, what: str, reason: str) -> MemoryChange:
    """A change of the agent's notes with their former texts, the lines of the index and the record.

    Raises:
        Conflict: somebody has written one of them since it was read.
    """
    if not after:
        return MemoryChange()
    book, folder = _book(store, agent), layout.memory(agent)
    for path, data in after.items():
        if book.read(path) != before[path]:
            raise Conflict(f"{path} was written meanwhile; read it again", context={"path": path})
        book.put_bytes(path, data)
        file = path.removeprefix(folder)
        found, former = _note(file, data), _note(file, before[path])
        if found is None or found.hidden:
            book.index_remove(file)
        else:
            book.index(found, former)
    changes, record = book.changes(), book.record(what, by="agent", reason=reason)
    return MemoryChange((*changes, *record), "".join(map(_id, record)))


def take_back(store: Store, agent: str, ids: Sequence[str], changes: Sequence[Change], reason: str) -> list[Change]:
    """`changes`, and then what takes back changes of notes by the ids of their records, the newest first.

    Changes of the memory that are among `changes` are folded together with these.

    Raises:
        Conflict: a note was written since.
    """
    if not ids:
        return list(changes)
    book, folder = _book(store, agent), layout.memory(agent)
    known = {entry.id: entry for entry in history.entries(book.vault, agent)}
    for each in changes:
        if each.path.startswith(folder) and isinstance(each, Put | Delete):
            book.put_bytes(each.path, each.data if isinstance(each, Put) else None)
    for wanted in ids:
        if wanted not in known:
            raise Conflict(f"the record of change {wanted} is gone", hint=f"atomic-agents memory history {agent}")
        if not known[wanted].undone:
            history.undo(book, known[wanted])
    others = [each for each in changes if not each.path.startswith(folder)]
    folded = book.changes()
    return [*others, *folded, *book.record("undo", by="operator", reason=reason, undoes=",".join(ids))]


def _fields(former: Document | None, document: Document, vouch: Vouch) -> dict[str, object]:
    """The fields that a note or page gets, whatever the model wrote into them."""
    said = _stated(former) if former is not None else ""
    claimed = "tool" if said == "tool" else str(document.meta.get(_KEY))
    vouched = dict(vouch(document.body, claimed))
    fields: dict[str, object] = {"schema_version": CURRENT_SCHEMA_VERSION, **vouched}
    if "accepted" in document.meta and "accepted" not in vouched and not _is_accepted(former, document):
        fields["accepted"] = REMOVE  # accepting is the operator's
    return fields


def _is_accepted(former: Document | None, document: Document) -> bool:
    """Whether the operator has accepted the very text that the document has."""
    if former is None or former.body.strip() != document.body.strip():
        return False
    return former.meta.get("accepted") == document.meta["accepted"]


def _stated(document: Document) -> str:
    """Who a document says vouches for it; any way to write `operator` is that."""
    value = document.meta.get(_KEY)
    return "operator" if "operator" in _words(value) else "" if value is None else str(value)


def _words(value: object) -> set[str]:
    if isinstance(value, list | tuple | set):
        return set().union(*map(_words, value)) if value else set()
    if isinstance(value, Mapping):
        return _words([*value, *value.values()])
    return {_same(str(value))}


def _other_keys(document: Document) -> bool:
    """Whether a key looks like the one that says who vouches, and is not."""
    return any(key != _KEY and _same(str(key)) == _KEY for key in document.meta)


def _same(text: str) -> str:
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return seen.strip().casefold()


def _note(file: str, data: bytes | None) -> Note | None:
    return None if data is None else note.read(parse(file, data), file)


def _book(store: Store, agent: str) -> Notebook:
    today = datetime.datetime.now().astimezone().date()
    return Notebook(Vault(store), agent, lambda _path: True, today)


def _id(record: Change) -> str:
    return record.path.rpartition("/")[2].removesuffix(".json")
