"""Documents that a newer package wrote: which there are, and the refusal to write beside them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents._version import __version__
from atomic_agents.core.document import parse, peek
from atomic_agents.core.errors import AtomicAgentsError, VaultTooNew
from atomic_agents.core.store import Store
from atomic_agents.migration import changelog, history
from atomic_agents.vault import hands, layout
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.vault import Agent, Survey, Vault

KINDS = (
    Kind.NOTE, Kind.WIKI, Kind.SETTINGS, Kind.POLICY, Kind.PERSONA, Kind.GOAL, Kind.EVAL, Kind.JOURNAL,
    Kind.CONVERSATION, Kind.SCHEDULE, Kind.TOOL, Kind.REQUEST,
)  # fmt: skip
"""What can state a version. What is archived, or came from elsewhere, says nothing about the vault."""

_SHOWN = 5
_INHERITED = ("policy.md", "judges.md", "mandates.md", "goal.md")

Known = Mapping[str, tuple[str, int]]
"""By path: the stamp of a document and the version that it stated at that stamp."""


class Newer(NamedTuple):
    """A document above CURRENT_SCHEMA_VERSION, and the line, from 1, that says so."""

    path: str
    line: int
    version: int

    @property
    def where(self) -> str:
        """`path:line`, which editors jump to."""
        return f"{self.path}:{self.line}"


def in_vault(
    vault: Vault, survey: Survey, known: Known | None = None, kinds: Collection[Kind] = KINDS
) -> tuple[Newer, ...]:
    """Every newer document of some kinds; those whose stamp is known are not read."""
    known = known or {}
    found: list[Newer] = []
    for entry in survey.of(*kinds):
        stamp, version = known.get(entry.path, ("", 0))
        if stamp != entry.stamp or version > CURRENT_SCHEMA_VERSION:
            found += _read(vault.store, (entry.path,))
    return tuple(found)


def of_root(vault: Vault) -> tuple[Newer, ...]:
    """The newer documents of the vault itself."""
    return still(vault, [layout.settings("", file) for file in layout.SETTINGS_FILES])


def of_agent(vault: Vault, agent: Agent) -> tuple[Newer, ...]:
    """The newer documents of an agent, of what it inherits and of the vault itself, without what its index holds."""
    name, store = agent.name, vault.store
    homes = ["", name]
    folders = [layout.schedules(name), hands.tools(name), layout.evals(name), hands.approvals(name)]
    if agent.cascade is not None:
        homes += [agent.cascade.project_home, agent.cascade.role_home]
        folders.append(layout.policies(agent.cascade.project_home))
    stated = [layout.settings(home, file) for home in dict.fromkeys(homes) for file in layout.SETTINGS_FILES]
    stated += [layout.settings(home, file) for home in dict.fromkeys(homes) for file in _INHERITED]
    stated += [f"{agent.persona_home}/{file}" for file in layout.PERSONA_FILES if agent.persona_home]
    inside = (path for folder in folders for path in store.paths(folder) if path.endswith(".md"))
    return tuple(_read(store, dict.fromkeys([*stated, *inside])))


def still(vault: Vault, paths: Collection[str]) -> tuple[Newer, ...]:
    """Those of some documents that are newer now."""
    return tuple(_read(vault.store, paths))


def refuse(store: Store, found: Iterable[Newer]) -> None:
    """Refuse to go on beside newer documents.

    Raises:
        VaultTooNew: names them, and the package to install.
    """
    newer = sorted(found, key=lambda one: (-one.version, one.path))
    if newer:
        raise VaultTooNew(f"{words(newer)}; nothing was changed", hint=remedy(store), context=_context(newer))


def words(found: Collection[Newer]) -> str:
    """What is newer, and than what."""
    first, *more = found
    others = "".join(f", {one.where} at v{one.version}" for one in more[:_SHOWN])
    left = f" and {len(more) - _SHOWN:,} more" if len(more) > _SHOWN else ""
    able = f"this package, {__version__}, reads and writes up to v{CURRENT_SCHEMA_VERSION}"
    return f"{first.where}: is at v{first.version}{others}{left}, and {able}"


def remedy(store: Store) -> str:
    """The command that installs a package for this vault: the one that its history names, where it names one."""
    for record in reversed(history.read(store).records):
        if is_newer(record.package):
            return f"pip install atomic-agents-stack=={record.package}"
    return "pip install --upgrade atomic-agents-stack"


def is_newer(package: str) -> bool:
    """Whether a package is newer than this one."""
    return changelog.order(package) > changelog.order(__version__)


def refuse_migrated(store: Store) -> None:
    """Refuse a vault that a newer package has migrated, as its history has it; no document is read.

    Raises:
        VaultTooNew: names the package to install.
    """
    version = history.read(store).version or 0
    if version > CURRENT_SCHEMA_VERSION:
        message = f"the vault was migrated to v{version}, and this package writes v{CURRENT_SCHEMA_VERSION}"
        raise VaultTooNew(f"{message}; nothing was changed", hint=remedy(store), context={"version": version})


def _read(store: Store, paths: Iterable[str]) -> Iterator[Newer]:
    for path in paths:
        try:
            blob = store.read(path)
            stated = peek(blob.data, "schema_version") if blob else 0
            if blob is None or (stated is not None and stated <= CURRENT_SCHEMA_VERSION):
                continue
            document = parse(path, blob.data)
        except AtomicAgentsError:  # told by whoever needs the document
            continue
        version = document.meta.get("schema_version")
        if isinstance(version, int) and not isinstance(version, bool) and version > CURRENT_SCHEMA_VERSION:
            yield Newer(path, document.line_of("schema_version"), version)


def _context(found: Collection[Newer]) -> dict[str, object]:
    documents = [{"path": one.path, "line": one.line, "version": one.version} for one in found]
    return {"version": max(one.version for one in found), "documents": documents}
