"""The process in which untrusted bytes are read: it limits itself, then answers requests until its input ends."""

import contextlib
import json
import signal
import sys
from collections.abc import Mapping
from importlib import import_module

_OPEN_FILES = 64


def main(module: str, limits: str) -> None:
    """Answer each request of standard input with `read` of `module`, a line of JSON each."""
    stated: Mapping[str, int] = json.loads(limits)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no answer
    read = import_module(module).read
    limit(stated)
    for line in source:
        request = json.loads(line)
        data = source.read(request.pop("size"))
        try:
            answer = read(request, data)
        except MemoryError:
            answer = {"failed": f"it needed more than {stated['memory'] >> 20:,} MiB of memory"}
        except RecursionError:
            answer = {"failed": "it is nested too deeply"}
        except Exception as error:  # noqa: BLE001 - what untrusted bytes do to the code that reads them is an answer
            answer = {"failed": f"it could not be read: {type(error).__name__}: {error}"}
        target.write(json.dumps(answer, ensure_ascii=False).encode(errors="replace") + b"\n")
        target.flush()


def limit(stated: Mapping[str, int]) -> None:
    """Bound time, processor time, memory, files and processes of this process, where the system can."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    cpu, memory = stated["cpu_seconds"], stated["memory"]
    wanted = {"RLIMIT_CORE": (0, 0), "RLIMIT_FSIZE": (0, 0), "RLIMIT_NPROC": (0, 0), "RLIMIT_CPU": (cpu, cpu + 1),
              "RLIMIT_NOFILE": (_OPEN_FILES, _OPEN_FILES), "RLIMIT_AS": (memory, memory)}  # fmt: skip
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, OSError, ValueError):  # unknown to the system, or stricter already
            resource.setrlimit(getattr(resource, name), value)
    signal.setitimer(signal.ITIMER_REAL, stated["seconds"] + 1)  # also where the process that would end it is gone
