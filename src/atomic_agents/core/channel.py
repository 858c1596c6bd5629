"""The channels seam: how a message reaches the operator when nobody is looking at a terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What is said: a title and a text of one line each, and the same as JSON values for programs.

    `facts` has the keys `version`, `kind`, `key`, `agent`, `vault`, `at`, `title`, `text` and `facts`.
    """

    title: str
    text: str
    facts: Mapping[str, object]


class Channel(Protocol):
    """A way to the operator. It spends a few seconds on a message at most, where the system lets it."""

    @property
    def kind(self) -> str:
        """What the settings call it."""
        ...

    def check(self) -> str:
        """What is in the way of using it here, "" where nothing is; sends nothing."""
        ...

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        """Hand a message over; "" where it was taken, otherwise why it was refused for certain.

        `leaving` is called right before the message leaves, so that the caller knows what a failure means: before it
        nothing has arrived, after it that cannot be told.

        Raises:
            OSError: the way broke.
        """
        ...
