"""What the packaged CHANGELOG says an operator must know: BREAKING, Removed and Deprecated of each release."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atomic_agents._version import __version__

KINDS = ("BREAKING", "Removed", "Deprecated")
UNRELEASED = "Unreleased"
_FILE = "CHANGELOG.md"
_RELEASE = re.compile(r"^## \[?v?([^\]\s]+)\]?(?:\([^)]*\))?(?:\s+[-–—]\s+(.+?))?\s*$")
_SECTION = re.compile(r"^### +(\w+)")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_LINK = re.compile(r"^\[[^\]]+\]: ")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-._]?(dev|a|alpha|b|beta|c|rc|pre|preview)[-._]?(\d*))?", re.IGNORECASE)
_STAGES = {"dev": 0, "a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}
_FINAL = 4


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of a release that an operator must know, with the text below it."""

    release: str
    date: str
    kind: str
    text: str

    def as_json(self) -> dict[str, object]:
        """The section as JSON."""
        return {"release": self.release, "date": self.date, "kind": self.kind, "text": self.text}


@dataclass(frozen=True, slots=True)
class Release:
    """A release in the changelog and those of its sections that an operator must know."""

    version: str
    date: str
    sections: tuple[Section, ...]


def packaged() -> str | None:
    """The text of the changelog: of an installed package its own, of a checkout the repository's. None without one."""
    package = Path(__file__).resolve().parents[1]
    places = [package / _FILE] + ([package.parents[1] / _FILE] if package.parent.name == "src" else [])
    return next((place.read_text(encoding="utf-8") for place in places if place.is_file()), None)


def read(text: str) -> tuple[Release, ...]:
    """The releases of a changelog in its own order, the newest first."""
    found: list[Release] = []
    for heading, lines in _parts(text):
        release = _RELEASE.match(heading)
        if release is not None:
            version, date = release[1], release[2] or ""
            found.append(Release(version, date, tuple(_sections(version, date, lines))))
    return tuple(found)


def between(releases: Sequence[Release], last: str | None, installed: str = __version__) -> tuple[Section, ...]:
    """What changed after `last` up to `installed`, the oldest release first and BREAKING first within each.

    Where `last` is None, what changed in the installed release alone. What is not released yet counts as the installed
    version where that has no heading of its own.
    """
    released = {order(release.version) for release in releases}
    found: list[tuple[tuple[object, ...], Release]] = []
    for release in releases:
        version = order(release.version)
        if release.version.lower() == UNRELEASED.lower():
            if order(installed) in released:
                continue
            version = order(installed)
        since = version == order(installed) if last is None else order(last) < version <= order(installed)
        if version and since:
            found.append((version, release))
    found.sort(key=lambda pair: (pair[0], pair[1].version.lower() == UNRELEASED.lower()))
    return tuple(section for _, release in found for section in release.sections)


def order(version: str) -> tuple[int, ...]:
    """A key that sorts versions: `2.9` below `2.10`, `3.0.0rc1` below `3.0.0`; () for what is no version."""
    found = _VERSION.match(version)
    if found is None:
        return ()
    numbers = [int(part) for part in found[1].split(".")][:4]
    numbers += [0] * (4 - len(numbers))
    stage = _STAGES[found[2].lower()] if found[2] else _FINAL
    return (*numbers, stage, int(found[3] or 0))


def _parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every heading of the second level with the lines below it; headings within fenced code are none."""
    heading, lines, fenced = "", list[str](), False
    for line in text.splitlines():
        fenced ^= _FENCE.match(line) is not None
        if line.startswith("## ") and not fenced:
            yield heading, lines
            heading, lines = line, []
        elif fenced or not _LINK.match(line):
            lines.append(line)
    yield heading, lines


def _sections(version: str, date: str, lines: Sequence[str]) -> Iterator[Section]:
    texts: dict[str, list[str]] = {kind: [] for kind in KINDS}
    known = {kind.lower(): kind for kind in KINDS}
    kind, fenced = "", False
    for line in lines:
        fenced ^= _FENCE.match(line) is not None
        heading = None if fenced else _SECTION.match(line)
        if heading is not None:
            kind = known.get(heading[1].lower(), "")
        elif kind:
            texts[kind].append(line)
    for name, text in texts.items():
        body = "\n".join(text).strip("\n")
        if body.strip():
            yield Section(version, date, name, body)
