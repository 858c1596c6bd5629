"""Notes and pages whose names hold the words that are to go: new names, which every mention of them follows."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

from atomic_agents.core.store import normal_name
from atomic_agents.memory.redaction.phrase import Phrase
from atomic_agents.vault import layout, note

_FOLDERS = ("memory/", "wiki/")
_VERSIONS = ".versions/"


@dataclass(frozen=True)
class Renames:
    """New names of an agent's files. `files` are paths below the agent, old and new."""

    agent: str
    files: Mapping[str, str] = field(default_factory=dict)

    def path(self, path: str) -> str:
        """Where a document stands from now on; former texts go with their note. Both paths are below the agent."""
        if path in self.files:
            return self.files[path]
        for folder in _FOLDERS:
            if path.startswith(f"{folder}{_VERSIONS}"):
                inner, _, name = path.removeprefix(f"{folder}{_VERSIONS}").rpartition("/")
                new = self.files.get(f"{folder}{inner}.md", "") if inner else ""
                return f"{folder}{_VERSIONS}{new.removeprefix(folder).removesuffix('.md')}/{name}" if new else path
        return path

    def follow(self, text: str, *, folder: str = "", own: bool = True) -> str:
        """The text with every mention of a renamed file under its new name.

        `folder` is the one that the text stands in, below the agent. Elsewhere in the vault, with `own` False, only a
        path that names the agent can mean its files.
        """
        if self._mention is None:
            return text

        def new_name(found: re.Match[str]) -> str:
            stem = self._meant(found, folder, own=own)
            if not stem:
                return found[0]
            stem = quote(stem) if "%" in found["name"] else stem
            return f"{found['prefix']}{stem}{found['ext'] or ''}"

        return self._mention.sub(new_name, text)

    def _meant(self, found: re.Match[str], folder: str, *, own: bool) -> str:
        """The new stem of the file that a mention means; "" where it means another."""
        parts = [part for part in found["prefix"].split("/") if part not in ("", ".", "..")]
        if not own and len(parts) < 2:
            return ""
        if not found["ext"] and not self._is_name(found):
            return ""
        known = self._by_stem[_key(found["name"])]
        for old, new in sorted(known, key=lambda each: not each[0].startswith(f"{folder}/")):
            home = [*self.agent.split("/"), *old.split("/")[:-1]]
            if not parts or parts == home[-len(parts) :] or parts[-1] == _VERSIONS.strip("/"):
                return new.rpartition("/")[2].removesuffix(".md")
        return ""

    @staticmethod
    def _is_name(found: re.Match[str]) -> bool:
        """Whether a mention without its ending can only be a name: inside of `[[ ]]`, or of several joined words."""
        return found.string[: found.start()].endswith("[[") or re.search("[_-]", found["name"]) is not None

    @cached_property
    def _by_stem(self) -> Mapping[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for old, new in self.files.items():
            for spelt in _spellings(old):
                found.setdefault(_key(spelt), []).append((old, new))
        return found

    @cached_property
    def _mention(self) -> re.Pattern[str] | None:
        names = sorted({spelt for old in self.files for spelt in _spellings(old)}, key=len, reverse=True)
        if not names:
            return None
        return re.compile(
            rf"(?<![\w/.-])(?P<prefix>(?:[^\s/()\[\]<>\"'`|,;]{{1,255}}/){{0,12}})"
            rf"(?P<name>{'|'.join(map(re.escape, names))})(?P<ext>\.md)?(?![\w-]|\.\w)",
            re.IGNORECASE,
        )


def plan(agent: str, paths: Iterable[str], phrase: Phrase) -> Renames:
    """The notes and pages to rename, and those that are gone and have former texts; paths are below the agent."""
    paths = set(paths)
    files: dict[str, str] = {}
    taken = {_key(path) for path in paths}
    for path in sorted({*_notes(paths), *_with_versions(paths)}):
        folder, slash, name = path.rpartition("/")
        lead, stem = _lead(path, name.removesuffix(".md"))
        if not phrase.in_name(stem):
            continue
        new = f"{folder}{slash}{lead}{phrase.rename(stem)}"
        number, candidate = 2, f"{new}.md"
        while _key(candidate) in taken:
            number, candidate = number + 1, f"{new}_{number}.md"
        taken.add(_key(candidate))
        files[path] = candidate
    return Renames(agent, files)


def _notes(paths: set[str]) -> Iterator[str]:
    for path in paths:
        if any(path.startswith(folder) and layout.is_note(path.removeprefix(folder)) for folder in _FOLDERS):
            yield path


def _with_versions(paths: set[str]) -> Iterator[str]:
    """The notes of which former texts are kept, there or not."""
    for path in paths:
        for folder in _FOLDERS:
            inner = path.removeprefix(f"{folder}{_VERSIONS}").rpartition("/")[0]
            if path.startswith(f"{folder}{_VERSIONS}") and inner and path.endswith(".md"):
                yield f"{folder}{inner}.md"


def _lead(path: str, stem: str) -> tuple[str, str]:
    """The type that the name of a note begins with, which stays, and the rest."""
    type_, mark, rest = stem.partition("_")
    return (f"{type_}{mark}", rest) if path.startswith("memory/") and type_ in note.TYPES and rest else ("", stem)


def _spellings(path: str) -> tuple[str, ...]:
    """How the stem of a file may be written: in both Unicode forms, and as in a URL."""
    stem = path.rpartition("/")[2].removesuffix(".md")
    forms = [stem, *(unicodedata.normalize(form, stem) for form in ("NFC", "NFD"))]
    return tuple(dict.fromkeys((*forms, *map(quote, forms))))


def _key(name: str) -> str:
    return normal_name(normal_name(name).casefold())
