"""Upgrades: the contract a step is written against."""

from atomic_agents.migration.unit import MigratableUnit

__all__ = ["MigratableUnit"]
