"""The tools every agent has: those that look into its memory, and remember."""

from collections.abc import Mapping

from atomic_agents.core.model import ToolSpec
from atomic_agents.guard.paths import PathPolicy
from atomic_agents.memory.lifecycle import CAPTURE_SCHEMA, Captures
from atomic_agents.tools.recall import Memory, Search, Used
from atomic_agents.tools.tool import Tool
from atomic_agents.vault.vault import Vault

REMEMBER = "remember"
READS_MEMORY = frozenset(("recall", "read_note", "read_wiki", "read_journal", "list_index"))
"""The tools that show a model what it knows already."""


def builtin(
    vault: Vault, agent: str, *, search: Search, captures: Captures | None, paths: PathPolicy,
    used: Used = lambda _path: None,
) -> tuple[Tool, ...]:  # fmt: skip
    """The built-in tools of one run; without `captures` there is no `remember`."""
    tools = Memory(vault, agent, search, paths, used).tools()
    return tools if captures is None else (*tools, _remember(captures))


def _remember(captures: Captures) -> Tool:
    def handle(arguments: Mapping[str, object]) -> str:
        outcome = captures.add(dict(arguments))
        if outcome.became == "rejected":
            raise ValueError(outcome.message)
        return outcome.message

    description = (
        "Keep a fact for later runs: what the operator decided, corrected or told you, or what was hard to find out. "
        "Not what the persona or a file says already. Set provenance to operator only where "
        "the operator asks for it with `remember:`, and keep their words exactly."
    )
    return Tool(ToolSpec(REMEMBER, description, CAPTURE_SCHEMA), handle, kind="reversible_write")
