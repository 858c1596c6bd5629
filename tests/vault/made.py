"""Small vaults in memory, and settings files by their text."""

from collections.abc import Mapping

from atomic_agents.core.document import parse
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.vault import settings
from atomic_agents.vault.settings import Settings
from atomic_agents.vault.vault import Vault


def vault_of(documents: Mapping[str, str | bytes]) -> Vault:
    """A vault that holds these documents."""
    return Vault(MemoryStore({path: text.encode() if isinstance(text, str) else text for path, text in documents.items()}))


def read(name: str, text: str) -> Settings:
    """A settings file of the agent `a`."""
    return settings.read(name, parse(f"a/{name}", text.encode()))


def said(found: Settings) -> list[tuple[int, str]]:
    """Line and message of every problem."""
    return [(problem.line, problem.message) for problem in found.problems]
