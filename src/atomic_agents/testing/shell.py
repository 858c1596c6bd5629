"""The command as a user runs it, in a process of its own, and what became of a folder."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atomic_agents.testing import forked_command

_TRACEBACK = "Traceback (most recent call last)"
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT", "COVERAGE_PROCESS_START")


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:  # noqa: ANN401 - whatever the command's JSON is
        """What it said with `--json`."""
        assert self.out, f"it ended with {self.code} and said: {self.err}"
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Shell:
    """A terminal without a key in its environment, with a home and a vault of its own."""

    root: Path
    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, module: str = "atomic_agents", stdin: str = "", timeout: float = 60) -> Done:
        """Run a command to its end; a traceback fails the test."""
        environ = self._environ()
        if forked_command.fits(environ):
            done = Done(*forked_command.run(
                arguments, module=module, environ=environ, folder=self.home, stdin=stdin, timeout=timeout
            ))  # fmt: skip
        else:
            process = self.start(*arguments, module=module)
            out, err = process.communicate(stdin, timeout=timeout)
            done = Done(process.returncode, out, err)
        assert _TRACEBACK not in done.out + done.err, done.err
        return done

    def start(self, *arguments: str, module: str = "atomic_agents") -> subprocess.Popen[str]:
        """Start a command and come back at once."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=self._environ(),
            cwd=self.home,
        )

    def _environ(self) -> dict[str, str]:
        environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return environ | {"HOME": str(self.home), "ATOMIC_AGENTS_ROOT": str(self.root), "NO_COLOR": "1", **self.environ}


def tree(root: Path, *, without: Collection[str] = ()) -> dict[str, tuple[str, int]]:
    """Hash and permission bits of every file below `root`, by path; those below the folders `without` are left out."""
    found: dict[str, tuple[str, int]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(folder, name).relative_to(root).as_posix() not in without]
        for name in names:
            path = Path(folder, name)
            status = path.lstat()
            data = path.read_bytes() if stat.S_ISREG(status.st_mode) else str(stat.S_IFMT(status.st_mode)).encode()
            at = path.relative_to(root).as_posix()
            found[at] = (hashlib.sha256(data).hexdigest(), stat.S_IMODE(status.st_mode))
    return found
