"""The services seam: what starts agents without a person, such as launchd, systemd or cron."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Service:
    """One of them. `restart` is the command that makes it take a new package; empty where its next start does.

    `by_hand` is a command that only a person should type instead. `note` says why there is no `restart`.
    """

    kind: str
    label: str
    restart: tuple[str, ...] = ()
    by_hand: str = ""
    note: str = ""


class Services(Protocol):
    """The services of a machine that run this package."""

    def found(self) -> Sequence[Service]:
        """All of them, in order of kind and label."""
        ...

    def restart(self, service: Service) -> str:
        """Restart one; "" where that worked, otherwise what is in the way."""
        ...
