"""`python -m benchmarks.hostile`: how a server answers others while its agents fetch what is made to hold it up.

Each form of `testing.hostile_site` is fetched by a run, several at once. Meanwhile others ask for the health of the
server and for runs that fetch nothing. Every fetch has to end within its deadline and a second, and 95 of 100 questions
for the health have to be answered in time; all of it on one machine, so that the readers take its processors too.
"""

import argparse
import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.hostile_site import FORMS, Form, HostileSite
from atomic_agents.testing.workspaces import add_agent

AT_ONCE = 4
REACH_MS = 100.0
TOOLS = '---\nschema_version: 2\nfetch_hosts: ["*.example"]\n---\n'
_EVERY = 0.05  # seconds


@dataclass
class Others:
    """What others were answered, in seconds, until `end` is called."""

    port: int
    health: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Ask again and again, at times of their own whatever the answers take."""
        run = json.dumps({"agent": "other", "work_item": "hello"})
        for taken, method, path, body in (
            (self.health, "GET", "/healthz", None), (self.runs, "POST", "/api/runs", run),
        ):  # fmt: skip
            thread = threading.Thread(target=self._ask, args=(taken, method, path, body))
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Stop asking."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, taken: list[float], method: str, path: str, body: str | None) -> None:
        due = time.perf_counter()
        while not self._stop.wait(max(due - time.perf_counter(), 0)):
            status, _ = _request(self.port, method, path, body)
            taken.append(time.perf_counter() - due)
            if status != http.HTTPStatus.OK:
                self.wrong.append(f"{path}: {status}")
            due = max(due + _EVERY, time.perf_counter())


@dataclass(frozen=True, slots=True)
class End:
    """How the run that fetched a form ended: seconds, and what it said."""

    form: str
    seconds: float
    text: str


def main() -> int:
    """Print what was measured; 1 where a fetch went on too long, or others were not answered in time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=str(__doc__).splitlines()[0])
    parser.add_argument("--forms", type=int, default=len(FORMS), help="how many, spread over all (%(default)s)")
    parser.add_argument("--size", type=int, default=2_000_000, help="bytes of a page (%(default)s)")
    parser.add_argument("--deadline", type=float, default=20.0, help="seconds that a fetch may take (%(default)s)")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    options = parser.parse_args()
    every = list(FORMS.values())
    step = max(len(every) // options.forms, 1)
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, _served(Path(folder), options.deadline) as port:
        quiet, busy = Others(port), Others(port)
        quiet.begin()
        time.sleep(1 if options.forms < len(every) else 10)
        quiet.end()
        busy.begin()
        ends = _fetch_all(port, every[::step], options.size)
        busy.end()
    late = [end for end in ends if end.seconds > options.deadline + 1]
    health = _figures(busy.health)
    figures: dict[str, object] = {
        "forms": len(ends), "longest_s": max(end.seconds for end in ends), "late": [end.form for end in late],
        "wrong": busy.wrong[:5], "health_ms": health, "runs_ms": _figures(busy.runs),
        "health_quiet_ms": _figures(quiet.health), "runs_quiet_ms": _figures(quiet.runs),
        "ends": {end.form: [round(end.seconds, 2), end.text] for end in ends},
    }  # fmt: skip
    print(json.dumps(figures, indent=2) if options.json else _told(figures))
    return int(bool(late or busy.wrong or health["p95"] > REACH_MS))


def _fetch_all(port: int, forms: Sequence[Form], size: int) -> list[End]:
    def fetch(number: int, form: Form) -> End:
        with HostileSite(form, size) as site:
            body = json.dumps({"agent": f"agent{number % AT_ONCE}", "work_item": f"fetch {site.url}"})
            begin = time.perf_counter()
            _, text = _request(port, "POST", "/api/runs", body)
            return End(form.name, time.perf_counter() - begin, text)

    def fetch_in_turn(number: int) -> list[End]:
        return [fetch(number, form) for form in forms[number::AT_ONCE]]

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return [end for ends in pool.map(fetch_in_turn, range(AT_ONCE)) for end in ends]


def _request(port: int, method: str, path: str, body: str | None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    return answer.status, str(json.loads(data).get("text", "")) if body else ""


def _figures(taken: Sequence[float]) -> dict[str, float]:
    ms = sorted(1000 * seconds for seconds in taken)
    p95 = statistics.quantiles(ms, n=20)[-1] if len(ms) > 1 else ms[0]
    return {"count": len(ms), "median": round(statistics.median(ms), 1), "p95": round(p95, 1), "most": round(ms[-1], 1)}


def _told(figures: dict[str, object]) -> str:
    lines = [f"{figures['forms']} forms, the longest after {figures['longest_s']:.1f} s; late: {figures['late']}"]
    names = {
        "health_quiet_ms": "health, nothing fetched", "health_ms": "health meanwhile",
        "runs_quiet_ms": "runs of others, nothing fetched", "runs_ms": "runs of others meanwhile",
    }  # fmt: skip
    lines += [f"{name}: {figures[key]}" for key, name in names.items()]
    return "\n".join([*lines, f"refused: {figures['wrong']}"])


@contextlib.contextmanager
def _served(folder: Path, seconds: float) -> Iterator[int]:
    """A server of a vault whose agents fetch; its port."""
    store = FolderStore(folder / "vault")
    for name in ("other", *(f"agent{number}" for number in range(AT_ONCE))):
        add_agent(store, name, tools=TOOLS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    environment = {**os.environ, "HOME": str(folder), "ATOMIC_AGENTS_ROOT": str(folder / "vault")}
    line = [sys.executable, str(Path(__file__).with_name("hostile_server.py")), str(port), str(seconds)]
    server = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(60)


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("error: the server did not start")


if __name__ == "__main__":
    sys.exit(main())
