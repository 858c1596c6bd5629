"""Telegram: a bot's message to a chat."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atomic_agents.channels import posting
from atomic_agents.core.channel import Message

_SERVER = "https://api.telegram.org"


@dataclass(frozen=True, slots=True)
class Telegram:
    """A chat, and the token of the bot that writes to it; `server` is where the bots' interface is."""

    chat: str
    token: str
    server: str = _SERVER
    kind: str = "telegram"

    def check(self) -> str:
        """What is wrong with the server's URL or the token."""
        return posting.wrong(self._url)

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        """Let the bot say the text."""
        return self.check() or posting.post(self._url, {"chat_id": self.chat, "text": message.text}, leaving)

    @property
    def _url(self) -> str:
        return f"{self.server.rstrip('/')}/bot{self.token}/sendMessage"


def opened(values: Mapping[str, object]) -> Telegram:
    """From `chat`, `token` and `url`."""
    return Telegram(str(values["chat"]), str(values["token"]), str(values.get("url", _SERVER)))
