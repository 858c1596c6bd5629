"""Agents that cron starts: the lines of the user's crontab that name this package."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting, Service, Written

CRONTAB = "crontab"
_OURS = re.compile(r"^(?!\s*#).*\batomic[-_]agents\b")
_PROGRAM = re.compile(r"(?:^|\s)'?(/[^\s'=]*/(?:atomic-agents|python[\d.]*))'?(?=\s)")
_LONGEST = 990  # what cron takes as a command
_SECONDS = 10


def find(_home: Path) -> Iterator[Service]:
    """Every line of ours; cron starts a new process each time, so none needs a restart."""
    try:
        text = read()
    except StorageFailed:
        return
    for line in text.splitlines():
        if _OURS.search(line):
            label, program = " ".join(line.split()), _PROGRAM.search(line)
            note = "its next start takes the new package"
            yield Service("cron", label, note=note, program=program[1] if program else "", file=CRONTAB)


def plan(_home: Path, entry: Entry, *, remove: bool = False) -> Fitting:
    """One line of the crontab, told by its end.

    Raises:
        StorageFailed: the crontab cannot be read, or the line is too long for cron.
    """
    before, mark = read(), f"# atomic-agents-{entry.key}"
    lines = [line for line in before.splitlines(keepends=True) if not line.rstrip().endswith(mark)]
    after = "".join(lines)
    if not remove:
        after += ("\n" if after and not after.endswith("\n") else "") + _line(entry, mark)
    return Fitting("cron", (Written(CRONTAB, before, after),))


def _line(entry: Entry, mark: str) -> str:
    """What it prints is thrown away: cron would mail it every minute, and the vault has it."""
    command = f"PATH={shlex.quote(entry.path)} {shlex.join(entry.command)} >/dev/null 2>&1"
    if len(command) > _LONGEST:
        message = f"the line for cron would have {len(command):,} characters; cron takes {_LONGEST}"
        raise StorageFailed(message, hint="shorten PATH, or: atomic-agents schedule install --systemd")
    return f"* * * * * {command.replace('%', chr(92) + '%')} {mark}\n"


def read() -> str:
    """The user's crontab; "" where there is none.

    Raises:
        StorageFailed: there is no cron, or it does not say.
    """
    try:
        done = subprocess.run(
            ["crontab", "-l"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="surrogateescape",
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise StorageFailed("crontab is not on the PATH", hint="atomic-agents schedule install --systemd") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StorageFailed(f"crontab -l: {error}", hint="crontab -l") from error
    if done.returncode and "no crontab" not in done.stderr:
        raise StorageFailed(f"crontab -l ended with {done.returncode}: {done.stderr.strip()}", hint="crontab -l")
    return "" if done.returncode else done.stdout


def write(text: str) -> None:
    """Replace the user's crontab; an empty one is taken away.

    Raises:
        StorageFailed: cron refuses it.
    """
    command = ["crontab", "-"] if text else ["crontab", "-r"]
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, errors="surrogateescape", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StorageFailed(f"crontab: {error}") from error
    if done.returncode:
        raise StorageFailed(f"crontab ended with {done.returncode}: {done.stderr.strip()}")
