"""The services seam: what starts agents without a person, such as launchd, systemd or cron."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Service:
    """One of them. `restart` is the command that makes it take a new package; empty where its next start does.

    `by_hand` is a command that only a person should type instead. `note` says why there is no `restart`. `program` is
    what it starts, "" where that cannot be told, and `file` where that is written. `mark` is what `Entry.mark` was.
    """

    kind: str
    label: str
    restart: tuple[str, ...] = ()
    by_hand: str = ""
    note: str = ""
    program: str = field(default="", compare=False)
    file: str = field(default="", compare=False)
    mark: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is to be started every minute, or that `stays`: it is kept running.

    `key` tells it from others, `path` is the PATH it gets. `mark` stands in its file: one line that says who wrote it
    and with what. `environment` is a file of `NAME=value` lines that it gets, `user` whom it runs as; "" for none.
    """

    key: str
    says: str
    command: tuple[str, ...]
    path: str
    stays: bool = False
    mark: str = ""
    environment: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the machine, or the user's crontab: its text before and after, "" where it is not there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Fitting:
    """What puts an entry into the machine, or takes it out: commands that may fail, files, commands that may not.

    `gone` is a command that fails once what the first ones have stopped is gone; empty where they wait for that.
    """

    kind: str
    files: tuple[Written, ...]
    first: tuple[tuple[str, ...], ...] = ()
    then: tuple[tuple[str, ...], ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether any file becomes another."""
        return any(each.before != each.after for each in self.files)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the machine says of an entry that stays: `active`, `failed`, `inactive`, and its last lines."""

    state: str
    lines: tuple[str, ...] = ()


class Services(Protocol):
    """The services of a machine that run this package."""

    def found(self) -> Sequence[Service]:
        """All of them, in order of kind and label."""
        ...

    def restart(self, service: Service) -> str:
        """Restart one; "" where that worked, otherwise what is in the way."""
        ...

    def usual(self) -> str:
        """The kind that this machine starts things with, "" where there is none."""
        ...

    def plan(self, kind: str, entry: Entry, *, remove: bool = False) -> Fitting:
        """What would put an entry in, or take it out; nothing is written.

        Raises:
            StorageFailed: what is there cannot be read, or cannot hold the entry.
        """
        ...

    def look(self, kind: str, key: str) -> Sight:
        """How an entry that stays is doing."""
        ...

    def carry_out(self, fitting: Fitting) -> str:
        """Do it, or put everything back; "" where that worked, otherwise what is in the way."""
        ...
