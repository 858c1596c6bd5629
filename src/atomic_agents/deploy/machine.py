"""The services of this machine, whatever runs them."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting, Service, Sight, Written
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
    systemd.SYSTEM: systemd.plan_system,
}
_SYSTEM_UNITS = Path("/etc/systemd/system")
_SECONDS = 90
_POLL = 0.25
_LINES = 15


@dataclass(frozen=True, slots=True)
class MachineServices:
    """The services of one user, whose home is `home`, and those of systemd for the whole machine."""

    home: Path
    system: Path = _SYSTEM_UNITS

    def found(self) -> Sequence[Service]:
        """Every service of ours, by its label."""
        own = [service for find in FINDERS.values() for service in find(self.home)]
        return [*own, *systemd.find_system(self.system)]

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
            return PLANNERS[kind](self.system if kind == systemd.SYSTEM else self.home, entry, remove=remove)
        except OSError as error:
            raise StorageFailed(f"{error.filename}: {error.strerror}") from error

    def look(self, kind: str, key: str) -> Sight:
        """How an entry that stays is doing."""
        if kind == "launchd":
            _, said = _output(("launchctl", "print", launchd.target(key)))
            state = "active" if "state = running" in said else "inactive"
            lines = _tail(launchd.log_of(self.home, key))
        else:
            control, unit = systemd.CONTROL[kind], f"atomic-agents-{key}.service"
            _, said = _output((*control, "is-active", unit))
            state = said.strip() or "inactive"
            journal = ("journalctl", *control[1:], "-u", unit, "-n", str(_LINES), "--no-pager", "-o", "cat")
            lines = _output(journal)[1].splitlines()
        return Sight(state, tuple(lines[-_LINES:]))

    def carry_out(self, fitting: Fitting) -> str:
        """Do it, or put everything back; "" where that worked, otherwise what is in the way."""
        for command in fitting.first:
            _run(command)
        _await_gone(fitting.gone)
        try:
            if fitting.kind == "launchd":  # which does not make it
                launchd.log_of(self.home, "").parent.mkdir(parents=True, exist_ok=True)
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


def _await_gone(command: Sequence[str]) -> None:
    until = time.monotonic() + _SECONDS
    while command and time.monotonic() < until and not _run(command):
        time.sleep(_POLL)


def _tail(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


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
    trouble, said = _output(command)
    lines = said.strip().splitlines()
    return trouble + (f": {lines[-1]}" if trouble and lines else "")


def _output(command: Sequence[str]) -> tuple[str, str]:
    """Run a command: what is in the way, "" where it ends with 0, and what it has printed."""
    program = command[0]
    if shutil.which(program) is None:
        return f"{program} is not on the PATH", ""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except OSError as error:
        return f"{program}: {error.strerror or error}", ""
    except subprocess.TimeoutExpired:
        return f"{program} did not end within {_SECONDS} s", ""
    if done.returncode == 0:
        return "", done.stdout
    return f"{program} ended with {done.returncode}", done.stderr.strip() or done.stdout
