"""What an agent's `serve.md` says of the HTTP door."""

from dataclasses import dataclass

from atomic_agents.core.errors import SettingsInvalid
from atomic_agents.operations.workspace import Workspace

_FILE = "serve.md"


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated; None and "" where it is not. `open_wished` says that somebody wanted no authentication."""

    host: str = ""
    port: int | None = None
    body: int | None = None
    identity_header: str = ""
    key_header: str = ""
    open_wished: str = ""


def stated(workspace: Workspace, name: str) -> Stated:
    """What holds for one agent; for "", which is all of them, nothing is stated.

    Raises:
        AgentMissing: there is no such agent.
        SettingsInvalid: the file has errors; nothing is guessed.
    """
    if not name:
        return Stated()
    found = workspace.vault.settings(workspace.vault.agent(name)).files.get(_FILE)
    if found is None:
        return Stated()
    if errors := [problem for problem in found.problems if problem.severity == "error"]:
        raise SettingsInvalid(errors)

    def text(key: str) -> str:
        return str(found.values.get(key) or "")

    def number(key: str) -> int | None:
        value = found.values.get(key)
        return value if isinstance(value, int) else None

    verified = found.values.get("identity_is_perimeter_verified") is True
    return Stated(
        text("bind_host"), number("bind_port"), number("max_body_bytes"),
        text("identity_header") if verified else "", text("idempotency_header"),
        found.path if found.values.get("allow_no_auth") is True else "",
    )  # fmt: skip
