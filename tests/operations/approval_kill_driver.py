"""Approve a waiting call and kill the process at one of the calls that change the disk.

Run as a script: `approval_kill_driver.py FOLDER NUMBER`; exit code 0 where there is no such call any more.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inbox_house import House  # type: ignore[import-not-found]  # beside this script

from atomic_agents.stores import disk

STEPS = ("write_new", "append_bytes", "rename", "unlink")


def kill_at(number: int) -> None:
    """Die before the call of that number, counted from now, by a signal that nobody can catch."""
    left = [number]

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*arguments, **more)

        return call

    for name in STEPS:
        setattr(disk, name, counted(getattr(disk, name)))


if __name__ == "__main__":
    house = House(Path(sys.argv[1]))
    kill_at(int(sys.argv[2]))
    house.answer("approved") if house.inbox()[0].reply.decision == "pending" else house.meet()
