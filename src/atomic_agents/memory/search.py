"""The derived index: every note, page and journal day of an agent by its fields and full text, in SQLite.

It is never the truth. Rows are keyed by path and the store's stamp, refreshed before each use, and the whole file is
made anew where it is damaged or of another form.
"""

import datetime
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.store import Entry
from atomic_agents.core.values import Problem, Usd
from atomic_agents.vault import journal, layout
from atomic_agents.vault.note import Note
from atomic_agents.vault.vault import Vault, is_note_file, problem_of

_FORM = 1
_SCHEMA = """
CREATE TABLE documents (
  id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, agent TEXT NOT NULL, kind TEXT NOT NULL, file TEXT NOT NULL,
  stamp TEXT NOT NULL, name TEXT NOT NULL, hook TEXT NOT NULL, type TEXT NOT NULL, last_seen TEXT NOT NULL,
  expires TEXT NOT NULL, pinned INTEGER NOT NULL, hidden INTEGER NOT NULL, line INTEGER NOT NULL, problem TEXT NOT NULL,
  hint TEXT NOT NULL);
CREATE INDEX recent ON documents (agent, kind, hidden, pinned, last_seen);
CREATE VIRTUAL TABLE texts USING fts5 (name, body, tags, tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE spend (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, total TEXT NOT NULL, bad_line TEXT NOT NULL);
"""
_STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "should",
        "so",
        "that",
        "the",
        "their",
        "them",
        "there",
        "they",
        "this",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "der",
        "die",
        "das",
        "ein",
        "eine",
        "ist",
        "und",
        "oder",
        "wir",
        "ich",
        "sie",
        "es",
    ]
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that matches a query: where it stands, its text, and how well it matches, higher is better."""

    path: str
    line: int
    text: str
    score: float


class MemoryIndex:
    """The index of a vault in one SQLite file; `:memory:` where the vault cannot be written."""

    def __init__(self, vault: Vault, database: str) -> None:
        self._vault = vault
        self._database = database
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._stamps: dict[str, tuple[int, dict[str, str]]] = {}

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def refresh(self, agent: str) -> None:
        """Bring the rows of an agent up to date with its documents."""
        with self._guard:
            try:
                self._refresh(agent)
            except sqlite3.DatabaseError:
                self._start_anew()
                self._refresh(agent)

    def pinned(self, agent: str, today: datetime.date, limit: int) -> list[str]:
        """Paths of the pinned notes that are current, in order of path."""
        return self._paths(agent, "pinned = 1", today, "path", limit)

    def recent(self, agent: str, today: datetime.date, limit: int) -> list[str]:
        """Paths of the current notes seen last, newest first, without the pinned ones."""
        return self._paths(agent, "pinned = 0", today, "last_seen DESC, path", limit)

    def problems(self, agent: str) -> list[Problem]:
        """The documents of an agent that cannot be read."""
        rows = self._rows(
            "SELECT path, line, problem, hint FROM documents WHERE agent = ? AND problem != '' ORDER BY path", agent
        )
        return [Problem(str(path), int(line), str(problem), str(hint)) for path, line, problem, hint in rows]

    def count(self, agent: str) -> int:
        """How many notes the agent has."""
        return int(self._rows("SELECT count(*) FROM documents WHERE agent = ? AND kind = 'note'", agent)[0][0])

    def search(self, agent: str, query: str, limit: int, today: datetime.date) -> list[Passage]:
        """The best passages of an agent's current notes, pages and journal, best first, at most one a document."""
        words = [word for word in re.findall(r"\w+", query.lower()) if word not in _STOP_WORDS]
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        rows = self._rows(
            "SELECT d.path, bm25(texts, 4.0, 1.0, 2.0) FROM texts JOIN documents d ON d.id = texts.rowid"
            " WHERE texts MATCH ? AND d.agent = ? AND d.hidden = 0 AND (d.expires = '' OR d.expires >= ?)"
            " ORDER BY 2, d.path LIMIT ?",
            match, agent, today.isoformat(), limit,
        )  # fmt: skip
        found = (self._passage(str(path), words, -float(rank)) for path, rank in rows)
        return [passage for passage in found if passage is not None]

    def spend(self, path: str, stamp: str) -> tuple[Usd, str] | None:
        """See `budget.ledger.SumCache`."""
        rows = self._rows("SELECT total, bad_line FROM spend WHERE path = ? AND stamp = ?", path, stamp)
        return (Decimal(str(rows[0][0])), str(rows[0][1])) if rows else None

    def keep_spend(self, path: str, stamp: str, total: Usd, bad_line: str) -> None:
        """See `budget.ledger.SumCache`."""
        with self._guard, self._open() as connection:
            connection.execute("INSERT OR REPLACE INTO spend VALUES (?, ?, ?, ?)", (path, stamp, str(total), bad_line))

    def _paths(self, agent: str, condition: str, today: datetime.date, order: str, limit: int) -> list[str]:
        rows = self._rows(
            f"SELECT path FROM documents WHERE agent = ? AND kind = 'note' AND hidden = 0 AND {condition}"  # noqa: S608 - ours
            f" AND (expires = '' OR expires >= ?) ORDER BY {order} LIMIT ?",
            agent, today.isoformat(), limit,
        )  # fmt: skip
        return [str(path) for (path,) in rows]

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guard:
            try:
                return self._open().execute(query, values).fetchall()
            except sqlite3.DatabaseError:
                self._start_anew()
                return self._open().execute(query, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._database != ":memory:":
                Path(self._database).parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._database, timeout=10, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            self._connection = connection
            (form,) = connection.execute("PRAGMA user_version").fetchone()
            if form != _FORM:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    (form,) = connection.execute("PRAGMA user_version").fetchone()
                    if form != _FORM:
                        _drop_everything(connection)
                        for statement in _SCHEMA.split(";\n"):
                            connection.execute(statement)
                        connection.execute(f"PRAGMA user_version = {_FORM}")
        return self._connection

    def _start_anew(self) -> None:
        self.close()
        self._stamps.clear()
        if self._database != ":memory:":
            for suffix in ("", "-wal", "-shm"):
                Path(self._database + suffix).unlink(missing_ok=True)

    def _refresh(self, agent: str) -> None:
        connection = self._open()
        known = self._known(connection, agent)
        current = {entry.path: entry for entry in self._documents(agent)}
        changed = [entry for path, entry in current.items() if known.get(path) != entry.stamp]
        gone = [path for path in known if path not in current]
        if not changed and not gone:
            return
        with connection:
            for path in [*gone, *(entry.path for entry in changed if entry.path in known)]:
                connection.execute("DELETE FROM texts WHERE rowid = (SELECT id FROM documents WHERE path = ?)", (path,))
                connection.execute("DELETE FROM documents WHERE path = ?", (path,))
            for entry in changed:
                self._add(connection, agent, entry)
        self._stamps[agent] = (_data_version(connection), {path: entry.stamp for path, entry in current.items()})

    def _known(self, connection: sqlite3.Connection, agent: str) -> dict[str, str]:
        """Stamps of the rows there are; remembered while no other process writes."""
        version = _data_version(connection)
        remembered = self._stamps.get(agent)
        if remembered is None or remembered[0] != version:
            rows = connection.execute("SELECT path, stamp FROM documents WHERE agent = ?", (agent,))
            remembered = self._stamps[agent] = (version, dict(rows.fetchall()))
        return remembered[1]

    def _documents(self, agent: str) -> Iterator[Entry]:
        for folder in (layout.memory(agent), layout.wiki(agent), layout.journal(agent)):
            for entry in self._vault.store.list(folder):
                if is_note_file(entry.path.removeprefix(folder)):
                    yield entry

    def _add(self, connection: sqlite3.Connection, agent: str, entry: Entry) -> None:
        kind, file = _kind(agent, entry.path)
        try:
            note = self._vault.note(entry, file)
            row = _row(note)
            problem = Problem(entry.path, 0, "")
        except DocumentUnreadable as error:
            note, row, problem = None, ("", "", "", "", "", 0, 1), problem_of(error)
        added = connection.execute(
            "INSERT OR REPLACE INTO documents (path, agent, kind, file, stamp, name, hook, type, last_seen, expires,"
            " pinned, hidden, line, problem, hint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (entry.path, agent, kind, file, entry.stamp, *row, problem.line, problem.message, problem.hint),
        )
        if note is not None:
            body = journal.without_runs(note.body) if kind == "journal" else note.body
            text = f"{note.description}\n{body}"
            words = (added.lastrowid, note.name, text, " ".join(note.tags))
            connection.execute("INSERT INTO texts (rowid, name, body, tags) VALUES (?, ?, ?, ?)", words)

    def _passage(self, path: str, words: Sequence[str], score: float) -> Passage | None:
        try:
            document = self._vault.document(path)
        except DocumentUnreadable:
            return None
        if document is None:
            return None
        stems = [word[: max(4, len(word) - 2)] for word in words]
        best, start, text = -1, document.body_line, ""
        body = journal.without_runs(document.body) if "/journal/" in path else document.body
        for line, paragraph in _paragraphs(body, document.body_line):
            lowered = paragraph.lower()
            hits = sum(stem in lowered for stem in stems)
            if hits > best and not paragraph.startswith("#"):
                best, start, text = hits, line, paragraph
        return Passage(path, start, text or document.body.strip(), score)


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


def _paragraphs(body: str, first_line: int) -> Iterator[tuple[int, str]]:
    start, lines = first_line, list[str]()
    for number, line in enumerate([*body.splitlines(), ""], first_line):
        if line.strip():
            start = start if lines else number
            lines.append(line)
        elif lines:
            yield start, "\n".join(lines)
            lines = []


def _data_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _drop_everything(connection: sqlite3.Connection) -> None:
    for name in ("documents", "texts", "spend"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
