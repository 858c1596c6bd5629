"""The two programs that are measured, each in a virtual environment that is made once and kept."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

PROJECT = Path(__file__).resolve().parent.parent
OURS = (f"{PROJECT}[serve]",)
"""With what the dashboard and the server need; a command that needs neither imports neither."""
OTHER = ("atomic-agents-stack[openai,serve]==2.0.0", "anthropic<1")


class NotInstalled(Exception):
    """pip could not install a side; says pip's last line."""


@dataclass(frozen=True, slots=True)
class Side:
    """One program: its interpreter, its command, and what its processes need in their environment."""

    name: Literal["ours", "other"]
    python: tuple[str, ...]
    command: tuple[str, ...]
    extra: tuple[tuple[str, str], ...] = ()

    def environment(self, root: Path, home: Path, **more: str) -> dict[str, str]:
        """An environment without keys and settings of the person who measures."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ATOMIC_AGENTS_", "PYTHON")) and not name.endswith(("_KEY", "_BASE_URL"))
            and not name.lower().endswith("_proxy")
        }  # fmt: skip
        return {**kept, "HOME": str(home), "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1", **dict(self.extra), **more}


def lacks(side: Side, *modules: str) -> tuple[str, ...]:
    """Those of some modules that a side cannot import."""
    code = "import sys; from importlib.util import find_spec; print(*[m for m in sys.argv[1:] if find_spec(m) is None])"
    command = [*side.python, "-c", code, *modules]
    return tuple(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def in_venv(name: Literal["ours", "other"], venv: Path) -> Side:
    """The program that is installed in `venv`."""
    programs = venv.absolute() / ("Scripts" if os.name == "nt" else "bin")
    return Side(name, (str(programs / "python"),), (str(programs / "atomic-agents"),))


def in_place() -> Side:
    """The sources of this checkout under this interpreter: quick to try, but its imports are not what users get."""
    python = (sys.executable,)
    return Side("ours", python, (*python, "-m", "atomic_agents"), (("PYTHONPATH", str(PROJECT / "src")),))


def ours() -> Side:
    """This checkout, installed; installed again when a source file has changed."""
    venv, wanted = _cache() / "ours", f"{_digest()} {' '.join(OURS)}"
    if not _is_ready(venv, wanted):
        _make(venv, OURS, wanted)
    return in_venv("ours", venv)


def other() -> Side:
    """The other implementation of the format.

    Raises:
        NotInstalled: it is not there yet, and there is no network to get it.
    """
    venv, wanted = _cache() / "other", " ".join(OTHER)
    if not _is_ready(venv, wanted):
        _make(venv, OTHER, wanted)
    return in_venv("other", venv)


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("atomic-agents-benchmarks", appauthor=False))


def _digest() -> str:
    found = hashlib.sha256()
    for path in sorted([PROJECT / "pyproject.toml", *(PROJECT / "src").rglob("*")]):
        if path.is_file() and path.suffix != ".pyc":
            found.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _is_ready(venv: Path, wanted: str) -> bool:
    ready = venv / "ready"
    return ready.is_file() and ready.read_text(encoding="utf-8") == wanted


def _make(venv: Path, packages: Sequence[str], ready: str) -> None:
    print(f"installing into {venv}", file=sys.stderr)
    shutil.rmtree(venv, ignore_errors=True)
    venv.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = in_venv("ours", venv).python
    done = subprocess.run(
        [*python, "-m", "pip", "install", "--quiet", "--compile", *packages],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NotInstalled((done.stderr.strip().splitlines() or ["pip failed"])[-1])
    (venv / "ready").write_text(ready, encoding="utf-8")
