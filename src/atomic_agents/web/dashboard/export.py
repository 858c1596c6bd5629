"""The dashboard as files that need no server; only pages whose content changes are written, or even drawn."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from atomic_agents._version import __version__
from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.store import Entry
from atomic_agents.operations.record import RunLine
from atomic_agents.operations.rollups import Kept
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout
from atomic_agents.vault.kinds import Kind
from atomic_agents.web.dashboard.look import Look
from atomic_agents.web.dashboard.pages import drawn, file_of, static_href

ASSETS = ("dashboard.css", "dashboard.js", "uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE.txt")
_RUNS = 30
_ALWAYS = ("index", "agents", "runs", "cost", "memory")
_PASSING = ("_runs", "_migrations", "_alerts", "_serve", "_schedules", layout.DASHBOARD)
"""Folders at the top that say nothing about the page of an agent."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Where the pages are, how many there are, and how many of them were written."""

    folder: str
    pages: int
    written: int


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of the export. `depends` changes whenever its content may; "" where it is always drawn."""

    name: str
    query: Mapping[str, str]
    depends: str = ""

    @property
    def file(self) -> str:
        return file_of(self.name, **self.query)


def export(workspace: Workspace, folder: Path) -> Exported:
    """Write the pages into a folder; one that is not there is made.

    Raises:
        VaultMissing: there is no vault.
        StorageFailed: the folder cannot be written.
    """
    kept = Kept(workspace)
    try:
        look = Look(workspace, kept, live=False)
        planned = {page.file: page for page in _pages(look)}
        place = str(folder.absolute())
        known = kept.pages(place)
        now, written = _written(look, planned, known, folder)
        if now != known:
            kept.keep_pages(place, now)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror or error}", hint="--out FOLDER") from error
    finally:
        kept.close()
    return Exported(str(folder), len(planned), written)


def _written(
    look: Look, planned: Mapping[str, _Page], known: Mapping[str, str], folder: Path
) -> tuple[dict[str, str], int]:
    (folder / "static").mkdir(parents=True, exist_ok=True)
    assets = resources.files("atomic_agents.web.dashboard") / "static"
    fresh = [name for name in ASSETS if _put(folder / "static" / name, (assets / name).read_bytes())]
    known = {} if fresh else known
    there = {entry.name for entry in os.scandir(folder)}
    now: dict[str, str] = {}
    written = 0
    href = static_href(planned.keys())
    depends = f"{__version__} {look.today} {_digest_of(planned)}"
    for file, page in planned.items():
        state = f"{depends} {page.depends}" if page.depends else ""
        if not state or known.get(file) != state or file not in there:
            text = drawn(
                look, page.name, page.query, href, live=False, assets="static/", csrf="", said="", may_act=False
            )
            written += _put(folder / file, text.encode(errors="replace"))
        now[file] = state
    for file in known.keys() & there - planned.keys():  # of an agent or a run that is no longer shown
        (folder / file).unlink(missing_ok=True)
    return now, written


def _pages(look: Look) -> Iterator[_Page]:
    for name in _ALWAYS:
        yield _Page(name, {})
    others = (entry for found in look.documents[""].values() for entry in found)
    shared = _digest(entry for entry in others if entry.path.partition("/")[0] not in _PASSING)
    runs = list(_transcripts(look))
    for agent in look.agents:
        linked = "".join(line.run_id for line, _ in runs if line.agent == agent)
        entries = [entry for found in look.documents[agent].values() for entry in found]
        times = "".join(
            f"{each.stated.name}{each.state}{each.next}" for each in look.schedules if each.stated.agent == agent
        )
        depends = f"{_digest(entries)}{shared}{times}{linked}"
        yield _Page("agent", {"name": agent}, depends)
        yield _Page("notes", {"agent": agent}, _digest(e for e in entries if "/memory/" in e.path) or "none")
    for line, entry in runs:
        yield _Page("run", {"id": line.run_id}, f"{entry.stamp}")


def _transcripts(look: Look) -> Iterator[tuple[RunLine, Entry]]:
    """The newest runs, and those that failed last, where there is more to show than their line."""
    entries = {entry.path: entry for agent in look.agents for entry in look.of(agent, Kind.RUN)}
    shown = [*look.rollups.newest(_RUNS), *look.rollups.failures(20, look.days[-3].isoformat())]
    for line in {line.run_id: line for line in shown if line.run_id}.values():
        entry = entries.get(layout.run_transcript(line.agent, line.run_id))
        if entry is not None:
            yield line, entry


def _digest(entries: Iterable[Entry]) -> str:
    found = hashlib.blake2b(digest_size=12)
    for entry in entries:
        found.update(f"{entry.path}\0{entry.stamp}\n".encode(errors="surrogateescape"))
    return found.hexdigest()


def _digest_of(planned: Mapping[str, _Page]) -> str:
    """Of the pages about agents, to which others link; when a run comes or goes, who links to it is redrawn anyway."""
    return hashlib.blake2b(
        "\n".join(sorted(name for name in planned if not name.startswith("run-"))).encode(), digest_size=8
    ).hexdigest()


def _put(path: Path, data: bytes) -> bool:
    """Write a file whose bytes change, whole or not at all; whether it was written."""
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    os.replace(fresh, path)
    return True
