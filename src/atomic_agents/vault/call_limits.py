"""How many tool calls a run and one answer of a model may make, as `tools.md` and its override say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atomic_agents.vault.rules import Rule

RULES: dict[str, Rule] = {"max_calls": Rule("integer", least=1), "max_calls_at_once": Rule("integer", least=1)}


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The most calls of a run, and of one answer."""

    run: int = 200
    answer: int = 32


def of(stated: Iterable[Mapping[str, object]]) -> CallLimits:
    """The strictest of what files say, each by its values; the defaults where none says anything."""
    files, default = list(stated), CallLimits()

    def least(key: str, otherwise: int) -> int:
        found = [value for each in files if isinstance(value := each.get(key), int)]
        return min(found, default=otherwise)

    return CallLimits(least("max_calls", default.run), least("max_calls_at_once", default.answer))
