"""What ships for your own tests: the contract every store keeps, for stores of your own."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from atomic_agents.testing.contracts import StoreContract

__all__ = ["StoreContract"]

_ROOMS: Final = {"StoreContract": "atomic_agents.testing.contracts"}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: contracts need pytest and hypothesis, the extra `testing`."""
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(room), name)
