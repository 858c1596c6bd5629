"""`python -m benchmarks.locomo FILE`: how much of what answers a question is found, over long conversations.

FILE is JSON in the form of LoCoMo, a list of conversations; its data is not part of this project. Each turn becomes a
line of a journal, each session a section of its day; each question is a query, and no model is asked anything. A side's
recall at k is the share of a question's evidence among the first k turns that it returns, over all questions.
"""

import argparse
import contextlib
import datetime
import json
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atomic_agents.memory.search import MemoryIndex
from atomic_agents.runtime.prompt import estimate
from atomic_agents.stores.files import FolderStore
from atomic_agents.vault.vault import Vault
from benchmarks import locomo_other, sides

AT = (5, 10, 20)
ANSWERABLE = (1, 2, 3, 4)
"""The categories that recall is told over; what the fifth asks did not happen."""

_NAMES = {1: "multi-hop", 2: "temporal", 3: "open domain", 4: "single hop", 5: "adversarial"}
_AGENT = "agent"
_WHEN = "%I:%M %p on %d %B, %Y"
_LINE = "{:<22} {:>7} {:>7} {:>7}   {:>9} {:>9} {:>11} {:>10} {:>11}   {:>8} {:>8}"

Search = Callable[[str], Sequence[int]]
"""The numbers of the turns that a query finds, best first."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: its id, and its text with who says it, on one line."""

    id: str
    session: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A query, its category, and the numbers of the turns that answer it."""

    text: str
    category: int
    evidence: frozenset[int]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns in order, the day of each session, and the questions that have evidence."""

    turns: tuple[Turn, ...]
    days: dict[int, datetime.datetime]
    questions: tuple[Question, ...]

    @property
    def texts(self) -> list[str]:
        """The text of each turn."""
        return [turn.text for turn in self.turns]


@dataclass(slots=True)
class Tally:
    """What one side found: recall at each of `AT` by category, and what a query cost."""

    recall: dict[int, list[tuple[float, ...]]]
    tokens: list[int]
    milliseconds: list[float]

    def as_json(self) -> dict[str, Any]:
        """As the table says it."""
        every = [found for category in ANSWERABLE for found in self.recall.get(category, [])]
        return {
            "recall": _means(every),
            "by_category": {str(category): _means(found) for category, found in sorted(self.recall.items())},
            "tokens": round(statistics.mean(self.tokens)),
            "ms": round(statistics.mean(self.milliseconds), 2),
        }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.locomo", description="Recall over long conversations.")
    parser.add_argument("file", type=Path, help="conversations and questions in the form of LoCoMo, as JSON")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--alone", action="store_true", help="leave the other implementation out")
    parser.add_argument("--other-venv", type=Path, metavar="PATH", help="a venv that has the other implementation")
    options = parser.parse_args()
    try:
        conversations = read(json.loads(options.file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"error: {options.file} has no conversations: {error}", file=sys.stderr)
        return 1
    found = {
        "ours": measure(conversations, _ours),
        "fts5": measure(conversations, _fts5),
        "everything": measure(conversations, _everything, whole=True),
    }
    if not options.alone:
        try:
            side = sides.in_venv("other", options.other_venv) if options.other_venv else sides.other()
            found["other"] = measure(conversations, lambda each, folder: locomo_other.search(side, each.texts, folder))
        except (sides.NotInstalled, OSError) as error:
            print(f"warning: the other implementation is left out: {error}", file=sys.stderr)
    rows = {name: tally.as_json() for name, tally in found.items()}
    print(json.dumps(rows, indent=2) if options.json else _drawn(rows))
    return 0


def read(data: list[dict[str, Any]]) -> list[Conversation]:
    """The conversations of a file."""
    return [_conversation(each) for each in data]


def measure(
    conversations: Sequence[Conversation],
    open_search: Callable[[Conversation, Path], AbstractContextManager[Search]],
    *,
    whole: bool = False,
) -> Tally:
    """Put every question to a side; a `whole` one shows all that it returns, whatever the rank."""
    tally = Tally({}, [], [])
    for conversation in conversations:
        with (
            tempfile.TemporaryDirectory(prefix="locomo-") as folder,
            open_search(conversation, Path(folder)) as search,
        ):
            for question in conversation.questions:
                begun = time.perf_counter()
                found = search(question.text)
                tally.milliseconds.append((time.perf_counter() - begun) * 1000)
                ranks = [len(found)] * len(AT) if whole else AT
                hits = tuple(len(question.evidence & set(found[:at])) / len(question.evidence) for at in ranks)
                tally.recall.setdefault(question.category, []).append(hits)
                shown = found if whole else found[: AT[1]]
                tally.tokens.append(estimate("\n".join(conversation.turns[number].text for number in shown)))
    return tally


def write_journal(conversation: Conversation, root: Path) -> dict[tuple[str, int], int]:
    """Write a conversation as the journal of an agent; the number of the turn at each path and line."""
    days: dict[str, list[str]] = {}
    places: dict[tuple[str, int], int] = {}
    session = 0
    for number, turn in enumerate(conversation.turns):
        at = conversation.days[turn.session]
        path = f"{_AGENT}/journal/{at:%Y-%m}/{at:%Y-%m-%d}.md"
        lines = days.setdefault(path, [f"# {at:%Y-%m-%d}"])
        if turn.session != session:
            lines += ["", f"## {at:%H:%M}", ""]
            session = turn.session
        lines.append(turn.text)
        places[path, len(lines)] = number
    for path, lines in days.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return places


@contextlib.contextmanager
def _ours(conversation: Conversation, folder: Path) -> Iterator[Search]:
    places = write_journal(conversation, folder / "vault")
    index = MemoryIndex(Vault(FolderStore(folder / "vault")), str(folder / "index.sqlite"))
    index.refresh(_AGENT)
    today = max(conversation.days.values()).date()

    def ours(query: str) -> Sequence[int]:
        hits = index.search(_AGENT, query, AT[-1], today)
        return [places[hit.path, hit.line] for hit in hits if (hit.path, hit.line) in places]

    yield ours
    index.close()


@contextlib.contextmanager
def _fts5(conversation: Conversation, _folder: Path) -> Iterator[Search]:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE turns USING fts5 (text, tokenize='porter unicode61')")
    database.executemany(
        "INSERT INTO turns (rowid, text) VALUES (?, ?)", [(n, turn.text) for n, turn in enumerate(conversation.turns)]
    )

    def fts5(query: str) -> Sequence[int]:
        match = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query))
        rows = database.execute("SELECT rowid FROM turns WHERE turns MATCH ? ORDER BY rank LIMIT ?", (match, AT[-1]))
        return [number for (number,) in rows]

    yield fts5
    database.close()


@contextlib.contextmanager
def _everything(conversation: Conversation, _folder: Path) -> Iterator[Search]:
    every = range(len(conversation.turns))
    yield lambda _query: every


def _conversation(data: dict[str, Any]) -> Conversation:
    talk = data["conversation"]
    turns: list[Turn] = []
    days: dict[int, datetime.datetime] = {}
    for session in sorted(int(key.removeprefix("session_")) for key in talk if re.fullmatch(r"session_\d+", key)):
        days[session] = datetime.datetime.strptime(talk[f"session_{session}_date_time"], _WHEN)  # noqa: DTZ007 - none
        turns += _turns(talk[f"session_{session}"], session)
    numbers = {turn.id: number for number, turn in enumerate(turns)}
    questions = []
    for each in data["qa"]:
        evidence = frozenset(numbers[name] for name in each["evidence"] if name in numbers)
        if evidence:
            questions.append(Question(each["question"], each["category"], evidence))
    return Conversation(tuple(turns), days, tuple(questions))


def _turns(said: list[dict[str, Any]], session: int) -> Iterator[Turn]:
    for turn in said:
        picture = f" [a picture: {turn['blip_caption']}]" if turn.get("blip_caption") else ""
        yield Turn(turn["dia_id"], session, " ".join(f"{turn['speaker']}: {turn['text']}{picture}".split()))


def _means(found: Sequence[tuple[float, ...]]) -> dict[str, float]:
    return {str(at): round(statistics.mean(hits[place] for hits in found), 4) for place, at in enumerate(AT)}


def _drawn(rows: dict[str, dict[str, Any]]) -> str:
    head = _LINE.format("recall", *(f"@{at}" for at in AT), *(f"{_NAMES[each]}" for each in _NAMES), "tokens", "ms")
    lines = [head.rstrip()]
    for name, row in rows.items():
        recall, by = row["recall"], row["by_category"]
        each = [f"{by[str(category)]['10']:.3f}" if str(category) in by else "" for category in _NAMES]
        lines.append(_LINE.format(name, *(f"{recall[str(at)]:.3f}" for at in AT), *each, row["tokens"], row["ms"]))
    return "\n".join([*lines, "", "the categories at 10; tokens of the first 10"])


if __name__ == "__main__":
    sys.exit(main())
