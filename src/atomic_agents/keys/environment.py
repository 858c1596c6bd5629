"""Keys in environment variables."""

from collections.abc import Iterator, Mapping

from atomic_agents.core.key import Key, normal, variables

_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")


class EnvironmentPlace:
    """The environment as it was when the command started."""

    name = "env"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def check(self) -> str:
        """Nothing keeps anybody from reading it."""
        return ""

    def find(self, name: str) -> Key | None:
        """The first of its variables that says something."""
        for variable in variables(name):
            if value := self._environ.get(variable, "").strip():
                return Key(value, f"{self.name}:{variable}")
        return None

    def where(self, name: str) -> str:
        """The variable that says it."""
        found = self.find(name)
        return found.where if found else ""

    def names(self) -> Iterator[str]:
        """The names of keys whose variables say something."""
        return (normal(name) for name, value in self._environ.items() if value.strip() and normal(name) != name)

    def values(self) -> Iterator[str]:
        """What variables hold whose names end like one of a secret."""
        return (value for name, value in self._environ.items() if name.upper().endswith(_SECRET_NAMES))
