"""Agents that systemd starts: the user's units `atomic-agents-*.service` and `atomic-agents-*.timer`."""

import re
from collections.abc import Iterator
from pathlib import Path

from atomic_agents.core.service import Service

_FOLDER = (".config", "systemd", "user")
_ONCE = re.compile(r"^\s*Type\s*=\s*oneshot\s*$", re.MULTILINE)


def find(home: Path) -> Iterator[Service]:
    """Every unit of ours.

    A service that stays is restarted where it is running. One that runs once must not be: it would run at once.
    """
    folder = home.joinpath(*_FOLDER)
    for path in sorted([*folder.glob("atomic-agents-*.service"), *folder.glob("atomic-agents-*.timer")]):
        if path.suffix == ".timer" or _ONCE.search(_text(path)):
            yield Service("systemd", path.name, note="its next start takes the new package")
        else:
            yield Service("systemd", path.name, ("systemctl", "--user", "try-restart", path.name))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
