"""The derived index: every note, page and journal day of an agent by its fields and full text, in SQLite.

It is never the truth. Rows are keyed by path and the store's stamp, and refreshed before each use.
"""

import datetime
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents.core.document import Document
from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable
from atomic_agents.core.store import Entry
from atomic_agents.core.values import Problem, Usd
from atomic_agents.memory import words
from atomic_agents.memory.database import Database, Row
from atomic_agents.vault import journal, layout
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Vault, is_note_file, problem_of

_FORM = 2
_SCHEMA = """
CREATE TABLE documents (
  id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, agent TEXT NOT NULL, kind TEXT NOT NULL, file TEXT NOT NULL,
  stamp TEXT NOT NULL, name TEXT NOT NULL, hook TEXT NOT NULL, type TEXT NOT NULL, last_seen TEXT NOT NULL,
  expires TEXT NOT NULL, pinned INTEGER NOT NULL, hidden INTEGER NOT NULL, line INTEGER NOT NULL, problem TEXT NOT NULL,
  hint TEXT NOT NULL);
CREATE INDEX recent ON documents (agent, kind, hidden, pinned, last_seen);
CREATE VIRTUAL TABLE texts USING fts5 (name, body, tags, tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE spend (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, total TEXT NOT NULL, bad_line TEXT NOT NULL)
"""
_LOCK = "index"
_LOCK_WAIT = 10.0
_HEADING = re.compile(r"#{1,6}\s")


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
            database, schema=_SCHEMA, form=_FORM, lock=lambda: vault.store.lock(_LOCK, wait=_LOCK_WAIT)
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

    def count(self, agent: str) -> int:
        """How many notes the agent has."""
        return int(self._rows(agent, "SELECT count(*) FROM documents WHERE agent = ? AND kind = 'note'", agent)[0][0])

    def search(self, agent: str, query: str, limit: int, today: datetime.date) -> list[Passage]:
        """The best passages of an agent's current notes, pages and journal, best first, at most one a document."""
        asked = words.query_words(query)
        if not asked:
            return []
        rows = self._rows(
            agent,
            "SELECT d.path, d.kind, bm25(texts, 4.0, 1.0, 2.0) FROM texts JOIN documents d ON d.id = texts.rowid"
            " WHERE texts MATCH ? AND d.agent = ? AND d.hidden = 0 AND (d.expires = '' OR d.expires >= ?)"
            " ORDER BY 3, d.path LIMIT ?",
            words.match(asked), agent, today.isoformat(), limit,
        )  # fmt: skip
        found = (self._passage(str(path), str(kind), asked, -float(rank)) for path, kind, rank in rows)
        return [passage for passage in found if passage is not None]

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
            if agent in self._stamps and self._stamps[agent][0] != self._database.made_anew:
                self._refresh(agent)
            return self._database.rows(query, *values)

        with self._guard:
            return self._database.attempt(find)

    def _refresh(self, agent: str) -> None:
        known = self._known(agent)
        current = list(self._documents(agent, known))
        changed, gone = _differences(known, current)
        if not changed and not gone:
            return
        with self._database.writing() as connection:
            if (stored := self._known(agent)) is not known:  # another process was first
                known, (changed, gone) = stored, _differences(stored, current)
            # What goes wrong from here on leaves it unknown what is stored.
            del self._stamps[agent]
            for path in [*gone, *(entry.path for entry in changed if entry.path in known)]:
                connection.execute("DELETE FROM texts WHERE rowid = (SELECT id FROM documents WHERE path = ?)", (path,))
                connection.execute("DELETE FROM documents WHERE path = ?", (path,))
                del known[path]
            for entry in changed:
                if self._add(connection, agent, entry):
                    known[entry.path] = entry.stamp
        self._remember(agent, known)

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

    def _documents(self, agent: str, known: dict[str, str]) -> Iterator[Entry]:
        for folder in (layout.memory(agent), layout.wiki(agent), layout.journal(agent)):
            for entry in self._vault.store.list(folder):
                if entry.path in known or is_note_file(entry.path.removeprefix(folder)):
                    yield entry

    def _add(self, connection: sqlite3.Connection, agent: str, entry: Entry) -> bool:
        """Store a document; False where it has gone meanwhile."""
        kind, file = _kind(agent, entry.path)
        note: Note | None = None
        row: tuple[str, str, str, str, str, int, int] = ("", "", "", "", "", 0, 1)
        problem = Problem(entry.path, 0, "")
        try:
            note = self._vault.note(entry, file)
            row = _row(note)
        except DocumentUnreadable as error:
            problem = problem_of(error)
        except AtomicAgentsError as error:
            if self._is_gone(entry.path):
                return False
            problem = Problem(entry.path, 0, error.message, error.hint)
        added = connection.execute(
            "INSERT INTO documents (path, agent, kind, file, stamp, name, hook, type, last_seen, expires,"
            " pinned, hidden, line, problem, hint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (entry.path, agent, kind, file, entry.stamp, *row, problem.line, problem.message, problem.hint),
        )
        if note is not None:
            body = journal.without_runs(note.body) if kind == "journal" else note.body
            texts = (note.name, f"{note.description}\n{body}", " ".join(note.tags))
            connection.execute(
                "INSERT INTO texts (rowid, name, body, tags) VALUES (?, ?, ?, ?)",
                (added.lastrowid, *(words.indexed(text) for text in texts)),
            )
        return True

    def _is_gone(self, path: str) -> bool:
        try:
            return self._vault.store.read(path) is None
        except AtomicAgentsError:
            return False

    def _passage(self, path: str, kind: str, asked: Sequence[str], score: float) -> Passage | None:
        try:
            document = self._vault.document(path)
        except AtomicAgentsError:
            return None
        if document is None:
            return None
        line, text = _best(document, kind, asked)
        return Passage(path, line, text, score)


def _differences(known: Mapping[str, str], current: Sequence[Entry]) -> tuple[list[Entry], AbstractSet[str]]:
    """The documents whose stamp is not the known one, and the paths that are gone."""
    changed = [entry for entry in current if known.get(entry.path) != entry.stamp]
    new = sum(entry.path not in known for entry in changed)
    if len(current) - new == len(known):
        return changed, frozenset()
    return changed, known.keys() - {entry.path for entry in current}


def _best(document: Document, kind: str, asked: Sequence[str]) -> tuple[int, str]:
    """Line and text of the paragraph that has most of the words, itself or above it; the first one where none has."""
    stems = [words.stem(word) for word in asked]
    body = journal.without_runs(document.body) if kind == "journal" else document.body
    most, best = -1, (document.body_line, "")
    for line, paragraph, heading in _paragraphs(body, document.body_line):
        text = words.folded(f"{heading}\n{paragraph}")
        hits = sum(stem in text for stem in stems)
        if hits > most:
            most, best = hits, (line, paragraph)
    return best


def _kind(agent: str, path: str) -> tuple[str, str]:
    for kind, folder in (
        ("note", layout.memory(agent)),
        ("wiki", layout.wiki(agent)),
        ("journal", layout.journal(agent)),
    ):
        if path.startswith(folder):
            return kind, path.removeprefix(folder)
    return "other", path


def _row(note: Note) -> tuple[str, str, str, str, str, int, int]:
    last_seen = note.last_seen.isoformat() if note.last_seen else ""
    expires = note.expires.isoformat() if note.expires else ""
    hidden = int(note.archived or bool(note.superseded_by))
    return note.name, note.description, note.type, last_seen, expires, int(note.pinned), hidden


def _paragraphs(body: str, first_line: int) -> Iterator[tuple[int, str, str]]:
    """Line, text and heading of each paragraph; a heading without a text below it is a paragraph too."""
    start, lines, heading, told = first_line, list[str](), "", True
    for number, line in enumerate([*body.split("\n"), ""], first_line):
        is_heading = _HEADING.match(line) is not None
        if line.strip() and not is_heading:
            start = start if lines else number
            lines.append(line.rstrip("\r"))
            continue
        if lines:
            yield start, "\n".join(lines), heading
            lines, told = [], True
        if is_heading:
            if not told:
                yield start, heading, ""
            start, heading, told = number, line.strip(), False
    if not told:
        yield start, heading, ""
