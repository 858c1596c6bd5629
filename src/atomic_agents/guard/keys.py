"""In which order keys are looked for, and which values must not be written down.

The first place that has a key wins. A place that cannot be used is passed over, unless nobody else has the key: then
its trouble is the answer. What a place said is remembered while the process lives: a keyring may ask its owner, and a
command may take a while.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, overload

from atomic_agents.core.errors import KeysFailed
from atomic_agents.core.key import Place, normal

_SHORTEST_SECRET = 8

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Sight:
    """A key that was looked for: where it was found, "" where nowhere, and what kept places from being looked at."""

    name: str
    where: str
    troubles: tuple[KeysFailed, ...] = ()


class Known(Sequence[str]):
    """Secrets that must not be written down, those that were said lately too.

    Short ones are left out. Each is there also as JSON spells it, and the longest come first, so that one which holds
    another is blacked out whole.
    """

    def __init__(self) -> None:
        self._values: list[str] = []

    def add(self, values: Iterable[str]) -> None:
        """Know some more."""
        long = {value.strip() for value in values if len(value.strip()) >= _SHORTEST_SECRET}
        spelled = long | {json.dumps(value, ensure_ascii=False)[1:-1] for value in long} | set(self._values)
        self._values = sorted(spelled, key=lambda value: (-len(value), value))

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._values[index]


class Keys:
    """The keys of this user, from the places that bootstrap has put in order; they are opened with the first look."""

    def __init__(self, open_places: Callable[[], Sequence[Place]] = tuple) -> None:
        self._open_places = open_places
        self._found: dict[str, str | None] = {}
        self._known: Known | None = None

    @cached_property
    def places(self) -> Sequence[Place]:
        """Where keys are looked for, in this order."""
        return self._open_places()

    def get(self, name: str) -> str | None:
        """The key of a provider, or any secret by its name or its variable's; None where no place has it.

        Raises:
            KeysFailed: no place has it, and one could not be looked at.
        """
        name = normal(name)
        if name not in self._found:
            found, troubles = _first(self.places, lambda place: place.find(name))
            if found is None and troubles:
                raise troubles[0]
            self._found[name] = found.value if found else None
            self.known.add((found.value,) if found else ())
        return self._found[name]

    def look(self, name: str) -> Sight:
        """Where a key is, without asking for it."""
        name = normal(name)
        where, troubles = _first(self.places, lambda place: place.where(name) or None)
        return Sight(name, where or "", tuple(troubles))

    def names(self) -> list[str]:
        """The names that any place knows, in order; places that cannot be used are left out."""
        found: set[str] = set()
        for place in self.places:
            try:
                found.update(place.names())
            except KeysFailed:
                continue
        return sorted(found)

    @property
    def known(self) -> Known:
        """What must not be written down; it grows as keys are found."""
        if self._known is None:
            self._known = Known()
            for place in self.places:
                try:
                    self._known.add(place.values())
                except KeysFailed:  # who needs a key from it is told that it cannot be read
                    continue
        return self._known

    def forget_found(self, name: str) -> None:
        """Look again the next time, because a place has changed."""
        self._found.pop(normal(name), None)


def _first(places: Sequence[Place], look: Callable[[Place], _Found | None]) -> tuple[_Found | None, list[KeysFailed]]:
    """What the first place has, and what was in the way before it."""
    troubles: list[KeysFailed] = []
    for place in places:
        try:
            found = look(place)
        except KeysFailed as error:
            troubles.append(error)
            continue
        if found is not None:
            return found, troubles
    return None, troubles
