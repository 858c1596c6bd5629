"""A program of this machine, started from a list, without a shell and for a few seconds at most."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence

_SECONDS = 4.0
_MOST = 2000


def missing(program: str) -> str:
    """That a program cannot be started, "" where it can."""
    return "" if shutil.which(program) else f"{program} is not on the PATH"


def run(
    command: Sequence[str], leaving: Callable[[], None], *, stdin: str = "", environ: Mapping[str, str] | None = None
) -> str:
    """Run it; "" where it ends with 0, otherwise its exit code and last words.

    Raises:
        OSError: it cannot be started, or does not end in time; it and what it has started are ended then.
    """
    # A file and not a pipe: what the program leaves running could hold a pipe open for ever.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
        given.write(stdin.encode(errors="replace"))
        given.seek(0)
        process = subprocess.Popen(
            command, stdin=given, stdout=subprocess.DEVNULL, stderr=said, env=environ, start_new_session=True
        )
        leaving()
        try:
            code = process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            raise TimeoutError(f"{command[0]} did not end within {_SECONDS:g} s") from None
        said.seek(0)
        lines = said.read(_MOST).decode(errors="replace").split("\n")
    if code == 0:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{command[0]} ended with {code}" + (f": {last}" if last else "")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
