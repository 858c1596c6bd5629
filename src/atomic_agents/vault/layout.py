"""The only file that spells a path of the vault."""

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from atomic_agents.core.values import is_agent_name

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
REPORTS = f"{MIGRATIONS}/reports"
PINS = f"{MIGRATIONS}/pins.json"
TEMPLATE_RECORDS = f"{MIGRATIONS}/templates"
OPEN_RUNS = "_runs/"
DERIVED = ".atomic"
INDEX_DATABASE = f"{DERIVED}/index.sqlite"
KEPT = f"{DERIVED}/kept"

_OWN_FOLDERS = frozenset((
    "persona", "memory", "wiki", "raw", "journal", "log", "runs", "dreams", "evals", "outcomes", "skills", "tools",
    "goal_archive", "conversations",
))  # fmt: skip


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
    EVAL = "eval"
    ARCHIVE = "archive"
    CONVERSATION = "conversation"
    OTHER = "other"


class Place(NamedTuple):
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


def shared_persona(persona_id: str, name: str = "") -> str:
    """One of PERSONA_FILES of a persona that several agents share; without `name` the folder, without its slash."""
    return f".personas/{persona_id}/{name}".rstrip("/")


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


def conversations(agent: str) -> str:
    """The folder of an agent's conversations, with its slash."""
    return f"{agent}/conversations/"


def published_conversations(agent: str) -> str:
    """The folder in which the published format keeps the conversations of the operator here, with its slash."""
    return f"{agent}/conversations/local/"


def conversation(agent: str, conversation_id: str) -> str:
    """One conversation."""
    return f"{agent}/conversations/{conversation_id}.md"


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


def open_run_id(path: str) -> str:
    """The run whose `open_run` is at `path`."""
    return path.removeprefix(OPEN_RUNS).removesuffix(".jsonl")


def run_id_of(path: str) -> str:
    """The run whose `run_transcript` is at `path`; "" where it is that of none."""
    name = path.rpartition("/")[2]
    return name.removesuffix(".jsonl") if name.startswith("run-") and name.endswith(".jsonl") else ""


def run_transcript(agent: str, run_id: str) -> str:
    """The transcript of one run; the month is in the id (`run-YYYYMMDD-…`)."""
    return f"{agent}/runs/{run_id[4:8]}-{run_id[8:10]}/{run_id}.jsonl"


def run_key(agent: str, name: str) -> str:
    """The answer that an idempotency key has got, by the key's hash."""
    return f"{agent}/runs/keys/{name}.json"


def note_versions(agent: str, name: str) -> str:
    """The folder of a note's former texts, with its slash."""
    return f"{agent}/memory/.versions/{name.removesuffix('.md')}/"


def goal(home: str) -> str:
    """The goal of an agent or of a project."""
    return f"{home}/goal.md"


def snapshot(name: str) -> str:
    """A snapshot by its file name."""
    return f"{SNAPSHOTS}/{name}"


def is_migrations_snapshot(name: str) -> bool:
    """Whether a snapshot of that name is one that a migration took, rather than a rollback."""
    return re.search(r"_pre_v\d+_migration\b", name) is not None


def script(name: str) -> str:
    """A script of the vault by the name of its step."""
    return f"{MIGRATIONS}/{name}.py"


def report(name: str) -> str:
    """What a migration did, by its time."""
    return f"{REPORTS}/{name}.md"


def template_record(agent: str) -> str:
    """Where an agent came from."""
    return f"{TEMPLATE_RECORDS}/{agent}.json"


def is_record(path: str) -> bool:
    """Whether a document is the record of where an agent came from."""
    return path.startswith(f"{TEMPLATE_RECORDS}/")


def agent_of_record(path: str) -> str:
    """The agent whose `template_record` is at `path`; "" where it is none."""
    inner = path.removeprefix(f"{TEMPLATE_RECORDS}/")
    return inner.removesuffix(".json") if inner != path and inner.endswith(".json") else ""


def migration_script(path: str) -> tuple[int, int] | None:
    """The versions that a script in the vault goes from and to, by its name; None where it is not one."""
    found = re.fullmatch(rf"{MIGRATIONS}/v(\d+)_to_v(\d+)\.py", path)
    return (int(found[1]), int(found[2])) if found else None


def is_index(name: str) -> bool:
    """Whether a file of that name in `memory/` or `wiki/` routes to others, instead of being a note or page."""
    return name == "INDEX.md" or name.startswith("INDEX_")


def is_note(file: str) -> bool:
    """Whether a file below `memory/` or `wiki/` is a note or page: not an index, hidden or in a private folder."""
    if "/" not in file:
        return file.endswith(".md") and not file.startswith(".") and not is_index(file)
    folder, _, name = file.rpartition("/")
    return name.endswith(".md") and not name.startswith(".") and not is_index(name) and not _is_private(folder)


def _is_private(folder: str) -> bool:
    return any(part.startswith((".", "_")) or part == "node_modules" for part in folder.split("/"))


def agents(paths: Iterable[str]) -> tuple[str, ...]:
    """The agents among the documents of a vault, in order of name: folders with `persona/IDENTITY.md`, at any depth.

    A folder that starts with `_` or `.` holds none, and neither do an agent's own folders (its evals, its dreams).
    """
    found = {
        path.removesuffix("/persona/IDENTITY.md").removesuffix("/persona.link.md")
        for path in paths
        if path.endswith(("/persona/IDENTITY.md", "/persona.link.md"))
    }
    return tuple(sorted(name for name in found if is_agent_name(name) and found.isdisjoint(hosts(name))))


def hosts(name: str) -> tuple[str, ...]:
    """The folders of which `name` would be an own folder or stand in one, were they agents."""
    parts = name.split("/")
    return tuple("/".join(parts[:i]) for i in range(1, len(parts)) if parts[i] in _OWN_FOLDERS)


@dataclass(frozen=True, slots=True)
class _Folder:
    """What the files of a folder are: `kind` those that end in .md, `files` those with a meaning of their own."""

    agent: str
    kind: Kind = Kind.OTHER
    below: str = ""
    files: Mapping[str, Kind] = field(default_factory=dict)


_SETTINGS = dict.fromkeys(SETTINGS_FILES, Kind.SETTINGS)
_AGENT_FILES = {**_SETTINGS, "goal.md": Kind.GOAL}
_PROJECT_FILES = {"judges.md": Kind.SETTINGS, "policy.md": Kind.SETTINGS, "goal.md": Kind.GOAL}
_AGENT_FOLDERS = {
    "memory": Kind.NOTE,
    "wiki": Kind.WIKI,
    "persona": Kind.PERSONA,
    "journal": Kind.JOURNAL,
    "log": Kind.LOG,
    "runs": Kind.RUN,
    "evals": Kind.EVAL,
    "goal_archive": Kind.ARCHIVE,
    "conversations": Kind.CONVERSATION,
}
_SHARED_FOLDERS = {"memory": Kind.NOTE, "wiki": Kind.WIKI, "policy": Kind.POLICY}


class Layout:
    """Tells what each document is, given which folders are agents."""

    def __init__(self, agents: Iterable[str]) -> None:
        self.agents = tuple(agents)
        self._agents = frozenset(self.agents)
        self._projects = {agent.rpartition("/agents/")[0] for agent in self.agents if _stands_in(agent, "agents")}
        self._folders: dict[str, _Folder] = {}

    def place(self, path: str) -> Place:
        """Where a document stands."""
        path_of_folder, _, name = path.rpartition("/")
        folder = self._folders.get(path_of_folder)
        if folder is None:
            folder = self._folders[path_of_folder] = self._folder(path_of_folder)
        return Place(_kind(folder, name), folder.agent, folder.below + name)

    def _folder(self, path: str) -> _Folder:
        parts = path.split("/") if path else []
        depth = next((i for i in range(len(parts), 0, -1) if "/".join(parts[:i]) in self._agents), 0)
        agent, inner = "/".join(parts[:depth]), parts[depth:]
        if _is_private(path):
            return _Folder(agent)
        if not inner:
            return _Folder(agent, files=_AGENT_FILES if agent else {"policy.md": Kind.SETTINGS})
        if agent and inner[0] in _OWN_FOLDERS:
            if inner[0] == "dreams":  # dreams/<id>/memory
                inner = inner[2:] or inner
            return _inside(agent, inner, _AGENT_FOLDERS)
        if agent and inner[0].startswith("memory.archived-"):  # where a dream that was applied left the notes before it
            return _Folder(agent, Kind.ARCHIVE, "/".join(inner[1:]) + "/" if inner[1:] else "")
        rest = _shared(inner)
        if rest:
            return _inside("", rest, _SHARED_FOLDERS)
        if path in self._projects or _stands_in(path, "projects"):
            return _Folder(agent, files=_PROJECT_FILES)
        return _Folder(agent, files=_SETTINGS if _stands_in(path, "roles") else {})


def _shared(parts: list[str]) -> list[str]:
    """The parts from the first folder of shared documents on; what stands in `roles` and the like is a name."""
    position = 0
    while position < len(parts):
        if parts[position] in _SHARED_FOLDERS:
            return parts[position:]
        position += 2 if parts[position] in ("roles", "projects", "agents") else 1
    return []


def _kind(folder: _Folder, name: str) -> Kind:
    if name.startswith("."):
        return Kind.OTHER
    if not name.endswith(".md"):
        return folder.kind if folder.kind in (Kind.LOG, Kind.RUN) else Kind.OTHER
    if folder.kind in (Kind.NOTE, Kind.WIKI) and is_index(name):
        return Kind.INDEX
    return folder.files.get(name, folder.kind)


def _inside(agent: str, inner: list[str], kinds: Mapping[str, Kind]) -> _Folder:
    kind = kinds.get(inner[0], Kind.OTHER)
    below = "/".join(inner[1:])
    return _Folder(agent, kind, f"{below}/" if below and kind in (Kind.NOTE, Kind.WIKI) else "")


def _stands_in(folder: str, of: str) -> bool:
    """Whether a folder stands directly in one that is called `of`."""
    return folder.split("/")[-2:-1] == [of]
