"""Work that is done in a copy of this process, next to what this process does meanwhile."""

import os
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast

T = TypeVar("T")


def begin(work: Callable[[], T]) -> Callable[[], T]:
    """Begin work whose result can be pickled; the call that is returned waits for it.

    Only a process without threads is safely copied; elsewhere the work is done when its result is asked for. So it is
    where the copy failed: what went wrong is raised here.
    """
    if sys.platform != "linux" or threading.active_count() > 1 or (os.cpu_count() or 1) < 2:
        return work
    import pickle  # noqa: PLC0415 - 3 ms that only large vaults need

    reader, writer = os.pipe()
    copy = os.fork()
    if not copy:
        _leave(lambda pipe: pickle.dump(work(), pipe), writer)
    os.close(writer)

    def result() -> T:
        with os.fdopen(reader, "rb") as pipe:
            data = pipe.read()
        _, status = os.waitpid(copy, 0)
        return cast("T", pickle.loads(data)) if status == 0 else work()  # noqa: S301 - our own copy wrote it

    return result


def _leave(last: Callable[[BinaryIO], None], writer: int) -> None:
    """End the copy, whatever happens in it, without what a process does at its end."""
    failed = 1
    try:
        with os.fdopen(writer, "wb") as pipe:
            last(pipe)
        failed = 0
    finally:
        os._exit(failed)
