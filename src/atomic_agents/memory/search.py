"""The derived index: every note, page and journal day of an agent by its fields and full text, in SQLite.

It is never the truth. Rows are keyed by path and the store's stamp, and refreshed before each use.
"""

import datetime
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable
from atomic_agents.core.store import Entry
from atomic_agents.core.values import Problem, Usd, parse_date
from atomic_agents.memory import finding, passages, tables
from atomic_agents.memory.database import Database, Row
from atomic_agents.memory.finding import Hit
from atomic_agents.memory.passages import Section
from atomic_agents.memory.tables import KINDS, Kind
from atomic_agents.vault import layout
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Vault, is_note_file, problem_of

_LOCK = "index"
_LOCK_WAIT = 10.0
_NEWER = "SELECT path FROM documents WHERE version > ? AND kind != 'raw' ORDER BY path"
_VERSIONS = "SELECT path, stamp, version FROM documents WHERE problem = ''"
_TEXTS = (".md", ".markdown", ".txt")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that matches a query, word for word, and its first line; a higher score matches better."""

    path: str
    line: int
    text: str
    score: float


class MemoryIndex:
    """The index of a vault in one SQLite file; `:memory:` where the vault cannot be written."""

    def __init__(self, vault: Vault, database: str) -> None:
        self._vault = vault
        self._database = Database(
            database, schema=tables.SCHEMA, form=tables.FORM, lock=lambda: vault.store.lock(_LOCK, wait=_LOCK_WAIT)
        )
        self._guard = threading.RLock()
        self._stamps: dict[str, tuple[int, int, dict[str, str]]] = {}

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._database.close()

    def refresh(self, agent: str) -> None:
        """Bring the rows of an agent up to date with its documents."""
        with self._guard:
            self._database.attempt(lambda: self._refresh(agent))

    def newer(self, version: int) -> list[str]:
        """Paths of the documents of all agents that stated a higher schema version when they were last refreshed."""
        rows = self._database.rows
        with self._guard:
            return [path for (path,) in self._database.attempt(lambda: rows(_NEWER, version))]

    def versions(self) -> dict[str, tuple[str, int]]:
        """By path: the stamp of each document that can be read, and the schema version that it stated then."""
        rows = self._database.rows
        with self._guard:
            return {path: (stamp, version) for path, stamp, version in self._database.attempt(lambda: rows(_VERSIONS))}

    def pinned(self, agent: str, today: datetime.date, limit: int) -> list[str]:
        """Paths of the pinned notes that are current, in order of path."""
        return self._paths(agent, "pinned = 1", today, "path", limit)

    def recent(self, agent: str, today: datetime.date, limit: int) -> list[str]:
        """Paths of the current notes seen last, newest first, without the pinned ones."""
        return self._paths(agent, "pinned = 0", today, "last_seen DESC, path", limit)

    def problems(self, agent: str) -> list[Problem]:
        """The documents of an agent that cannot be read."""
        rows = self._rows(
            agent,
            "SELECT path, line, problem, hint FROM documents WHERE agent = ? AND problem != '' ORDER BY path",
            agent,
        )
        return [Problem(str(path), int(line), str(problem), str(hint)) for path, line, problem, hint in rows]

    def former_hooks(self, agent: str) -> Mapping[str, frozenset[str]]:
        """What the notes of an agent were described as before, by file, as far as it was indexed in between."""
        query = (
            "SELECT file, former_hooks.hook FROM former_hooks JOIN documents USING (path)"
            " WHERE agent = ? AND kind = 'note' AND hidden = 0 AND former_hooks.hook != documents.hook"
            " AND rtrim(former_hooks.hook, '…') != substr(documents.hook, 1, length(rtrim(former_hooks.hook, '…')))"
        )
        found: dict[str, set[str]] = {}
        for file, hook in self._rows(agent, query, agent):
            found.setdefault(str(file), set()).add(str(hook))
        return {file: frozenset(hooks) for file, hooks in found.items()}

    def count(self, agent: str) -> int:
        """How many notes the agent has."""
        return int(self._rows(agent, "SELECT count(*) FROM documents WHERE agent = ? AND kind = 'note'", agent)[0][0])

    def search(
        self, agent: str, query: str, limit: int, today: datetime.date, kinds: Collection[Kind] = KINDS
    ) -> list[Passage]:
        """The best passages of what an agent has that is current, best first, at most one of a note or a page."""

        def find() -> list[Hit]:
            self._renew(agent)
            numbers = self._database.rows("SELECT id FROM agents WHERE name = ?", agent)
            rows = self._database.rows
            return [hit for (number,) in numbers for hit in finding.find(rows, number, query, kinds, limit, today)]

        with self._guard:
            hits = self._database.attempt(find)
        return list(self._passages(hits))

    def spend(self, path: str, stamp: str) -> tuple[Usd, str] | None:
        """See `budget.ledger.SumCache`."""
        query = "SELECT total, bad_line FROM spend WHERE path = ? AND stamp = ?"
        with self._guard:
            rows = self._database.attempt(lambda: self._database.rows(query, path, stamp))
        return (Decimal(str(rows[0][0])), str(rows[0][1])) if rows else None

    def keep_spend(self, path: str, stamp: str, total: Usd, bad_line: str) -> None:
        """See `budget.ledger.SumCache`."""

        def keep() -> None:
            with self._database.writing() as connection:
                row = (path, stamp, str(total), bad_line)
                connection.execute("INSERT OR REPLACE INTO spend VALUES (?, ?, ?, ?)", row)

        with self._guard:
            self._database.attempt(keep)

    def _paths(self, agent: str, condition: str, today: datetime.date, order: str, limit: int) -> list[str]:
        rows = self._rows(
            agent,
            f"SELECT path FROM documents WHERE agent = ? AND kind = 'note' AND hidden = 0 AND {condition}"  # noqa: S608 - ours
            f" AND (expires = '' OR expires >= ?) ORDER BY {order} LIMIT ?",
            agent, today.isoformat(), limit,
        )  # fmt: skip
        return [str(path) for (path,) in rows]

    def _rows(self, agent: str, query: str, *values: object) -> list[Row]:
        """What a query finds among the rows of an agent that is refreshed, which a damaged file does not change."""

        def find() -> list[Row]:
            self._renew(agent)
            return self._database.rows(query, *values)

        with self._guard:
            return self._database.attempt(find)

    def _renew(self, agent: str) -> None:
        """Refresh an agent that was refreshed before what was known was lost."""
        if agent in self._stamps and self._stamps[agent][0] != self._database.made_anew:
            self._refresh(agent)

    def _refresh(self, agent: str) -> None:
        known = self._known(agent)
        changed, gone = self._differences(agent, known)
        if not changed and not gone:
            return
        with self._database.writing() as connection:
            if (stored := self._known(agent)) is not known:  # another process was first
                known, (changed, gone) = stored, self._differences(agent, stored)
            # What goes wrong from here on leaves it unknown what is stored.
            del self._stamps[agent]
            hooks = {}
            for path in [*gone, *(entry.path for entry in changed if entry.path in known)]:
                hooks[path] = tables.hook_of(connection, path)
                tables.take_out(connection, path)
                del known[path]
            number = tables.agent_number(connection, agent)
            for entry in changed:
                row = self._row(agent, entry)
                if row is not None:
                    tables.put(connection, number, row)
                    tables.keep_former_hook(connection, row, hooks.get(entry.path, ""))
                    known[entry.path] = entry.stamp
            if any(entry.path.startswith(layout.memory(agent)) for entry in changed):
                self._keep_written_hooks(connection, agent)
        self._remember(agent, known)

    def _keep_written_hooks(self, connection: sqlite3.Connection, agent: str) -> None:
        """Remember what changes wrote into the index of an agent since its notes were last looked at."""
        from atomic_agents.memory import history, hooks  # noqa: PLC0415 - 5 ms that only a changed note needs

        folder = layout.memory_changes(agent)
        for path in tables.unread_changes(connection, self._vault.store.paths(folder)):
            entry = history.read(self._vault, path)
            if entry is not None:
                written = ((layout.note(agent, file), hook) for file, hook in hooks.written(entry))
                tables.keep_written_hooks(connection, path, written)

    def _known(self, agent: str) -> dict[str, str]:
        """Stamps of the rows there are; remembered while no other process writes."""
        remembered = self._stamps.get(agent)
        if remembered is not None and remembered[:2] == (self._database.made_anew, self._database.version()):
            return remembered[2]
        return self._remember(agent, self._stored(agent))

    def _stored(self, agent: str) -> dict[str, str]:
        return dict(self._database.rows("SELECT path, stamp FROM documents WHERE agent = ?", agent))

    def _remember(self, agent: str, stamps: dict[str, str]) -> dict[str, str]:
        version = self._database.version()
        self._stamps[agent] = (self._database.made_anew, version, stamps)
        return stamps

    def _differences(self, agent: str, known: Mapping[str, str]) -> tuple[list[Entry], AbstractSet[str]]:
        """The documents whose stamp is not the known one, and the paths that are gone."""
        changed: list[Entry] = []
        there: list[str] = []
        for kind, folder in _folders(agent):
            for entry in self._vault.store.list(folder):
                path, _, stamp, _ = entry
                before = known.get(path)
                if before is not None and not self._is_copy(kind, path):
                    there.append(path)
                if before != stamp and self._is_searched(kind, path, folder):
                    changed.append(entry)
        return changed, known.keys() - there if len(there) < len(known) else frozenset()

    def _is_searched(self, kind: Kind, path: str, folder: str) -> bool:
        file = path.removeprefix(folder)
        if kind == "raw":
            return file.endswith(_TEXTS) and not any(part.startswith(".") for part in file.split("/"))
        if kind == "conversation":
            return "/" not in file and is_note_file(file)
        return is_note_file(file) and not self._is_copy(kind, path)

    def _is_copy(self, kind: Kind, path: str) -> bool:
        return kind in ("note", "wiki") and self._vault.is_sync_copy(path)

    def _row(self, agent: str, entry: Entry) -> tables.Row | None:
        """A document as it is kept; None where it has gone meanwhile."""
        kind, file = _kind(agent, entry.path)
        found: Note | None = None
        problem: Problem | None = None
        try:
            found = self._vault.note(entry, file)
        except DocumentUnreadable as error:
            problem = problem_of(error)
        except AtomicAgentsError as error:
            if self._is_gone(entry.path):
                return None
            problem = Problem(entry.path, 0, error.message, error.hint)
        if kind in ("raw", "conversation"):
            problem = None  # what came from elsewhere may be of any form
        return tables.Row(entry.path, agent, kind, file, entry.stamp, found, _day(kind, file, found), problem)

    def _is_gone(self, path: str) -> bool:
        try:
            return self._vault.store.read(path) is None
        except AtomicAgentsError:
            return False

    def _passages(self, hits: Sequence[Hit]) -> Iterator[Passage]:
        read: dict[str, list[Section]] = {}
        for hit in hits:
            if hit.path not in read:
                read[hit.path] = self._sections(hit)
            sections = read[hit.path]
            if hit.section < len(sections) and hit.piece < len(sections[hit.section].pieces):
                piece = sections[hit.section].pieces[hit.piece]
                yield Passage(hit.path, piece.line, piece.text, hit.score)

    def _sections(self, hit: Hit) -> list[Section]:
        try:
            document = self._vault.document(hit.path)
        except AtomicAgentsError:
            return []
        if document is None:
            return []
        return passages.sections(hit.kind, document.body, document.body_line)


def _folders(agent: str) -> tuple[tuple[Kind, str], ...]:
    return (
        ("note", layout.memory(agent)),
        ("wiki", layout.wiki(agent)),
        ("raw", layout.raw(agent)),
        ("journal", layout.journal(agent)),
        ("conversation", layout.conversations(agent)),
    )


def _kind(agent: str, path: str) -> tuple[Kind, str]:
    return next((kind, path.removeprefix(folder)) for kind, folder in _folders(agent) if path.startswith(folder))


def _day(kind: Kind, file: str, found: Note | None) -> str:
    """The day that a document is of, "" where it is of none."""
    if kind == "journal":
        day = parse_date(file.rpartition("/")[2].removesuffix(".md"))
    else:
        day = (found.captured or found.last_seen) if found else None
    return day.isoformat() if day else ""
