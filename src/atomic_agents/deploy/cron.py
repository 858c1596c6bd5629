"""Agents that cron starts: the lines of the user's crontab that name this package."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from atomic_agents.core.service import Service

_OURS = re.compile(r"^(?!\s*#).*\batomic[-_]agents\b")
_SECONDS = 10


def find(_home: Path) -> Iterator[Service]:
    """Every line of ours; cron starts a new process each time, so none needs a restart."""
    for line in _crontab().splitlines():
        if _OURS.search(line):
            yield Service("cron", " ".join(line.split()), note="its next start takes the new package")


def _crontab() -> str:
    """The user's crontab; "" where there is none, or no cron."""
    try:
        done = subprocess.run(
            ["crontab", "-l"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
