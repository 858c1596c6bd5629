"""Read and write paths: which documents of the vault an agent's tools may touch.

What grants is compared as it is written; what denies also regardless of case and Unicode form, because some disks do
not tell `Tools.md` from `tools.md`.
"""

import os
import posixpath
from dataclasses import dataclass

from atomic_agents.core.store import normal_name
from atomic_agents.vault import layout
from atomic_agents.vault.settings import ToolSettings

OPERATOR_FILES = frozenset((
    *layout.SETTINGS_FILES, "persona.link.md", "goal.md", "canon.md", "style_guide.md", "prompt.md", "prices.toml",
))  # fmt: skip
OPERATOR_FOLDERS = frozenset(("persona", "skills", "tools", "roles", "policy", "evals"))
RECORD_FOLDERS = frozenset(("log", "runs"))
"""What no write path covers: the operator's word on what agents are and may do, and the record of what they did."""

_OWN_DATA = ("memory", "wiki", "journal", "raw")


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """Paths of one agent as documents or folders of the vault; "" is the whole vault, and a last `/` says nothing.

    Paths that lead out of the vault name no document and so allow nothing here.
    """

    read: tuple[str, ...]
    write: tuple[str, ...]
    read_only: tuple[str, ...]
    agent: str

    def may_read(self, path: str) -> bool:
        """Whether a tool may show the document to the model."""
        return _is_plain(path) and _covers(self.read + self.write + self.read_only, path)

    def may_write(self, path: str) -> bool:
        """Whether a tool may change the document: read-only paths beat write paths, what is the operator's beats both.

        That holds for the files of every agent, not just this one's.
        """
        if not _is_plain(path) or not _covers(self.write, path):
            return False
        same = _same_name(path)
        return not (
            _covers(tuple(map(_same_name, self.read_only)), same) or _is_operators(same, _same_name(self.agent))
        )


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
    )


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


def _is_operators(path: str, agent: str) -> bool:
    parts = path.split("/")
    if any(part.startswith(".") for part in parts) or parts[0].startswith("_"):
        return True
    own = path.removeprefix(f"{agent}/").split("/")
    if path.startswith(f"{agent}/") and len(own) > 1 and own[0] in _OWN_DATA:
        return False
    return parts[-1] in OPERATOR_FILES or not (OPERATOR_FOLDERS | RECORD_FOLDERS).isdisjoint(parts[:-1])


def _is_plain(path: str) -> bool:
    return not any(part in ("", ".", "..") for part in path.split("/"))


def _covers(folders: tuple[str, ...], path: str) -> bool:
    return any(
        folder in ("", path) or path.startswith(f"{folder}/") for folder in (each.rstrip("/") for each in folders)
    )


def _same_name(path: str) -> str:
    return normal_name(normal_name(path).casefold())
