import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atomic_agents.tools import process
from atomic_agents.tools.process import Job, ToolFailed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process inherit orphans")

SLEEPER = """
import ctypes, os, signal, subprocess, sys, time
LIBRARY = ctypes.CDLL(None)
def sleeper(before="pass"):
    return [sys.executable, "-c", f"import os, signal, time; {before}; time.sleep(300)", MARK]
def daemon(steps=2, before="pass"):
    if os.fork():
        os.wait()
        return
    for _ in range(steps):
        os.setsid()
        if os.fork():
            os._exit(0)
    os.execv(sys.executable, sleeper(before))
def restless():
    if os.fork():
        return
    os.setsid()
    LIBRARY.prctl(15, MARK[-15:].encode())
    while True:
        if os.fork():
            os._exit(0)
"""
ESCAPES = {
    "in a session of its own": "subprocess.Popen(sleeper(), start_new_session=True)",
    "as a daemon": "daemon()",
    "as a daemon of many generations": "daemon(20)",
    "as a daemon that hears no signal": "daemon(before='[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]')",
    "as a daemon that is stopped": "daemon(before='os.kill(os.getpid(), signal.SIGSTOP)')",
    "below one that inherits orphans too": "LIBRARY.prctl(36, 1); subprocess.Popen(sleeper(), start_new_session=True)",
    "many at once": "[daemon() for _ in range(5)]",
    "as one that forks without rest": "restless()",
    "and ends its own process group": "daemon(); time.sleep(0.3); os.killpg(0, signal.SIGKILL)",
}
ENDINGS = {
    "that answers": ("return 'done'", 60.0),
    "that dies": ("os._exit(3)", 60.0),
    "that does not end": ("time.sleep(300)", 4.0),
}


def code(mark: str, *lines: str) -> str:
    body = "\n".join(lines)
    return f"MARK = {mark!r}\n{SLEEPER}\ndef handler(input):\n{textwrap.indent(body, '    ')}\n"


def call(source: str, seconds: float = 60.0) -> str:
    return process.run(Job("t.py", {"t.py": source}, {}, seconds, {}))


def running(mark: str) -> list[int]:
    """The processes that have `mark` among their arguments, or its end as their name."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            if name == mark[-15:] or mark.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_until(true: Callable[[], object], seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return bool(true())


@pytest.fixture
def mark() -> Iterator[str]:
    name = f"mark-{uuid.uuid4().hex}"
    yield name
    for left in running(name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


@pytest.mark.parametrize(
    ("escape", "ending"),
    [*((escape, "that answers") for escape in ESCAPES), *(("as a daemon", ending) for ending in ENDINGS)],
)
def test_what_a_tool_leaves_running_ends_with_its_call(mark: str, escape: str, ending: str) -> None:
    last, seconds = ENDINGS[ending]

    try:
        answer = call(code(mark, ESCAPES[escape], "time.sleep(0.5)", last), seconds)
    except ToolFailed as error:
        answer = str(error)

    assert answer
    assert wait_until(lambda: not running(mark), 10)


def test_calls_side_by_side_end_what_is_theirs_and_nothing_else(mark: str, tmp_path: Path) -> None:
    unrelated = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True, stdout=subprocess.DEVNULL
    )
    wait = f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.05)"
    slow = Job(
        "t.py", {"t.py": code(f"{mark}-slow", "daemon()", wait, "return 'slow'")}, {}, 120.0, {}, [str(tmp_path)]
    )
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(call(code(mark, "daemon()", "return 'done'")))) for _ in range(6)
    ]
    last = threading.Thread(target=lambda: answers.append(process.run(slow)))
    try:
        last.start()
        assert wait_until(lambda: running(f"{mark}-slow"))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = running(f"{mark}-slow")
        alive = unrelated.poll() is None
        (tmp_path / "go").touch()
        last.join()
    finally:
        unrelated.kill()
        unrelated.wait()

    assert answers == [*["done"] * 6, "slow"]
    assert kept
    assert alive
    assert not running(mark)
    assert wait_until(lambda: not running(f"{mark}-slow"))


def test_what_a_tool_started_ends_with_the_process_that_called_it(mark: str, tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(code(mark, "daemon()", "time.sleep(300)"))
    caller = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from atomic_agents.tools.process import Job, run\n"
            "run(Job('t.py', {'t.py': Path(sys.argv[1]).read_text()}, {}, 300.0, {}))",
            str(tmp_path / "tool.py"),
        ]
    )
    try:
        began = wait_until(lambda: running(mark))
    finally:
        caller.kill()
        caller.wait()

    assert began
    assert wait_until(lambda: not running(mark))
