"""The embedded model: it quotes the vault and never generates, so that everything works without a key."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from atomic_agents.core.errors import ModelUnknown
from atomic_agents.core.model import Answer, Message, Offer, Request, ToolCall
from atomic_agents.core.remember import asked_to_remember

QUOTE_ID = "embedded:quote"

_MOST_PASSAGES = 3
_WORTH_QUOTING = 0.6  # of the best passage's score
_LONGEST_LINE = 200
_NOTHING = """nothing in this agent's notes, wiki or journal matches

this model quotes what is there and writes nothing of its own
- to keep something: `remember: ` and what it is
- to have answers written: `--model ID`; `atomic-agents models list` says which
"""


class Found(Protocol):
    """What a search returns: text, and where it stands. `score` compares within one search only."""

    @property
    def path(self) -> str:
        """The document's path in the vault."""
        ...

    @property
    def line(self) -> int:
        """The text's first line, from 1."""
        ...

    @property
    def text(self) -> str:
        """The passage."""
        ...

    @property
    def score(self) -> float:
        """How well it matches; higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Passage:
    """The plainest `Found`."""

    path: str
    line: int
    text: str
    score: float


Search = Callable[[str, int], Sequence[Found]]


class QuoteProvider:
    """`embedded:quote`, answering from `search(query, limit)`."""

    name = "embedded"

    def __init__(self, search: Search) -> None:
        self._search = search

    def claims(self, model_id: str) -> bool:
        """Whether the id is `embedded:quote`."""
        return model_id == QUOTE_ID

    def check(self, model_id: str) -> Offer:
        """Always ready."""
        if not self.claims(model_id):
            return Offer(model_id, "not-installed", f"the embedded model is {QUOTE_ID}")
        return Offer(QUOTE_ID, "ready", "quotes the vault; needs nothing and costs nothing")

    def open(self, model_id: str) -> "QuoteModel":
        """The model.

        Raises:
            ModelUnknown: another id.
        """
        if not self.claims(model_id):
            raise ModelUnknown(f"no embedded model is called {model_id}", hint=f"--model {QUOTE_ID}")
        return QuoteModel(self._search)

    def offers(self) -> Sequence[Offer]:
        """The one model."""
        return [self.check(QUOTE_ID)]


class QuoteModel:
    """Answers with passages, or keeps what it is told to remember; the same question gets the same answer."""

    id = QUOTE_ID
    local = True

    def __init__(self, search: Search) -> None:
        self._search = search

    def ask(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """Quote, remember, or say what became of what was remembered."""
        last = next((message for message in reversed(request.messages) if message.role != "assistant"), None)
        if last is None:
            return _spoken(_NOTHING, on_text)
        if last.role == "tool":
            return _spoken(f"{_outcome(last)}\n", on_text)
        if what := asked_to_remember(last.text):
            return self._remember(request, what, on_text)
        return _spoken(self._quoted(last.text), on_text)

    def _remember(self, request: Request, what: str, on_text: Callable[[str], None]) -> Answer:
        tool = next((tool for tool in request.tools if tool.name == "remember"), None)
        if tool is None:
            note = json.dumps(_note(what, _NOTE_SCHEMA), ensure_ascii=False, indent=1)
            return _spoken(f"```atomic_capture\n{note}\n```\n", on_text)
        number = sum(1 for message in request.messages if message.role == "assistant") + 1
        call = ToolCall(f"remember-{number}", tool.name, json.dumps(_note(what, tool.parameters), ensure_ascii=False))
        return Answer(text="", calls=(call,), finish="tool_calls")

    def _quoted(self, query: str) -> str:
        found = sorted(self._search(query, _MOST_PASSAGES), key=lambda passage: -passage.score)[:_MOST_PASSAGES]
        if not found:
            return _NOTHING
        close = [passage for passage in found if passage.score >= found[0].score * _WORTH_QUOTING]
        blocks = [_block(passage) for passage in close or found[:1]]
        return "\n\n".join(["from the vault:", *blocks]) + "\n"


def _spoken(text: str, on_text: Callable[[str], None]) -> Answer:
    for line in text.splitlines(keepends=True):
        on_text(line)
    return Answer(text=text)


def _block(passage: Found) -> str:
    quoted = "\n".join(f"> {line}".rstrip() for line in passage.text.strip().splitlines())
    return f"{quoted}\n— {passage.path}:{passage.line}"


_NOTE_SCHEMA: Mapping[str, object] = {
    "properties": {name: {} for name in ("name", "description", "type", "body", "confidence", "sources", "provenance")}
}


def _note(what: str, schema: Mapping[str, object]) -> dict[str, object]:
    """The note that `what` makes, with the fields that `schema` knows."""
    sentence = re.split(r"(?<=[.!?])\s|\n", what, maxsplit=1)[0].strip()
    fields: dict[str, object] = {
        "name": _cut(" ".join(what.split()[:8]).rstrip(".,;:!?"), 80),
        "description": _cut(sentence, 200),
        "type": "user",
        "body": what,
        "confidence": "high",
        "sources": ["operator"],
        "provenance": "operator",
    }
    known = cast("Mapping[str, Mapping[str, object]]", schema.get("properties") or {})
    return {name: _fitting(value, known[name]) for name, value in fields.items() if name in known}


def _fitting(value: object, schema: Mapping[str, object]) -> object:
    allowed = schema.get("enum")
    if isinstance(allowed, Sequence) and allowed and value not in allowed:
        return allowed[0]
    if isinstance(value, list) and schema.get("type") == "string":
        return value[0]
    return value


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _outcome(message: Message) -> str:
    """A tool's result in one line, whether it came as words or as JSON."""
    try:
        told = json.loads(message.text)
    except ValueError:
        told = None
    if isinstance(told, dict):
        words = [str(value) for value in told.values() if isinstance(value, str | int | float)]
        return _cut(" ".join(" ".join(words).split()), _LONGEST_LINE) or "done"
    line = next((line.strip() for line in message.text.splitlines() if line.strip()), "done")
    return _cut(line, _LONGEST_LINE)
