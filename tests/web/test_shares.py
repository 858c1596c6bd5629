import contextlib
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from served import Door, scripted  # type: ignore[import-not-found]  # beside this file

from atomic_agents.operations import tokens
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.workspaces import scripted_workspace
from atomic_agents.vault.tokens import Verb
from atomic_agents.web.limits import STREAMS_EACH, share

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass
class Guarded:
    """A door that asks for a token, and the tokens of two callers."""

    door: Door
    ann: dict[str, str]
    ben: dict[str, str]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return httpx2.get(f"{self.door.url}{path}", headers=headers, timeout=60)

    def run(self, caller: Mapping[str, str], agent: str, item: str, **more: object) -> httpx2.Response:
        body = {"agent": agent, "work_item": item, **more}
        return httpx2.post(f"{self.door.url}/api/runs", json=body, headers=caller, timeout=60)


@contextlib.contextmanager
def guarded(folder: Path, kind: str) -> Iterator[Guarded]:
    with scripted(folder, kind, auth=True) as door:
        workspace = scripted_workspace(FolderStore(door.root), ["hi"], root=door.root)

        def made(name: str, *verbs: Verb) -> dict[str, str]:
            return {"Authorization": f"Bearer {tokens.add(workspace, name, verbs=verbs)[1]}"}

        yield Guarded(door, made("ann"), made("ben", "admin"))


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("serve"), "serve") as found:
        yield found


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("dashboard"), "dashboard") as found:
        yield found


@pytest.fixture(scope="module")
def mcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("mcp"), "mcp") as found:
        yield found


def opened(url: str, path: str, headers: Mapping[str, str]) -> tuple[socket.socket, bytes]:
    """A connection on which something was asked, and the head of the answer."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", *(f"{name}: {value}" for name, value in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    head = b""
    while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
        head += piece
    return connection, head


@pytest.mark.parametrize("kind", ["dashboard", "mcp"])
def test_who_opens_many_streams_has_a_share_and_others_are_answered(kind: str, request: pytest.FixtureRequest) -> None:
    house: Guarded = request.getfixturevalue(kind)
    path = {"dashboard": "/events", "mcp": "/mcp"}[kind]
    more = {"Accept": "text/event-stream"}
    if kind == "mcp":
        more["MCP-Session-Id"] = session(house)
    with contextlib.ExitStack() as stack:
        heads = []
        for _ in range(100):
            connection, head = opened(house.door.url, path, house.ann | more)
            stack.callback(connection.close)
            heads.append(head)
        refused = [head for head in heads if b" 429 " in head.split(b"\r\n")[0]]
        health = {house.get("/healthz").status_code for _ in range(5)}
        if kind == "dashboard":
            pages = [house.get(page, house.ben).status_code for page in ("/", "/runs", "/memory")]
            other, head = opened(house.door.url, path, house.ben)
            other.close()
            assert (pages, head.split(b"\r\n")[0]) == ([200] * 3, b"HTTP/1.1 200 OK")
            assert len(refused) == 100 - STREAMS_EACH
            assert all(b"retry-after: " in head for head in refused)
        else:
            assert session(house, house.ben)

    assert health == {200}


def session(house: Guarded, caller: Mapping[str, str] | None = None) -> str:
    """A session of the protocol's older way, which has streams that stay open."""
    asked = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}
    headers = {**(caller or house.ann), "Accept": "application/json, text/event-stream"}
    with httpx2.stream("POST", f"{house.door.url}/mcp", json=body, headers=headers, timeout=60) as answer:
        return answer.headers["mcp-session-id"]


def test_readers_without_a_token_leave_room_for_health_and_pages(tmp_path: Path) -> None:
    with scripted(tmp_path, "dashboard") as door, contextlib.ExitStack() as stack:
        heads = []
        for _ in range(300):
            connection, head = opened(door.url, "/events", {})
            stack.callback(connection.close)
            heads.append(head.split(b"\r\n")[0])
        found = [httpx2.get(f"{door.url}{path}", timeout=60).status_code for path in ("/healthz", "/readyz", "/")]

    assert heads.count(b"HTTP/1.1 200 OK") == STREAMS_EACH
    assert set(heads[STREAMS_EACH:]) == {b"HTTP/1.1 429 Too Many Requests"}
    assert found == [200, 200, 200]


def test_who_asks_for_many_runs_has_a_share_and_others_run(serve: Guarded) -> None:
    taken = [serve.run(serve.ann, "ada", "sleep-3", mode="submit") for _ in range(64)]
    answers = [answer.status_code for answer in taken]
    other = serve.run(serve.ben, "bo", "hi")
    for answer in taken:
        if answer.status_code == 202:
            httpx2.delete(serve.door.url + answer.headers["location"], headers=serve.ann, timeout=60)

    assert answers[: share(64)] == [202] * share(64)
    assert answers[-1] == 429
    assert taken[-1].headers["retry-after"] == "1"
    assert other.status_code == 200


@pytest.mark.parametrize("kind", ["serve", "dashboard", "mcp"])
def test_wrong_tokens_are_slowed_and_right_ones_are_let_in(kind: str, request: pytest.FixtureRequest) -> None:
    house: Guarded = request.getfixturevalue(kind)
    path = {"serve": "/api/agents", "dashboard": "/", "mcp": "/nothing"}[kind]
    fine = {"serve": 200, "dashboard": 200, "mcp": 404}[kind]
    with httpx2.Client(base_url=house.door.url, timeout=60) as client:
        answers = [client.get(path, headers={"Authorization": f"Bearer aat_wrong{at}"}) for at in range(200)]
        right = [client.get(path, headers=caller).status_code for caller in (house.ann, house.ben)]
        health = client.get("/healthz").status_code
    codes = [answer.status_code for answer in answers]

    assert codes[:20] == [401] * 20
    assert 100 < codes.count(429) == 200 - codes.count(401)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)
    assert (right, health) == ([fine, fine], 200)


@pytest.mark.parametrize("cookie", ["={}", "; ={}", "a=b; ={}", "{}", "token={}", "atomic_agents_token={}"])
def test_serve_takes_no_token_from_a_cookie(cookie: str, serve: Guarded) -> None:
    secret = serve.ann["Authorization"].partition(" ")[2]

    assert serve.get("/api/agents", {"Cookie": cookie.format(secret)}).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil@127.0.0.1", "[::1].evil", "127.0.0.1@evil", "localhost.", "[::1", "127.0.0.1:", "127.0.0.1:99999",
     "local%68ost", "localhost/", "", "evil.example", "127.0.0.1.evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["serve", "dashboard", "mcp"])
def test_a_host_that_is_not_ours_is_refused(kind: str, host: str, request: pytest.FixtureRequest) -> None:
    house: Guarded = request.getfixturevalue(kind)
    connection = http.client.HTTPConnection(house.door.url.removeprefix("http://"), timeout=60)
    connection.putrequest("GET", "/", skip_host=True)
    connection.putheader("Host", host)
    connection.putheader("Authorization", house.ben["Authorization"])
    connection.endheaders()
    answer = connection.getresponse()

    assert answer.status == 421
    assert answer.getheader("x-frame-options") == "DENY"
    connection.close()


def test_every_answer_says_what_a_browser_may_do_with_it(serve: Guarded, dashboard: Guarded, mcp: Guarded) -> None:
    url = serve.door.url
    answers = [
        serve.get("/healthz"), serve.get("/readyz"), serve.get("/api/agents", serve.ann), serve.get("/api/agents"),
        serve.get("/nothing", serve.ann), serve.get("/v1/models", serve.ann), serve.get("/v1/nothing", serve.ann),
        serve.get("/api/runs?limit=x", serve.ann), serve.get("/metrics", serve.ann),
        httpx2.put(f"{url}/api/agents", headers=serve.ann), httpx2.post(f"{url}/api/runs", headers=serve.ann),
        serve.get("/api/agents", serve.ann | {"Origin": "http://evil.example"}),
        serve.run(serve.ann, "ada", "hi"), serve.run(serve.ann, "ada", "hi", mode="stream"),
        serve.run(serve.ann, "ada", "status-500-wait-none"), serve.run(serve.ann, "ada", "x" * 1_100_000),
        dashboard.get("/"), dashboard.get("/", dashboard.ben), dashboard.get("/nothing", dashboard.ben),
        dashboard.get("/static/dashboard.css"), dashboard.get("/static/nothing"),
        httpx2.post(f"{dashboard.door.url}/login", data={"token": "x"}),
        mcp.get("/mcp"), mcp.get("/nothing", mcp.ann), mcp.get("/mcp", mcp.ann),
    ]  # fmt: skip

    for answer in answers:
        wrong = {name: answer.headers.get(name) for name, text in HEADERS.items() if answer.headers.get(name) != text}
        assert not wrong, (answer.request.url, answer.status_code, wrong)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert len(answer.headers.get_list("x-frame-options")) == 1
    assert {200, 400, 401, 403, 404, 405, 413, 415, 502} <= {answer.status_code for answer in answers}


def test_a_key_of_one_token_is_not_anothers(serve: Guarded) -> None:
    def ask(caller: dict[str, str], item: str = "hi") -> httpx2.Response:
        return serve.run(caller | {"Idempotency-Key": "monday"}, "cy", item)

    first, other, again = ask(serve.ann), ask(serve.ben), ask(serve.ann)
    different = ask(serve.ben, "something else")
    kept = [json.loads(path.read_text()) for path in (serve.door.root / "cy").rglob("*.json")]

    assert [answer.json()["replayed"] for answer in (first, other, again)] == [False, False, True]
    assert first.json()["run_id"] == again.json()["run_id"] != other.json()["run_id"]
    assert different.status_code == 400
    assert other.json()["run_id"] in different.json()["error"]["hint"]
    assert {value["principal"].split(":")[1] for value in kept if value.get("key") == "monday"} == {"ann", "ben"}


def test_a_key_of_this_machine_is_that_of_its_commands(tmp_path: Path) -> None:
    with scripted(tmp_path) as door:
        headers = {"Idempotency-Key": "monday"}
        body = {"agent": "ada", "work_item": "hi"}
        over_http = httpx2.post(f"{door.url}/api/runs", json=body, headers=headers, timeout=60).json()
        line = ("run", "ada", "--work-item", "hi", "--idempotency-key", "monday", "--json")
        by_command = json.loads(door.command(*line).stdout)

    assert (over_http["replayed"], by_command["replayed"]) == (False, True)
    assert by_command["run_id"] == over_http["run_id"]
