"""Run a tool's code in a process of its own: its time, its environment and its files are what it was given."""

import atexit
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atomic_agents.tools import child, supervisor

MAX_ANSWER = 1 << 20
"""Bytes of an answer that are read."""

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
_TAIL = 500
_SUPERVISED = sys.platform == "linux"
_going: "set[subprocess.Popen[bytes]]" = set()


class ToolFailed(Exception):
    """What the model is told where a tool does not answer."""


@dataclass(frozen=True, slots=True)
class Job:
    """One call. `read` and `write` are absolute folders or files; `environ` is all it gets beside the plainest."""

    file: str
    sources: Mapping[str, str]
    arguments: object
    seconds: float
    environ: Mapping[str, str]
    read: Sequence[str] = ()
    write: Sequence[str] = ()


def isolation() -> tuple[str, ...]:
    """How tools are held in on this machine, in words: what holds, and after it what does not."""
    if child.landlock():
        return (
            "own process, minimal environment, limits, only the files it was given (Landlock)",
            "the network is open",
        )
    if _SUPERVISED:
        return ("own process, minimal environment, limits", "files and the network are open: there is no Landlock here")
    beyond = "a process that leaves its session outlives the call"
    if os.name == "posix":
        return (
            "own process, minimal environment, limits",
            f"files and the network are open: there is no Landlock here; {beyond}",
        )
    return ("own process, minimal environment", f"files, memory and the network are open on this system; {beyond}")


def run(job: Job) -> str:
    """What the handler says.

    Raises:
        ToolFailed: it raised, took too long, or died.
    """
    folder = tempfile.mkdtemp(prefix="atomic-agents-tool-")
    try:
        home = Path(folder)
        (home / "home").mkdir()
        (home / "code").mkdir()
        for name, text in job.sources.items():
            (home / "code" / name).write_text(text, encoding="utf-8", errors="replace")
        told = {"file": job.file, "input": job.arguments, "seconds": job.seconds, "read": list(job.read),
                "write": list(job.write)}  # fmt: skip
        (home / "job.json").write_text(json.dumps(told), encoding="utf-8")
        code = _wait(job, home)
        return _answer(home, code)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(job: Job, home: Path) -> int:
    """Wait for the process, and end it and all that it started, however it went."""
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(job.environ)
    environ |= {"HOME": str(home / "home"), "TMPDIR": str(home / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    programs = [supervisor.__file__, child.__file__] if _SUPERVISED else [child.__file__]
    with (home / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", *programs, str(home)],
            stdin=subprocess.PIPE if _SUPERVISED else subprocess.DEVNULL, stdout=said, stderr=said, env=environ,
            cwd=home / "home", start_new_session=os.name == "posix",
        )  # fmt: skip
        _going.add(process)
        try:
            return process.wait(job.seconds)
        except subprocess.TimeoutExpired:
            raise ToolFailed(f"no answer within {job.seconds:g} s; it was stopped") from None
        finally:
            _end(process)
            _going.discard(process)


@atexit.register
def _end_all() -> None:
    """A server that ends waits for no run's thread, and a tool in a session of its own would outlive it."""
    for process in list(_going):
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started.

    On Linux its supervisor does that, when it is asked to; elsewhere, what has left its session (POSIX) or is no longer
    below it (Windows) is not reached.
    """
    if process.stdin is not None:
        with contextlib.suppress(OSError, ValueError):  # it has ended, or another thread has asked
            process.stdin.write(b"\n")
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2 * supervisor.PATIENCE)
    elif os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    process.kill()
    process.wait()


def _answer(home: Path, code: int) -> str:
    """What the process left; its file is the tool's to write, so it is taken for nothing but a plain file."""
    data, size = _plain(home / "answer", MAX_ANSWER)
    verdict, _, text = data.decode(errors="replace").partition("\n")
    if verdict not in ("ok", "error"):
        said = _plain(home / "said", 1 << 16)[0].decode(errors="replace").strip()[-_TAIL:]
        raise ToolFailed(f"it ended with code {code} and without an answer{': ' + said if said else ''}")
    if verdict == "error":
        raise ToolFailed(text)
    return text if size <= MAX_ANSWER else f"{text}\n… {size - MAX_ANSWER:,} more bytes are left out"


def _plain(path: Path, most: int) -> tuple[bytes, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return b"", 0
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        whole = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        return (file.read(most), found.st_size) if whole else (b"", 0)
