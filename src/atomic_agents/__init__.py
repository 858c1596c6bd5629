"""Agents that live in a folder you own, and survive every upgrade."""

from atomic_agents._version import __version__

__all__ = ["__version__"]
