"""Agents that systemd starts: the user's units `atomic-agents-*.service` and `atomic-agents-*.timer`."""

import re
from collections.abc import Iterator
from pathlib import Path

from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting, Service, Written

_FOLDER = (".config", "systemd", "user")
_STARTS = re.compile(r"^\s*ExecStart\s*=\s*[-@:+!|]*\"?([^\s\"]+)", re.MULTILINE)
_ONCE = re.compile(r"^\s*Type\s*=\s*oneshot\s*$", re.MULTILINE)


def find(home: Path) -> Iterator[Service]:
    """Every unit of ours.

    A service that stays is restarted where it is running. One that runs once must not be: it would run at once.
    """
    folder = home.joinpath(*_FOLDER)
    for path in sorted([*folder.glob("atomic-agents-*.service"), *folder.glob("atomic-agents-*.timer")]):
        if path.suffix == ".timer" or _ONCE.search(_text(path)):
            note = "its next start takes the new package"
            yield Service("systemd", path.name, note=note, program=_program(path), file=str(path))
        else:
            restart = ("systemctl", "--user", "try-restart", path.name)
            yield Service("systemd", path.name, restart, program=_program(path), file=str(path))


def plan(home: Path, entry: Entry, *, remove: bool = False) -> Fitting:
    """A timer and the service that it starts, of the user's own systemd.

    Raises:
        StorageFailed: a unit file cannot hold the entry.
    """
    folder, name = home.joinpath(*_FOLDER), f"atomic-agents-{entry.key}"
    command = " ".join(_quoted(part) for part in entry.command)
    texts = {
        ".service": f"[Unit]\nDescription={_plain(entry.says)}\n\n[Service]\nType=oneshot\n"
        f"Environment={_quoted(f'PATH={entry.path}', variables=False)}\nExecStart={command}\n",
        ".timer": f"[Unit]\nDescription={_plain(entry.says)}, every minute\n\n[Timer]\n"
        "OnCalendar=*-*-* *:*:00\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n",
    }
    files = []
    for suffix, text in texts.items():
        path = folder / f"{name}{suffix}"
        before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
        files.append(Written(str(path), before, "" if remove else text))
    systemctl, timer = ("systemctl", "--user"), f"{name}.timer"
    reload = ((*systemctl, "daemon-reload"),)
    if remove:
        return Fitting("systemd", tuple(files), ((*systemctl, "disable", "--now", timer),), reload)
    return Fitting("systemd", tuple(files), then=(*reload, (*systemctl, "enable", "--now", timer)))


def _quoted(text: str, *, variables: bool = True) -> str:
    """As systemd reads it back: it replaces `%`, and in commands `$` too."""
    if any(not sign.isprintable() for sign in text):
        raise StorageFailed(f"{text!r} cannot stand in a unit file", hint="atomic-agents schedule install --cron")
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain.replace("$", "$$") if variables else plain}"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _program(path: Path) -> str:
    """What a unit starts, "" for one that starts another unit."""
    found = _STARTS.search(_text(path))
    return found[1] if found else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
