"""A channel by its kind, from what the settings say about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atomic_agents.channels import command, desktop, mail, telegram, webhook
from atomic_agents.core.channel import Channel, Message

KINDS: Mapping[str, Callable[[Mapping[str, object]], Channel]] = {
    "desktop": desktop.opened,
    "webhook": webhook.opened,
    "email": mail.opened,
    "telegram": telegram.opened,
    "command": command.opened,
}
_NAMED = "_variable"


@dataclass(frozen=True, slots=True)
class Lacking:
    """A channel that cannot be used, as an environment variable that it needs is not set."""

    kind: str
    why: str

    def check(self) -> str:
        """Why."""
        return self.why

    def send(self, _message: Message, _leaving: Callable[[], None]) -> str:
        """Refused, and why."""
        return self.why


def opened(kind: str, values: Mapping[str, object], variable: Callable[[str], str]) -> Channel:
    """The channel of a kind. Where the settings name a variable for a value (`token_variable`), `variable` reads it."""
    resolved: dict[str, object] = {}
    for key, value in values.items():
        if not key.endswith(_NAMED):
            resolved[key] = value
            continue
        found = variable(str(value))
        if not found:
            return Lacking(kind, f"the variable {value} is not set here")
        resolved[key.removesuffix(_NAMED)] = found
    return KINDS[kind](resolved)
