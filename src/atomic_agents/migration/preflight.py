"""What must hold before a vault is upgraded; every problem is found before anything is written, and said at once."""

import contextlib
import datetime
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from atomic_agents._version import __version__
from atomic_agents.core.errors import AtomicAgentsError, Busy, MigrationRefused, StorageFailed, VaultTooNew
from atomic_agents.core.spool import size
from atomic_agents.core.store import Store
from atomic_agents.migration import newer, snapshot
from atomic_agents.migration.history import History
from atomic_agents.migration.plan import Census, Plan
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Survey

State = Literal["pass", "warn", "fail"]

_LOCK_WAIT = 3.0  # seconds, for all locks together
_SLACK = datetime.timedelta(minutes=2)
_BLOCK = 4096
_MARGIN = 1 << 20  # the manifest, the report, the line of history
_GIT_SECONDS = 20
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: in words, and the command or edit that mends it."""

    check: str
    state: State
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, object]:
        """The finding as JSON."""
        return {"check": self.check, "state": self.state, "message": self.message, "hint": self.hint}


def free_space(folder: Path) -> int:
    """How many bytes the disk of a folder has left for this user."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class Ground:
    """What the checks look at.

    `root` is None where the vault is no folder; `plan` is None where there is nothing to migrate, or it must not be.
    `locks` are the names that nobody else may hold.
    """

    store: Store
    root: Path | None
    survey: Survey
    census: Census
    plan: Plan | None
    history: History
    locks: Sequence[str]
    now: datetime.datetime
    skip_unreadable: bool
    free: Callable[[Path], int] = free_space


Check = Callable[[Ground], Iterator[tuple[State, str, str]]]


def look(ground: Ground) -> tuple[Finding, ...]:
    """Run every check; one that finds nothing has passed, and its docstring says what."""
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        found = [Finding(name, *one) for one in check(ground)]
        passed = (check.__doc__ or name).partition("\n")[0].rstrip(".")
        findings += found or [Finding(name, "pass", passed)]
    return tuple(findings)


def refuse(findings: Sequence[Finding], *, skipping: str) -> None:
    """Stop where a check has failed; `skipping` is the command that leaves unreadable documents alone.

    Raises:
        VaultTooNew: a newer package wrote it.
        Busy: somebody is at work in it.
        MigrationRefused: anything else, or several things; each is named.
    """
    failed = [finding for finding in findings if finding.state == "fail"]
    if not failed:
        return
    checks = {finding.check for finding in failed}
    kind: type[AtomicAgentsError] = MigrationRefused
    if "version" in checks:
        kind = VaultTooNew
    elif "running" in checks:
        kind = Busy
    context = {"problems": [finding.as_json() for finding in failed]}
    skip = ("or leave it as it is" if len(failed) == 1 else "or leave them as they are") + f": {skipping}"
    skip = skip if checks == {"integrity"} else ""
    if len(failed) == 1:
        hint = "\n".join(part for part in (failed[0].hint, skip) if part)
        raise kind(f"{failed[0].message}; nothing was changed", hint=hint, context=context)
    lines = [f"  {one.message}" + (f" ({'; '.join(one.hint.splitlines())})" if one.hint else "") for one in failed]
    more = [f"  and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
    message = "\n".join([f"{len(failed):,} things stand in the way; nothing was changed", *lines[:_SHOWN], *more])
    raise kind(message, hint=skip or "correct them, and run the command again", context=context)


def _version(ground: Ground) -> Iterator[tuple[State, str, str]]:
    """This package writes the version that the vault is at, or a newer one."""
    if ground.census.newer:
        yield "fail", newer.words(ground.census.newer), newer.remedy(ground.store)
        return
    last = ground.history.records[-1].package if ground.history.records else ""
    if newer.is_newer(last):
        message = f"the vault was last written by the newer package {last}; this is {__version__}"
        yield "warn", message, f"pip install atomic-agents-stack=={last}"


def _integrity(ground: Ground) -> Iterator[tuple[State, str, str]]:
    """Every document can be read and migrated, and so can every line of history."""
    stays = ground.plan is None or ground.skip_unreadable
    for problem in ground.plan.skipped if ground.plan else ground.census.unreadable:
        message = f"{problem.where}: {problem.message}" + ("; it is left as it is" if stays else "")
        yield "warn" if stays else "fail", message, problem.hint
    for problem in ground.history.problems:
        yield "warn", f"{problem.where}: {problem.message}", problem.hint


def _running(ground: Ground) -> Iterator[tuple[State, str, str]]:
    """No agent runs, and no migration does."""
    until = monotonic() + _LOCK_WAIT
    for name in ground.locks:
        try:
            with ground.store.lock(name, wait=max(0.0, until - monotonic())):
                pass
        except Busy as busy:
            yield "fail", busy.message, busy.hint
        except StorageFailed:
            return  # a folder that cannot be written to is named by its own check


def _space(ground: Ground) -> Iterator[tuple[State, str, str]]:
    """The disk has room for the snapshot and for a second copy of every document that changes."""
    if ground.root is None or not ground.plan or not ground.plan.documents:
        return
    sizes = [size(one.old) for one in ground.plan.documents]
    staged = sum(-(-each // _BLOCK) + 1 for each in sizes) * _BLOCK  # a migrated document is a few lines longer
    needed = sum(sizes) + 2 * staged + _MARGIN  # staged anew, and kept as it was until all is written
    free = ground.free(ground.root)
    if free < needed:
        message = f"{_size(free)} are free where the vault is, and {_size(needed)} are needed"
        yield "fail", message, f"make room, then see: df -h {shlex.quote(str(ground.root))}"


def _size(number: int) -> str:
    return f"{number / 1_000_000_000:,.1f} GB" if number >= 1_000_000_000 else f"{number / 1_000_000:,.1f} MB"


def _writable(ground: Ground) -> Iterator[tuple[State, str, str]]:
    """The vault can be written to, and so can every folder with a document that changes."""
    if ground.root is None:
        return
    changed = {one.path.rpartition("/")[0] for one in ground.plan.documents} if ground.plan else set[str]()
    for folder in sorted({"", layout.MIGRATIONS, layout.SNAPSHOTS, layout.REPORTS, *changed}):
        path = ground.root / folder
        if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
            yield "fail", f"{folder or path} cannot be written to", f"chmod u+wx {_quoted(path)}"
            if not folder:
                return


def _clock(ground: Ground) -> Iterator[tuple[State, str, str]]:
    """The clock is not behind what was written before."""
    latest = max((_time(record.when) for record in ground.history.records), default=0.0)
    latest = max([latest, *(listed.modified for listed in snapshot.listed(ground.store))])
    if latest > (ground.now + _SLACK).timestamp():
        then = datetime.datetime.fromtimestamp(latest, ground.now.tzinfo).isoformat(timespec="seconds")
        message = f"the last migration or snapshot is of {then}, and the clock says {ground.now:%Y-%m-%dT%H:%M:%S%z}"
        yield "warn", message, "set the clock; names of snapshots sort by it"


def _time(text: str) -> float:
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.datetime.fromisoformat(text).timestamp()
    return 0.0


def _git(ground: Ground) -> Iterator[tuple[State, str, str]]:
    """The vault is in no git repository, or everything in it is committed."""
    if ground.root is None or not any((folder / ".git").exists() for folder in (ground.root, *ground.root.parents)):
        return
    # The repository's own settings could name a program to run; `status` must not write its index either.
    command = ["git", "-C", str(ground.root), "-c", "core.fsmonitor=false", "status", "--porcelain", "--", "."]
    command += [f":(exclude){name}" for name in (layout.DERIVED, layout.MIGRATIONS)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_SECONDS, check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return
    count = len(done.stdout.splitlines())
    if done.returncode == 0 and count:
        git = f"git -C {_quoted(ground.root)}"
        noun = "1 file of the vault is" if count == 1 else f"{count:,} files of the vault are"
        yield "warn", f"{noun} not committed", f"{git} add -A && {git} commit -m 'before the upgrade'"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


CHECKS: Mapping[str, Check] = {
    "version": _version,
    "integrity": _integrity,
    "running": _running,
    "space": _space,
    "writable": _writable,
    "clock": _clock,
    "git": _git,
}
"""By name: what is looked at before an upgrade."""
