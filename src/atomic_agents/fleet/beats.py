"""The workers of a vault: what each says of itself from time to time, and which have fallen silent."""

import datetime
import json
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from atomic_agents._version import __version__
from atomic_agents.core.change import ChangeSet, Delete, Put
from atomic_agents.core.store import Store
from atomic_agents.vault import layout

EVERY = 15.0
"""Seconds between two beats."""

SILENT = datetime.timedelta(minutes=1)
"""Whoever has said nothing for so long is stuck or dead."""

_GONE = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker: where it runs and since when, when it was last heard of, what it was at then."""

    name: str
    host: str
    pid: int
    started: datetime.datetime
    at: datetime.datetime
    package: str = __version__
    doing: Sequence[str] = ()

    @property
    def path(self) -> str:
        """Where it stands: workers of two machines may have one name."""
        return layout.worker(f"{self.name}.{clean(self.host)}")

    def state(self, now: datetime.datetime) -> str:
        """`alive`, `stuck` where its process is there and says nothing, `dead`; of another machine's, `silent`."""
        here = self.host == socket.gethostname()
        if here and not _is_there(self.pid):
            return "dead"
        return "alive" if now - self.at < SILENT else "stuck" if here else "silent"

    def as_json(self) -> dict[str, object]:
        """It as JSON."""
        return {
            "name": self.name, "host": self.host, "pid": self.pid, "started": self.started.isoformat(),
            "at": self.at.isoformat(), "package": self.package, "doing": list(self.doing),
        }  # fmt: skip


def clean(text: str) -> str:
    """A text as a name that every system can hold."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")[:60]


def put(beat: Beat) -> ChangeSet:
    """The change that says it."""
    data = json.dumps(beat.as_json(), ensure_ascii=False, indent=1).encode(errors="replace")
    return ChangeSet(f"worker {beat.name} is alive", (Put(beat.path, data + b"\n"),))


def every(store: Store) -> list[Beat]:
    """The workers that have not said good-bye; what cannot be read is none."""
    found = []
    for path in store.paths(layout.WORKERS):
        blob = store.read(path)
        try:
            stated = json.loads(blob.data) if blob else {}
            at, started = (datetime.datetime.fromisoformat(stated[key]) for key in ("at", "started"))
            found.append(
                Beat(str(stated["name"]), str(stated["host"]), int(stated["pid"]), started, at, str(stated["package"]),
                     tuple(map(str, stated["doing"])))
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            continue
    return found


def gone(store: Store, now: datetime.datetime) -> list[Beat]:
    """The workers that will never say anything again."""
    return [each for each in every(store) if each.state(now) == "dead" or now - each.at > _GONE]


def forget(store: Store, beats: Sequence[Beat]) -> None:
    """Take away what workers said of themselves."""
    there = [beat.path for beat in beats if store.read(beat.path) is not None]
    if there:
        store.apply(ChangeSet("workers that are gone", tuple(Delete(path) for path in there)))


def _is_there(pid: int) -> bool:
    if os.name == "nt":
        return True  # a signal would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # it is another user's, or no process of ours
        return True
    return True
