"""A worker over the vault of `inbox_house`, whose clock is wrong and whose model slow by what files say.

Run as a script: `worker_driver.py FOLDER`; each event is a line of JSON.
"""

import datetime
import json
import signal
import sys
import time
from pathlib import Path

from inbox_house import House  # type: ignore[import-not-found]  # beside this script

from atomic_agents.operations.working import Worker
from atomic_agents.operations.workspace import Workspace

folder = Path(sys.argv[1])


def clock() -> datetime.datetime:
    wrong = folder / "wrong"
    off = float(wrong.read_text()) if wrong.exists() else 0.0
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=off)


def answer(_request: object) -> str:
    """As slowly as a file says."""
    slow = folder / "slow"
    time.sleep(float(slow.read_text()) if slow.exists() else 0.0)
    return "done"


def opened() -> Workspace:
    found: Workspace = House(folder).workspace(answer)
    found.clock = clock
    return found


if __name__ == "__main__":
    worker = Worker(opened(), opened, name="test", drain=1.5)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: worker.told())
    for event in worker.go(once=False):
        print(json.dumps(event.as_json(), default=str), flush=True)  # noqa: T201
