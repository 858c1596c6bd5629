"""`python -m benchmarks.serving`: a server under load, and six agents that are asked at once.

The load is open: each of so many clients asks at its own times, whether it was answered or not, so that a slow answer
does not make the load lighter. The model is scripted, within the server, so a request's time is the framework's; with
`--library` it is asked over HTTP, by the model library, and answers at once.
"""

import argparse
import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import sides
from benchmarks.answers import InstantModel
from benchmarks.sides import NotInstalled, Side
from benchmarks.vaults import generate

AGENTS = 6
REACH_P95_MS = 50.0
REACH_SIX = 1.3
"""Seconds in which six calls of one second each are all answered."""


def main() -> int:
    """Print what was measured; 1 where something was lost or missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description="A server under load.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (%(default)s)")
    parser.add_argument("--clients", type=int, default=50, help="at once (%(default)s)")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second, of all together (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="that ours has for runs under load (%(default)s)")
    parser.add_argument("--library", action="store_true", help="ask the model over HTTP, by the model library")
    parser.add_argument("--alone", action="store_true", help="measure ours only")
    parser.add_argument("--other-venv", type=Path, metavar="PATH", help="a venv that has the other")
    parser.add_argument("--ours-venv", type=Path, metavar="PATH", help="a venv that has ours, instead of a kept one")
    options = parser.parse_args()
    try:
        ours = sides.in_venv("ours", options.ours_venv) if options.ours_venv else sides.ours()
        both = [ours]
        if not options.alone:
            both.append(sides.in_venv("other", options.other_venv) if options.other_venv else sides.other())
    except NotInstalled as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    good = _load(ours, options)
    for side in both:
        took = _six(side)
        print(f"six calls of 1 s to six agents, {side.name}: the last after {took:.2f} s", flush=True)
        good = good and (side is not ours or took <= REACH_SIX)
    return int(not good)


def _load(side: Side, options: argparse.Namespace) -> bool:
    """Whether every request was answered with 200, is in a log, and 95 in 100 were answered in time."""
    seconds, clients, rate = options.seconds, options.clients, options.rate
    with (
        InstantModel() as model,
        _served(side, model, options.processes, scripted=not options.library) as (port, root),
    ):
        _warm(side, port)
        before = _lines(root)
        took: list[float] = []
        wrong: list[str] = []
        begin = time.perf_counter() + 0.5
        every = clients / rate

        def client(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            for turn in range(int(seconds / every)):
                due = begin + turn * every + number / rate
                time.sleep(max(due - time.perf_counter(), 0))
                status = _ask(connection, side, f"agent{number % AGENTS}")
                took.append(time.perf_counter() - due)
                if status != http.HTTPStatus.OK:
                    wrong.append(str(status))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost = len(took) - (_lines(root) - before)
    p95 = 1000 * statistics.quantiles(took, n=20)[-1]
    print(
        f"{len(took):,} requests of {clients} clients in {seconds:.0f} s: {len(wrong)} refused, {lost} log lines lost; "
        f"median {1000 * statistics.median(took):.0f} ms, p95 {p95:.0f} ms (<= {REACH_P95_MS:.0f}), "
        f"longest {1000 * max(took):.0f} ms",
        flush=True,
    )
    return not wrong and not lost and p95 <= REACH_P95_MS


def _six(side: Side) -> float:
    """Seconds until six agents that are asked at once have all answered."""
    with InstantModel(seconds=1.0) as model, _served(side, model) as (port, _root):
        _warm(side, port)
        threads = [threading.Thread(target=_ask_one, args=(side, port, number)) for number in range(AGENTS)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begin


def _warm(side: Side, port: int) -> None:
    """The first request of each agent loads what it needs."""
    for number in range(AGENTS):
        _ask_one(side, port, number)


def _ask_one(side: Side, port: int, number: int) -> None:
    status = _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60), side, f"agent{number}")
    if status != http.HTTPStatus.OK:
        raise SystemExit(f"error: {side.name} answered with {status}")


def _ask(connection: http.client.HTTPConnection, side: Side, agent: str) -> int:
    if side.name == "ours":
        path, body = "/api/runs", {"agent": agent, "work_item": "where is it?"}
    else:
        path, body = f"/agents/{agent}/call", {"work_item": "where is it?"}
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@contextlib.contextmanager
def _served(
    side: Side, model: InstantModel, processes: int = 1, *, scripted: bool = False
) -> Iterator[tuple[int, Path]]:
    """A server of a vault with six small agents: its port, and the vault."""
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        root = generate(Path(folder) / "vault", 60, agents=AGENTS, version=2 if side.name == "ours" else 1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ours = ("--port", str(port), "--processes", str(processes))
        whom = ours if side.name == "ours" else ("--all", "--port", str(port), "--allow-no-auth")
        environment = side.environment(root, Path(folder), OPENAI_BASE_URL=model.url, OPENAI_API_KEY="none")
        line = [*side.command, "serve", *whom]
        if scripted:
            line = [*side.python, str(Path(__file__).with_name("scripted_server.py")), str(port), str(processes)]
        server = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, server)
            yield port, root
        finally:
            server.terminate()
            server.wait(60)


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("error: the server did not start")


def _lines(root: Path) -> int:
    return sum(len(file.read_bytes().splitlines()) for file in root.glob("*/log/*/*.jsonl"))


if __name__ == "__main__":
    sys.exit(main())
