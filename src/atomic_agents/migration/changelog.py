"""What releases say an operator must know: BREAKING, Removed and Deprecated, out of the packaged changelog."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

CALLOUTS = ("BREAKING", "Removed", "Deprecated")
_RELEASE = re.compile(r"^## \[(?P<version>[^\]]+)\](?:\s*-\s*(?P<date>\S+))?", re.MULTILINE)
_SECTION = re.compile(r"^### (?P<title>\w+)[^\n]*\n(?P<text>.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Release:
    """A release and the callouts it has, by title in the order of CALLOUTS; most releases have none."""

    version: str
    callouts: Mapping[str, str]


def read() -> str:
    """The changelog of the installed package; "" where it was installed without one."""
    packaged = resources.files("atomic_agents") / "CHANGELOG.md"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    checkout = Path(__file__).parents[3] / "CHANGELOG.md"
    return checkout.read_text(encoding="utf-8") if checkout.is_file() else ""


def between(text: str, after: str | None, until: str) -> list[Release]:
    """The releases with callouts after version `after` (None: from the first) and up to `until`, oldest first."""
    found = []
    starts = list(_RELEASE.finditer(text))
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        version = start["version"]
        if not _is_number(version) or _key(version) > _key(until) or (after and _key(version) <= _key(after)):
            continue
        body = text[start.end() : following.start() if following else len(text)]
        sections = {section["title"]: section["text"].strip() for section in _SECTION.finditer(body)}
        callouts = {title: sections[title] for title in CALLOUTS if sections.get(title)}
        if callouts:
            found.append(Release(version, callouts))
    return sorted(found, key=lambda release: _key(release.version))


def _is_number(version: str) -> bool:
    return re.match(r"\d", version) is not None


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
