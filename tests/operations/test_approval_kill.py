import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from inbox_house import ADA, House, calling, letter  # type: ignore[import-not-found]  # beside this file

from atomic_agents.core.errors import ResumeRefused
from atomic_agents.operations import finishing, record

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")

DRIVER = Path(__file__).with_name("approval_kill_driver.py")
FEW = (1, 4, 7, 8, 9, 10, 11, 12, 14, 18)


def killed(house: House, number: int) -> bool:
    """Whether the process that approves and goes on was killed at that call."""
    command = [sys.executable, str(DRIVER), str(house.root.parent), str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ))
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def finish(house: House) -> None:
    """What the operator does after a crash: look into the inbox, answer what waits, and have the run finished."""
    workspace = house.workspace(lambda _: "done")
    workspace.close_crashed_runs()
    for item in house.inbox():
        if item.reply.decision == "pending":
            house.answer("approved")
    house.meet(lambda _: "done")
    last = record.list_runs(workspace).runs[0]
    if last.status != "ok":
        finishing.resume(workspace, last.run_id, finishing.Wish(), on_text=lambda _: None, on_notice=lambda _: None)


def check(folder: Path, number: int) -> bool:
    house = House(folder)
    house.run([calling(letter())])

    dead = killed(house, number)
    with contextlib.suppress(ResumeRefused):
        finish(house)

    told = "".join(house.text(path) for path in house.store.paths("caldwell/runs/") if path.endswith(".jsonl"))
    called = [event for each in told.splitlines() if (event := json.loads(each))["event"] == "called"]
    assert house.sent in ([ADA], []), number
    assert len(called) == 1, number
    assert house.sent or "whether it happened is not known" in called[0]["text"], number
    assert house.inbox() == []
    return dead


@pytest.mark.parametrize("number", FEW)
def test_an_approved_call_is_made_once_or_not_at_all_wherever_the_process_dies(tmp_path: Path, number: int) -> None:
    check(tmp_path, number)


def test_of_two_operators_who_approve_at_the_same_moment_one_is_heard_and_one_letter_goes(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.run([calling(letter())])
    command = [sys.executable, str(DRIVER), str(tmp_path), "0"]

    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL, env=dict(os.environ)) for _ in range(2)]
    codes = sorted(each.wait(timeout=60) for each in both)

    assert codes in ([0, 0], [0, 1])
    assert (house.sent, house.inbox()) == ([ADA], [])


@pytest.mark.soak
def test_an_approved_call_is_made_once_or_not_at_all_at_every_step(tmp_path: Path) -> None:
    number = 1
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        if not check(folder, number):
            break
        number += 1

    assert number > len(FEW)
