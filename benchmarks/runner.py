"""The child process of the `run` rows: `runner.py ours|other VAULT`; each line on stdin is one run.

Each side does what its own doors do for a run: ours opens the workspace, the other makes its agent, and nothing is kept
from one run to the next but what the process has imported. The first runs, which import and index, are not counted.
"""

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

_AGENT = "agent0"
_WORK = "What is known about the ferry's invoice?"
_WARM_UP = 2


def main(side: str, root: str) -> None:
    """Answer each line on stdin with the seconds of one run, until it ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    with contextlib.redirect_stdout(sys.stderr):
        run = {"ours": _ours, "other": _other}[side](root)
        for _ in range(_WARM_UP):
            run()
        print("ready", file=answers, flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            run()
            print(time.perf_counter() - start, file=answers, flush=True)


def _ours(root: str) -> Callable[[], None]:
    from atomic_agents import bootstrap, config  # noqa: PLC0415 - the other side has no such modules
    from atomic_agents.operations import runs  # noqa: PLC0415 - the same
    from atomic_agents.runtime.order import Order  # noqa: PLC0415 - the same

    def run() -> None:
        workspace = bootstrap.open_workspace(config.load(root))
        try:
            done = runs.run(
                workspace, _AGENT, Order(_WORK), model_id=None, on_text=lambda _: None, on_notice=lambda _: None
            )
        finally:
            workspace.close()
        if done.failure is not None or not done.text:
            raise SystemExit(f"the run ended with {done.failure}")

    return run


def _other(root: str) -> Callable[[], None]:
    make = importlib.import_module("atomic_agents.agent").AtomicAgent

    def run() -> None:
        done = make(_AGENT, agents_root=Path(root)).call(_WORK)
        if done.skipped or not done.text:
            raise SystemExit(f"the run was skipped: {done.skip_reason}")

    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
