"""Fire what is due of an agent and die by a signal that nobody can catch, at one of the steps that change the disk.

Run as a script: `schedule_kill_driver.py VAULT AGENT NUMBER`; exit code 0 where there is no such step any more.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.operations import firing
from atomic_agents.stores import disk

STEPS = ("write_new", "append_bytes", "rename", "unlink")


def kill_at(number: int) -> None:
    """Die before the step of that number, counted from now."""
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
    workspace = open_workspace(config.load(sys.argv[1]))
    kill_at(int(sys.argv[3]))
    list(firing.fire(workspace, sys.argv[2], lambda _said: None))
