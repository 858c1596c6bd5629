"""What each document of a vault is, told by where it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from atomic_agents.vault import layout


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
    SCHEDULE = "schedule"
    TOOL = "tool"
    REQUEST = "request"
    OTHER = "other"


class Place(NamedTuple):
    """Where a document stands: its kind, the agent it belongs to ("" where none) and its name within its folder."""

    kind: Kind
    agent: str
    name: str


@dataclass(frozen=True, slots=True)
class _Folder:
    """What the files of a folder are: `kind` those that end in .md, `files` those with a meaning of their own."""

    agent: str
    kind: Kind = Kind.OTHER
    below: str = ""
    files: Mapping[str, Kind] = field(default_factory=dict)


_SETTINGS = dict.fromkeys(layout.SETTINGS_FILES, Kind.SETTINGS)
_AGENT_FILES = {**_SETTINGS, "goal.md": Kind.GOAL}
_VAULT_FILES = dict.fromkeys(("policy.md", "judges.md", "mandates.md"), Kind.SETTINGS)
_PROJECT_FILES = {**_VAULT_FILES, "goal.md": Kind.GOAL}
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
    "schedules": Kind.SCHEDULE,
    "tools": Kind.TOOL,
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
        if layout.is_private(path):
            return _Folder(agent)
        if not inner:
            return _Folder(agent, files=_AGENT_FILES if agent else _VAULT_FILES)
        if agent and inner[0] in layout.OWN_FOLDERS:
            if inner[0] == "dreams":  # dreams/<id>/memory
                inner = inner[2:] or inner
            return _inside(agent, inner, _AGENT_FOLDERS)
        if agent and inner[0].startswith("memory.archived-"):  # where a dream that was applied left the notes before it
            return _Folder(agent, Kind.ARCHIVE, "/".join(inner[1:]) + "/" if inner[1:] else "")
        if agent and layout.is_request_folder("/".join(inner)):
            return _Folder(agent, Kind.REQUEST)
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
    if folder.kind in (Kind.NOTE, Kind.WIKI) and layout.is_index(name):
        return Kind.INDEX
    return folder.files.get(name, folder.kind)


def _inside(agent: str, inner: list[str], kinds: Mapping[str, Kind]) -> _Folder:
    kind = kinds.get(inner[0], Kind.OTHER)
    below = "/".join(inner[1:])
    return _Folder(agent, kind, f"{below}/" if below and kind in (Kind.NOTE, Kind.WIKI) else "")


def _stands_in(folder: str, of: str) -> bool:
    """Whether a folder stands directly in one that is called `of`."""
    return folder.split("/")[-2:-1] == [of]
