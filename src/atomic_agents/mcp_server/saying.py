"""What is said to clients: errors with what to type, and nothing that is secret."""

import re
from pathlib import Path

from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.guard.secrets import redact
from atomic_agents.operations.workspace import Workspace
from atomic_agents.web.refusals import Refused


def words(error: AtomicAgentsError | Refused) -> str:
    """An error and what to type, as a terminal has it."""
    return "\n".join((f"error: {error.message}", *(f"  hint: {line}" for line in error.hint.splitlines())))


def clean(workspace: Workspace, text: str) -> str:
    """`text` without secrets, and with no more of this machine's folders than their names below the vault."""
    text = redact(text, workspace.secrets)
    for folder, name in ((str(workspace.config.root), "VAULT"), (str(Path.home()), "~")):
        if len(folder) > 1:
            text = re.sub(rf"{re.escape(folder)}(?![\w.-])", name, text)
    return text
