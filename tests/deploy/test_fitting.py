"""The entry that drives schedules, as each kind writes it; the programs of the machine are stood in for."""

import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from atomic_agents.core.errors import StorageFailed
from atomic_agents.core.service import Entry, Fitting
from atomic_agents.deploy.machine import MachineServices

ENTRY = Entry(
    "schedules-vault-0123abcd", "the schedules in /home/me/100% mine",
    ("/usr/bin/python3", "-m", "atomic_agents", "schedule", "run-due", "--root", '/home/me/100% "mine" $HOME'),
    "/usr/bin:/bin",
)  # fmt: skip
KINDS = ("cron", "systemd", "launchd")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose crontab is a file, and service managers that write down how they were called."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    table = tmp_path / "table"
    program(
        tmp_path, "crontab",
        f'case "$1" in -l) cat {table} 2>/dev/null || {{ echo "no crontab for me" >&2; exit 1; }};; '
        f"-r) rm {table};; -) cat > {table};; esac",
    )  # fmt: skip
    for name in ("systemctl", "launchctl"):
        program(tmp_path, name, f'echo "{name} $@" >> {tmp_path}/called')
    return tmp_path


def program(home: Path, name: str, script: str) -> None:
    (home / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (home / "bin" / name).chmod(0o755)


def fit(home: Path, kind: str, *, remove: bool = False) -> Fitting:
    machine = MachineServices(home)
    fitting = machine.plan(kind, ENTRY, remove=remove)
    assert machine.carry_out(fitting) == ""
    return fitting


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_in_twice_is_there_once_and_goes_again(kind: str, home: Path) -> None:
    (home / "table").write_text("0 7 * * * mine\n")

    changes = [fit(home, kind).changes, fit(home, kind).changes]
    there = [service.kind for service in MachineServices(home).found() if ENTRY.key in service.label]
    gone = [fit(home, kind, remove=True).changes, fit(home, kind, remove=True).changes]

    assert (changes, gone) == ([True, False], [True, False])
    assert set(there) == {kind}
    assert [service.kind for service in MachineServices(home).found()] == []
    assert (home / "table").read_text() == "0 7 * * * mine\n"


def test_what_starts_at_its_times_is_not_restarted_by_an_upgrade(home: Path) -> None:
    for kind in KINDS:
        fit(home, kind)

    assert [service.restart for service in MachineServices(home).found()] == [()] * 4


@pytest.mark.parametrize("before", ["", "0 7 * * * mine", "# words\n0 7 * * * mine\n"])
def test_a_line_of_cron_stands_after_what_is_there_and_a_shell_reads_it_back(before: str, home: Path) -> None:
    if before:
        (home / "table").write_text(before)
    program(home, "python3", 'echo "$PATH"; for each; do echo "$each"; done')

    fit(home, "cron")

    *others, line = (home / "table").read_text().splitlines()
    times, command = line.split(" ", 5)[:5], line.split(" ", 5)[5].replace("\\%", "%")
    said = subprocess.run(
        ["sh", "-c", command.replace("/usr/bin/python3", str(home / "bin/python3")).replace(">/dev/null 2>&1", "")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (others, times) == (before.splitlines(), ["*"] * 5)
    assert "%" not in line.replace("\\%", "")
    assert said.stdout.splitlines() == [ENTRY.path, *ENTRY.command[1:]]


def test_a_crontab_that_cannot_be_read_is_never_written(home: Path) -> None:
    program(home, "crontab", 'echo "crontab: permission denied" >&2; exit 1')

    with pytest.raises(StorageFailed, match="permission denied"):
        MachineServices(home).plan("cron", ENTRY)


def test_a_crontab_that_somebody_changed_in_between_is_left_alone(home: Path) -> None:
    machine = MachineServices(home)
    fitting = machine.plan("cron", ENTRY)
    (home / "table").write_text("0 8 * * * newer\n")

    assert machine.carry_out(fitting) == "the crontab was changed in between"
    assert (home / "table").read_text() == "0 8 * * * newer\n"


def test_a_line_that_cron_could_not_hold_is_refused(home: Path) -> None:
    entry = Entry(ENTRY.key, ENTRY.says, ENTRY.command, "/very/long" * 200)

    with pytest.raises(StorageFailed, match="cron takes 990"):
        MachineServices(home).plan("cron", entry)


def test_systemd_is_told_to_start_the_timer_and_its_units_are_sound(home: Path) -> None:
    fitting = fit(home, "systemd")
    fit(home, "systemd", remove=True)

    timer = f"atomic-agents-{ENTRY.key}.timer"
    service = fitting.files[0].after
    assert (home / "called").read_text().splitlines() == [
        "systemctl --user daemon-reload", f"systemctl --user enable --now {timer}",
        f"systemctl --user disable --now {timer}", "systemctl --user daemon-reload",
    ]  # fmt: skip
    assert 'ExecStart="/usr/bin/python3" "-m" "atomic_agents" "schedule" "run-due" "--root"' in service
    assert r'"/home/me/100%% \"mine\" $$HOME"' in service
    assert 'Environment="PATH=/usr/bin:/bin"' in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    entry = Entry(ENTRY.key, ENTRY.says, (shutil.which("true") or "/bin/true", *ENTRY.command[1:]), ENTRY.path)
    names = []
    for each in MachineServices(tmp_path).plan("systemd", entry).files:
        path = tmp_path / Path(each.name).name
        path.write_text(each.after)
        names.append(str(path))

    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", *names], capture_output=True, text=True, check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip

    assert (done.returncode, [line for line in done.stderr.splitlines() if ENTRY.key in line]) == (0, [])


def test_launchd_gets_a_plist_with_the_label_of_the_guide(home: Path) -> None:
    fitting = fit(home, "launchd")

    label = f"com.atomic-agents.run.{ENTRY.key}"
    path = home / f"Library/LaunchAgents/{label}.plist"
    domain = f"gui/{os.getuid()}"
    assert fitting.files[0].name == str(path)
    assert plistlib.loads(path.read_bytes()) == {
        "Label": label, "ProgramArguments": list(ENTRY.command), "EnvironmentVariables": {"PATH": ENTRY.path},
        "StartInterval": 60, "ProcessType": "Background",
    }  # fmt: skip
    assert (home / "called").read_text().splitlines() == [
        f"launchctl bootout {domain}/{label}", f"launchctl bootstrap {domain} {path}",
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [("systemd", "systemctl"), ("launchd", "launchctl")])
def test_where_it_cannot_be_started_every_file_is_as_it_was(kind: str, name: str, home: Path) -> None:
    program(home, name, "echo 'no bus' >&2; exit 1")
    machine = MachineServices(home)

    trouble = machine.carry_out(machine.plan(kind, ENTRY))

    assert trouble == f"{name} ended with 1: no bus"
    assert machine.found() == []


def test_a_path_that_a_unit_file_cannot_hold_is_refused(home: Path) -> None:
    entry = Entry(ENTRY.key, ENTRY.says, (*ENTRY.command[:-1], "/home/me/a\nExecStart=/bin/sh"), ENTRY.path)

    with pytest.raises(StorageFailed, match="cannot stand in a unit file"):
        MachineServices(home).plan("systemd", entry)
