"""Keys in the system's keyring (Keychain, Secret Service, Windows' credentials), through `keyring` where installed."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TypeVar

from atomic_agents.core.errors import KeysFailed
from atomic_agents.core.key import Key

SECONDS = 5.0
_OURS = "atomic-agents"
_NAMES = "names"

_Value = TypeVar("_Value")


class KeyringPlace:
    """One item for each key: service `atomic-agents-NAME`, account NAME. The names are kept in an item of their own.

    A keyring that cannot be used has no key: `check` says why, and only who writes to it fails.
    """

    name = "keyring"

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._broken = ""

    def check(self) -> str:
        """Why there is no keyring to use."""
        self._get(_OURS, _NAMES)
        return self._broken

    def find(self, name: str) -> Key | None:
        """The item of that name; on a Mac also one that `security` or another program has put there."""
        value = self._get(f"{_OURS}-{name}", name)
        if not value and sys.platform == "darwin":
            value = _keychain(f"{_OURS}-{name}", self._seconds)
        return Key(value.strip(), f"{self.name}:{_OURS}-{name}") if value and value.strip() else None

    def where(self, name: str) -> str:
        """The item, which has to be asked for to know that it is there."""
        found = self.find(name)
        return found.where if found else ""

    def names(self) -> Iterator[str]:
        """What was put there by `secrets set`; keyrings do not list what they hold."""
        stated = self._get(_OURS, _NAMES)
        yield from map(str, json.loads(stated) if stated else [])

    def values(self) -> Iterator[str]:
        """Nothing is at hand before it is asked for."""
        yield from ()

    def keep(self, name: str, value: str) -> str:
        """Make or replace an item."""
        self._write(lambda keyring: keyring.set_password(f"{_OURS}-{name}", name, value))
        self._list({*self.names(), name})
        return f"{self.name}:{_OURS}-{name}"

    def forget(self, name: str) -> bool:
        """Take an item away that is ours."""
        if self._get(f"{_OURS}-{name}", name) is None:
            return False
        self._write(lambda keyring: keyring.delete_password(f"{_OURS}-{name}", name))
        self._list({*self.names()} - {name})
        return True

    def _list(self, names: set[str]) -> None:
        self._write(lambda keyring: keyring.set_password(_OURS, _NAMES, json.dumps(sorted(names))))

    def _get(self, service: str, account: str) -> str | None:
        return self._asked(lambda keyring: keyring.get_password(service, account))

    def _write(self, change: Callable[[ModuleType], object]) -> None:
        self._asked(change)
        if self._broken:
            raise KeysFailed(self._broken, hint="keep it elsewhere: atomic-agents secrets set NAME --to file")

    def _asked(self, call: Callable[[ModuleType], _Value]) -> _Value | None:
        """What the call returns; a keyring that waits for somebody to unlock it is left behind, and not asked again."""
        if self._broken or not _is_installed():
            self._broken = self._broken or "the package keyring is not installed"
            return None
        done: list[_Value] = []
        broken: list[Exception] = []

        def run() -> None:
            try:
                done.append(call(importlib.import_module("keyring")))
            except Exception as error:  # noqa: BLE001 - backends raise what their system's library raises; it is said
                broken.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self._seconds)
        if done:
            return done[0]
        why = _said(broken[0]) if broken else f"it did not answer in {self._seconds:g} s, and may be locked"
        self._broken = f"the system's keyring cannot be used: {why}"
        return None


def _said(error: Exception) -> str:
    """The first sentence of an error."""
    return f"{type(error).__name__}: {error}".partition("\n")[0].partition(". ")[0].rstrip(" :.")


def _is_installed() -> bool:
    return importlib.util.find_spec("keyring") is not None


def _keychain(service: str, seconds: float) -> str | None:
    """What macOS's own tool finds under a service, whatever the account."""
    command = ["/usr/bin/security", "find-generic-password", "-s", service, "-w"]
    if not os.access(command[0], os.X_OK):
        return None
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:  # it waits for somebody to unlock it
        return None
    return done.stdout.strip() or None
