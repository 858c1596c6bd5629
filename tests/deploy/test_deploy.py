"""Services are deployed with a service manager that is played over real processes, asked, put back and taken away."""

import json
import os
import plistlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from atomic_agents.core.service import Entry
from atomic_agents.deploy.machine import MachineServices
from atomic_agents.testing.shell import Shell, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the service manager is played with /proc")

MANAGER = Path(__file__).with_name("service_manager.py")
SECRET = "sk-made-up-0123456789"
ENTRY = Entry(
    "worker-vault-0123abcd", "what drives /home/me/100% mine",
    ("/usr/bin/python3", "-m", "atomic_agents", "worker", "--root", '/home/me/100% "mine" $HOME'), "/usr/bin:/bin",
    stays=True, mark='atomic-agents deploy {"service": "worker", "env_file": "/a--b"}',
)  # fmt: skip


@pytest.fixture
def house(shell: Shell, tmp_path: Path) -> Iterator[Shell]:
    """A vault with an agent, on a machine with the played service manager and a key in the shell's environment."""
    programs, state = tmp_path / "bin", tmp_path / "state"
    for folder in (programs, state):
        folder.mkdir()
    for name in ("systemctl", "journalctl", "launchctl"):
        (programs / name).write_text(f"#!{sys.executable}\n{MANAGER.read_text()}")
        (programs / name).chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:/usr/bin:/bin"
    environ = {"PATH": path, "SERVICE_MANAGER": str(state), "OPENAI_API_KEY": SECRET}
    found = Shell(shell.root, shell.home, environ)
    assert found("init", "scout", "--model", "embedded:quote").code == 0
    yield found
    for each in state.glob("*.pid"):
        pid = int(each.read_text())
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
            os.kill(pid, 9)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def units(house: Shell) -> dict[str, str]:
    files = [*house.home.glob(".config/systemd/user/*"), *house.home.glob("Library/LaunchAgents/*")]
    return {path.name: path.read_text() for path in files}


@pytest.mark.parametrize("target", ["systemd", "launchd"])
def test_a_worker_is_deployed_once_asked_and_taken_away(target: str, house: Shell) -> None:
    up = ("deploy", "up", "worker", "--target", target)
    first, files = house(*up), units(house)
    again, status = house(*up), house("deploy", "status", "--json")
    alive = house("worker", "--list", "--json").value
    down, below = house("deploy", "down"), units(house)
    last = house("deploy", "status")

    (name,) = files
    key = alive[0]["name"]
    assert (first.code, first.out) == (0, f"worker is started by {target}\n"), first.err
    assert name == (f"atomic-agents-{key}.service" if target == "systemd" else f"com.atomic-agents.{key}.plist")
    assert (again.code, again.out) == (0, "worker is up already; nothing was changed\n"), again.err
    assert [(each["state"], each["healthy"]) for each in status.value] == [("active", True)]
    assert [each["state"] for each in alive] == ["alive"]
    assert (down.out, below) == ("worker is stopped, and its files are gone\n", {})
    assert (last.code, last.err.splitlines()[0]) == (0, "nothing is deployed")
    assert house("worker", "--list").code == 1
    assert SECRET not in "".join(files.values())


def test_a_server_that_does_not_come_up_is_put_back_to_what_ran_before(house: Shell) -> None:
    good, taken = free_port(), socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    bad = taken.getsockname()[1]
    up = ("deploy", "up", "serve", "--target", "systemd")

    first = house(*up, "--port", str(good), "--processes", "2")
    before, ran = units(house), answers(good)
    failed = house("deploy", "up", "serve", "--port", str(bad))
    after, answers_again = units(house), answers(good)
    as_before = house("deploy", "up")
    taken.close()

    assert (first.code, ran) == (0, True), first.err
    assert failed.code == 1
    assert f"cannot listen on 127.0.0.1:{bad}" in failed.err
    assert "error: serve did not come up: systemd says that it is failed; what was there before is back" in failed.err
    assert (after, answers_again) == (before, True)
    assert all('"--processes" "2"' in text for text in before.values())
    assert as_before.out == "serve is up already; nothing was changed\n"
    assert SECRET not in "".join(before.values())


def test_what_never_came_up_leaves_nothing(house: Shell) -> None:
    failed = house("deploy", "up", "serve", "--target", "launchd", "--host", "::", "--port", str(free_port()),
                   "--wait", "2", "--json")  # fmt: skip

    assert (failed.code, failed.value["error"]["code"]) == (1, "service-failed")
    assert failed.value["error"]["message"].endswith("its files are gone again")
    assert units(house) == {}


def test_an_up_that_is_stopped_while_it_waits_leaves_nothing(house: Shell) -> None:
    up = house.start("deploy", "up", "serve", "--target", "systemd", "--host", "::", "--port", str(free_port()))
    called = Path(house.environ["SERVICE_MANAGER"]) / "called"
    until = time.monotonic() + 20
    while not (called.exists() and "is-active" in called.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    up.terminate()
    up.communicate(timeout=30)

    assert (up.returncode != 0, units(house)) == (True, {})


def test_a_file_that_deploy_has_not_written_is_left_alone(house: Shell) -> None:
    (each,) = house("deploy", "plan", "worker", "--target", "systemd", "--json").value
    path = Path(each["files"][0]["name"])
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\nExecStart=/bin/mine\n")

    refused, down = house("deploy", "up", "worker", "--target", "systemd"), house("deploy", "down")

    assert (refused.code, f"hint: move it away: mv {path}" in refused.err) == (5, True)
    assert (down.code, down.out) == (0, "nothing is deployed\n")
    assert path.read_text() == "[Service]\nExecStart=/bin/mine\n"


def test_plan_and_dry_runs_write_nothing(house: Shell) -> None:
    before = tree(house.home), tree(house.root, without=(".atomic",))

    plan = house("deploy", "plan", "--target", "systemd")
    dry = house("deploy", "up", "worker", "--target", "systemd", "--dry-run")
    container = house("deploy", "plan", "--target", "container")

    assert (tree(house.home), tree(house.root, without=(".atomic",))) == before
    assert "+ExecStart=" in plan.out
    assert "+KillMode=mixed" in dry.out
    assert "FROM python:" in container.out
    assert SECRET not in plan.out + dry.out + container.out


def test_keys_come_from_a_file_that_nobody_else_can_read(house: Shell, tmp_path: Path) -> None:
    keys = tmp_path / "keys.env"
    keys.write_text(f"OPENAI_API_KEY={SECRET}\n")
    keys.chmod(0o644)
    up = ("deploy", "up", "worker", "--target", "systemd", "--env-file", str(keys))
    open_to_all = house(*up)
    keys.chmod(0o600)
    done, again = house(*up), house("deploy", "up", "worker")

    (text,) = units(house).values()
    keys.unlink()
    gone = house("deploy", "down", "worker")
    assert (gone.code, units(house)) == (0, {}), gone.err
    assert (open_to_all.code, f"hint: chmod 600 {keys}" in open_to_all.err) == (2, True)
    assert (done.code, again.out) == (0, "worker is up already; nothing was changed\n"), done.err
    assert f"EnvironmentFile={keys}\n" in text
    assert SECRET not in text


def test_a_machine_without_a_service_manager_is_told_what_else_there_is(house: Shell, tmp_path: Path) -> None:
    bare = Shell(house.root, house.home, {"PATH": str(tmp_path / "nothing")})

    done = bare("deploy", "up", "worker")

    assert done.code == 2
    assert "error: this machine has neither launchd nor systemd" in done.err
    assert "hint: atomic-agents deploy plan --target container" in done.err


def test_an_upgrade_restarts_what_is_deployed_and_asks_it(house: Shell) -> None:
    assert house("deploy", "up", "worker", "--target", "systemd").code == 0
    (before,) = house("worker", "--list", "--json").value
    history = house.root / "_migrations/history.jsonl"
    history.parent.mkdir(exist_ok=True)
    record = {
        "outcome": "upgraded",
        "from_version": 2,
        "to_version": 2,
        "package": "0.0.1",
        "ts": "2026-11-01T07:00:00",
    }
    history.write_text(json.dumps(record) + "\n")

    done = house("upgrade", "--yes", "--json")

    (after,) = house("worker", "--list", "--json").value
    events = [json.loads(line) for line in done.out.splitlines()]
    states = [each["state"] for each in events if each["event"] == "service"]
    assert states == ["restarted"], done.out + done.err
    assert after["pid"] != before["pid"]


def test_doctor_finds_a_unit_of_an_old_installation_and_up_writes_it_anew(house: Shell) -> None:
    up = ("deploy", "up", "worker", "--target", "systemd")
    assert house(*up).code == 0
    (path,) = house.home.glob(".config/systemd/user/*")
    good = path.read_text()
    path.write_text(good.replace(f'ExecStart="{sys.executable}"', 'ExecStart="/old/venv/bin/python"'))

    found = house("doctor", "--json", "--no-mcp").value["results"]
    done = house("deploy", "up")

    (service,) = [each for each in found if each["name"] == "services"]
    assert (service["status"], service["fix_hint"]) == ("fail", "atomic-agents deploy up")
    assert "starts /old/venv/bin/python, which is not there" in service["message"]
    assert (done.out, path.read_text()) == ("worker is restarted by systemd\n", good)


def test_what_is_typed_wrong_is_said(house: Shell) -> None:
    unknown, port = house("deploy", "up", "wrker"), house("deploy", "up", "worker", "--port", "8001")
    nothing, processes = house("deploy", "up"), house("deploy", "up", "dashboard", "--processes", "2")

    assert (processes.code, "hint: atomic-agents deploy up serve --processes 2" in processes.err) == (2, True)
    assert (unknown.code, "hint: atomic-agents deploy plan worker" in unknown.err) == (2, True)
    assert (port.code, "hint: atomic-agents deploy up serve --port 8001" in port.err) == (2, True)
    assert (nothing.code, "hint: atomic-agents deploy up worker" in nothing.err) == (2, True)


def test_schedules_alone_are_deployed_as_their_timer(house: Shell) -> None:
    up = ("deploy", "up", "schedules", "--target", "systemd")
    first, again = house(*up), house(*up)
    status = house("deploy", "status")
    down = house("deploy", "down", "schedules")

    assert (first.out, again.out) == (
        "schedules is installed by systemd\n",
        "schedules is up already; nothing was changed\n",
    )
    assert "installed" in status.out
    assert (down.code, units(house)) == (0, {})


def test_containers_get_files_that_their_tools_can_read(house: Shell, tmp_path: Path) -> None:
    out = tmp_path / "image"
    first = house("deploy", "plan", "--target", "container", "--out", str(out))
    again = house("deploy", "plan", "--target", "container", "--out", str(out))
    (out / "compose.yaml").write_text("mine")
    refused = house("deploy", "plan", "--target", "container", "--out", str(out))

    text = house("deploy", "plan", "--target", "container", "--json").value
    compose = yaml.safe_load(text["compose.yaml"])
    lines = [line for line in text["Containerfile"].splitlines() if line and line[0] not in "# "]
    assert (first.code, again.code, refused.code) == (0, 0, 5)
    assert {line.split()[0] for line in lines} == {"FROM", "RUN", "USER", "ENV", "VOLUME", "ENTRYPOINT", "CMD"}
    assert {*compose["services"]} == {"worker", "serve", "dashboard"}
    assert compose["services"]["serve"]["ports"] == ["127.0.0.1:8000:8000"]
    assert compose["services"]["worker"]["volumes"][0]["source"] == str(house.root)
    assert SECRET not in "".join(text.values())


def test_a_plist_that_stays_has_keys_that_launchd_knows(tmp_path: Path) -> None:
    machine = MachineServices(tmp_path)
    fitting = machine.plan("launchd", ENTRY)
    path = Path(fitting.files[0].name)
    path.parent.mkdir(parents=True)
    path.write_text(fitting.files[0].after)

    value = plistlib.loads(path.read_bytes())
    (found,) = [service for service in machine.found() if service.kind == "launchd"]
    assert path.name == f"com.atomic-agents.{ENTRY.key}.plist"
    assert {key: type(each) for key, each in value.items()} == {
        "Label": str, "ProgramArguments": list, "EnvironmentVariables": dict, "RunAtLoad": bool, "KeepAlive": dict,
        "ThrottleInterval": int, "ExitTimeOut": int, "StandardOutPath": str, "StandardErrorPath": str,
    }  # fmt: skip
    assert value["ProgramArguments"] == list(ENTRY.command)
    assert json.loads(found.mark.removeprefix("atomic-agents deploy "))["env_file"] == "/a--b"
    assert found.restart[:3] == ("launchctl", "kickstart", "-k")


def test_units_of_the_whole_machine_are_found_restarted_and_run_as_the_vaults_owner(tmp_path: Path) -> None:
    machine = MachineServices(tmp_path, tmp_path / "system")
    entry = Entry(ENTRY.key, ENTRY.says, ENTRY.command, ENTRY.path, stays=True, mark=ENTRY.mark, user="ada")
    fitting = machine.plan("systemd-system", entry)
    (tmp_path / "system").mkdir()
    Path(fitting.files[0].name).write_text(fitting.files[0].after)

    (found,) = [service for service in machine.found() if service.kind == "systemd-system"]
    assert "User=ada\n" in fitting.files[0].after
    assert fitting.then[-1] == ("systemctl", "restart", f"atomic-agents-{ENTRY.key}.service")
    assert found.restart == ("systemctl", "try-restart", f"atomic-agents-{ENTRY.key}.service")
    assert (found.program, found.mark) == ("/usr/bin/python3", ENTRY.mark)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("kind", ["systemd", "systemd-system"])
def test_systemd_finds_nothing_wrong_with_a_unit_that_stays(kind: str, tmp_path: Path) -> None:
    command = (shutil.which("true") or "/bin/true", *ENTRY.command[1:])
    user = "root" if kind == "systemd-system" else ""
    entry = Entry(ENTRY.key, ENTRY.says, command, ENTRY.path, stays=True, mark=ENTRY.mark, user=user,
                  environment="/home/me/100%/keys.env")  # fmt: skip
    (each,) = MachineServices(tmp_path, tmp_path).plan(kind, entry).files
    path = tmp_path / Path(each.name).name
    path.write_text(each.after)
    which = ("--user",) if kind == "systemd" else ()

    done = subprocess.run(
        ["systemd-analyze", *which, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip

    assert (done.returncode, [line for line in done.stderr.splitlines() if ENTRY.key in line]) == (0, [])
