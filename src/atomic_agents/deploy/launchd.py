"""Agents that launchd starts: `~/Library/LaunchAgents/com.atomic-agents.*.plist`."""

import os
import plistlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.parsers.expat import ExpatError

from atomic_agents.core.service import Service

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
        except (OSError, ValueError, ExpatError, AttributeError):
            quoted = shlex.quote(str(path))
            by_hand = f"launchctl unload {quoted}; launchctl load {quoted}"
            yield Service("launchd", by_name, by_hand=by_hand, note="its file cannot be read")
            continue
        if stays:
            yield Service("launchd", label, ("launchctl", "kickstart", "-k", f"gui/{_user()}/{label}"))
        else:
            yield Service("launchd", label, note="its next start takes the new package")


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
