"""Two drivers race, and drivers die: no time is fired twice, and none is lost that the policy wants."""

import datetime
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.shell import Shell
from atomic_agents.testing.workspaces import add_agent

DRIVER = Path(__file__).with_name("schedule_kill_driver.py")
STATE = "_schedules/agent0/hourly.json"
MODEL = "---\nschema_version: 2\nmodel: embedded:quote\n---\n"


@pytest.fixture
def plant(shell: Shell) -> Callable[..., Shell]:
    """Agents with an hourly schedule each, of which the last `hours` are due."""

    def planted(agents: int = 1, *, hours: int = 1, catch_up: str = "all") -> Shell:
        for number in range(agents):
            name = f"agent{number}"
            add_agent(FolderStore(shell.root), name, model=MODEL)
            made = shell("schedule", "add", name, "--name", "hourly", "--cron", "0 * * * *", "--work-item", "go",
                         "--time-zone", "UTC", "--catch-up", catch_up)  # fmt: skip
            assert made.code == 0, made.err
            path = shell.root / f"_schedules/{name}/hourly.json"
            state = json.loads(path.read_text())
            earlier = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)
            path.write_text(json.dumps(state | {"since": earlier.isoformat(timespec="microseconds")}))
        return shell

    return planted


def log(root: Path) -> list[dict[str, str]]:
    lines = [line for path in sorted(root.glob("agent*/log/*/*")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def state(root: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((root / STATE).read_text())
    return found


def test_drivers_that_race_fire_each_time_of_each_agent_once(plant: Callable[..., Shell]) -> None:
    shell = plant(2, hours=3)

    drivers = [shell.start("schedule", "run-due") for _ in range(3)]
    said = [driver.communicate(timeout=120)[1] for driver in drivers]

    fired = Counter((line["agent_name"], line["scheduled_for"]) for line in log(shell.root))
    assert [driver.returncode for driver in drivers] == [0, 0, 0], said
    assert sorted(fired.values()) == [1] * 6
    assert shell("schedule", "check").code == 0


def test_one_driver_runs_several_agents_at_the_same_time_and_says_what_came_of_it(plant: Callable[..., Shell]) -> None:
    shell = plant(3)

    done = shell("schedule", "run-due", "--json")

    assert {(each["agent"], each["outcome"]) for each in done.value["fired"]} == {
        ("agent0", "ok"), ("agent1", "ok"), ("agent2", "ok"),
    }  # fmt: skip
    assert (done.code, done.value["failed"]) == (0, False)


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.soak)])
def test_a_driver_that_is_killed_at_any_step_neither_loses_a_time_nor_fires_it_twice(
    every: int, plant: Callable[..., Shell]
) -> None:
    shell, deaths = plant(catch_up="latest"), 0
    begin = state(shell.root)
    for number in range(1, 200, every):
        (shell.root / STATE).write_text(json.dumps(begin))
        before = len(log(shell.root))

        killed = drive_until(shell, number)
        drive_until(shell, 0)

        (line,) = log(shell.root)[before:]
        assert line["ending"] in ("ok", "crashed"), number
        assert state(shell.root)["claim"] is None
        if killed == 0:
            break
        deaths += 1
    assert deaths > 12 // every


def drive_until(shell: Shell, number: int) -> int:
    """Fire what is due and die at a step, 0 being none; the exit code."""
    command = [sys.executable, str(DRIVER), str(shell.root), "agent0", str(number)]
    environ = os.environ | {"HOME": str(shell.home)}
    return subprocess.run(command, env=environ, capture_output=True, check=False, timeout=60).returncode


def test_a_driver_that_is_stopped_leaves_no_process_behind(plant: Callable[..., Shell], tmp_path: Path) -> None:
    shell = plant()
    begun = tmp_path / "begun"
    path = shell.root / "agent0/schedules/hourly.md"
    script = f"import os, pathlib, time; pathlib.Path({str(begun)!r}).write_text(str(os.getpid())); time.sleep(600)"
    gate = f"only_if:\n  command: {json.dumps([sys.executable, '-c', script])}\n"
    path.write_text(path.read_text().replace("catch_up:", f"{gate}catch_up:"))

    driver = shell.start("schedule", "run-due")
    until = time.monotonic() + 30
    while not (begun.exists() and begun.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    driver.terminate()
    driver.communicate(timeout=30)

    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
    assert driver.returncode == 130
    assert state(shell.root)["claim"] is None
