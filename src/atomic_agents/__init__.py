"""Agents that live in a folder you own, and survive every upgrade."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from atomic_agents._version import __version__

if TYPE_CHECKING:
    from atomic_agents.api import Agent, Vault
    from atomic_agents.core.errors import (
        AtomicAgentsError,
        BudgetExceeded,
        Busy,
        Conflict,
        ProviderFailed,
        RunInterrupted,
        SettingsInvalid,
    )
    from atomic_agents.runtime.order import Result

__all__ = [
    "Agent",
    "AtomicAgentsError",
    "BudgetExceeded",
    "Busy",
    "Conflict",
    "ProviderFailed",
    "Result",
    "RunInterrupted",
    "SettingsInvalid",
    "Vault",
    "__version__",
]

_ERRORS: Final = "atomic_agents.core.errors"
_ROOMS: Final = {"Agent": "atomic_agents.api", "Vault": "atomic_agents.api", "Result": "atomic_agents.runtime.runner"}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: a command imports this package and needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS.get(name, _ERRORS)), name)
