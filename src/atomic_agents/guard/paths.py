"""Read and write paths: what of the vault an agent's tools may touch, and which folders outside they may read.

What grants is compared as it is written; what denies also regardless of case, Unicode form and signs that cannot be
seen, because some disks do not tell `Tools.md` from `tools.md`. Links are followed: what a path leads to must be
allowed as well as the path.
"""

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from atomic_agents.core.errors import PathRefused
from atomic_agents.core.store import check_new_path, normal_name
from atomic_agents.vault import hands, layout
from atomic_agents.vault.settings import ToolSettings

OPERATOR_FILES = frozenset((
    *layout.SETTINGS_FILES, "persona.link.md", "goal.md", "goal_history.jsonl", "canon.md", "style_guide.md",
    "prompt.md", "prices.toml", hands.AGENTS_FILE.lower(), hands.PINS_FILE,
))  # fmt: skip
OPERATOR_FOLDERS = frozenset(("persona", "skills", "tools", "roles", "policy", "evals", "goal_archive", "schedules"))
RECORD_FOLDERS = frozenset(("log", "runs", "conversations", "dreams", "outcomes", hands.APPROVALS_FOLDER))
"""What no write path covers: the operator's word on what agents are and may do, and the record of what they did."""

_OWN_DATA = ("memory", "wiki", "journal", "raw")
_NOTE_FOLDERS = frozenset(("memory", "wiki"))
_INDEX = re.compile(r"(?:^|/)(?:memory|wiki)/(?:[^/]+/)*index(?:_[^/]*)?\.md$")
_JOURNAL = re.compile(r"(?:^|/)journal(?:/|$)")
_RECORD = re.compile(rf"(?:^|/)(?:{'|'.join(sorted(RECORD_FOLDERS))})/|^_(?:runs|waiting)/")
_BY_THE_OPERATOR = "that is your operator's: propose the change in your answer, or use ask_operator"
_SHORT_NAME = re.compile(r"~\d")  # what Windows also calls a file by: TOOLS~1.MD
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """Paths of one agent as documents or folders of the vault; "" is the whole vault, and a last `/` says nothing.

    Paths that lead out of the vault name no document and so allow nothing there; `outside` has those of them that may
    be read, absolute. `root` is the vault's folder, "" where it has none and so no links.
    """

    read: tuple[str, ...]
    write: tuple[str, ...]
    read_only: tuple[str, ...]
    agent: str
    root: str = ""
    outside: tuple[str, ...] = ()

    def may_read(self, path: str) -> bool:
        """Whether a tool may show the document to the model."""
        granted = self.read + self.write + self.read_only
        return _is_plain(path) and _covers(granted, path) and self._leads_into(granted, path)

    def may_write(self, path: str) -> bool:
        """Whether a tool may change the document: read-only paths beat write paths, what is the operator's beats both.

        That holds for the files of every agent, not just this one's.
        """
        if not _is_new_name(path) or not _covers(self.write, path) or self._is_kept(path, self.read_only):
            return False
        real = self._real(path)
        if real is None or not self._leads_into(self.write, path):
            return False
        kept = (self._real_or_none(each) for each in self.read_only)
        return real == path or not self._is_kept(real, tuple(each for each in kept if each is not None))

    def write_refusal(self, path: str) -> str:
        """Why no tool may write a document, and what a model does instead; "" where one may."""
        real = self._real(path) or path
        if instead := _written_by_program(path, self.agent) or _written_by_program(real, self.agent):
            return f"you may not write {path}: {instead}"
        if not self.may_write(path):
            operators = self._is_kept(path, ()) or self._is_kept(real, ())
            instead = _BY_THE_OPERATOR if operators else "no write path of tools.md covers it"
            return f"you may not write {path}: {instead}"
        if spelled := _other_spelling(path, real, self.agent):
            return f"you may not write {path}: it is a note or page by another name; write it as {spelled}"
        return ""

    def may_write_directly(self, path: str) -> bool:
        """Whether a process or server may change the document itself, past the checks that a note or page passes."""
        real = self._real(path) or path
        return not (self.write_refusal(path) or _holds_notes(path) or _holds_notes(real))

    def locate(self, path: str) -> str:
        """The document that a model means: relative to its own folder, or beginning with its name, or absolute.

        What is absolute and outside the vault comes back absolute.

        Raises:
            PathRefused: it names nothing, or leads out of the vault.
        """
        if _CONTROL.search(path):
            raise PathRefused(f"{path!a} has signs that no path has")
        absolute = path.startswith(("/", "~")) or os.path.isabs(path)
        found = _resolved("", path.strip(), self.root) if absolute else _located(self.agent, path.strip())
        if found is None and absolute:
            return os.path.normpath(os.path.expanduser(path.strip()))
        if found is None:
            raise PathRefused(f"{path} leads out of the vault")
        return found

    def outside_of(self, path: str) -> tuple[str, tuple[str, ...]] | None:
        """The folder outside the vault that allows reading `path`, and the names below it; None where none does.

        Hidden files are read only where a read path names them.
        """
        for granted in self.outside:
            below = os.path.relpath(path, granted).split(os.sep) if path != granted else []
            if not any(part.startswith(".") for part in below):
                return granted, tuple(below)
        return None

    def _is_kept(self, path: str, read_only: tuple[str, ...]) -> bool:
        """Whether read-only paths or what is the operator's keep a path as it is, whatever else allows."""
        same = _same_name(path)
        if _covers(tuple(map(_same_name, read_only)), same):
            return True
        return _is_operators(same, own_data=_is_own_data(path, self.agent))

    def _leads_into(self, granted: tuple[str, ...], path: str) -> bool:
        """Whether what a path leads to is below what the granted paths lead to."""
        real = self._real(path)
        if real == path:
            return True  # no link on the way, and so none on the way to what grants it
        found = (self._real_or_none(each.rstrip("/")) for each in granted)
        return real is not None and _covers(tuple(each for each in found if each is not None), real)

    def _real_or_none(self, path: str) -> str | None:
        return self._real(path) if path else ""

    def _real(self, path: str) -> str | None:
        """Where in the vault a path leads, links followed; None where it leads out of it."""
        if not self.root:
            return path
        root = os.path.realpath(self.root)
        found = os.path.realpath(os.path.join(root, path))
        return found[len(root) + 1 :].replace(os.sep, "/") if found.startswith(root + os.sep) else None


def policy(agent: str, tools: ToolSettings, vault_root: str = "") -> PathPolicy:
    """The paths of `tools.md`: relative ones are below the agent, `<agents_root>` and `vault_root` are the vault.

    What an agent remembers it may always read.
    """
    own = (layout.memory(agent), layout.wiki(agent), layout.journal(agent))
    return PathPolicy(
        (*own, *_inside_vault(agent, tools.read_paths, vault_root)),
        _inside_vault(agent, tools.write_paths, vault_root),
        _inside_vault(agent, tools.read_only_paths, vault_root),
        agent,
        vault_root.rstrip("/"),
        tuple(_outside_vault((*tools.read_paths, *tools.read_only_paths), vault_root)),
    )


def _outside_vault(paths: tuple[str, ...], vault_root: str) -> Iterator[str]:
    for path in paths:
        if path.strip().startswith(("/", "~")) and _resolved("", path.strip(), vault_root.rstrip("/")) is None:
            found = os.path.normpath(os.path.expanduser(path.strip()))
            if os.path.isabs(found):
                yield found


def _located(agent: str, path: str) -> str | None:
    inside = path == agent or path.startswith(f"{agent}/")
    normal = posixpath.normpath(path if inside else f"{agent}/{path}")
    return None if normal == ".." or normal.startswith("../") else "" if normal == "." else normal


def _inside_vault(agent: str, paths: tuple[str, ...], vault_root: str) -> tuple[str, ...]:
    found = (_resolved(agent, path.strip(), vault_root.rstrip("/")) for path in paths)
    return tuple(path for path in found if path is not None)


def _resolved(agent: str, path: str, root: str) -> str | None:
    if not path:
        return None
    if path.startswith("<agents_root>"):
        path = path.removeprefix("<agents_root>").lstrip("/")
    elif path.startswith(("/", "~")):
        path = f"{posixpath.normpath(os.path.expanduser(path))}/"
        if not root or not path.startswith(f"{root}/"):
            return None
        path = path[len(root) :].lstrip("/")
    else:
        path = f"{agent}/{path}"
    normal = posixpath.normpath(path)
    if normal == ".." or normal.startswith("../"):
        return None
    return "" if normal == "." else normal


def _is_own_data(path: str, agent: str) -> bool:
    """Whether a path as it is written is below what the agent learns: `Raw/` is another folder than `raw/`."""
    own = path.removeprefix(f"{agent}/").split("/")
    return path.startswith(f"{agent}/") and len(own) > 1 and own[0] in _OWN_DATA


def _written_by_program(path: str, agent: str) -> str:
    """What a model does instead of writing a document that the program alone writes; "" where it is none."""
    own = path.removeprefix(f"{agent}/").partition("/")[0] if path.startswith(f"{agent}/") else ""
    same = _same_name(path)
    if own != "raw" and _INDEX.search(same):
        return "the program lists notes and pages there: use remember, or write the note or page itself"
    if own in ("raw", *_NOTE_FOLDERS):
        return ""  # a folder there may have any name
    if _JOURNAL.search(same):
        return "the program writes the journal when the run ends: state it in your answer, or use remember"
    if _RECORD.search(same):
        return "it is part of the record, which the program alone writes: state it in your answer"
    return ""


def _holds_notes(path: str) -> bool:
    return not _NOTE_FOLDERS.isdisjoint(_same_name(path).split("/"))


def _other_spelling(path: str, real: str, agent: str) -> str:
    """How a note or page of the agent is spelled, where `path` is it by a link or in other letters; "" where not."""
    parts, depth = path.split("/"), agent.count("/") + 1
    folder = _same_name(parts[depth]) if len(parts) > depth else ""
    if folder in _NOTE_FOLDERS and _same_name("/".join(parts[:depth])) == _same_name(agent):
        plain = "/".join([agent, folder, *parts[depth + 1 :]])
        return "" if plain == path else plain
    return real if _holds_notes(real) and not _holds_notes(path) else ""


def _is_operators(path: str, *, own_data: bool) -> bool:
    parts = path.split("/")
    if any(part.startswith(".") for part in parts) or parts[0].startswith("_"):
        return True
    if own_data:
        return False
    return parts[-1] in OPERATOR_FILES or not (OPERATOR_FOLDERS | RECORD_FOLDERS).isdisjoint(parts[:-1])


def _is_new_name(path: str) -> bool:
    """Whether every system reads the path as the same one."""
    try:
        check_new_path(path)
    except PathRefused:
        return False
    return _SHORT_NAME.search(path) is None


def _is_plain(path: str) -> bool:
    return not any(part in ("", ".", "..") for part in path.split("/"))


def _covers(folders: tuple[str, ...], path: str) -> bool:
    return any(
        folder in ("", path) or path.startswith(f"{folder}/") for folder in (each.rstrip("/") for each in folders)
    )


def _same_name(path: str) -> str:
    seen = "".join(sign for sign in normal_name(path) if path.isascii() or unicodedata.category(sign) != "Cf")
    return normal_name(seen.casefold())
