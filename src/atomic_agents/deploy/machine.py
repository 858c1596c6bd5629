"""The services of this machine, whatever runs them."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting, Service, Written
from atomic_agents.deploy import cron, launchd, systemd

FINDERS: Mapping[str, Callable[[Path], Iterator[Service]]] = {
    "launchd": launchd.find,
    "systemd": systemd.find,
    "cron": cron.find,
}
PLANNERS: Mapping[str, Callable[..., Fitting]] = {
    "launchd": launchd.plan,
    "systemd": systemd.plan,
    "cron": cron.plan,
}
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class MachineServices:
    """The services of one user, whose home is `home`."""

    home: Path

    def found(self) -> Sequence[Service]:
        """Every service of ours, by its label."""
        return [service for find in FINDERS.values() for service in find(self.home)]

    def restart(self, service: Service) -> str:
        """Restart one; "" where that worked, otherwise what is in the way."""
        return _run(service.restart)

    def usual(self) -> str:
        """The kind that this machine starts things with, "" where there is none."""
        if sys.platform == "darwin":
            return "launchd"
        if os.path.isdir("/run/systemd/system") and os.environ.get("XDG_RUNTIME_DIR") and shutil.which("systemctl"):
            return "systemd"
        return "cron" if shutil.which("crontab") else ""

    def plan(self, kind: str, entry: Entry, *, remove: bool = False) -> Fitting:
        """What would put an entry in, or take it out; nothing is written.

        Raises:
            StorageFailed: what is there cannot be read, or cannot hold the entry.
        """
        try:
            return PLANNERS[kind](self.home, entry, remove=remove)
        except OSError as error:
            raise StorageFailed(f"{error.filename}: {error.strerror}") from error

    def carry_out(self, fitting: Fitting) -> str:
        """Do it, or put everything back; "" where that worked, otherwise what is in the way."""
        for command in fitting.first:
            _run(command)
        try:
            for each in fitting.files:
                _write(each)
            trouble = next(filter(None, map(_run, fitting.then)), "")
        except (OSError, StorageFailed) as error:
            trouble = str(error)
        if trouble:
            with contextlib.suppress(OSError, StorageFailed):
                for each in fitting.files:
                    _write(Written(each.name, each.after, each.before))
        return trouble


def _write(wanted: Written) -> None:
    if wanted.before == wanted.after:
        return
    if wanted.name == cron.CRONTAB:
        if cron.read() != wanted.before:
            raise StorageFailed("the crontab was changed in between", hint="run the command again")
        cron.write(wanted.after)
        return
    path = Path(wanted.name)
    if not wanted.after:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(wanted.after, encoding="utf-8", errors="surrogateescape")


def _run(command: Sequence[str]) -> str:
    """Run a command; "" where it ends with 0, otherwise what is in the way."""
    program = command[0]
    if shutil.which(program) is None:
        return f"{program} is not on the PATH"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except OSError as error:
        return f"{program}: {error.strerror or error}"
    except subprocess.TimeoutExpired:
        return f"{program} did not end within {_SECONDS} s"
    if done.returncode == 0:
        return ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"{program} ended with {done.returncode}" + (f": {said[-1]}" if said else "")
