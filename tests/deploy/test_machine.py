import os
import plistlib
from pathlib import Path

import pytest

from atomic_agents.core.service import Service
from atomic_agents.deploy.machine import MachineServices

NEXT = "its next start takes the new package"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and programs of our own before all others."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    program(tmp_path, "crontab", "exit 1")
    return tmp_path


def program(home: Path, name: str, script: str) -> None:
    (home / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (home / "bin" / name).chmod(0o755)


def write(home: Path, path: str, data: str | bytes) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_bytes(data.encode() if isinstance(data, str) else data)


def agents(home: Path, **plists: dict[str, object]) -> None:
    for name, plist in plists.items():
        label = f"com.atomic-agents.{name.replace('_', '.')}"
        write(home, f"Library/LaunchAgents/{label}.plist", plistlib.dumps({"Label": label, **plist}))


def test_a_machine_without_any_has_none(home: Path) -> None:
    assert MachineServices(home).found() == []


def test_launchd_restarts_what_it_keeps_alive_and_starts_nothing_that_waits_for_its_time(home: Path) -> None:
    agents(home, run_scout={"StartInterval": 60}, serve={"KeepAlive": True})
    write(home, "Library/LaunchAgents/com.example.other.plist", plistlib.dumps({"KeepAlive": True}))

    assert MachineServices(home).found() == [
        Service("launchd", "com.atomic-agents.run.scout", note=NEXT),
        Service(
            "launchd",
            "com.atomic-agents.serve",
            ("launchctl", "kickstart", "-k", f"gui/{os.getuid()}/com.atomic-agents.serve"),
        ),
    ]


@pytest.mark.parametrize("data", [b"", b"<plist", b"\0\1", plistlib.dumps(["a", "list"])])
def test_a_plist_that_cannot_be_read_is_left_to_a_person(data: bytes, home: Path) -> None:
    path = "Library/LaunchAgents/com.atomic-agents.run.scout.plist"
    write(home, path, data)

    (found,) = MachineServices(home).found()

    assert (found.restart, found.by_hand) == ((), f"launchctl unload {home}/{path}; launchctl load {home}/{path}")


def test_systemd_restarts_services_that_stay_where_they_are_running(home: Path) -> None:
    units = ".config/systemd/user"
    write(home, f"{units}/atomic-agents-run-scout.service", "[Service]\nType=oneshot\nExecStart=x\n")
    write(home, f"{units}/atomic-agents-run-scout.timer", "[Timer]\nOnCalendar=daily\n")
    write(home, f"{units}/atomic-agents-serve.service", "[Service]\nExecStart=x\n")
    write(home, f"{units}/other.service", "[Service]\nExecStart=atomic-agents\n")

    assert MachineServices(home).found() == [
        Service("systemd", "atomic-agents-run-scout.service", note=NEXT),
        Service("systemd", "atomic-agents-run-scout.timer", note=NEXT),
        Service(
            "systemd",
            "atomic-agents-serve.service",
            ("systemctl", "--user", "try-restart", "atomic-agents-serve.service"),
        ),
    ]


def test_lines_of_cron_need_no_restart(home: Path) -> None:
    program(
        home,
        "crontab",
        'echo "# atomic-agents run old"; echo "0 7 * * *  /usr/bin/atomic-agents run scout"; echo "0 8 * * * other"\n'
        'echo "0 9 * * * python -m atomic_agents.dashboard render"',
    )

    assert MachineServices(home).found() == [
        Service("cron", "0 7 * * * /usr/bin/atomic-agents run scout", note=NEXT),
        Service("cron", "0 9 * * * python -m atomic_agents.dashboard render", note=NEXT),
    ]


def test_a_restart_runs_the_command_and_says_what_went_wrong(home: Path) -> None:
    program(home, "good", f'echo "$@" > {home}/ran')
    program(home, "bad", "echo first; echo 'no such unit' >&2; exit 5")
    machine = MachineServices(home)

    said = [machine.restart(Service("x", "x", (name, "--user", "it"))) for name in ("good", "bad", "no-such-program")]

    assert said == ["", "bad ended with 5: no such unit", "no-such-program is not on the PATH"]
    assert (home / "ran").read_text() == "--user it\n"
