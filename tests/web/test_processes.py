"""Runs in processes beside the server's: one that dies takes its runs along, and nothing else."""

import asyncio
import concurrent.futures
import os
import pickle
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2
import pytest
from served import Door, served  # type: ignore[import-not-found]  # beside this file

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core import errors
from atomic_agents.core.values import Problem
from atomic_agents.runtime.order import Order
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.workspaces import add_agent
from atomic_agents.web.desk import Desk
from atomic_agents.web.limits import Limits

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")


def working(door: Door) -> list[int]:
    """The two processes that runs go on in."""
    assert until(lambda: len(spawned(door)) == 2)
    return spawned(door)


def spawned(door: Door) -> list[int]:
    children = Path(f"/proc/{door.process.pid}/task/{door.process.pid}/children").read_text().split()
    return [pid for pid in map(int, children) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def post(door: Door, agent: str, item: str) -> httpx2.Response:
    return httpx2.post(f"{door.url}/api/runs", json={"agent": agent, "work_item": item}, timeout=60)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(met: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 60
    while not met() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(met())


def test_a_process_that_is_killed_ends_its_runs_and_the_server_goes_on(tmp_path: Path) -> None:
    with served(tmp_path, "--processes", "2") as door:
        before = working(door)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            broken = pool.submit(post, door, "ada", "slowly")
            began = until(lambda: list((door.root / "_runs").glob("*.jsonl")))
            beside = pool.submit(post, door, "bo", "hi")
            os.kill(before[0], signal.SIGKILL)
            message = broken.result().json()["error"]["message"]
        again = [post(door, agent, "hi").status_code for agent in ("ada", "bo", "cy", "di")]
        after = working(door)
        logs = [[line["ending"] for line in door.log(agent)] for agent in ("ada", "bo")]

    assert (began, len(before), len(after), len({*before, *after})) == (True, 2, 2, 3)
    assert "the process that ran it ended with -9" in message
    assert [beside.result().status_code, *again] == [200] * 5
    assert logs == [["crashed", "ok"], ["ok", "ok"]]


def test_no_process_outlives_its_server(tmp_path: Path) -> None:
    with served(tmp_path, "--processes", "2") as door:
        there = working(door)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(post, door, "ada", "slowly")
            until(lambda: list((door.root / "_runs").glob("*.jsonl")))
            door.process.kill()
            asked.exception()
        gone = until(lambda: not any(map(is_there, there)))
        statuses = [line["ending"] for line in door.log("ada")]

    assert (len(there), gone, statuses) == (2, True, ["interrupted"])


def test_a_run_that_cannot_be_begun_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    add_agent(FolderStore(tmp_path), "ada", model="---\nschema_version: 2\nmodel: embedded:quote\n---\n")

    async def asked() -> list[errors.AtomicAgentsError | None]:
        desk = Desk(partial(open_workspace, config.load(str(tmp_path))), Limits(), "idempotency-key", processes=2)
        runs = [desk.ask("ada", Order("hi", occasion=stated)) for stated in ({"why": lambda: 1}, {"why": "none"})]
        for going in runs:
            await asyncio.wait_for(going.ended.wait(), 30)
        await desk.drain(0)
        return [going.error for going in runs]

    first, second = asyncio.run(asked())

    assert isinstance(first, errors.InternalError)
    assert "pickle" in first.message
    assert second is None


def test_every_error_can_be_handed_to_another_process() -> None:
    def every(kind: type[errors.AtomicAgentsError]) -> list[type[errors.AtomicAgentsError]]:
        return [kind, *(each for below in kind.__subclasses__() for each in every(below))]

    problems = (Problem("a/model.md", 3, "no number", "atomic-agents config schema model.md"),)
    made = [
        kind(problems) if kind is errors.SettingsInvalid else kind("what happened", hint="do this", context={"a": 1})
        for kind in every(errors.AtomicAgentsError)
    ]
    back = [pickle.loads(pickle.dumps(each)) for each in made]  # noqa: S301 - they are ours

    assert [(type(each), each.as_json()) for each in back] == [(type(each), each.as_json()) for each in made]
    assert len(made) > 20
