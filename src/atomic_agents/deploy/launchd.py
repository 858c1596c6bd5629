"""Agents that launchd starts: `~/Library/LaunchAgents/com.atomic-agents.*.plist`."""

import os
import plistlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError

from atomic_agents.core.service import Entry, Fitting, Service, Written

_FOLDER = ("Library", "LaunchAgents")
_PATTERN = "com.atomic-agents.*.plist"


def find(home: Path) -> Iterator[Service]:
    """Every plist of ours.

    A job that launchd keeps alive is restarted. One that only starts at its times must not be: it would run at once.
    """
    for path in sorted(home.joinpath(*_FOLDER).glob(_PATTERN)):
        by_name = path.name.removesuffix(".plist")
        try:
            plist = plistlib.loads(path.read_bytes())
            label, stays = str(plist.get("Label") or by_name), bool(plist.get("KeepAlive"))
            starts = [*(plist.get("ProgramArguments") or ()), plist.get("Program") or ""]
        except (OSError, ValueError, ExpatError, AttributeError, TypeError):
            quoted = shlex.quote(str(path))
            by_hand = f"launchctl unload {quoted}; launchctl load {quoted}"
            yield Service("launchd", by_name, by_hand=by_hand, note="its file cannot be read")
            continue
        restart = ("launchctl", "kickstart", "-k", f"gui/{_user()}/{label}") if stays else ()
        note = "" if stays else "its next start takes the new package"
        yield Service("launchd", label, restart, note=note, program=str(starts[0]), file=str(path))


def plan(home: Path, entry: Entry, *, remove: bool = False) -> Fitting:
    """One plist, labelled as the published guide labels what runs agents."""
    label = f"com.atomic-agents.run.{entry.key}"
    path = home.joinpath(*_FOLDER, f"{label}.plist")
    domain = f"gui/{_user()}"
    value = {
        "Label": label,
        "ProgramArguments": list(entry.command),
        "EnvironmentVariables": {"PATH": entry.path},
        "StartInterval": 60,
        "ProcessType": "Background",
    }
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    after = "" if remove else plistlib.dumps(value).decode()
    stop, start = ("launchctl", "bootout", f"{domain}/{label}"), ("launchctl", "bootstrap", domain, str(path))
    return Fitting("launchd", (Written(str(path), before, after),), (stop,), () if remove else (start,))


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
