"""The tables of the derived index: what is kept of a document for lists and for search, put in and taken out."""

import posixpath
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from atomic_agents.core.values import Problem
from atomic_agents.memory import passages, rank, words
from atomic_agents.memory.passages import Section
from atomic_agents.vault.note import Note

Kind = Literal["note", "wiki", "raw", "journal", "conversation"]
KINDS: tuple[Kind, ...] = ("note", "wiki", "raw", "journal", "conversation")

FORM = 5
SCHEMA = """
CREATE TABLE agents (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE documents (
  id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, agent TEXT NOT NULL, kind TEXT NOT NULL, file TEXT NOT NULL,
  stamp TEXT NOT NULL, name TEXT NOT NULL, hook TEXT NOT NULL, type TEXT NOT NULL, last_seen TEXT NOT NULL,
  expires TEXT NOT NULL, pinned INTEGER NOT NULL, hidden INTEGER NOT NULL, line INTEGER NOT NULL, problem TEXT NOT NULL,
  hint TEXT NOT NULL, version INTEGER NOT NULL);
CREATE INDEX of_version ON documents (version);
CREATE INDEX recent ON documents (agent, kind, hidden, pinned, last_seen);
CREATE INDEX expiring ON documents (agent, expires) WHERE expires != '';
CREATE INDEX broken ON documents (agent, path) WHERE problem != '';
CREATE TABLE sections (id INTEGER PRIMARY KEY, document INTEGER NOT NULL, place INTEGER NOT NULL, day TEXT NOT NULL,
  size INTEGER NOT NULL);
CREATE INDEX of_document ON sections (document);
CREATE INDEX of_day ON sections (day) WHERE day != '';
CREATE TABLE passages (id INTEGER PRIMARY KEY, asks INTEGER NOT NULL, dated INTEGER NOT NULL, who TEXT NOT NULL);
CREATE TABLE speakers (agent INTEGER NOT NULL, name TEXT NOT NULL, document INTEGER NOT NULL,
  PRIMARY KEY (agent, name, document)) WITHOUT ROWID;
CREATE INDEX who_speaks ON speakers (document);
CREATE TABLE links (document INTEGER NOT NULL, target TEXT NOT NULL, PRIMARY KEY (document, target)) WITHOUT ROWID;
CREATE INDEX linked ON links (target);
CREATE VIRTUAL TABLE texts USING fts5 (body, about, tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE former_hooks (path TEXT NOT NULL, hook TEXT NOT NULL, PRIMARY KEY (path, hook)) WITHOUT ROWID;
CREATE TABLE read_changes (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE spend (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, total TEXT NOT NULL, bad_line TEXT NOT NULL)
"""

_SECTIONS = 1 << 28
_LINK = re.compile(r"\]\(<?([^)>#\s]+\.md)>?(?:#[^)]*)?\)|\[\[([^\]|#\n]+)")


@dataclass(frozen=True, slots=True)
class Row:
    """A document as it is kept. Without a `note` it cannot be read, and `problem` says why."""

    path: str
    agent: str
    kind: Kind
    file: str
    stamp: str
    note: Note | None
    day: str
    problem: Problem | None


def agent_number(connection: sqlite3.Connection, agent: str) -> int:
    """The number of an agent, a new one where it has none yet."""
    connection.execute("INSERT OR IGNORE INTO agents (name) VALUES (?)", (agent,))
    return int(connection.execute("SELECT id FROM agents WHERE name = ?", (agent,)).fetchone()[0])


def range_of(number: int, kind: Kind) -> tuple[int, int]:
    """The numbers that sections of one kind of an agent's documents have: from, and below."""
    first = (number * len(KINDS) + KINDS.index(kind)) * _SECTIONS
    return first, first + _SECTIONS


def put(connection: sqlite3.Connection, number: int, row: Row) -> None:
    """Keep a document that is not there. What is not current whatever the day is kept without its text."""
    found, problem = row.note, row.problem or Problem(row.path, 0, "")
    facts: Sequence[object] = ("", "", "", "", "", 0, 1) if found is None else _facts(found)
    document = connection.execute(
        "INSERT INTO documents (path, agent, kind, file, stamp, name, hook, type, last_seen, expires,"
        " pinned, hidden, line, problem, hint, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.path,
            row.agent,
            row.kind,
            row.file,
            row.stamp,
            *facts,
            problem.line,
            problem.message,
            problem.hint,
            found.version if found else 0,
        ),
    ).lastrowid
    if found is None or found.hidden:
        return
    first, below = range_of(number, row.kind)
    highest = connection.execute("SELECT max(id) FROM sections WHERE id >= ? AND id < ?", (first, below)).fetchone()[0]
    named = " ".join((found.name, found.description, *found.tags))
    parts = passages.sections(row.kind, found.body, 1)
    for place, section in enumerate(parts):
        at = (first if highest is None else highest + 1) + place
        connection.execute(
            "INSERT INTO sections VALUES (?, ?, ?, ?, ?)",
            (at, document, place, section.day or row.day, len(section.pieces)),
        )
        _put_passages(connection, at, section, named)
    speakers = sorted({(number, piece.who, document) for section in parts for piece in section.pieces if piece.who})
    connection.executemany("INSERT INTO speakers VALUES (?, ?, ?)", speakers)
    if row.kind in ("note", "wiki"):
        connection.executemany(
            "INSERT OR IGNORE INTO links VALUES (?, ?)", [(document, target) for target in _links(row.path, found.body)]
        )


def take_out(connection: sqlite3.Connection, path: str) -> None:
    """Forget a document."""
    for document in connection.execute("SELECT id FROM documents WHERE path = ?", (path,)).fetchall():
        for (section,) in connection.execute("SELECT id FROM sections WHERE document = ?", document).fetchall():
            span = (section * rank.ROOM, section * rank.ROOM + rank.ROOM - 1)
            connection.execute("DELETE FROM texts WHERE rowid BETWEEN ? AND ?", span)
            connection.execute("DELETE FROM passages WHERE id BETWEEN ? AND ?", span)
        connection.execute("DELETE FROM sections WHERE document = ?", document)
        connection.execute("DELETE FROM links WHERE document = ?", document)
        connection.execute("DELETE FROM speakers WHERE document = ?", document)
        connection.execute("DELETE FROM documents WHERE id = ?", document)


def hook_of(connection: sqlite3.Connection, path: str) -> str:
    """The description that a document is kept with, "" for none."""
    row = connection.execute("SELECT hook FROM documents WHERE path = ?", (path,)).fetchone()
    return str(row[0]) if row else ""


def keep_former_hook(connection: sqlite3.Connection, row: Row, former: str) -> None:
    """Remember what a note was described as, where that has changed: an index may still say it."""
    if row.kind == "note" and row.note is not None and former and former != row.note.description:
        connection.execute("INSERT OR IGNORE INTO former_hooks VALUES (?, ?)", (row.path, former))


def unread_changes(connection: sqlite3.Connection, paths: Iterable[str]) -> list[str]:
    """Those of the records of changes whose hooks are not kept yet."""
    known = {str(path) for (path,) in connection.execute("SELECT path FROM read_changes")}
    return [path for path in paths if path not in known]


def keep_written_hooks(connection: sqlite3.Connection, path: str, hooks: Iterable[tuple[str, str]]) -> None:
    """Remember the hooks, by the path of their note, that the change recorded at `path` wrote into an index."""
    connection.execute("INSERT INTO read_changes VALUES (?)", (path,))
    connection.executemany("INSERT OR IGNORE INTO former_hooks VALUES (?, ?)", hooks)


def _put_passages(connection: sqlite3.Connection, section: int, found: Section, named: str) -> None:
    first = section * rank.ROOM + rank.FIRST
    kept = []
    texts = []
    for place, piece in enumerate(found.pieces):
        about = f"{named}\n{piece.heading}" if place == 0 else piece.heading
        kept.append((first + place, int(piece.asks), int(piece.dated), piece.who))
        texts.append((first + place, words.indexed(piece.text), words.indexed(about)))
    connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?)", kept)
    connection.executemany("INSERT INTO texts (rowid, body, about) VALUES (?, ?, ?)", texts)


def _facts(found: Note) -> tuple[object, ...]:
    last_seen = found.last_seen.isoformat() if found.last_seen else ""
    expires = found.expires.isoformat() if found.expires else ""
    return found.name, found.description, found.type, last_seen, expires, int(found.pinned), int(found.hidden)


def _links(path: str, body: str) -> Iterator[str]:
    """The paths of the documents that a body links to."""
    if "](" not in body and "[[" not in body:
        return
    folder = posixpath.dirname(path)
    for link in _LINK.finditer(body):
        name = link[1] or f"{link[2].strip().removesuffix('.md')}.md"
        target = posixpath.normpath(posixpath.join(folder, name))
        if target != path:
            yield target
