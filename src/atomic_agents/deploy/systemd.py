"""Agents that systemd starts: units `atomic-agents-*.service` and `atomic-agents-*.timer`, the user's or all users'."""

import re
from collections.abc import Iterator
from pathlib import Path

from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting, Service, Written

_FOLDER = (".config", "systemd", "user")
_STARTS = re.compile(r"^\s*ExecStart\s*=\s*[-@:+!|]*\"?([^\s\"]+)", re.MULTILINE)
USER, SYSTEM = "systemd", "systemd-system"
CONTROL = {USER: ("systemctl", "--user"), SYSTEM: ("systemctl",)}
MARK = re.compile(r"^# (atomic-agents deploy \{.*\})$", re.MULTILINE)
_ONCE = re.compile(r"^\s*Type\s*=\s*oneshot\s*$", re.MULTILINE)


def find(home: Path) -> Iterator[Service]:
    """Every unit of ours.

    A service that stays is restarted where it is running. One that runs once must not be: it would run at once.
    """
    return _find(home.joinpath(*_FOLDER), USER)


def find_system(folder: Path) -> Iterator[Service]:
    """The same of the whole machine's units."""
    return _find(folder, SYSTEM)


def _find(folder: Path, kind: str) -> Iterator[Service]:
    for path in sorted([*folder.glob("atomic-agents-*.service"), *folder.glob("atomic-agents-*.timer")]):
        once = path.suffix == ".timer" or bool(_ONCE.search(_text(path)))
        restart = () if once else (*CONTROL[kind], "try-restart", path.name)
        note = "its next start takes the new package" if once else ""
        found = MARK.search(_text(path))
        yield Service(
            kind, path.name, restart, note=note, program=_program(path), file=str(path), mark=found[1] if found else ""
        )


def plan(home: Path, entry: Entry, *, remove: bool = False) -> Fitting:
    """The units of an entry, of the user's own systemd.

    Raises:
        StorageFailed: a unit file cannot hold the entry.
    """
    return _plan(home.joinpath(*_FOLDER), USER, entry, remove=remove)


def plan_system(folder: Path, entry: Entry, *, remove: bool = False) -> Fitting:
    """The same of the whole machine's systemd."""
    return _plan(folder, SYSTEM, entry, remove=remove)


def _plan(folder: Path, kind: str, entry: Entry, *, remove: bool) -> Fitting:
    name, systemctl = f"atomic-agents-{entry.key}", CONTROL[kind]
    texts = {".service": _staying(entry, kind)} if entry.stays else _each_minute(entry)
    files = []
    for suffix, text in texts.items():
        path = folder / f"{name}{suffix}"
        before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
        files.append(Written(str(path), before, "" if remove else text))
    unit = f"{name}{list(texts)[-1]}"
    reload = ((*systemctl, "daemon-reload"),)
    if remove:
        return Fitting(kind, tuple(files), ((*systemctl, "disable", "--now", unit),), reload)
    start = ((*systemctl, "enable", unit), (*systemctl, "restart", unit)) if entry.stays else (
        (*systemctl, "enable", "--now", unit),
    )  # fmt: skip
    return Fitting(kind, tuple(files), then=(*reload, *start))


def _each_minute(entry: Entry) -> dict[str, str]:
    command = " ".join(_quoted(part) for part in entry.command)
    return {
        ".service": f"[Unit]\nDescription={_plain(entry.says)}\n\n[Service]\nType=oneshot\n"
        f"Environment={_quoted(f'PATH={entry.path}', variables=False)}\nExecStart={command}\n",
        ".timer": f"[Unit]\nDescription={_plain(entry.says)}, every minute\n\n[Timer]\n"
        "OnCalendar=*-*-* *:*:00\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n",
    }


def _staying(entry: Entry, kind: str) -> str:
    """One service. It is not started again where it was told to end, was called wrongly or cannot have the vault."""
    command = " ".join(_quoted(part) for part in entry.command)
    optional = {"User": entry.user, "EnvironmentFile": entry.environment}
    return (
        f"# {entry.mark}\n[Unit]\nDescription={_plain(entry.says)}\nStartLimitIntervalSec=120\nStartLimitBurst=5\n\n"
        f"[Service]\nType=exec\nExecStart={command}\n"
        f"Environment={_quoted(f'PATH={entry.path}', variables=False)}\n"
        + "".join(f"{key}={_plain(value)}\n" for key, value in optional.items() if value)
        + "Restart=on-failure\nRestartSec=5\nRestartPreventExitStatus=2 6\nKillMode=mixed\nTimeoutStopSec=60\n\n"
        f"[Install]\nWantedBy={'default' if kind == USER else 'multi-user'}.target\n"
    )


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
