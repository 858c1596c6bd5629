"""The keys seam: a place where keys and other secrets are kept, and what a key is called there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_OF_PROVIDER = re.compile(r"ATOMIC_AGENTS_([A-Z][A-Z0-9_]*)_KEY|([A-Z][A-Z0-9_]*)_API_KEY")


@dataclass(frozen=True, slots=True)
class Key:
    """A secret and the place that has it, such as `env:OPENAI_API_KEY`; the value is never part of its repr."""

    value: str = field(repr=False)
    where: str


class Place(Protocol):
    """Where secrets are kept. Every method raises KeysFailed where the place cannot be used."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    def check(self) -> str:
        """What keeps it from being used here, "" where nothing does; never raises."""
        ...

    def find(self, name: str) -> Key | None:
        """The secret of that name."""
        ...

    def where(self, name: str) -> str:
        """Where `find` would find it, "" where nowhere; asks nobody and starts nothing that takes a while."""
        ...

    def names(self) -> Iterable[str]:
        """The names it knows that it has."""
        ...

    def values(self) -> Iterable[str]:
        """Secrets that it holds where they are at hand, whatever their name, so that nobody writes them down."""
        ...


class Keeper(Place, Protocol):
    """A place that can be written to."""

    def keep(self, name: str, value: str) -> str:
        """Keep a secret, over that which has its name; where it is now."""
        ...

    def forget(self, name: str) -> bool:
        """Take a secret away; whether there was one."""
        ...


def normal(name: str) -> str:
    """The one name of a secret: `OPENAI_API_KEY` and `ATOMIC_AGENTS_OPENAI_KEY` are `openai`; others as they are."""
    found = _OF_PROVIDER.fullmatch(name)
    return (found[1] or found[2]).lower().replace("_", "-") if found else name


def variables(name: str) -> tuple[str, ...]:
    """The environment variables that can hold the secret of a normal name, the first before the second."""
    if any(sign.isupper() for sign in name):
        return (name,)
    capitals = name.upper().replace("-", "_")
    return (f"ATOMIC_AGENTS_{capitals}_KEY", f"{capitals}_API_KEY")
