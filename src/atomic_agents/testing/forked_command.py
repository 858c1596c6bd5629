"""Commands in processes of their own, forked from one that has imported what most commands import.

A fork spares the imports, which take longer than most commands. Everything else is as if the command had been started:
its environment, folder, streams and exit status are its own.
"""

import array
import atexit
import contextlib
import functools
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PRELOADED = ("asyncio", "yaml", "httpx2", "jsonschema", "pydantic_ai.models.openai", "pydantic_ai.models.anthropic")
_PRELOADED_ROOMS = (
    "cli",
    "operations",
    "providers",
    "runtime",
    "migration",
    "migration.steps",
    "doctor",
    "memory",
    "tools",
)
_INTERPRETED = ("PYTHON", "LC_", "LANG", "COVERAGE")
_HEAD = struct.Struct("!I")
_MOST = 1 << 20  # bytes of a request
AVAILABLE = hasattr(os, "fork") and hasattr(socket, "send_fds") and sys.platform == "linux"


def fits(environ: Mapping[str, str]) -> bool:
    """Whether a fork can stand for a command with these variables: none of them is read when Python starts."""
    return AVAILABLE and not any(
        name.startswith(_INTERPRETED) and os.environ.get(name) != environ[name] for name in environ
    )


def run(
    arguments: Sequence[str], *, module: str, environ: Mapping[str, str], folder: Path, stdin: str, timeout: float
) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `python -m MODULE ARGUMENTS`; below 0: the signal it died of.

    Raises:
        subprocess.TimeoutExpired: it did not end in `timeout` seconds, and was killed.
    """
    ends = [os.pipe() for _ in range(4)]
    (in_read, in_write), (out_read, out_write), (err_read, err_write), (status_read, status_write) = ends
    request = json.dumps({"argv": [module, *arguments], "environ": dict(environ), "folder": str(folder)}).encode()
    _server().ask(request, [in_read, out_write, err_write, status_write])
    for passed in (in_read, out_write, err_write, status_write):
        os.close(passed)
    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(_read, end) for end in (out_read, err_read)]
        pool.submit(_write, in_write, stdin.encode())
        with os.fdopen(status_read) as statuses:
            pid = int(statuses.readline())
            deadline = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
            deadline.start()
            status = int(statuses.readline())
        out, err = (each.result().decode("utf-8", "replace") for each in reading)
        if not deadline.is_alive() and status == -signal.SIGKILL:
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        deadline.cancel()
    return status, _universal(out), _universal(err)


def _universal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(end: int) -> bytes:
    with os.fdopen(end, "rb") as file:
        return file.read()


def _write(end: int, data: bytes) -> None:
    try:
        with os.fdopen(end, "wb") as file:
            file.write(data)
    except BrokenPipeError:
        pass  # it did not read to the end


class _Server:
    """The process that is forked, and the socket over which it is asked."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket, self._guard = ours, threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(theirs.fileno())], pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        atexit.register(self._close)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait(10)

    def ask(self, request: bytes, ends: list[int]) -> None:
        with self._guard:
            socket.send_fds(self._socket, [_HEAD.pack(len(request))], ends)
            self._socket.sendall(request)


@functools.cache
def _server() -> _Server:
    return _Server()


def serve(channel: socket.socket) -> None:
    """Fork for each request until nobody can ask any more."""
    rooms = [importlib.import_module(f"atomic_agents.{room}") for room in _PRELOADED_ROOMS]
    ours = [found.name for room in rooms for found in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")]
    for module in (*_PRELOADED, *ours):
        with contextlib.suppress(ImportError):  # of an extra
            importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        head, ends = _receive(channel)
        if not head:
            return
        request = json.loads(_exactly(channel, _HEAD.unpack(head)[0]))
        if os.fork() == 0:
            channel.close()
            _guard(request, ends)
        for end in ends:
            os.close(end)


def _receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, _, _ = channel.recvmsg(_HEAD.size, socket.CMSG_SPACE(4 * 4))
    ends = array.array("i")
    for _, _, payload in ancillary:
        ends.frombytes(payload)
    return data, list(ends)


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < min(size, _MOST):
        data += channel.recv(size - len(data))
    return data


def _guard(request: dict[str, object], ends: list[int]) -> None:
    """Fork once more and pass on how the command ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, status_end = ends
    pid = os.fork()
    if pid == 0:
        os.close(status_end)
        _command(request, streams)
    for end in streams:
        os.close(end)
    os.write(status_end, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(status_end, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _command(request: dict[str, object], streams: list[int]) -> None:
    """Become the command."""
    argv, environ = request["argv"], request["environ"]
    assert isinstance(argv, list)
    assert isinstance(environ, dict)
    for stream, end in enumerate(streams):
        os.dup2(end, stream)
        os.close(end)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(str(request["folder"]))
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(stream, mode, -1), stood.encoding, stood.errors, line_buffering=stream == 2)  # noqa: SIM115
        for stream, mode, stood in ((0, "rb", sys.stdin), (1, "wb", sys.stdout), (2, "wb", sys.stderr))
    )
    module, *arguments = map(str, argv)
    sys.argv = [module, *arguments]
    os._exit(_ended(module))


def _ended(module: str) -> int:
    """The exit status of a module that is run as a program, once all that an interpreter does at its end is done."""
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001 - an interpreter shows whatever ends it
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as at the end of every interpreter
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = status or 120
    return status & 255


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
