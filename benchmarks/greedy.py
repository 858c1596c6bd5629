"""`python -m benchmarks.greedy`: what one caller who takes all they can costs the others, on loopback.

One caller opens so many streams of the dashboard, again whenever one is closed or refused, while wrong tokens are sent
as fast as they are answered. Another caller asks for pages, and somebody for `/healthz`, at fixed times.
"""

import argparse
import contextlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.vaults import generate

REACH_MS = 200.0
_EVERY = 0.2  # seconds between two pages, and between two looks at health


def main() -> int:
    """Print what was measured; 1 where a page was late or refused, or health was not 200."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.greedy", description="One caller against the others.")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long (%(default)s)")
    parser.add_argument("--streams", type=int, default=2000, help="that one caller wants (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="greedy-") as folder:
        root = generate(Path(folder) / "vault", 60, agents=6, version=2)
        command = [sys.executable, "-m", "atomic_agents"]
        environment = {**os.environ, "HOME": folder, "ATOMIC_AGENTS_ROOT": str(root)}

        def token(name: str) -> str:
            line = [*command, "serve", "token", "add", name]
            return subprocess.run(line, env=environment, check=True, capture_output=True, text=True).stdout.split()[-1]

        greedy, other = token("greedy"), token("other")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        line = [*command, "dashboard", "serve", "--auth", "--port", str(port)]
        server = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return int(not _measure(port, greedy, other, options.seconds, options.streams))
        finally:
            server.terminate()
            server.wait(60)


def _measure(port: int, greedy: str, other: str, seconds: float, streams: int) -> bool:
    _until_up(port)
    _timed(port, "/", other)  # the first page loads what pages need
    quiet = [_timed(port, "/", other)[1] for _ in range(20)]
    attack = subprocess.Popen([sys.executable, "-m", "benchmarks.greedy_caller", str(port), greedy, str(streams)])
    time.sleep(8)  # by when each stream was asked for
    pages: list[tuple[int, float]] = []
    health: list[tuple[int, float]] = []
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_ask_until, args=(end, pages, lambda: _timed(port, "/", other))),
        threading.Thread(target=_ask_until, args=(end, health, lambda: _timed(port, "/healthz", ""))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    attack.terminate()
    attack.wait(30)
    print(f"pages before: median {statistics.median(quiet):.0f} ms, longest {max(quiet):.0f} ms")
    print(f"pages beside: {_words(pages)} (each under {REACH_MS:.0f} ms)")
    print(f"/healthz: {_words(health)}", flush=True)
    return {status for status, _ in (*pages, *health)} == {200} and max(took for _, took in pages) < REACH_MS


def _ask_until(end: float, results: list[tuple[int, float]], ask: Callable[[], tuple[int, float]]) -> None:
    while time.monotonic() < end:
        results.append(ask())
        time.sleep(_EVERY)


def _timed(port: int, path: str, token: str) -> tuple[int, float]:
    """The status of an answer on a connection of its own, and the milliseconds until it was whole; 0 for none."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    status = 0
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    return status, 1000 * (time.perf_counter() - begun)


def _words(found: list[tuple[int, float]]) -> str:
    took = [each for _, each in found]
    statuses = ", ".join(f"{count} × {status}" for status, count in Counter(status for status, _ in found).items())
    p95 = statistics.quantiles(took, n=20)[-1]
    return f"{statuses}; median {statistics.median(took):.0f} ms, p95 {p95:.0f} ms, longest {max(took):.0f} ms"


def _until_up(port: int) -> None:
    for _ in range(300):
        if _timed(port, "/healthz", "")[0] == http.HTTPStatus.OK:
            return
        time.sleep(0.2)
    raise SystemExit("error: the server did not start")


if __name__ == "__main__":
    sys.exit(main())
