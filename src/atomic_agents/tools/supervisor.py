"""The process above a tool's, on Linux: whatever the tool starts ends with the call, also what leaves its session.

It makes itself the one that inherits orphans below it (`PR_SET_CHILD_SUBREAPER`), so that every process which the tool
leaves behind becomes a child of this one. None but its own children is ever ended, and a child's number is not given
to another process before this one has waited for it. It is started by path and imports nothing of ours.
"""

import contextlib
import ctypes
import os
import runpy
import select
import signal
import sys
import time
from pathlib import Path

PATIENCE = 5.0
"""Seconds in which what is left is ended."""

_PARENT_DEATH, _SUBREAPER = 1, 36


def main(program: str, folder: str) -> None:
    """Run a program on a folder, until it ends or standard input says something or closes; then end what is left."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "what a tool starts cannot be ended with it")
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    supervisor = os.getpid()
    tool = os.fork()
    if not tool:
        _become(supervisor, library, (woken, wake))
        sys.argv = [program, folder]
        runpy.run_path(program, run_name="__main__")
        return
    code = _wait(tool, woken)
    end_children()
    sys.exit(code if code >= 0 else 128 - code)


def _become(supervisor: int, library: ctypes.CDLL, pipes: tuple[int, ...]) -> None:
    """Be the tool's process: a session of its own, no input, and no life without the supervisor."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pipe in pipes:
        os.close(pipe)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    library.prctl(_PARENT_DEATH, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != supervisor:
        os._exit(1)


def _wait(tool: int, woken: int) -> int:
    """The exit code of the tool's process; that of a killed one where it is not waited for any longer."""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        for child, status in _ended():
            if child == tool:
                return os.waitstatus_to_exitcode(status)
        if 0 in ready:
            return -signal.SIGKILL


def _ended() -> list[tuple[int, int]]:
    """The children that have ended since this was last asked, with their status."""
    ended: list[tuple[int, int]] = []
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found)
    return ended


def end_children() -> None:
    """End every process below this one: the children, then those that become children by it, until there is none."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for child in children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def children() -> list[int]:
    """The children of this process."""
    own = os.getpid()
    with contextlib.suppress(OSError):
        return [int(number) for number in Path(f"/proc/{own}/task/{own}/children").read_text().split()]
    found: list[int] = []
    for name in os.listdir("/proc"):  # a kernel that keeps no list of children
        with contextlib.suppress(OSError, ValueError, IndexError):
            facts = Path(f"/proc/{int(name)}/stat").read_text().rpartition(")")[2].split()
            if int(facts[1]) == own:
                found.append(int(name))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
