"""Read and write paths: which documents of the vault an agent's tools may touch."""

import posixpath
from dataclasses import dataclass

from atomic_agents.vault import layout
from atomic_agents.vault.settings import ToolSettings

OPERATOR_FILES = (
    "persona/", "persona.link.md", "tools.md", "tools.override.md", "model.md", "judges.md", "mandates.md", "policy.md",
    "mcp.md", "roster.md", "serve.md", "skills/", "tools/",
)  # fmt: skip
"""What no write path covers: the operator's word on what an agent is and may do."""


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """Paths of one agent as prefixes of document paths; a prefix that is a folder ends in `/`, "" is the whole vault.

    Paths that lead out of the vault are no document's prefix and so allow nothing here.
    """

    read: tuple[str, ...]
    write: tuple[str, ...]
    read_only: tuple[str, ...]
    agent: str

    def may_read(self, path: str) -> bool:
        """Whether a tool may show the document to the model."""
        return _covers(self.read + self.write + self.read_only, path)

    def may_write(self, path: str) -> bool:
        """Whether a tool may change the document: read-only paths beat write paths, operator files beat both."""
        if _covers(self.read_only, path) or path.startswith(("_migrations/", ".")):
            return False
        own = path.removeprefix(f"{self.agent}/")
        if own != path and (
            own in OPERATOR_FILES or own.startswith(tuple(p for p in OPERATOR_FILES if p.endswith("/")))
        ):
            return False
        return _covers(self.write, path)


def policy(agent: str, tools: ToolSettings, vault_root: str = "") -> PathPolicy:
    """The paths of `tools.md`: relative ones are below the agent, `<agents_root>` is the vault.

    What an agent remembers it may always read.
    """
    own = (layout.memory(agent), layout.wiki(agent), layout.journal(agent))
    return PathPolicy(
        (*own, *_prefixes(agent, tools.read_paths, vault_root)),
        tuple(_prefixes(agent, tools.write_paths, vault_root)),
        tuple(_prefixes(agent, tools.read_only_paths, vault_root)),
        agent,
    )


def _prefixes(agent: str, paths: tuple[str, ...], vault_root: str) -> list[str]:
    found = []
    for path in paths:
        prefix = _prefix(agent, path.strip(), vault_root)
        if prefix is not None:
            found.append(prefix)
    return found


def _prefix(agent: str, path: str, vault_root: str) -> str | None:
    if path.startswith("<agents_root>"):
        path = path.removeprefix("<agents_root>").lstrip("/")
    elif path.startswith(("/", "~")):
        root = vault_root.rstrip("/")
        if not root or not (path.rstrip("/") + "/").startswith(f"{root}/"):
            return None
        path = path[len(root) :].lstrip("/")
    else:
        path = f"{agent}/{path}"
    folder = path.endswith(("/", "/.")) or not posixpath.basename(path).count(".")
    normal = posixpath.normpath(path) if path else "."
    if normal.startswith(".."):
        return None
    if normal == ".":
        return ""
    return f"{normal}/" if folder else normal


def _covers(prefixes: tuple[str, ...], path: str) -> bool:
    if ".." in path.split("/"):
        return False
    return any(
        path == prefix or ((prefix == "" or prefix.endswith("/")) and path.startswith(prefix)) for prefix in prefixes
    )
