"""A webhook: the message as JSON, its `text` being what chat programs show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atomic_agents.channels import posting
from atomic_agents.core.channel import Message


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that takes JSON; `token` is sent as `Authorization: Bearer`."""

    url: str
    token: str = ""
    kind: str = "webhook"

    def check(self) -> str:
        """What is wrong with the URL."""
        return posting.wrong(self.url)

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        """Post the message's facts."""
        return self.check() or posting.post(self.url, message.facts, leaving, token=self.token)


def opened(values: Mapping[str, object]) -> Webhook:
    """From `url` and `token`."""
    return Webhook(str(values["url"]), str(values.get("token", "")))
