"""The system calls that change the disk: counted, or one of them left to a fate, in a process of its own."""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from atomic_agents.core.errors import AtomicAgentsError, InternalError
from atomic_agents.stores import disk

CALLS = ("open", "write", "replace", "unlink", "mkdir", "rmdir", "ftruncate", "fchmod", "fchown", "fsync", "sync")
TAKE_SPACE = ("open", "write", "write_pieces", "mkdir")
KINDS = ("kill before", "kill middle", "eio once", "eio always", "full once", "full always")
"""A kill before a call is a kill after the one before it. A full disk takes half of what is written, then nothing."""

DONE, REFUSED, UNSURE, BUG = 0, 1, 2, 3
"""How a child ends that was not killed; unsure is what says that it is done, or will be when the vault is opened."""

_PLACES = {
    "lock": re.compile(r"/\.atomic/(locks/|apply\.lock)"),
    "images": re.compile(r"/\.atomic/batch/\w+/images"),
    "intent": re.compile(r"/\.atomic/batch/\w+/intent"),
    "staged": re.compile(r"/\.atomic/batch/\w+/."),
    "batch": re.compile(r"/\.atomic"),
    "migrations": re.compile(r"/_migrations"),
}
_LATER = ("the change is made", "finished or put back")


@dataclass(frozen=True)
class Call:
    """A change of the disk that is about to happen; `half` does as much of it as may be left of it."""

    label: str
    do: Callable[[], Any]
    half: Callable[[], object]
    first: bool

    @property
    def takes_space(self) -> bool:
        return self.label.split()[0] in TAKE_SPACE


Fate = Callable[[Call], Any]


def arm(fatal: int, fate: Fate) -> None:
    """Leave the `fatal`th change of the disk, and those after it, to `fate`. There is no way back in this process."""
    done = 0

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal done
            do = partial(real, *args, **options)
            if name == "open" and not args[1] & (os.O_CREAT | os.O_TRUNC):
                return do()
            if name == "write_pieces":
                args = (args[0], b"".join(args[1]))
                do = partial(real, args[0], [args[1]])
            done += 1
            if done < fatal:
                return do()
            parted = {"write": lambda part: real(args[0], part), "write_pieces": lambda part: real(args[0], [part])}
            half = partial(parted[name], args[1][: len(args[1]) // 2]) if name in parted else lambda: None
            return fate(Call(_label(name, args), do, half, done == fatal))

        return call

    for name in CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))
    disk.write_pieces = wrap("write_pieces", disk.write_pieces)


def fate_of(kind: str) -> Fate:
    """What one of `KINDS` does."""
    what, _, when = kind.partition(" ")

    def kill(call: Call) -> None:
        if when == "middle":
            call.half()
        os.kill(os.getpid(), signal.SIGKILL)

    def fail(call: Call) -> Any:
        full = what == "full"
        if not (call.first or when == "always") or (full and not call.takes_space):
            return call.do()
        if full and call.first:
            call.half()
        raise OSError(errno.ENOSPC if full else errno.EIO, f"{call.label} failed on purpose")

    return kill if what == "kill" else fail


class Died(BaseException):
    """What a kill is within one process: nothing is caught, and nothing more changes the disk."""


def die(call: Call) -> Any:
    """Die in the middle of the first call; locks are let go, as a kill does."""
    if " lock" in call.label:
        return call.do()
    if call.first:
        call.half()
    raise Died


def die_after(commits: int, calls: int) -> Fate:
    """Die so many calls after the `commits`th intent is there, and so is the change; to be armed from the first on."""
    seen = past = 0

    def fate(call: Call) -> Any:
        nonlocal seen, past
        if seen < commits:
            seen += call.label == "replace intent"
            return call.do()
        past += " lock" not in call.label
        return call.do() if past <= calls else die(replace(call, first=past == calls + 1))

    return fate


@contextmanager
def armed(fatal: int, fate: Fate) -> Iterator[None]:
    """As `arm`, for a while."""
    kept = {name: getattr(os, name) for name in CALLS}
    pieces = disk.write_pieces
    arm(fatal, fate)
    try:
        yield
    finally:
        disk.write_pieces = pieces
        for name, real in kept.items():
            setattr(os, name, real)


def nothing_is_synced() -> None:
    """A process that is killed loses nothing that it wrote: the calls stay, and do not wait for the disk."""
    for name in ("fsync", "sync"):
        setattr(os, name, lambda *_: None)


def calls_of(act: Callable[[Callable[[], None]], object]) -> list[str]:
    """A label for each change of the disk that `act` makes, in order, from where it calls what it is given."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        code = 1
        labels: list[str] = []

        def note(call: Call) -> Any:
            labels.append(call.label)
            return call.do()

        try:
            act(partial(arm, 1, note))
            with open(writing, "w", encoding="utf-8", closefd=False) as file:
                file.write("\n".join(labels))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as file:
        found = file.read().split("\n")
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    return found


def in_child(act: Callable[[], object]) -> int:
    """Run `act` in a process of its own; how it ended, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = BUG
        try:
            act()
            code = DONE
        except InternalError as error:
            sys.stderr.write(f"{error.message}\n")
        except AtomicAgentsError as error:
            code = UNSURE if any(words in error.message for words in _LATER) else REFUSED
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else DONE
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is one that no operator should meet
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def edges(labels: list[str], edge: int, others: int) -> list[int]:
    """The numbers of the calls at which something begins or ends, `edge` of them before and after, and `others`."""
    found: set[int] = set(range(0, len(labels), max(1, len(labels) // others)))
    for number in range(len(labels)):
        near = set(labels[max(0, number - edge) : number + edge + 1])
        if len(near) > 2 or number < edge or number >= len(labels) - edge:
            found.add(number)
    return [number + 1 for number in sorted(found)]


def _label(name: str, args: tuple[Any, ...]) -> str:
    """`write images`: the call, and what of the vault it is about."""
    if name == "sync":
        return name
    where = args[1] if name == "replace" else args[0]
    if isinstance(where, int):
        try:
            where = os.readlink(f"/proc/self/fd/{where}")
        except OSError:
            where = ""
    return f"{name} {next((place for place, has in _PLACES.items() if has.search(str(where))), 'document')}"
