"""A question put to the derived index: which passages answer it, best first."""

import datetime
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from atomic_agents.memory import dates, rank, words
from atomic_agents.memory.database import Row
from atomic_agents.memory.rank import ROOM, Facts, Word
from atomic_agents.memory.tables import KINDS, Kind, range_of

Rows = Callable[..., list[Row]]

_COMMON = 2_000
"""Passages with a word from which on it tells nothing beside rarer words."""
_AT_ONCE = 500
_CENTRES = 120
_LINKED = 0.2
_LEAD = 10
_LINKS = (
    "SELECT s.id FROM links l JOIN documents d ON d.path = l.target JOIN sections s ON s.document = d.id"
    " WHERE l.document = ?1 AND s.place = 0 "
    "UNION SELECT s.id FROM documents d JOIN links l ON l.target = d.path JOIN sections s ON s.document = l.document"
    " WHERE d.id = ?1 AND s.place = 0"
)
"""The beginnings of the documents that a document links to, and of those that link to it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage: its document, and its section's and its own place there."""

    path: str
    kind: Kind
    section: int
    piece: int
    score: float


def find(rows: Rows, number: int, query: str, kinds: Collection[Kind], limit: int, today: datetime.date) -> list[Hit]:
    """At most `limit` passages; of a note and of a page only the best one."""
    rest, spans = dates.spans(query, today)
    ranges = [range_of(number, kind) for kind in KINDS if kind in kinds]
    speakers = _speakers(rows, number, rest)
    asked = words.query_words(rest)
    telling = [word for word in asked if not any(word.casefold() in name for name in speakers.values())] or asked
    gone = {each for (each,) in rows(
        "SELECT s.id FROM documents d JOIN sections s ON s.document = d.id JOIN agents a ON a.name = d.agent"
        " WHERE a.id = ? AND d.expires != '' AND d.expires < ?", number, today.isoformat(),
    )}  # fmt: skip
    sections, passages = _counts(rows, ranges)
    within = {section for span in spans for section in _within(rows, ranges, span)} - gone
    found = _words(rows, telling, ranges, passages, gone)
    if not found:
        return _chosen(rows, {each * ROOM + rank.FIRST: rank.DAY for each in within}, limit)
    of_sections = rank.sections(found, sections)
    near = rank.candidates(found, of_sections, within, max(_CENTRES, 2 * limit))
    who = next(iter(speakers)) if len(speakers) == 1 else None
    facts = {
        each: Facts(bool(asks), bool(dated), who is not None and name == who, each // ROOM in within)
        for each, asks, dated, name in rows(
            "SELECT p.id, asks, dated, who FROM json_each(?) e JOIN passages p ON p.id = e.value", _list(near)
        )
    }
    scores = rank.scores(found, of_sections, facts, asks_when=dates.asks_when(query))
    _add_linked(rows, scores, ranges, gone)
    return _chosen(rows, scores, limit)


def _words(
    rows: Rows, asked: Sequence[str], ranges: Sequence[tuple[int, int]], count: int, gone: Collection[int]
) -> list[Word]:
    found = []
    for word in asked:
        having = _having(rows, words.match(words.forms(word)), ranges, _COMMON)
        if gone:
            having = {passage for passage in having if passage // ROOM not in gone}
        if having:
            found.append(Word(having, rank.weight(count, len(having))))
    rare = [word for word in found if len(word.passages) < _COMMON]
    if rare or not found:
        return rare
    together = _having(rows, " AND ".join(f"({words.match(words.forms(word))})" for word in asked), ranges, _COMMON)
    return [Word({*word.passages, *together}, word.weight) for word in found]


def _having(rows: Rows, match: str, ranges: Sequence[tuple[int, int]], most: int) -> set[int]:
    found: set[int] = set()
    for first, below in ranges:
        span = (first * ROOM, below * ROOM - 1)
        query = "SELECT rowid FROM texts WHERE texts MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?"
        found.update([each for (each,) in rows(query, match, *span, most - len(found))])
    return found


def _speakers(rows: Rows, number: int, query: str) -> dict[str, frozenset[str]]:
    """Those who speak in the documents and are named in a question, each with the words of the name."""
    asked = {word.casefold() for word in words.query_words(query)}
    names = {str(name): frozenset(str(name).casefold().split()) for (name,) in rows(
        "SELECT DISTINCT name FROM speakers WHERE agent = ?", number
    )}  # fmt: skip
    return {name: parts for name, parts in names.items() if parts & asked}


def _counts(rows: Rows, ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """How many sections and passages there are."""
    sections = passages = 0
    for span in ranges:
        ((count, size),) = rows("SELECT count(*), total(size) FROM sections WHERE id >= ? AND id < ?", *span)
        sections, passages = sections + count, passages + int(size)
    return sections, passages


def _within(rows: Rows, ranges: Sequence[tuple[int, int]], span: dates.Span) -> Iterator[int]:
    for first, below in ranges:
        query = "SELECT id FROM sections WHERE day != '' AND day BETWEEN ? AND ? AND id >= ? AND id < ?"
        for (each,) in rows(query, span[0].isoformat(), span[1].isoformat(), first, below):
            yield each


def _add_linked(rows: Rows, scores: dict[int, float], ranges: Sequence[tuple[int, int]], gone: Collection[int]) -> None:
    """Let what the best documents link to, and what links to them, gain by it."""
    best: dict[int, float] = {}
    for passage in sorted(scores, key=lambda each: -scores[each])[: _LEAD * 3]:
        for (document,) in rows("SELECT document FROM sections WHERE id = ?", passage // ROOM):
            best.setdefault(document, scores[passage])
    for document, score in list(best.items())[:_LEAD]:
        linked = rows(_LINKS, document)
        for (at,) in linked:
            if at in gone or not any(first <= at < below for first, below in ranges):
                continue
            inside = [passage for passage in scores if passage // ROOM == at]
            gains = max(inside, key=lambda each: scores[each]) if inside else at * ROOM + rank.FIRST
            scores[gains] = scores.get(gains, 0) + _LINKED * score


def _chosen(rows: Rows, scores: dict[int, float], limit: int) -> list[Hit]:
    """The best passages as hits; equal ones in order of path."""
    order = sorted(scores, key=lambda each: (-round(scores[each], 9), each))
    found: list[Hit] = []
    seen: set[str] = set()
    for part in _parts(order):
        places = {
            section: (str(path), next(kind for kind in KINDS if kind == stated), place)
            for section, path, stated, place in rows(
                "SELECT s.id, d.path, d.kind, s.place FROM json_each(?) e JOIN sections s ON s.id = e.value"
                " JOIN documents d ON d.id = s.document", _list({each // ROOM for each in part}),
            )
        }  # fmt: skip
        known = [each for each in part if each // ROOM in places]
        known.sort(key=lambda each: (-round(scores[each], 9), places[each // ROOM][0], each))
        for each in known:
            path, kind, place = places[each // ROOM]
            if path in seen and kind in ("note", "wiki"):
                continue
            seen.add(path)
            found.append(Hit(path, kind, place, each % ROOM - rank.FIRST, round(scores[each], 4)))
        if len(found) >= limit:
            break
    return found[:limit]


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE))


def _list(numbers: Iterable[int]) -> str:
    return json.dumps(sorted(numbers))
