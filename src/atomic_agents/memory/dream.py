"""A dream: decisions about notes that wait for the operator, each a hunk with its reason and the texts it changes.

It stands in `dreams/<id>/`: `manifest.json`, in the published keys with `hunks` beside them, and `report.md` to read.
"""

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Literal, cast, get_args

from atomic_agents.core.change import ABSENT, Change, ChangeSet, Put, Revision, revision
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.values import Usd
from atomic_agents.vault import layout, note
from atomic_agents.vault.note import Note

HunkKind = Literal["merge", "stale", "promote", "contradiction"]
State = Literal["open", "accepted", "rejected", "applied"]
STATES: tuple[State, ...] = get_args(State)
MANIFEST, REPORT = "manifest.json", "report.md"
ADOPTED = "adopted"
"""The key of a manifest that another program wrote, whose report stays as it is."""
_ID = re.compile(r"drm_[A-Za-z0-9T_-]{1,80}")


@dataclass(frozen=True, slots=True)
class Piece:
    """One note of a hunk: its file and its whole text before and after; None where there is no note."""

    file: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Hunk:
    """One decision. Without `pieces` it is for the operator to settle, and nothing is written.

    `left_out` names figures of the notes before that are in none of the notes after; `blocked` says why it cannot be
    applied, "" where it can.
    """

    number: int
    kind: HunkKind
    reason: str
    pieces: tuple[Piece, ...] = ()
    files: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    state: State = "open"
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Dream:
    """One dream. `facts` are the published keys of its manifest and those that nobody here knows, as they stand."""

    id: str
    agent: str
    status: str
    hunks: tuple[Hunk, ...]
    facts: Mapping[str, object]
    revision: Revision = ABSENT
    """Of the manifest as it was read."""

    @property
    def cost(self) -> Usd:
        """What it cost."""
        try:
            found = Decimal(str(self.facts.get("total_cost_usd") or 0))
        except InvalidOperation:
            return Decimal(0)
        return found if found.is_finite() else Decimal(0)

    @property
    def dropped(self) -> tuple[str, ...]:
        """What of the answers was left out because it was not as it was asked for, in words."""
        return note.texts(self.facts.get("dropped"))

    def count(self, state: State) -> int:
        """How many hunks are in a state."""
        return sum(hunk.state == state for hunk in self.hunks)

    def having(self, hunks: Sequence[Hunk], **facts: object) -> "Dream":
        """The dream with other hunks and some facts stated anew."""
        status = str(facts.get("status", self.status))
        return replace(self, hunks=tuple(hunks), facts={**self.facts, **facts}, status=status)


def is_id(text: str) -> bool:
    """Whether `text` can name a dream, and no other place."""
    return _ID.fullmatch(text) is not None


def new_id(now: datetime.datetime, token: str) -> str:
    """An id in the published form; `token` is six hexadecimal digits."""
    return f"drm_{now:%Y-%m-%dT%H%M%S}_{token}"


def read(agent: str, dream_id: str, data: bytes, stamp: Revision) -> Dream:
    """A dream by its manifest; one of the published form has no hunks yet.

    Raises:
        DocumentUnreadable: the manifest is not what the format says.
    """
    path = layout.dream(agent, dream_id, MANIFEST)
    try:
        facts = json.loads(data)
        hunks = tuple(_hunk(value) for value in facts.get("hunks") or ())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        message = f"is no manifest of a dream: {error}"
        hint = f"atomic-agents dream discard {agent} {dream_id}"
        context = {"path": path, "line": 0, "message": message}
        raise DocumentUnreadable(f"{path}: {message}", hint=hint, context=context) from error
    return Dream(dream_id, agent, str(facts.get("status") or ""), hunks, facts, stamp)


def changes(dream: Dream) -> tuple[Change, ...]:
    """The dream as its two documents."""
    manifest = Put(layout.dream(dream.agent, dream.id, MANIFEST), _manifest(dream), expect=dream.revision)
    if dream.facts.get(ADOPTED):
        return (manifest,)
    return (
        manifest,
        Put(layout.dream(dream.agent, dream.id, REPORT), report(dream).encode(errors="replace")),
    )


def written(dream: Dream) -> Dream:
    """The dream as it is once its `changes` are applied."""
    return replace(dream, revision=revision(_manifest(dream)))


def report(dream: Dream) -> str:
    """The dream for people: every hunk with its reason, its state and its diff."""
    lines = [f"# Dream {dream.id}", "", f"Status: {dream.status}, {len(dream.hunks):,} hunks", ""]
    lines += ["Left out of the answers:", "", *(f"- {each}" for each in dream.dropped), ""] if dream.dropped else []
    for hunk in dream.hunks:
        state = "" if hunk.state == "open" else f" ({hunk.state})"
        lines += [f"## {title(hunk)}{state}", "", hunk.reason, ""]
        lines += [f"Figures that are not in the new text: {', '.join(hunk.left_out)}", ""] if hunk.left_out else []
        body = list(diff(dream.agent, hunk))
        ticks = "`" * max(3, *(len(run) + 1 for line in body for run in re.findall(r"`+", line)), 3)
        lines += [f"{ticks}diff", *body, ticks, ""] if body else []
    return "\n".join(lines)


def title(hunk: Hunk) -> str:
    """`1. merge user_a.md, user_b.md`."""
    return f"{hunk.number}. {hunk.kind} {', '.join(hunk.files)}"


def diff(agent: str, hunk: Hunk) -> Iterator[str]:
    """What the hunk changes, as a diff."""
    before = {layout.note(agent, piece.file): piece.before for piece in hunk.pieces}
    puts = [
        Put(layout.note(agent, piece.file), piece.after.encode()) for piece in hunk.pieces if piece.after is not None
    ]

    def read_before(path: str) -> bytes | None:
        text = before[path]
        return None if text is None else text.encode()

    return ChangeSet("", tuple(puts)).diff(read_before)


def left_out(before: Sequence[Note], after: Sequence[str]) -> tuple[str, ...]:
    """Figures (numbers, sums, days) that stand in a note before and in no text after."""
    kept = set(_figures("\n".join(after)))
    return tuple(dict.fromkeys(figure for each in before for figure in _figures(each.body) if figure not in kept))


def as_json(hunk: Hunk) -> dict[str, object]:
    """A hunk as the manifest has it, and as programs read it."""
    pieces = [{"file": piece.file, "before": piece.before, "after": piece.after} for piece in hunk.pieces]
    return {
        "number": hunk.number, "kind": hunk.kind, "reason": hunk.reason, "state": hunk.state,
        "files": list(hunk.files), "left_out": list(hunk.left_out), "blocked": hunk.blocked, "changes": pieces,
    }  # fmt: skip


def _manifest(dream: Dream) -> bytes:
    published = {} if dream.facts.get(ADOPTED) else _published(dream.hunks)
    manifest = {**dream.facts, **published, "hunks": [as_json(hunk) for hunk in dream.hunks]}
    return (json.dumps(manifest, ensure_ascii=False, indent=2, default=str) + "\n").encode(errors="replace")


def _figures(text: str) -> list[str]:
    return re.findall(r"\d+(?:[.,:/-]\d+)*", text)


def _published(hunks: Sequence[Hunk]) -> dict[str, object]:
    """What readers of the published form look for."""
    merged, promoted, stale = [], [], []
    for hunk in hunks:
        if hunk.kind == "merge":
            merged.append({"new": hunk.files[0], "supersedes": list(hunk.files[1:]), "reason": hunk.reason})
        elif hunk.kind == "promote":
            promoted.append({"new": hunk.files[0], "from_journal_entries": list(hunk.files[1:]), "reason": hunk.reason})
        elif hunk.kind == "stale":
            stale.append({"note": hunk.files[0], "new_expires_at": _expiry(hunk)})
    return {"consolidated": merged, "promoted": promoted, "marked_stale": stale}


def _expiry(hunk: Hunk) -> str:
    found = re.search(r"^expires_at: *'?([\d-]+)", hunk.pieces[0].after or "", re.MULTILINE) if hunk.pieces else None
    return found[1] if found else ""


def _hunk(value: Mapping[str, object]) -> Hunk:
    """A hunk as the manifest has it; raises ValueError, TypeError or KeyError where it is none."""
    if value["kind"] not in get_args(HunkKind) or value["state"] not in STATES:
        raise ValueError(f"hunk {value['number']} is {value['kind']}, {value['state']}")
    raw = value["changes"]
    if not isinstance(raw, list) or not isinstance(value["number"], int):
        raise TypeError("a hunk without number or changes")
    pieces = tuple(Piece(_file(each["file"]), _text(each["before"]), _text(each["after"])) for each in raw)
    return Hunk(
        value["number"], cast("HunkKind", value["kind"]), str(value["reason"]), pieces, note.texts(value["files"]),
        note.texts(value["left_out"]), value["state"], str(value["blocked"]),
    )  # fmt: skip


def _file(value: object) -> str:
    """A note's file: a manifest must not lead to anything else."""
    if not isinstance(value, str) or not layout.is_note(value) or ".." in value.split("/"):
        raise ValueError(f"{value!r} is no note")
    return value


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError("a text that is none")
    return value
