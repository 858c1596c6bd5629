"""How long a process takes and how much memory, and pairs of the two sides measured in turn."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from benchmarks.sides import Side


class Failed(Exception):
    """A measured program failed; says what it printed last."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process took: seconds, and its peak memory in bytes and CPU seconds, 0 where the system keeps none."""

    seconds: float
    memory: int
    cpu: float


def process(command: Sequence[str], environment: Mapping[str, str]) -> Sample:
    """Run `command` to its end.

    Raises:
        Failed: it did not exit with 0.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        memory, cpu = 0, 0.0
        if hasattr(os, "wait4"):
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            memory = used.ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)
            cpu = used.ru_utime + used.ru_stime
        else:
            child.wait()
        seconds = time.perf_counter() - start
        if child.returncode:
            raise Failed(f"{' '.join(command)} exited with {child.returncode}: {_last(said)}")
    return Sample(seconds, memory, cpu)


class Child:
    """A process that answers each line with a number of seconds; a context manager, warmed up when it is entered."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True
        )

    def __enter__(self) -> Self:
        self._line()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()
        self._said.close()

    def time(self) -> float:
        """Seconds of one more run."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it was opened as a pipe
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise Failed(_last(self._said))
        return line


def in_turn(sides: Sequence[Side], take: Callable[[Side], float], times: int) -> dict[str, float]:
    """The median of `times` samples of each side, taken in turn; who goes first changes with every pair."""
    samples: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(times):
        for side in sides if number % 2 == 0 else sides[::-1]:
            samples[side.name].append(take(side))
    return {name: statistics.median(taken) for name, taken in samples.items()}


def settle() -> None:
    """Wait until everything written so far is on the disk, so that no sample pays for another's writes."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


def copying(vault: Path, place: Path) -> float:
    """Seconds to copy a vault and see it on the disk: what the disk alone costs."""
    start = time.perf_counter()
    subprocess.run(["cp", "-r", str(vault), str(place)], check=True)
    settle()
    return time.perf_counter() - start


def _last(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
