"""The program in which a tool on disk runs: it shuts itself in, calls the handler, and leaves the answer in a file.

It is started by path and imports nothing of ours, so that it is alone with the tool.
"""

import asyncio
import contextlib
import ctypes
import importlib.util
import inspect
import json
import os
import struct
import sys
import traceback
from collections.abc import Awaitable
from pathlib import Path

MEMORY = 4 << 30
LARGEST_FILE = 64 << 20
OPEN_FILES = 256

# Linux has the same numbers for these on every machine.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_READ = 0b1101  # execute, read a file, read a folder
_FILE = 0b111 | 1 << 14 | 1 << 15  # what may be said of a file that is no folder
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/opt", "/nix/store", "/run/systemd/resolve")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def landlock() -> int:
    """The version of Landlock that the kernel offers, 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        return max(int(ctypes.CDLL(None).syscall(_CREATE, None, 0, 1)), 0)
    except (OSError, AttributeError):
        return 0


def main(folder: str) -> None:
    """Do the job in `folder`: `job.json` says what, the answer goes to `answer`."""
    home = Path(folder)
    job = json.loads((home / "job.json").read_text(encoding="utf-8"))
    with (home / "answer").open("wb") as answer:
        limit(job["seconds"])
        shut_in([*job["read"], str(home)], [*job["write"], str(home / "home")], must=landlock() > 0)
        os.chdir(home / "home")
        try:
            text = call(home / "code" / job["file"], job["input"])
            answer.write(b"ok\n" + text.encode(errors="replace"))
        except BaseException as error:  # noqa: BLE001 - whatever it raises, exits included, is its answer
            answer.write(f"error\n{described(error, str(home / 'code'))}".encode(errors="replace"))


def call(code: Path, arguments: object) -> str:
    """What `handler` says to the arguments, as text; one that is async is waited for."""
    sys.path.insert(0, str(code.parent))
    spec = importlib.util.spec_from_file_location(code.stem, code)
    if spec is None or spec.loader is None:
        raise ImportError(f"{code.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.handler(arguments)
    if inspect.isawaitable(found):
        found = asyncio.run(_wait(found))
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)


async def _wait(found: Awaitable[object]) -> object:
    return await found


def described(error: BaseException, code: str) -> str:
    """An error of a handler with the line that raised it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(code)]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
    return f"{where}{type(error).__name__}: {error}"


def limit(seconds: float) -> None:
    """Bound time, memory, files and core dumps, where the system can."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    wanted = {"RLIMIT_CORE": 0, "RLIMIT_CPU": int(seconds) + 5, "RLIMIT_FSIZE": LARGEST_FILE,
              "RLIMIT_NOFILE": OPEN_FILES, "RLIMIT_AS": MEMORY}  # fmt: skip
    for name, value in wanted.items():
        with contextlib.suppress(OSError, ValueError):  # a system that does not know one, or is stricter already
            resource.setrlimit(getattr(resource, name), (value, value))


def shut_in(read: list[str], write: list[str], *, must: bool) -> None:
    """Give up every file but these, the system's and Python's, for this process and all that it starts.

    Raises:
        OSError: that has to be, and cannot.
    """
    version = landlock()
    if not version:
        if must:
            raise OSError("the tool cannot be shut in")
        return
    everything = (1 << 13 + (version >= 2) + (version >= 3) + (version >= 5)) - 1  # a right more with each of these
    library = ctypes.CDLL(None, use_errno=True)
    scoped = 0b11 if version >= 6 else 0
    attributes = struct.pack("=QQQ", everything, 0, scoped)[: 24 if version >= 6 else 8]
    ruleset = library.syscall(_CREATE, attributes, len(attributes), 0)
    python = [sys.prefix, sys.base_prefix, *(path for path in sys.path if path)]
    allowed = [*((path, _READ) for path in (*_SYSTEM, *python, *read)), *((path, everything) for path in write)]
    allowed += [(path, 0b110) for path in _DEVICES]
    for path, access in allowed:
        _allow(library, ruleset, path, access & everything)
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.syscall(_RESTRICT, ruleset, 0):
        raise OSError(ctypes.get_errno(), "the tool cannot be shut in")
    os.close(ruleset)


def _allow(library: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no leave
    try:
        known = access if os.path.isdir(path) else access & _FILE
        if library.syscall(_ADD, ruleset, 1, struct.pack("=Qi", known, opened), 0):
            raise OSError(ctypes.get_errno(), f"{path} cannot be allowed")
    finally:
        os.close(opened)


if __name__ == "__main__":
    main(sys.argv[1])
