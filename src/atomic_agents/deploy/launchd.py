"""Agents that launchd starts: `~/Library/LaunchAgents/com.atomic-agents.*.plist`."""

import os
import plistlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError

from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting, Service, Written

_FOLDER = ("Library", "LaunchAgents")
_LOGS = ("Library", "Logs", "atomic-agents")
MARK = re.compile(r"<!-- (atomic-agents deploy \{.*\}) -->")
_PATTERN = "com.atomic-agents.*.plist"


def find(home: Path) -> Iterator[Service]:
    """Every plist of ours.

    A job that launchd keeps alive is restarted. One that only starts at its times must not be: it would run at once.
    """
    for path in sorted(home.joinpath(*_FOLDER).glob(_PATTERN)):
        by_name = path.name.removesuffix(".plist")
        try:
            plist = plistlib.loads(path.read_bytes())
            mark = MARK.search(path.read_text(encoding="utf-8", errors="replace"))
            label, stays = str(plist.get("Label") or by_name), bool(plist.get("KeepAlive"))
            starts = [*(plist.get("ProgramArguments") or ()), plist.get("Program") or ""]
        except (OSError, ValueError, ExpatError, AttributeError, TypeError):
            quoted = shlex.quote(str(path))
            by_hand = f"launchctl unload {quoted}; launchctl load {quoted}"
            yield Service("launchd", by_name, by_hand=by_hand, note="its file cannot be read")
            continue
        restart = ("launchctl", "kickstart", "-k", f"gui/{_user()}/{label}") if stays else ()
        note = "" if stays else "its next start takes the new package"
        yield Service(
            "launchd", label, restart, note=note, program=str(starts[0]), file=str(path), mark=mark[1] if mark else ""
        )


def plan(home: Path, entry: Entry, *, remove: bool = False) -> Fitting:
    """One plist, labelled as the published guide labels what runs agents.

    Raises:
        StorageFailed: launchd cannot give it what it needs.
    """
    if entry.environment:
        hint = "keep keys in the keyring: atomic-agents secrets set PROVIDER"
        raise StorageFailed("launchd reads no file of environment variables", hint=hint)
    label, domain = _label(entry.key, stays=entry.stays), f"gui/{_user()}"
    path = home.joinpath(*_FOLDER, f"{label}.plist")
    value: dict[str, object] = {
        "Label": label,
        "ProgramArguments": list(entry.command),
        "EnvironmentVariables": {"PATH": entry.path},
    }
    value |= _staying(home, entry.key) if entry.stays else {"StartInterval": 60, "ProcessType": "Background"}
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    after = "" if remove else _marked(plistlib.dumps(value).decode(), entry.mark)
    stop, start = ("launchctl", "bootout", f"{domain}/{label}"), ("launchctl", "bootstrap", domain, str(path))
    gone = ("launchctl", "print", f"{domain}/{label}") if entry.stays else ()
    return Fitting("launchd", (Written(str(path), before, after),), (stop,), () if remove else (start,), gone)


def log_of(home: Path, key: str) -> Path:
    """Where what an entry that stays prints is written."""
    return home.joinpath(*_LOGS, f"{key}.log")


def target(key: str) -> str:
    """What launchd calls an entry that stays."""
    return f"gui/{_user()}/{_label(key, stays=True)}"


def _label(key: str, *, stays: bool) -> str:
    return f"com.atomic-agents.{key}" if stays else f"com.atomic-agents.run.{key}"


def _staying(home: Path, key: str) -> dict[str, object]:
    """It is started again where it failed, not where it was told to end."""
    said = str(log_of(home, key))
    return {
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 60,
        "StandardOutPath": said,
        "StandardErrorPath": said,
    }


def _marked(text: str, mark: str) -> str:
    """The plist with its mark as a comment, in which `--` must not stand."""
    quoted = mark.replace("--", "-\\u002d")
    return text.replace("<plist ", f"<!-- {quoted} -->\n<plist ", 1) if mark else text


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
