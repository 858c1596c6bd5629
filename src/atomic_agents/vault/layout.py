"""The only file that spells a path of the vault."""

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SETTINGS_FILES = (
    "model.md",
    "tools.md",
    "tools.override.md",
    "mcp.md",
    "roster.md",
    "judges.md",
    "mandates.md",
    "serve.md",
    "policy.md",
)
PERSONA_FILES = ("IDENTITY.md", "SOUL.md", "USER.md")
MIGRATIONS = "_migrations"
SNAPSHOTS = f"{MIGRATIONS}/snapshots"
HISTORY = f"{MIGRATIONS}/history.jsonl"
OPEN_RUNS = "_runs/"
INDEX_DATABASE = ".atomic/index.sqlite"
KEPT = ".atomic/kept"

_OWN_FOLDERS = frozenset(
    (
        "memory",
        "wiki",
        "raw",
        "journal",
        "log",
        "runs",
        "dreams",
        "evals",
        "outcomes",
        "skills",
        "tools",
        "goal_archive",
    )
)
_NOTE_FOLDERS = ("memory", "wiki")


class Kind(StrEnum):
    """What a document is, told by its path."""

    NOTE = "note"
    WIKI = "wiki"
    INDEX = "index"
    PERSONA = "persona"
    SETTINGS = "settings"
    JOURNAL = "journal"
    LOG = "log"
    RUN = "run"
    GOAL = "goal"
    POLICY = "policy"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document stands: its kind, the agent it belongs to ("" where none) and its name within its folder."""

    kind: Kind
    agent: str
    name: str


def identity(agent: str) -> str:
    """The file that makes a folder an agent."""
    return f"{agent}/persona/IDENTITY.md"


def persona(agent: str, name: str) -> str:
    """One of PERSONA_FILES."""
    return f"{agent}/persona/{name}"


def persona_link(agent: str) -> str:
    """The file that makes a folder an agent whose persona is shared."""
    return f"{agent}/persona.link.md"


def shared_persona(persona_id: str, name: str) -> str:
    """One of PERSONA_FILES of a persona that several agents share."""
    return f".personas/{persona_id}/{name}"


def settings(agent: str, name: str) -> str:
    """One of SETTINGS_FILES; those of the vault itself have agent ""."""
    return f"{agent}/{name}" if agent else name


def memory(agent: str) -> str:
    """The folder of an agent's notes, with its slash."""
    return f"{agent}/memory/"


def wiki(agent: str) -> str:
    """The folder of an agent's wiki pages, with its slash."""
    return f"{agent}/wiki/"


def note(agent: str, name: str) -> str:
    """A note by its file name."""
    return f"{agent}/memory/{name}"


def memory_index(agent: str) -> str:
    """The index of an agent's notes."""
    return f"{agent}/memory/INDEX.md"


def wiki_index(agent: str) -> str:
    """The index of an agent's wiki."""
    return f"{agent}/wiki/INDEX.md"


def journal(agent: str) -> str:
    """The folder of an agent's journal, with its slash."""
    return f"{agent}/journal/"


def journal_day(agent: str, day: datetime.date) -> str:
    """The journal of one day."""
    return f"{agent}/journal/{day:%Y-%m}/{day:%Y-%m-%d}.md"


def log(agent: str) -> str:
    """The folder of an agent's log, with its slash."""
    return f"{agent}/log/"


def log_month(agent: str, day: datetime.date) -> str:
    """The folder of one month of an agent's log, with its slash."""
    return f"{agent}/log/{day:%Y-%m}/"


def log_day(agent: str, day: datetime.date) -> str:
    """The log of one day."""
    return f"{agent}/log/{day:%Y-%m}/{day:%Y-%m-%d}.jsonl"


def runs(agent: str) -> str:
    """The folder of an agent's transcripts, with its slash."""
    return f"{agent}/runs/"


def open_run(run_id: str) -> str:
    """The transcript of a run that has not ended; all agents' stand together, so that one look finds the crashed."""
    return f"{OPEN_RUNS}{run_id}.jsonl"


def run_transcript(agent: str, run_id: str) -> str:
    """The transcript of one run; the month is in the id (`run-YYYYMMDD-…`)."""
    return f"{agent}/runs/{run_id[4:8]}-{run_id[8:10]}/{run_id}.jsonl"


def note_versions(agent: str, name: str) -> str:
    """The folder of a note's former texts, with its slash."""
    return f"{agent}/memory/.versions/{name.removesuffix('.md')}/"


def goal(home: str) -> str:
    """The goal of an agent or of a project."""
    return f"{home}/goal.md"


def snapshot(name: str) -> str:
    """A snapshot by its file name."""
    return f"{SNAPSHOTS}/{name}"


def migration_script(path: str) -> tuple[int, int] | None:
    """The versions that a script in the vault goes from and to, by its name; None where it is not one."""
    found = re.fullmatch(rf"{MIGRATIONS}/v(\d+)_to_v(\d+)\.py", path)
    return (int(found[1]), int(found[2])) if found else None


def agents(paths: Iterable[str]) -> tuple[str, ...]:
    """The agents among the documents of a vault, in order of name: folders with `persona/IDENTITY.md`, at any depth.

    A folder that starts with `_` or `.` holds none, and neither do an agent's own folders (its evals, its dreams).
    """
    found = {
        path.removesuffix(suffix)
        for path in paths
        for suffix in ("/persona/IDENTITY.md", "/persona.link.md")
        if path.endswith(suffix)
    }
    return tuple(sorted(name for name in found if not _is_private(name) and not _is_inside(name, found)))


def _is_private(name: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name.split("/"))


def _is_inside(name: str, agents: set[str]) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:i]) in agents and parts[i] in _OWN_FOLDERS for i in range(1, len(parts)))


class Layout:
    """Tells what each document is, given which folders are agents."""

    def __init__(self, agents: Iterable[str]) -> None:
        self.agents = tuple(agents)
        self._agents = frozenset(self.agents)
        self._folders: dict[str, Place] = {}

    def place(self, path: str) -> Place:
        """Where a document stands."""
        folder, _, name = path.rpartition("/")
        place = self._folders.get(folder)
        if place is None:
            place = self._folders[folder] = self._place_of_folder(folder)
        kind = place.kind
        if not name.endswith(".md"):
            return Place(
                Kind.LOG if kind is Kind.LOG else Kind.RUN if kind is Kind.RUN else Kind.OTHER, place.agent, name
            )
        if kind in (Kind.NOTE, Kind.WIKI):
            if name == "INDEX.md" or name.startswith("INDEX_"):
                return Place(Kind.INDEX, place.agent, place.name + name)
            return Place(kind, place.agent, place.name + name)
        if kind is Kind.OTHER:
            return self._place_of_file(folder, name, place)
        return Place(kind, place.agent, place.name + name)

    def _place_of_file(self, folder: str, name: str, place: Place) -> Place:
        home = folder in self._agents
        if name in SETTINGS_FILES and (home or _is_role(folder) or (name == "policy.md" and not place.agent)):
            return Place(Kind.SETTINGS, place.agent, name)
        if name == "judges.md" and _is_project(folder):
            return Place(Kind.SETTINGS, place.agent, name)
        if name == "goal.md" and (home or _is_project(folder)):
            return Place(Kind.GOAL, place.agent, name)
        return Place(Kind.OTHER, place.agent, name)

    def _place_of_folder(self, folder: str) -> Place:
        parts = folder.split("/") if folder else []
        agent, depth = "", 0
        for i in range(len(parts), 0, -1):
            if (home := "/".join(parts[:i])) in self._agents:
                agent, depth = home, i
                break
        if any(part.startswith((".", "_")) for part in parts):
            return Place(Kind.OTHER, agent, "")
        inner = parts[depth:]
        if not inner:
            return Place(Kind.OTHER, agent, "")
        if agent and inner[0] == "dreams" and len(inner) > 2:  # dreams/<id>/memory
            inner = inner[2:]
        names = {"memory": Kind.NOTE, "wiki": Kind.WIKI, "persona": Kind.PERSONA, "journal": Kind.JOURNAL}
        names |= {"log": Kind.LOG, "runs": Kind.RUN}
        if agent:
            kind = names.get(inner[0], Kind.OTHER)
            below = "/".join(inner[1:])
            return Place(kind, agent, f"{below}/" if below and kind in (Kind.NOTE, Kind.WIKI) else "")
        for i, part in enumerate(inner):
            if part in _NOTE_FOLDERS:
                below = "/".join(inner[i + 1 :])
                return Place(names[part], "", f"{below}/" if below else "")
            if part == "policy":
                return Place(Kind.POLICY, "", "")
        return Place(Kind.OTHER, "", "")


def _is_role(folder: str) -> bool:
    parts = folder.split("/")
    return len(parts) >= 2 and parts[-2] == "roles"


def _is_project(folder: str) -> bool:
    parts = folder.split("/")
    return len(parts) >= 2 and parts[-2] == "projects"
