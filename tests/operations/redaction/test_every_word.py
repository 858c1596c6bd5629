"""Any word of a vault can be redacted: money, chains, links and checks stay, and nobody has said it."""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich_vault import NAME, make, words_of  # type: ignore[import-not-found]  # beside this file

from atomic_agents.core.document import parse
from atomic_agents.memory.redaction.phrase import Phrase
from atomic_agents.operations import changes, costs, dreams, evidence, health
from atomic_agents.operations.redaction import plan
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.workspaces import NOON, scripted_workspace
from atomic_agents.vault import conversation, layout, note

TELLING = (
    "cost", "status", "ok", "run", "memory", "operator", "true", "null", "2026", "user", NAME, "model", "scripted",
    "tea", "green", "oolong", "black", "café", "zoë", "miriam", "summary", "text", "type", "name", "body", "high",
    "tool", "recall", "remember", "note", "index", "md", "10", "01", "a", "e", "s", "the", "wiki", "raw", "plans",
    "asked", "answered", "journal", "redact", "manual", "document", "inference", "stop", "closed", "decision",
)  # fmt: skip
NAMED = re.compile(r'"kind": "[a-z]+"|"(?:[^"\\]|\\.)*"(?=\s*:)')
"""Keys in a text that is JSON, and what says what a decision is."""

NO_WORDS = re.compile(
    r"<document[^<>]*>(?:\n---\n(?:.*\n)*?---\n)?|\]\([^()]*\)|\[\[[^|\]]*|<?https?://\S+|raw/\S+|^## \d.*$|^# \d{4}.*$"
    r"|^Asked: |^It ended early: |<!-- .*?-->|^- \S+, \$.*$|^(?:---\n)?[a-z_]+:.*$|```\w*|\[\^\w+\]:?",
    re.MULTILINE,
)
"""What of a text is no word of anybody's."""

MODEL_WORDS = ("text", "work_item", "partial", "summary")


def open_vault(store: MemoryStore) -> Workspace:
    opened = scripted_workspace(store, [])
    return replace(opened, config=replace(opened.config, root=Path(tempfile.gettempdir())))


@pytest.fixture(scope="module")
def planted() -> dict[str, bytes]:
    store = make()
    return {path: blob.data for path in store.paths() if (blob := store.read(path))}


def said(store: MemoryStore) -> Iterator[tuple[str, str]]:
    """Where people and models said something, and what."""
    for path in store.paths(f"{NAME}/"):
        blob, inner = store.read(path), path.removeprefix(f"{NAME}/")
        if blob is None or inner.startswith(("raw/", "persona/")) or inner in layout.SETTINGS_FILES:
            continue
        if inner.endswith(".jsonl"):
            for line in filter(None, blob.data.decode().split("\n")):
                yield from ((path, text) for text in _texts(json.loads(line)))
        elif inner.endswith(".md"):
            document = parse(path, blob.data)
            found = note.read(document, inner)
            body = document.body if "INDEX" not in path else "\n".join(re.findall(r" — .*", document.body))
            if inner.startswith("conversations/"):
                talk = conversation.read(document, agent=NAME, name="x")
                body = "\n".join(f"{turn.asked}\n{turn.answer}" for turn in talk.turns)
            yield path, "\n".join((body, str(document.meta.get("name", "")), found.description, *found.tags))


def _texts(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    elif isinstance(value, str) and key in MODEL_WORDS:
        yield NAMED.sub("", re.sub(r"(?s)```atomic_capture.*?```", "", value))


def shape(store: MemoryStore) -> dict[str, list[object]]:
    """Keys, numbers and everything else of JSON that is no text, by document; but for hashes and what was added."""
    found: dict[str, list[object]] = {}
    for path in store.paths(f"{NAME}/"):
        blob = store.read(path)
        if blob and path.endswith(".jsonl"):
            lines = (json.loads(line) for line in filter(None, blob.data.decode().split("\n")))
            found[path] = [_shape(line) for line in lines if line.get("event") != "redacted"]
    return found


def _shape(value: object) -> object:
    if isinstance(value, dict):
        hashes = ("prev", "transcript_hash", "resumed_hash")
        return {key: "" if key in hashes else _shape(inner) if isinstance(inner, dict | list) else _plain(key, inner)
                for key, inner in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_shape(each) if isinstance(each, dict | list) else type(each) for each in value]
    return value


def _plain(key: str, value: object) -> object:
    texts = (*MODEL_WORDS, "error", "arguments", "message")
    return type(value) if isinstance(value, str) and key in texts else value


def facts(store: MemoryStore) -> dict[str, object]:
    """What must be the same before and after."""
    opened = open_vault(store)
    day = NOON.date()
    spent = costs.costs(opened, NAME, by="day", since=day.replace(day=1), until=day)
    lint = Counter((each.rule,) for each in changes.examine(opened, NAME, audited=False))
    checks = Counter((each.check, each.agent, each.finding.state) for each in health.examine(opened, with_mcp=False))
    return {
        "money": (spent.total, spent.days, spent.caps, spent.problems),
        "chains": {each.run_id: each.verdict.state for each in evidence.verify(opened)},
        "lint": lint,
        "doctor": checks,
        "shape": shape(store),
        "hunks": [[hunk.blocked, hunk.kind, hunk.state] for hunk in dreams.find(opened, NAME, None).hunks],
    }


def check(planted: dict[str, bytes], word: str, before: dict[str, object]) -> list[str]:
    """What is wrong after a word was redacted."""
    store = MemoryStore(planted)
    opened = open_vault(store)
    found = plan.carry_out(opened, NAME, Phrase(word))
    after = facts(store)
    wrong = [f"{word}: {key}: {before[key]} is {after[key]}" for key in before if before[key] != after[key]]
    left = {each.path.partition(":")[0] for each in found.left}
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    wrong += [
        f"{word}: still in {path}: {NO_WORDS.sub('', text)[:300]!r}" for path, text in said(store)
        if pattern.search(NO_WORDS.sub("", text)) and path not in left
    ]  # fmt: skip
    again = plan.plan(opened, NAME, Phrase(word))
    wrong += [f"{word}: again: {path}" for path in again.change.paths]
    return wrong


def test_words_that_are_keys_states_and_names_too_can_be_redacted(planted: dict[str, bytes]) -> None:
    before = facts(MemoryStore(planted))

    assert [line for word in TELLING for line in check(planted, word, before)] == []


@pytest.mark.soak
def test_every_word_of_the_vault_can_be_redacted(planted: dict[str, bytes]) -> None:
    before = facts(MemoryStore(planted))

    assert [line for word in words_of(MemoryStore(planted)) for line in check(planted, word, before)] == []
