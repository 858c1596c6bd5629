"""Have untrusted bytes read by a process of its own, which is held to limits of time, processor time, memory and answer.

The process has neither the keys nor the threads of this one. Whatever a page, a header or a file does to the code that
reads it, the request ends at its deadline; limits on processor time and memory hold where the system has them (POSIX;
macOS has none on memory), the deadline everywhere.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import atomic_agents

_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR")
_START: Final = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from atomic_agents.guard.reader_child import main; main(sys.argv[1], sys.argv[2])"
)


class ReaderFailed(Exception):
    """The process gave no answer, and why."""


class ReaderLate(ReaderFailed):
    """The deadline has passed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reader may use: seconds by the clock, seconds of processor time, bytes of memory, bytes of an answer."""

    seconds: float
    cpu_seconds: int
    memory: int
    answer: int


class ReaderProcess:
    """A process that answers requests with `module.read(request, data)`; ended with the `with` block.

    Requests and answers are JSON objects. The time of `limits.seconds` begins with the process and is for all requests
    together.
    """

    def __init__(self, module: str, limits: Limits) -> None:
        self._limits = limits
        self._late = False
        self._deadline = time.monotonic() + limits.seconds
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, module, json.dumps(asdict(limits)), *_import_path()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )  # fmt: skip
        self._timer = threading.Timer(limits.seconds, self._end_late)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was not written any more
                if pipe is not None:
                    pipe.close()

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(self._deadline - time.monotonic(), 0.0)

    def ask(self, request: Mapping[str, object], data: bytes = b"") -> Mapping[str, object]:
        """The answer to a request; `data` goes along as it is.

        Raises:
            ReaderLate: there was none before the deadline.
            ReaderFailed: the process died, needed more than it may use, or answered too much.
        """
        head = json.dumps({**request, "size": len(data)}).encode() + b"\n"
        # On a thread, as the process may die or answer before it has read everything.
        writer = threading.Thread(target=self._write, args=(head + data,), daemon=True)
        writer.start()
        answer = self._read_line()
        if self._late:
            raise ReaderLate(f"it took longer than {self._limits.seconds:g} s")
        if len(answer) > self._limits.answer:
            raise ReaderFailed(f"what was read is longer than {self._limits.answer:,} bytes")
        if not answer.endswith(b"\n"):
            raise ReaderFailed(self._cause())
        result = json.loads(answer)
        if "failed" in result:
            raise ReaderFailed(str(result["failed"]))
        return dict(result)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # it has ended; that is seen where its answer is read
            if self._process.stdin is not None:
                self._process.stdin.write(data)
                self._process.stdin.flush()

    def _read_line(self) -> bytes:
        return b"" if self._process.stdout is None else self._process.stdout.readline(self._limits.answer + 1)

    def _end_late(self) -> None:
        self._late = True
        self._process.kill()

    def _cause(self) -> str:
        """Why the process ended, in words."""
        code = self._process.wait()
        if os.name == "posix" and code == -signal.SIGXCPU:
            return f"it needed more than {self._limits.cpu_seconds} s of processor time"
        return f"the process that read it ended with code {code}"


def _import_path() -> list[str]:
    """Where this process imports from, without folders that depend on where it was started."""
    package = str(Path(atomic_agents.__file__).parent.parent)
    return [package, *(path for path in sys.path if os.path.isabs(path) and path != package)]
