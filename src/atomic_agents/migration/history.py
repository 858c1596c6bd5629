"""The line that every migration and every rollback leaves in `_migrations/history.jsonl`."""

import datetime
import getpass
import json

from atomic_agents._version import __version__
from atomic_agents.core.change import Append
from atomic_agents.vault import layout


def line(now: datetime.datetime, outcome: str, from_version: int, to_version: int, **more: object) -> Append:
    """What was done, when, by whom, with which package, from which version to which."""
    record = {
        "ts": now.isoformat(),
        "who": _who(),
        "package": __version__,
        "outcome": outcome,
        "from_version": from_version,
        "to_version": to_version,
        **more,
    }
    return Append(layout.HISTORY, json.dumps(record, ensure_ascii=False))


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
