"""A channel that keeps what it is handed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from atomic_agents.core.channel import Message
from atomic_agents.vault.channels import ChannelSettings


@dataclass
class Postbox:
    """Takes every message, in order; `stated` is what the settings say about it."""

    stated: ChannelSettings
    messages: list[Message] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """As the settings call it."""
        return self.stated.kind

    def check(self) -> str:
        """Nothing is in the way."""
        return ""

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        """Keep it."""
        leaving()
        self.messages.append(message)
        return ""
