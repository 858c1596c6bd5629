"""Plays systemctl, journalctl and launchctl over real processes: one folder holds a pid and a log for each of them.

Only what `deploy` uses, and as the real ones do: a unit that ends at once is `failed`, `restart` of one that cannot be
started still ends with 0, `bootstrap` of a label that is loaded fails.
"""

import os
import plistlib
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = Path(os.environ["SERVICE_MANAGER"])
HOME = Path(os.environ["HOME"])


def note() -> None:
    with (STATE / "called").open("a") as file:
        file.write(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\n")


def is_running(name: str) -> bool:
    try:
        pid = int((STATE / f"{name}.pid").read_text())
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return False
    return status != "Z"


def stop(name: str) -> None:
    if is_running(name):
        pid = int((STATE / f"{name}.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        while is_running(name):
            time.sleep(0.02)
    (STATE / f"{name}.pid").unlink(missing_ok=True)


def start(name: str, command: list[str], environ: dict[str, str]) -> None:
    with (STATE / f"{name}.log").open("a") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ, cwd="/", start_new_session=True
        )
    (STATE / f"{name}.pid").write_text(str(process.pid))


def environment() -> dict[str, str]:
    """What a service manager hands on: nothing of the shell's, but what the tests need to find this package."""
    return {name: os.environ[name] for name in ("HOME", "PYTHONPATH", "SERVICE_MANAGER") if name in os.environ}


def unit(name: str) -> tuple[list[str], dict[str, str]]:
    folders = [HOME / ".config/systemd/user", STATE / "system"]
    text = next(path for folder in folders if (path := folder / name).exists()).read_text()
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    search = re.search(r'^Environment="PATH=(.*)"$', text, re.MULTILINE)
    assert command
    assert search
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(command[1])]
    extra = {}
    if found := re.search(r"^EnvironmentFile=(.*)$", text, re.MULTILINE):
        extra = dict(line.split("=", 1) for line in Path(found[1]).read_text().split())
    return words, environment() | {"PATH": search[1]} | extra


def systemctl(words: list[str]) -> int:
    words = [word for word in words if word not in ("--user", "--now")]
    verb, name = words[0], words[-1]
    if verb in ("restart", "try-restart"):
        if verb == "try-restart" and not is_running(name):
            return 0
        stop(name)
        start(name, *unit(name))
    elif verb == "disable":
        stop(name)
    elif verb == "is-active":
        has_pid = (STATE / f"{name}.pid").exists()
        state = "active" if is_running(name) else "failed" if has_pid else "inactive"
        print(state)  # noqa: T201
        return 0 if state == "active" else 3
    return 0


def journalctl(words: list[str]) -> int:
    log = STATE / f"{words[words.index('-u') + 1]}.log"
    print(log.read_text() if log.exists() else "-- No entries --")  # noqa: T201
    return 0


def launchctl(words: list[str]) -> int:
    if words[0] == "bootstrap":
        plist = plistlib.loads(Path(words[2]).read_bytes())
        if is_running(plist["Label"]):
            return 5
        start(plist["Label"], plist["ProgramArguments"], environment() | plist["EnvironmentVariables"])
        Path(plist["StandardErrorPath"]).touch()
        return 0
    label = words[-1].rpartition("/")[2]
    loaded = (STATE / f"{label}.pid").exists()
    if words[0] == "print":
        print("state = running" if is_running(label) else "state = not running")  # noqa: T201
    elif words[0] == "bootout":
        stop(label)
    elif words[0] == "kickstart":
        stop(label)
        (path,) = (HOME / "Library/LaunchAgents").glob(f"{label}.plist")
        return launchctl(["bootstrap", "", str(path)])
    return 0 if loaded else 113


if __name__ == "__main__":
    note()
    act = {"systemctl": systemctl, "journalctl": journalctl, "launchctl": launchctl}[Path(sys.argv[0]).name]
    sys.exit(act(sys.argv[1:]))
