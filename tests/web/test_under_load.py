import concurrent.futures
import contextlib
import resource
import socket
import time
from pathlib import Path

import httpx2
import pytest
from served import AGENTS, Door, ended, opened, scripted, served  # type: ignore[import-not-found]  # beside this file

from atomic_agents.web.limits import CONNECTIONS


def connected(door: Door) -> socket.socket:
    port = int(door.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def heard(connection: socket.socket) -> bytes:
    """What a connection is told until it is closed."""
    said = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(4096):
            said += piece
    return said


@pytest.mark.parametrize("beyond", [100, pytest.param(10_000, marks=pytest.mark.soak)])
def test_connections_that_say_nothing_give_way_to_those_that_ask(tmp_path: Path, beyond: int) -> None:
    """The oldest of them are told so; whoever asks is answered at once, however many there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < beyond + 2 * CONNECTIONS:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, beyond + 2 * CONNECTIONS), hard))
    with scripted(tmp_path) as door:
        silent = [connected(door) for _ in range(CONNECTIONS + beyond)]
        health = httpx2.get(f"{door.url}/healthz", timeout=60)
        answer = httpx2.post(f"{door.url}/api/runs", json={"agent": "ada", "work_item": "hi"}, timeout=60)
        refused = [heard(connection) for connection in silent[:beyond]]
        for connection in silent[beyond:]:
            connection.close()

    assert {said.split(b"\r\n")[0] for said in refused} == {b"HTTP/1.1 503 Service Unavailable"}
    assert all(b"Retry-After: 5" in said and b"too-many-connections" in said for said in refused)
    assert all(b"x-frame-options: DENY" in said for said in refused)
    assert (health.status_code, answer.status_code) == (200, 200)


@pytest.mark.parametrize("head", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Drip: "])
def test_a_head_that_does_not_end_ends_the_connection(tmp_path: Path, head: bytes) -> None:
    """However its sender drips: the time for a head is the whole head's."""
    with scripted(tmp_path) as door, connected(door) as connection:
        connection.sendall(head)
        connection.settimeout(0.5)
        deadline, ended_at = time.monotonic() + 60, 0.0
        while time.monotonic() < deadline and not ended_at:
            with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
                if head:
                    connection.sendall(b"x")
                if connection.recv(100) == b"":
                    ended_at = time.monotonic()
                continue

    assert ended_at


def test_what_is_no_http_is_refused_as_everything_else(tmp_path: Path) -> None:
    with scripted(tmp_path) as door:
        connection = connected(door)
        connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        said = heard(connection)

    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"x-frame-options: DENY" in said
    assert b'"code": "not-http"' in said


def test_half_a_request_keeps_nobody_waiting(tmp_path: Path) -> None:
    asked = {"agent": "ada", "work_item": "hi"}
    with scripted(tmp_path) as door:
        httpx2.post(f"{door.url}/api/runs", json=asked, timeout=60)
        halves = [connected(door) for _ in range(50)]
        for connection in halves:
            connection.sendall(b"POST /api/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{")
        answer = httpx2.post(f"{door.url}/api/runs", json=asked, timeout=15)
        for connection in halves:
            connection.close()

    assert answer.status_code == 200


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("times", [2, pytest.param(30, marks=pytest.mark.soak)])
def test_a_server_that_is_killed_in_between_loses_no_run(tmp_path: Path, times: int, processes: str) -> None:
    """Every request that was answered has its line; every run that began has exactly one."""
    answered = 0
    with served(tmp_path, "--processes", processes) as first:
        current = first
        for number in range(times):
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                asked = [pool.submit(ask, current, f"{number} {at}", AGENTS[at % 6]) for at in range(24)]
                concurrent.futures.wait(asked, return_when=concurrent.futures.FIRST_COMPLETED)
                current.process.kill()
                current.process.wait()
            answered += sum(one.result() for one in asked)
            if current is not first:
                ended(current.process)
            current = opened(first.root, first.environ, "serve", "--port", "0", "--processes", processes)
        asked_last = ask(current, "last", "ada")
        ended(current.process)
        lines = [line for agent in AGENTS for line in first.log(agent)]

    runs = [str(line["run_id"]) for line in lines]
    assert asked_last
    assert len(runs) == len(set(runs))
    assert sum(line["status"] == "ok" for line in lines) >= answered + 1
    assert not list((first.root / "_runs").glob("*.jsonl"))


def ask(door: Door, item: str, agent: str) -> bool:
    """Whether a run was answered; a server that died did not."""
    try:
        body = {"agent": agent, "work_item": item}
        return httpx2.post(f"{door.url}/api/runs", json=body, timeout=60).status_code == 200
    except httpx2.TransportError:
        return False
