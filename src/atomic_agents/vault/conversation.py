"""A conversation as a document: turns under headings, in words a person reads and in a form that is read back exactly.

Only a line of the form `## TIME — asked` begins a part. A line of a text that looks like one is kept with a backslash
in front, and so is one that has such a backslash already, so that whatever was said is read back as it was said.
"""

import datetime
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.core.document import MAX_BYTES, Document, parse, render
from atomic_agents.core.errors import AtomicAgentsError, UsageError
from atomic_agents.core.store import check_new_path, normal_name
from atomic_agents.core.values import Usd
from atomic_agents.vault import layout

FULL = MAX_BYTES // 2
"""Bytes from which on a conversation takes no more turns: it must stay readable, whatever the next turn adds."""

NEW = "new"
"""The id that asks for one of its own."""

Ended = Literal["ok", "interrupted", "error"]

_TITLE = 80
_HEADING = re.compile(
    r"^## (?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[+-]\d\d:\d\d(?::\d\d)?)?) — "
    r"(?P<part>asked|answered|summary of (?P<covers>\d+) turns?)(?:, (?P<ended>interrupted|error))?$",
    re.MULTILINE,
)
_LOOKS_LIKE_ONE = re.compile(r"^(?=\\*## \d{4}-)", re.MULTILINE)
_KEPT_LINE = re.compile(r"^\\(?=\\*## \d{4}-)", re.MULTILINE)
_FACTS = re.compile(r"\n<!-- (?P<run>[\w-]*)(?P<facts>[^\n]*?) -->(?=\n|\Z)")
_LONGEST_ID = 90
_ID = re.compile(r"\w[\w.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked and what was answered. `captured` names the notes it wrote; `cost` is in USD."""

    asked: str
    answer: str
    at: datetime.datetime
    answered_at: datetime.datetime
    run_id: str = ""
    ended: Ended = "ok"
    cost: Usd = Decimal(0)
    captured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What the first `covers` turns said, in short."""

    text: str
    covers: int
    at: datetime.datetime
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation. `summary` is the newest there is, None where nothing was summarised yet."""

    id: str
    agent: str
    title: str
    started: datetime.datetime
    last: datetime.datetime
    turns: tuple[Turn, ...]
    summary: Summary | None
    document: Document

    @property
    def cost(self) -> Usd:
        """What its turns cost."""
        return sum((turn.cost for turn in self.turns), Decimal(0))


def new_id(now: datetime.datetime) -> str:
    """An id that nobody has: the time and some letters."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def conversation_id(text: str, now: datetime.datetime) -> str:
    """The id that somebody typed, in the one form that every file system tells apart; `new` makes one.

    One of another principal than the operator of this machine is `principal/id`.

    Raises:
        UsageError: it cannot be a file's name.
    """
    if text.strip() == NEW:
        return new_id(now)
    found = normal_name(text.strip()).lower().removesuffix(".md")
    parts = found.split("/")
    if len(parts) > 2 or not all(map(_is_id, parts)):
        hint = "--conversation kitchen-plans; letters, digits, dots and dashes"
        raise UsageError(f"{text!r} cannot name a conversation", hint=hint)
    return found


def plain_id(name: str) -> str:
    """The id that can be typed for a conversation of that name, whatever signs it has."""
    found = re.sub(r"[^\w.-]+", "-", normal_name(name).lower()).strip("-.")[:_LONGEST_ID].rstrip("-.")
    return found if _is_id(found) else f"{found or 'conversation'}-1"


def _is_id(part: str) -> bool:
    try:
        check_new_path(layout.conversation("agent", part))
    except AtomicAgentsError:
        return False
    return _ID.fullmatch(part) is not None


def read(document: Document, *, agent: str, name: str) -> Conversation:
    """A conversation from its document; what a person added above the first turn is left alone."""
    turns: list[Turn] = []
    summary, open_turn = None, False
    for part, found, text in _parts(document):
        at, facts = _time(found["at"]), _FACTS.match(text)
        run_id = facts["run"] if facts else ""
        words = _plain(text[facts.end() :] if facts else text)
        if part == "asked":
            turns.append(Turn(words, "", at, at, run_id))
            open_turn = True
        elif part == "answered":
            asked = turns.pop() if open_turn else None
            open_turn = False
            turns.append(_answered(asked, words, at, run_id, found["ended"], facts["facts"] if facts else ""))
        else:
            summary = Summary(words, min(int(found["covers"]), len(turns)), at, run_id)
    started = turns[0].at if turns else _stated(document, "started")
    last = turns[-1].answered_at if turns else _stated(document, "last")
    title = document.text_of("title")
    return Conversation(name, agent, title, started, last, tuple(turns), summary, document)


def with_turn(before: Document | None, turn: Turn, *, agent: str, path: str) -> Document:
    """The document with one more turn at its end; what stands there stays byte for byte, but for the time in `last`."""
    facts = [f"${turn.cost:.6f}".rstrip("0").rstrip(".")]
    facts += [f"captured {', '.join(turn.captured)}"] if turn.captured else []
    ended = "" if turn.ended == "ok" else f", {turn.ended}"
    parts = (
        _entry(f"{_stamp(turn.at)} — asked", turn.run_id, (), turn.asked),
        _entry(f"{_stamp(turn.answered_at)} — answered{ended}", turn.run_id, facts, turn.answer),
    )
    if before is None:
        meta = {
            "schema_version": CURRENT_SCHEMA_VERSION,
            "agent": agent,
            "title": _title(turn.asked),
            "started": turn.at.isoformat(timespec="seconds"),
            "last": turn.answered_at.isoformat(timespec="seconds"),
        }
        before = parse(path, render(meta, "").rstrip() + b"\n")
    else:
        before = before.edit({"last": turn.answered_at.isoformat(timespec="seconds")})
    return _with(before, parts)


def with_summary(before: Document, summary: Summary) -> Document:
    """The document with a summary at its end."""
    what = f"summary of {summary.covers} turn{'' if summary.covers == 1 else 's'}"
    return _with(before, (_entry(f"{_stamp(summary.at)} — {what}", summary.run_id, (), summary.text),))


def _parts(document: Document) -> Iterator[tuple[str, "re.Match[str]", str]]:
    body = document.body.replace("\r\n", "\n") if document.newline == "\r\n" else document.body
    found = list(_HEADING.finditer(body))
    for number, heading in enumerate(found):
        last = number + 1 == len(found)
        end = len(body) if last else found[number + 1].start()
        text = body[heading.end() : end].removesuffix("\n" if last else "\n\n")
        yield heading["part"].partition(" ")[0], heading, text


def _with(before: Document, entries: Sequence[str]) -> Document:
    text = before.text if before.text.endswith("\n") else before.text + before.newline
    added = "".join(f"\n{entry}" for entry in entries)
    if before.newline == "\r\n":
        added = added.replace("\r\n", "\n").replace("\n", "\r\n")
    return parse(before.path, (text + added).encode())


def _entry(heading: str, run_id: str, facts: Sequence[str], text: str) -> str:
    comment = "; ".join([run_id, *facts])
    safe = text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"## {heading}\n<!-- {comment} -->\n\n{_LOOKS_LIKE_ONE.sub(lambda _: chr(92), safe)}\n"


def _plain(text: str) -> str:
    return _KEPT_LINE.sub("", text.removeprefix("\n").removeprefix("\n"))


def _answered(
    asked: Turn | None, answer: str, at: datetime.datetime, run_id: str, ended: str | None, facts: str
) -> Turn:
    cost = Decimal(0)
    captured: tuple[str, ...] = ()
    for fact in facts.split("; "):
        if fact.startswith("$"):
            try:
                cost = Decimal(fact[1:])
            except InvalidOperation:
                continue
        elif fact.startswith("captured "):
            captured = tuple(fact.removeprefix("captured ").split(", "))
    how: Ended = "interrupted" if ended == "interrupted" else "error" if ended == "error" else "ok"
    return Turn(asked.asked if asked else "", answer, asked.at if asked else at, at, run_id, how, cost, captured)


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE else f"{line[: _TITLE - 1].rstrip()}…"


def _stamp(at: datetime.datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")


def _time(text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        found = datetime.datetime.min  # noqa: DTZ901 - given its zone below
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def _stated(document: Document, key: str) -> datetime.datetime:
    value = document.meta.get(key)
    return _time(value.isoformat() if isinstance(value, datetime.datetime) else str(value))
