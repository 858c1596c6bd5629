"""The condition of a schedule: whether there is anything to wake its agent for, told without asking a model."""

import contextlib
import fnmatch
import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.core.store import Store
from atomic_agents.vault.schedules import Schedule

SECONDS = 60.0
"""How long a command may take."""

_NOTHING = 1
_TAIL = 500


class ConditionFailed(Exception):
    """The command of a condition neither says yes (0) nor no (1)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to wake the agent, why not, and what stands for the documents as they are now."""

    wakes: bool
    why: str = ""
    seen: str = ""


def judge(store: Store, schedule: Schedule, seen: str, *, folder: str, environ: Mapping[str, str]) -> Verdict:
    """Whether every part of the condition holds; `seen` is what stood for the documents when it was last fired.

    Raises:
        ConditionFailed: the command cannot be run, or does not say.
    """
    now = _stands_for(store, schedule)
    if schedule.changed and now == seen:
        return Verdict(wakes=False, why=f"nothing changed in {', '.join(schedule.changed)}", seen=now)
    if schedule.command and not _says_yes(schedule, folder, environ):
        return Verdict(wakes=False, why=f"{schedule.command[0]} ended with {_NOTHING}", seen=now)
    return Verdict(wakes=True, seen=now)


def _stands_for(store: Store, schedule: Schedule) -> str:
    """A hash over the names, sizes and times of the documents; "" where none are named."""
    if not schedule.changed:
        return ""
    digest, home = hashlib.sha256(), f"{schedule.agent}/"
    for entry in store.list(home):
        inner = entry.path.removeprefix(home)
        if any(fnmatch.fnmatchcase(inner, glob) for glob in schedule.changed):
            digest.update(f"{inner}\0{entry.size}\0{entry.modified}\0".encode(errors="replace"))
    return digest.hexdigest()


def _says_yes(schedule: Schedule, folder: str, environ: Mapping[str, str]) -> bool:
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                schedule.command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder, env=dict(environ),
                start_new_session=os.name == "posix",
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ConditionFailed(f"{schedule.command[0]}: {getattr(error, 'strerror', None) or error}") from error
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise ConditionFailed(f"{schedule.command[0]} did not end within {SECONDS:g} s") from None
        finally:
            _end(process)
        said.seek(0)
        words = said.read(_TAIL).decode(errors="replace").strip()
    if code not in (0, _NOTHING):
        raise ConditionFailed(f"{schedule.command[0]} ended with {code}" + (f": {words}" if words else ""))
    return code == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it and what it has started."""
    if process.poll() is None or os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
    process.wait()
