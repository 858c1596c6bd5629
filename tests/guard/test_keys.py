import json
from collections.abc import Iterator, Mapping

import pytest

from atomic_agents.core.errors import KeysFailed
from atomic_agents.core.key import Key, normal, variables
from atomic_agents.guard.keys import Keys, Known
from atomic_agents.guard.secrets import REDACTED, redact
from atomic_agents.keys.environment import EnvironmentPlace


class Shelf:
    """A place with some keys; those that are None cannot be looked at."""

    def __init__(self, name: str, **keys: str | None) -> None:
        self.name = name
        self.keys = keys
        self.asked: list[str] = []

    def check(self) -> str:
        return ""

    def find(self, name: str) -> Key | None:
        self.asked.append(name)
        if name in self.keys and self.keys[name] is None:
            raise KeysFailed(f"{self.name} is locked")
        value = self.keys.get(name)
        return Key(value, f"{self.name}:{name}") if value else None

    def where(self, name: str) -> str:
        return f"{self.name}:{name}" if self.keys.get(name) else ""

    def names(self) -> Iterator[str]:
        yield from self.keys

    def values(self) -> Iterator[str]:
        yield from ()


def keys(*places: Shelf) -> Keys:
    return Keys(lambda: places)


def test_the_first_place_that_has_a_key_wins() -> None:
    found = keys(Shelf("a"), Shelf("b", openai="from-b"), Shelf("c", openai="from-c"))

    assert found.get("openai") == "from-b"
    assert found.look("openai").where == "b:openai"


@pytest.mark.parametrize("name", ["openai", "OPENAI_API_KEY", "ATOMIC_AGENTS_OPENAI_KEY"])
def test_a_key_has_one_name_however_it_is_asked_for(name: str) -> None:
    assert keys(Shelf("a", openai="k")).get(name) == "k"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GITHUB_TOKEN", ("GITHUB_TOKEN",)),
        ("moonshotai", ("ATOMIC_AGENTS_MOONSHOTAI_KEY", "MOONSHOTAI_API_KEY")),
        ("LINEAR_API_KEY", ("ATOMIC_AGENTS_LINEAR_KEY", "LINEAR_API_KEY")),
        ("my-own", ("ATOMIC_AGENTS_MY_OWN_KEY", "MY_OWN_API_KEY")),
    ],
)
def test_a_name_says_its_variables(name: str, expected: tuple[str, ...]) -> None:
    assert variables(normal(name)) == expected


def test_a_place_that_cannot_be_used_is_passed_over_where_another_has_the_key() -> None:
    assert keys(Shelf("a", openai=None), Shelf("b", openai="k")).get("openai") == "k"


def test_a_place_that_cannot_be_used_is_told_where_no_other_has_the_key() -> None:
    with pytest.raises(KeysFailed, match="a is locked"):
        keys(Shelf("a", openai=None), Shelf("b")).get("openai")


def test_nobody_is_asked_twice() -> None:
    shelf = Shelf("a", openai="k")
    found = keys(shelf)

    for name in ("openai", "openai", "none", "none"):
        found.get(name)

    assert shelf.asked == ["openai", "none"]


def test_a_key_that_was_found_late_is_not_written_down() -> None:
    found = keys(Shelf("a", openai="quite-a-long-key"))
    known: Known = found.known
    assert redact("quite-a-long-key", known) == "quite-a-long-key"

    found.get("openai")

    assert redact("it is quite-a-long-key", known) == f"it is {REDACTED}"


def test_a_key_does_not_show_in_its_repr() -> None:
    assert repr(Key("hidden", "env:X")) == "Key(where='env:X')"


@pytest.mark.parametrize("variable", ["ATOMIC_AGENTS_GROQ_KEY", "GROQ_API_KEY"])
def test_blank_variables_are_absent(variable: str) -> None:
    assert EnvironmentPlace({variable: " \n"}).find("groq") is None
    assert EnvironmentPlace({variable: " k\n"}).find("groq") == Key("k", f"env:{variable}")


def test_the_environment_says_what_is_secret() -> None:
    environ: Mapping[str, str] = {
        "MY_PASSWORD": 'quo"ted-and-long',
        "DEPLOY_TOKEN": "abcdefgh",
        "LONGER_TOKEN": "abcdefgh-and-more",
        "SHORT_KEY": "k",
        "KEYBOARD": "qwertyuiop",
    }

    secrets = Keys(lambda: (EnvironmentPlace(environ),)).known

    assert list(secrets) == ["abcdefgh-and-more", 'quo\\"ted-and-long', 'quo"ted-and-long', "abcdefgh"]
    assert redact("abcdefgh-and-more abcdefgh k qwertyuiop", secrets) == f"{REDACTED} {REDACTED} k qwertyuiop"
    assert redact(json.dumps('a quo"ted-and-long one'), secrets) == f'"a {REDACTED} one"'
