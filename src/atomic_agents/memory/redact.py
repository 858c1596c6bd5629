"""Takes a text out of everything that is kept of an agent, and says where it cannot."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from atomic_agents.core.change import Put, revision
from atomic_agents.core.document import MAX_BYTES, parse
from atomic_agents.core.errors import DocumentUnreadable, UsageError
from atomic_agents.vault import layout, note
from atomic_agents.vault.vault import Vault

REPLACEMENT = "(redacted)"
_LEAST = 3
_TEXTS = (".md", ".jsonl", ".json", ".html", ".txt", ".csv")
_OPERATORS = ("persona/", "skills/", "tools/", "raw/")


@dataclass(frozen=True, slots=True)
class Redaction:
    """`changes` take the text out; `places` says how often it stood in which document, `stays` where it cannot go."""

    changes: tuple[Put, ...]
    places: tuple[tuple[str, int], ...]
    stays: tuple[tuple[str, str], ...]


def plan(vault: Vault, agent: str, text: str, replacement: str = REPLACEMENT) -> Redaction:
    """Find a text, however it is wrapped or escaped, in every document of an agent.

    Raises:
        UsageError: the text is too short to be meant.
    """
    if len(text.strip()) < _LEAST:
        raise UsageError(f"{text!r} is too short to be found", hint="name the whole text that is to go")
    pattern = _pattern(text)
    changes, places = list[Put](), list[tuple[str, int]]()
    stays = list(_elsewhere(vault, agent, text, pattern))
    for path in vault.store.paths(f"{agent}/"):
        inner = path.removeprefix(f"{agent}/")
        data = _data(vault, path)
        found = pattern.findall(_decoded(data)) if data else []
        if not found or data is None:
            continue
        if why := _kept_because(inner):
            stays.append((path, why))
            continue
        after = pattern.sub(lambda _: replacement, _decoded(data)).encode(errors="surrogateescape")
        if not _is_sound(path, data, after):
            stays.append((path, "its front matter could not be read without it; edit it by hand"))
            continue
        changes.append(Put(path, after, expect=revision(data)))
        places.append((path, len(found)))
    return Redaction(tuple(changes), tuple(places), tuple(stays))


def _pattern(text: str) -> re.Pattern[str]:
    """The words of the text with whatever white space or quoting between them, plain or as JSON spells them."""
    words = []
    for word in text.split():
        spelt = dict.fromkeys((word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]))
        words.append(f"(?:{'|'.join(map(re.escape, spelt))})")
    return re.compile(r"(?:[\s>]|\\[nrt])+".join(words))


def _kept_because(inner: str) -> str:
    """Why a document of an agent is left alone; "" where it is not."""
    if inner.startswith("runs/") and inner.endswith(".jsonl"):
        return "a transcript; each line carries the hash of the one before it"
    if inner.startswith(_OPERATORS) or inner in layout.SETTINGS_FILES:
        return "a file of yours; edit it by hand"
    return "" if inner.endswith(_TEXTS) else "not a text; edit it by hand"


def _elsewhere(vault: Vault, agent: str, text: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Where else it may be: names of files, runs that are open, snapshots."""
    slug = note.slug(text)
    for path in vault.store.paths(f"{agent}/"):
        if len(slug) > _LEAST and slug in path.rpartition("/")[2]:
            yield path, "its name says so; rename it by hand"
    for path in vault.store.paths(layout.OPEN_RUNS):
        data = _data(vault, path)
        if data and pattern.search(_decoded(data)):
            yield path, "a run that has not ended"
    for path in vault.store.paths(f"{layout.SNAPSHOTS}/"):
        if path.endswith(".tar.gz"):
            yield path, "a snapshot; it may hold the text: atomic-agents snapshots prune"


def _is_sound(path: str, before: bytes, after: bytes) -> bool:
    if not path.endswith(".md"):
        return True
    try:
        parse(path, before)
    except DocumentUnreadable:
        return True
    try:
        return parse(path, after).meta.keys() == parse(path, before).meta.keys()
    except DocumentUnreadable:
        return False


def _data(vault: Vault, path: str) -> bytes | None:
    blob = vault.store.read(path)
    return blob.data if blob and len(blob.data) <= MAX_BYTES * 8 else None


def _decoded(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
