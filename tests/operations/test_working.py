"""Workers stay, race, are stopped and die: each due time is fired once or counted as missed, each answer met once."""

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from inbox_house import ADA, House, calling, letter  # type: ignore[import-not-found]  # beside this file

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.budget import alerts, deliveries
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.ending import Ending
from atomic_agents.operations import jobs
from atomic_agents.operations.working import Worker
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.shell import Shell
from atomic_agents.testing.workspaces import NOON, add_agent, scripted_workspace

pytestmark = pytest.mark.skipif(os.name != "posix", reason="real signals")

DRIVER = Path(__file__).with_name("worker_driver.py")
MODEL = "---\nschema_version: 2\nmodel: embedded:quote\n---\n"


@pytest.fixture
def plant(shell: Shell) -> Callable[..., Shell]:
    """Agents with a schedule each, which was due at the last full hours."""

    def planted(agents: int = 1, *, hours: int = 1, catch_up: str = "all", cron: str = "0 * * * *") -> Shell:
        for number in range(agents):
            name = f"agent{number}"
            add_agent(FolderStore(shell.root), name, model=MODEL)
            made = shell("schedule", "add", name, "--name", "hourly", "--cron", cron, "--work-item", "go",
                         "--time-zone", "UTC", "--catch-up", catch_up)  # fmt: skip
            assert made.code == 0, made.err
            make_due(shell.root, name, hours)
        return shell

    return planted


def make_due(root: Path, agent: str, hours: int) -> None:
    path = root / f"_schedules/{agent}/hourly.json"
    earlier = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)
    state = json.loads(path.read_text()) | {"since": earlier.isoformat(timespec="microseconds")}
    path.write_text(json.dumps(state))


def log(root: Path) -> list[dict[str, Any]]:
    lines = [line for path in sorted(root.glob("*/log/*/*")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


class Said:
    """What a worker says, line by line, as it comes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.events = process, list[dict[str, Any]]()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def until(self, kind: str, number: int = 1, *, agent: str = "") -> None:
        """Wait for so many events of a kind."""
        end = time.monotonic() + 120
        while sum(each["event"] == kind and agent in ("", each["agent"]) for each in self.events) < number:
            assert time.monotonic() < end, (kind, self.events)
            time.sleep(0.02)

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(60)
        self._thread.join(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


@pytest.fixture
def start() -> Iterator[Callable[["subprocess.Popen[str]"], Said]]:
    found: list[Said] = []

    def started(process: "subprocess.Popen[str]") -> Said:
        found.append(Said(process))
        return found[-1]

    yield started
    for said in found:
        with contextlib.suppress(ProcessLookupError):
            said.stop()


def test_a_worker_fires_what_is_due_sees_what_is_new_and_says_good_bye(
    plant: Callable[..., Shell], start: Callable[..., Said]
) -> None:
    shell = plant(2)
    said = start(shell.start("worker", "--name", "w1", "--json"))
    said.until("fired", 2)
    alive = shell("worker", "--list", "--json").value
    driven = shell("schedule", "check").out
    make_due(shell.root, "agent1", 2)
    said.until("fired", 2, agent="agent1")

    code = said.stop()

    assert (code, [(each["name"], each["state"]) for each in alive]) == (0, [("w1", "alive")])
    assert driven == "2 schedules, 0 problems; driven by a worker\n"
    assert [each["event"] for each in said.events][-1] == "ended"
    assert list((shell.root / "_workers").iterdir()) == []
    assert shell("worker", "--list").code == 1


def test_workers_that_race_with_each_other_and_with_cron_fire_each_time_once(plant: Callable[..., Shell]) -> None:
    shell = plant(2, hours=3)

    drivers = [shell.start(*words) for words in (("worker", "--once"), ("worker", "--once"), ("schedule", "run-due"))]
    said = [driver.communicate(timeout=120) for driver in drivers]

    fired = Counter((line["agent_name"], line["scheduled_for"]) for line in log(shell.root))
    assert [driver.returncode for driver in drivers] == [0, 0, 0], said
    assert sorted(fired.values()) == [1] * 6


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.soak)])
def test_wherever_workers_are_killed_each_time_is_fired_once_or_counted_as_missed(
    rounds: int, plant: Callable[..., Shell]
) -> None:
    hours = rounds * 2
    shell = plant(2, hours=hours)

    for number in range(rounds):
        worker = shell.start("worker", "--name", f"w{number}")
        time.sleep(0.5 + number * 0.13 % 0.7)
        pids = [worker.pid, *children(worker.pid)]
        for pid in pids if number % 2 else pids[:1]:  # with its processes, or without them
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.communicate(timeout=60)
    last = [shell("worker", "--once") for _ in range(2)]

    lines = log(shell.root)
    fired = Counter((line["agent_name"], line["scheduled_for"]) for line in lines)
    states = [json.loads((shell.root / f"_schedules/agent{at}/hourly.json").read_text()) for at in range(2)]
    assert last[-1].code == 0, last
    assert set(fired.values()) == {1}
    assert {line["ending"] for line in lines} <= {"ok", "crashed"}
    assert len(lines) + sum(state["missed"] for state in states) == 2 * hours
    assert [state["claim"] for state in states] == [None, None]


def children(pid: int) -> list[int]:
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def test_doctor_tells_a_worker_that_died_from_one_that_runs(
    plant: Callable[..., Shell], start: Callable[..., Said]
) -> None:
    shell = plant()
    said = start(shell.start("worker", "--name", "w1", "--json"))
    said.until("fired")

    def finding() -> tuple[str, str]:
        found = shell("doctor", "--json", "--no-mcp").value["results"]
        return next((each["status"], each["message"]) for each in found if each["name"] == "workers")

    alive = finding()
    said.process.kill()
    said.process.wait(10)
    dead = finding()
    told = shell("worker", "--once").out, start(again := shell.start("worker", "--name", "w2", "--json"))
    told[1].until("notice")

    assert alive[0] == "pass"
    assert dead[0] == "warn"
    assert f"the worker w1, process {said.process.pid}" in dead[1]
    assert "is dead" in dead[1]
    assert any("worker w1 had died" in each["message"] for each in told[1].events)
    assert again.poll() is None


def test_a_worker_that_is_stopped_records_what_was_going_on_and_leaves_no_process(
    plant: Callable[..., Shell], start: Callable[..., Said], tmp_path: Path
) -> None:
    shell, begun = plant(), tmp_path / "begun"
    path = shell.root / "agent0/schedules/hourly.md"
    script = f"import os, pathlib, time; pathlib.Path({str(begun)!r}).write_text(str(os.getpid())); time.sleep(600)"
    gate = f"only_if:\n  command: {json.dumps([sys.executable, '-c', script])}\n"
    path.write_text(path.read_text().replace("catch_up:", f"{gate}catch_up:"))

    said = start(shell.start("worker", "--drain", "0.3", "--json"))
    wait_for(lambda: begun.exists() and bool(begun.read_text()))
    code = said.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
    kinds = [each["event"] for each in said.events]
    assert (code, kinds) == (0, ["started", "notice", "interrupted", "ended"])


def test_a_schedule_that_becomes_unreadable_is_said_and_the_others_go_on(
    plant: Callable[..., Shell], start: Callable[..., Said]
) -> None:
    shell = plant(2)
    said = start(shell.start("worker", "--json"))
    said.until("fired", 2)
    (shell.root / "agent0/schedules/torn.md").write_bytes(b"---\n\xff\xfe: [\n")
    said.until("problem")
    make_due(shell.root, "agent0", 1)
    said.until("fired", 2, agent="agent0")
    said.stop()

    problems = [each["message"] for each in said.events if each["event"] == "problem"]
    assert len(problems) == 1
    assert problems[0].startswith("agent0/schedules/torn.md")


def test_a_worker_waits_for_a_vault_whose_disk_is_away_and_makes_none(
    plant: Callable[..., Shell], start: Callable[..., Said]
) -> None:
    shell = plant()
    said = start(shell.start("worker", "--json"))
    said.until("fired")
    away = shell.root.rename(shell.root.with_name("away"))
    said.until("problem")
    there = shell.root.exists()
    away.rename(shell.root)

    code = said.stop()

    (problem,) = [each for each in said.events if each["event"] == "problem"]
    assert (code, there, problem["code"]) == (0, False, "vault-missing")


def test_a_worker_ends_with_6_where_a_newer_package_migrates_the_vault(
    plant: Callable[..., Shell], start: Callable[..., Said]
) -> None:
    shell = plant()
    said = start(shell.start("worker", "--json"))
    said.until("fired")
    (shell.root / "_migrations").mkdir(exist_ok=True)
    record = {"outcome": "migrated", "from_version": 2, "to_version": 99, "ts": "2026-11-23T07:00:00+00:00"}
    (shell.root / "_migrations/history.jsonl").write_text(json.dumps(record) + "\n")
    make_due(shell.root, "agent0", 1)

    code = said.process.wait(60)

    assert code == 6
    assert len(log(shell.root)) == 1


def put_clock(folder: Path, seconds: int) -> None:
    """Put a worker's clock forward; the file is there whole at every moment, as the worker may be reading it."""
    new = folder / "wrong.new"
    new.write_text(str(seconds))
    new.replace(folder / "wrong")


def drive(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, str(DRIVER), str(folder)], stdout=subprocess.PIPE, text=True)


def test_an_answer_that_is_written_into_its_document_is_met_by_one_of_several_workers(
    tmp_path: Path, start: Callable[..., Said]
) -> None:
    house = House(tmp_path)
    house.now = datetime.datetime.now(datetime.UTC)
    house.run([calling(letter())])
    workers = [start(drive(tmp_path)) for _ in range(2)]

    house.edit("state: pending", "state: approved")
    wait_for(lambda: not house.inbox())
    time.sleep(0.5)
    codes = [said.stop() for said in workers]

    resumed = [each for said in workers for each in said.events if each["event"] == "resumed"]
    assert codes == [0, 0]
    assert house.sent == [ADA]
    assert [each["outcome"] for each in resumed] == ["ok"]


@pytest.mark.parametrize(("seconds", "outcome"), [("0.7", "ok"), ("60", "interrupted")])
def test_a_run_that_is_under_way_gets_its_time_and_is_then_recorded_as_interrupted(
    seconds: str, outcome: str, tmp_path: Path, start: Callable[..., Said]
) -> None:
    house, root = House(tmp_path), tmp_path / "vault"
    text = '---\nschema_version: 2\ncron: "0 * * * *"\nwork_item: go\n---\n'
    house.put("caldwell/schedules/hourly.md", text)
    (tmp_path / "slow").write_text(seconds)
    said = start(drive(tmp_path))
    wait_for((root / "_schedules/caldwell/hourly.json").exists)
    make_due(root, "caldwell", 1)
    wait_for(lambda: any((root / "_runs").glob("*")))

    code = said.stop()

    (line,) = log(root)
    state = json.loads((root / "_schedules/caldwell/hourly.json").read_text())
    assert (code, line["ending"]) == (0, outcome)
    assert (state["claim"], state["last"]["outcome"]) == (None, outcome)
    assert list((root / "_runs").iterdir()) == []


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_clock_that_jumps_fires_nothing_twice_and_counts_what_it_skips(
    tmp_path: Path, start: Callable[..., Said]
) -> None:
    house = House(tmp_path)
    text = '---\nschema_version: 2\ncron: "0 * * * *"\nwork_item: go\ncatch_up: latest\n---\n'
    house.put("caldwell/schedules/hourly.md", text)
    state = tmp_path / "vault/_schedules/caldwell/hourly.json"
    said = start(drive(tmp_path))
    wait_for(state.exists)

    put_clock(tmp_path, 5 * 3600)
    said.until("fired")
    put_clock(tmp_path, 0)
    time.sleep(1.5)
    put_clock(tmp_path, 6 * 3600)
    said.until("fired", 2)
    said.stop()

    fired = [each for each in said.events if each["event"] == "fired"]
    assert [each["missed"] for each in fired] == [4, 0]
    assert len({line["scheduled_for"] for line in log(tmp_path / "vault")}) == 2


def test_an_alert_that_nobody_has_sent_is_sent_by_the_next_worker_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "vault")
    policy = "---\nschema_version: 2\nalerts:\n  webhook:\n    url: http://127.0.0.1:9/\n---\n"
    add_agent(store)
    (tmp_path / "vault/policy.md").write_text(policy)
    workspace = scripted_workspace(store, [], root=tmp_path / "vault")
    (alert,) = alerts.of_failure(
        "caldwell", "cron", NOON.date(), ending=Ending.CRASHED, code="crashed", message="it died", run_id="run-1"
    )
    store.apply(ChangeSet("raised", (deliveries.append(deliveries.line_of(alert, NOON), NOON),)))

    first = [event.kind for event in jobs.send(workspace, "")]

    assert first == ["alerts"]
    assert jobs.look_at_alerts(workspace, ()).ready == {}


def test_where_no_copy_can_be_made_a_process_is_started_anew(plant: Callable[..., Shell]) -> None:
    shell = plant(2)
    settings = config.load(str(shell.root), {"HOME": str(shell.home)})
    workspace, over = open_workspace(settings), threading.Event()
    thread = threading.Thread(target=over.wait)  # with which no copy is made
    thread.start()

    events = list(Worker(workspace, partial(open_workspace, settings), jobs.SCHEDULES).go(once=True))
    over.set()
    thread.join()

    assert sorted((event.agent, event.facts["outcome"]) for event in events) == [("agent0", "ok"), ("agent1", "ok")]


def test_what_comes_while_a_process_ends_in_vain_does_not_have_to_wait_with_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "vault")
    add_agent(store)
    workspace, marks = scripted_workspace(store, [], root=tmp_path / "vault"), iter(["old", "new", "new", "new"])
    job = jobs.Job(
        lambda _workspace, _agents: jobs.Outlook({"caldwell": next(marks)}), lambda _workspace, _agent: iter(())
    )
    worker, key = Worker(workspace, lambda: workspace, {"job": job}), ("job", "caldwell")
    worker._look()
    worker._begun[key] = worker._seen[key]

    worker._look()
    list(worker._take(key, None))

    assert worker._seen[key].not_before == 0.0
    assert worker._begun[key].not_before > time.monotonic()


def test_a_job_that_cannot_look_keeps_no_other_from_its_work(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "vault")
    add_agent(store)
    workspace = scripted_workspace(store, [], root=tmp_path / "vault")
    (tmp_path / "vault/_alerts").mkdir()
    (tmp_path / f"vault/_alerts/{NOON:%Y-%m}.jsonl").symlink_to("/etc/passwd")

    said = list(Worker(workspace, lambda: workspace).go(once=True))

    assert [(event.kind, event.failed) for event in said] == [("problem", True)]
