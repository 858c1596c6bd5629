"""What MCP servers printed between their messages: one bounded file for each, beside the other derived data."""

import contextlib
import os
import re
import tempfile
from pathlib import Path

from atomic_agents.guard.secrets import redact
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import hands


def keep(workspace: Workspace, agent: str, server: str, text: str) -> str:
    """Write what a server printed in its last session over what it printed before; where, relative to the vault.

    "" where the vault is no folder or cannot be written to: that never ends a run.
    """
    path = hands.mcp_log(agent, re.sub(r"[^A-Za-z0-9_-]", "_", server))
    place = Path(workspace.config.root, path)
    if not Path(workspace.config.root).is_dir():
        return ""
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=place.parent)
        with open(handle, "wb") as file:
            file.write(redact(text, workspace.secrets).encode(errors="replace"))
        os.replace(draft, place)
        return path
    return ""
