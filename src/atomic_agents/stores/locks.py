"""Named locks across processes, which their holder's death lets go."""

import contextlib
import datetime as dt
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from atomic_agents.core.errors import Busy

if TYPE_CHECKING:
    from filelock import FileLock

_POLL: Final = 0.005
_LONGEST_WAIT: Final = 1e8
_PLAIN: Final = re.compile(r"[^A-Za-z0-9_-]+")


def lock_file(folder: str, name: str) -> str:
    """The file that stands for `name`: readable, short, and another one for every other name."""
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:24]
    return os.path.join(folder, f"{_PLAIN.sub('-', name)[:60]}.{digest}.lock")


@contextlib.contextmanager
def hold(path: str, name: str, *, wait: float) -> Iterator[None]:
    """Hold the lock file at `path`, whose folder exists, waiting at most `wait` seconds.

    The threads of this process queue up first: the system wakes nobody who waits for a file, and must be asked again
    and again.

    Raises:
        Busy: somebody else still holds it.
        OSError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - 13 ms that a command that only reads need not pay

    deadline = time.monotonic() + min(max(wait, 0.0), _LONGEST_WAIT)
    with _turn(path, name, deadline) as queue:
        # Taken out meanwhile: one that an interruption leaves half held is dropped, and so let go.
        lock, queue.lock = queue.lock or FileLock(path, poll_interval=_POLL, thread_local=False), None
        try:
            lock.acquire(timeout=max(deadline - time.monotonic(), 0.0))
        except Timeout:
            raise _busy(path, name) from None
        try:
            yield
        finally:
            lock.release()
            queue.lock = lock


class _Queue:
    """The threads of this process that want one lock file."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.lock: FileLock | None = None
        """Kept, as making one takes longer than locking the file."""


_queues: Final[dict[str, _Queue]] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_queues.clear)  # the threads that hold them are not there


@contextlib.contextmanager
def _turn(path: str, name: str, deadline: float) -> Iterator[_Queue]:
    queue = _queues.setdefault(path, _Queue())
    if not queue.turn.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
        raise _busy(path, name)
    try:
        yield queue
    finally:
        queue.turn.release()


@contextlib.contextmanager
def hold_and_sign(path: str, name: str, *, wait: float) -> Iterator[None]:
    """As `hold`, with a file beside the lock that says who holds it."""
    signature = Path(_signature(path))
    with hold(path, name, wait=wait):
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with contextlib.suppress(OSError):  # the lock holds without a signature, on a full disk for one
            signature.write_text(f"{os.getpid()} {now}\n", encoding="ascii")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                signature.unlink()


def holder(path: str) -> str:
    """Who holds the lock file at `path`, as they signed; "" where nobody does or their process is gone."""
    try:
        pid, since = Path(_signature(path)).read_text(encoding="ascii").split()
        alive = os.name == "nt" or _is_alive(int(pid))
    except (OSError, ValueError):
        return ""
    return f"process {pid} since {since}" if alive else ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _signature(path: str) -> str:
    return path.removesuffix(".lock") + ".owner"


def _busy(path: str, name: str) -> Busy:
    """Who holds it, as far as they signed; a holder may come or go while this is written."""
    try:
        pid, since = Path(_signature(path)).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return Busy(f"{name} is in use by another process", hint="run the command again", context={"lock": name})
    return Busy(
        f"{name} is in use by process {pid} since {since}",
        hint=f"wait for it to end, or see what it is: ps -p {pid}",
        context={"lock": name, "pid": int(pid), "since": since},
    )
