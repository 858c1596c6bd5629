import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.model import ToolCall
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.servers import Json, OpenAIServer, Reply
from atomic_agents.testing.workspaces import add_agent

mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
from mcp import Client, MCPError  # noqa: E402 - where it is installed
from mcp.client.stdio import StdioServerParameters  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402
from mcp.types import CallToolResult  # noqa: E402

KEY = "sk-made-up-key-0123456789"
MODEL = "---\nschema_version: 2\nmodel: openai:gpt-5-mini\n---\n"
NOTE = (
    "---\nschema_version: 2\nname: {name}\ndescription: {name}\ntype: user\ncaptured: '2026-05-01'\n"
    "confidence: high\nprovenance: operator\nsources:\n- said\n{more}---\n{name}: water the beans\n"
)
NAP = ToolCall("c2", "nap", "{}")
LETTER = ToolCall("c1", "send_letter", json.dumps({"to": "Ada"}))
AT_ONCE = 4.0  # seconds: less than a model thinks, and a tool works, here


@dataclass
class House:
    """A vault with models, and a server over HTTP that is open for this machine."""

    root: Path
    environ: dict[str, str]
    url: str = ""

    def line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "atomic_agents", "mcp-server", *arguments]

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return subprocess.Popen(self.line(*arguments), env=self.environ, stdin=pipe, stdout=pipe, stderr=pipe)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-m", "atomic_agents", *arguments]
        return subprocess.run(line, check=False, env=self.environ, capture_output=True, text=True, timeout=60)

    def log(self, agent: str) -> list[str | None]:
        files = sorted((self.root / agent / "log").rglob("*.jsonl"))
        return [json.loads(line).get("ending") for file in files for line in file.read_text().splitlines()]

    def stdio(self, *arguments: str) -> Client:
        line = self.line(*arguments)
        return Client(StdioServerParameters(command=line[0], args=line[1:], env=self.environ))

    @contextlib.asynccontextmanager
    async def http(self, token: str = "", mode: str = "auto") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as sender,
            Client(streamable_http_client(self.url, http_client=sender), mode=mode) as client,
        ):
            yield client


def say(body: Json) -> Reply:
    last = body["messages"][-1]
    asked = json.dumps(last)
    if last["role"] == "tool":
        return Reply("It is on its way.")
    if "letter" in asked:
        return Reply("I write to her.", calls=(LETTER,), finish="tool_calls")
    if "nap" in asked:
        return Reply("I nap.", calls=(NAP,), finish="tool_calls")
    if "fail" in asked:
        return Reply("no such luck", status=400)
    if "think" in asked:
        return Reply("at last " * 2, pause=6)
    return Reply("word " * 60, pause=0.02) if "slowly" in asked else Reply(f"hello, with {KEY} in it")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("mcp_server")
    root = folder / "vault"
    root.mkdir()
    for name in ("ada", "bo", "cy"):
        add_agent(FolderStore(root), name, model=MODEL)
        (root / name / "tools").mkdir()
        (root / name / "tools/send_letter.md").write_text(
            "---\nname: send_letter\ndescription: Send a letter.\nclassification: external_side_effect\n"
            "input_schema: {type: object, properties: {to: {type: string}}, required: [to]}\n---\n"
        )
        (root / name / "tools/send_letter.py").write_text("def handler(input):\n    return 'sent'\n")
    (root / "bo/tools/nap.md").write_text(
        "---\nname: nap\ndescription: Nap.\nclassification: read_only\ninput_schema: {type: object}\n---\n"
    )
    (root / "bo/tools/nap.py").write_text("import time\ndef handler(input):\n    time.sleep(50)\n    return 'up'\n")
    notes = {"now": "", "old": "archived: true", "then": "expires_at: '2026-01-01'", "since": "superseded_by: now"}
    for name, more in notes.items():
        written(root, f"ada/memory/{name}.md", name, f"{more}\n" if more else "")
    written(root, "ada/wiki/soil.md", "soil", "")
    for number in range(230):
        written(root, f"cy/memory/n{number}.md", f"n{number}", "")
    with OpenAIServer(say) as model:
        environ = {**os.environ, "HOME": str(folder), "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1"}
        environ |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": KEY}
        found = House(root, environ)
        with serving(found, "--port", "0") as url:
            found.url = url
            yield found


def written(root: Path, path: str, name: str, more: str) -> None:
    (root / path).parent.mkdir(exist_ok=True, parents=True)
    (root / path).write_text(NOTE.format(name=name, more=more))


@contextlib.contextmanager
def serving(house: House, *arguments: str) -> Iterator[str]:
    with house.start("--http", *arguments) as process:
        assert process.stderr is not None
        first = process.stderr.readline().decode()
        found = re.search(r"http://\S+", first)
        assert found, first + process.stderr.read().decode()
        yield found[0]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


class Heard(list[str]):
    """What came as progress."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        assert (progress >= 0, total) == (True, None)
        self.append(message or "")


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


async def until(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while not there():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def ask(process: "subprocess.Popen[bytes]", agent: str, work_item: str) -> None:
    opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    call = {"name": f"ask_{agent}", "arguments": {"work_item": work_item}}
    messages: list[Json] = [
        {"id": 1, "method": "initialize", "params": opening}, {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": call},
    ]  # fmt: skip
    assert process.stdin is not None
    for message in messages:
        process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
    process.stdin.flush()


def test_over_stdio_an_agent_is_asked_and_says_how_it_goes_on(house: House) -> None:
    heard = Heard()

    async def go() -> tuple[list[str], CallToolResult, CallToolResult, CallToolResult]:
        async with house.stdio() as client:
            tools = [f"{tool.name}: {tool.description}" for tool in (await client.list_tools()).tools]
            asked = await client.call_tool("ask_ada", {"work_item": "say it slowly"}, progress_callback=heard)
            failed = await client.call_tool("ask_ada", {"work_item": "fail"})
            missing = await client.call_tool("ask_adda", {"work_item": "hi"})
        return tools, asked, failed, missing

    tools, asked, failed, missing = asyncio.run(go())

    assert tools[0] == "ask_ada: Ask the agent ada. You are ada."
    assert [tool.partition(":")[0] for tool in tools] == ["ask_ada", "ask_bo", "ask_cy", "search_memory", "show_run"]
    assert (asked.is_error, text(asked).startswith("word word"), "(run run-" in text(asked)) == (False, True, True)
    assert len(heard) > 3
    assert "".join(heard[1:]).split() == ["word"] * 60
    assert (failed.is_error, text(failed).startswith("error: "), "no such luck" in text(failed)) == (True, True, True)
    assert text(missing) == "error: there is no agent adda\n  hint: did you mean ask_ada"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_over_http_what_is_known_is_found_and_read_but_nothing_else(house: House, mode: str) -> None:
    refused = [
        "vault:///ada/memory/old.md", "vault:///ada/memory/then.md", "vault:///ada/memory/since.md",
        "vault:///ada/model.md", "vault:///ada/memory/../model.md", "vault:///ada/memory/INDEX.md",
        "file:///etc/hostname", "vault:///_serve/tokens.json",
    ]  # fmt: skip

    async def go() -> None:
        async with house.http(mode=mode) as client:
            found = json.loads(text(await client.call_tool("search_memory", {"agent": "ada", "query": "beans"})))
            note = (await client.read_resource("vault:///ada/memory/now.md")).contents[0]
            first = await client.list_resources()
            second = await client.list_resources(cursor=first.next_cursor)
            for uri in refused:
                with pytest.raises(MCPError, match="there is no"):
                    await client.read_resource(uri)
        listed = [str(each.uri) for each in (*first.resources, *second.resources)]

        assert {hit["uri"] for hit in found} == {"vault:///ada/memory/now.md", "vault:///ada/wiki/soil.md"}
        assert "now: water the beans" in note.text  # type: ignore[union-attr] # it is text
        assert listed[:2] == ["vault:///ada/memory/now.md", "vault:///ada/wiki/soil.md"]
        assert (len(listed), len(set(listed)), second.next_cursor) == (232, 232, None)

    asyncio.run(go())


def test_a_secret_is_told_to_nobody(house: House) -> None:
    heard = Heard()

    async def go() -> str:
        async with house.http() as client:
            return text(await client.call_tool("ask_bo", {"work_item": "hi"}, progress_callback=heard))

    said = asyncio.run(go())

    assert "hello, with [redacted] in it" in said
    assert KEY[:12] not in "".join(heard)


def test_a_run_that_waits_for_an_approval_says_so_and_is_looked_up_later(house: House) -> None:
    async def go() -> tuple[CallToolResult, str, str]:
        async with house.http() as client:
            asked = await client.call_tool("ask_bo", {"work_item": "write a letter"})
            run_id = re.findall(r"run-[\w-]+", text(asked))[-1]
            waiting = json.loads(text(await client.call_tool("show_run", {"run_id": run_id})))
            answered = await asyncio.to_thread(house.command, "approvals", "approve", "proposal")
            assert answered.returncode == 0, answered.stderr
            done = json.loads(text(await client.call_tool("show_run", {"run_id": waiting["run_id"]})))
        return asked, waiting["status"], done["resumed_by"]

    asked, waiting, resumed = asyncio.run(go())

    assert "waiting for an approval: bo wants send_letter" in text(asked)
    assert "atomic-agents approvals show proposal_" in text(asked)
    assert (waiting, bool(resumed)) == ("waiting", True)


@pytest.mark.parametrize("way", ["stdio", "auto", "legacy"])
def test_a_question_that_is_taken_back_ends_its_run_with_one_log_line(house: House, way: str) -> None:
    before = len(house.log("cy"))

    async def go() -> None:
        async with house.stdio("cy") if way == "stdio" else house.http(mode=way) as client:
            asked = client.call_tool("ask_cy", {"work_item": "slowly"}, progress_callback=Heard())
            asking = asyncio.create_task(asked)
            await until(lambda: list((house.root / "_runs").glob("*")))
            await asyncio.sleep(0.2)
            asking.cancel()
            await until(lambda: len(house.log("cy")) > before)

    asyncio.run(go())

    assert house.log("cy")[before:] == ["interrupted"]


def test_the_same_key_gives_the_same_answer(house: House) -> None:
    asked = {"work_item": "hi", "idempotency_key": "monday"}

    async def go() -> tuple[str, str, CallToolResult]:
        async with house.http() as client:
            first, again = [text(await client.call_tool("ask_ada", asked)) for _ in range(2)]
            return first, again, await client.call_tool("ask_ada", asked | {"work_item": "bye"})

    first, again, other = asyncio.run(go())

    assert re.findall("run-[0-9a-f-]+", first) == re.findall("run-[0-9a-f-]+", again)
    assert "the answer that this key had got" in again
    assert other.is_error


def test_a_token_reaches_what_it_is_for(house: House) -> None:
    def token(*scope: str) -> str:
        return house.command("serve", "token", "add", scope[-1], *scope[:-1]).stdout.split()[-1]

    ada, reader = token("--agent", "ada", "one"), token("--verb", "read", "reader")

    async def names(client: Client) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    async def go() -> None:
        async with house.http(ada) as client:
            assert await names(client) == ["ask_ada", "search_memory", "show_run"]
            listed = (await client.list_resources()).resources
            assert {str(each.uri).split("/")[3] for each in listed} == {"ada"}
            for tool, given in (("ask_bo", {"work_item": "hi"}), ("search_memory", {"agent": "cy", "query": "x"})):
                assert text(await client.call_tool(tool, given)).startswith("error: there is no agent")
            with pytest.raises(MCPError, match="there is no"):
                await client.read_resource("vault:///cy/memory/n1.md")
        async with house.http(reader) as client:
            assert await names(client) == ["search_memory", "show_run"]
            assert "takes run" in text(await client.call_tool("ask_ada", {"work_item": "hi"}))

    asyncio.run(go())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Authorization": "Bearer aat_x"}, 401),
    ],
)
def test_strangers_are_turned_away(house: House, headers: Mapping[str, str], status: int) -> None:
    answer = httpx2.post(house.url, json={}, headers=dict(headers))

    assert (status, True) == (answer.status_code, bool(answer.json()["error"]["message"]))


def test_open_to_others_it_asks_for_a_token(house: House, tmp_path: Path) -> None:
    add_agent(FolderStore(tmp_path), "ada")
    options = ("--http", "--host", "0.0.0.0", "--port", "0", "--root", str(tmp_path))  # noqa: S104 - it is refused

    done, mixed = house.command("mcp-server", *options), house.command("mcp-server", "--port", "1")

    assert (done.returncode, "serve token add" in done.stderr) == (2, True)
    assert (mixed.returncode, mixed.stderr.splitlines()[0]) == (2, "error: --port is for HTTP")


def test_read_only_and_for_one_agent_it_runs_nothing(house: House) -> None:
    async def go() -> tuple[list[str], str, int]:
        async with house.stdio("ada", "--read-only") as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            refused = text(await client.call_tool("ask_ada", {"work_item": "hi"}))
            return tools, refused, len((await client.list_resources()).resources)

    tools, refused, resources = asyncio.run(go())

    assert (tools, resources) == (["search_memory", "show_run"], 2)
    assert refused.startswith("error: this machine may not do this: it takes run")


def children(process: "subprocess.Popen[bytes]") -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], check=False, capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


@pytest.mark.parametrize(("end", "work_item"), [("stdin", "think"), ("SIGTERM", "nap")])
def test_stdout_is_the_protocols_and_all_ends_at_once_while_a_model_thinks_or_a_tool_works(
    house: House, end: str, work_item: str
) -> None:
    before = len(house.log("bo"))
    with house.start() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask(process, "bo", work_item)
        asyncio.run(until(lambda: list((house.root / "_runs").glob("*"))))
        asyncio.run(until(lambda: work_item != "nap" or children(process)))
        started = children(process)
        begun = time.monotonic()
        process.stdin.close() if end == "stdin" else process.send_signal(signal.SIGTERM)
        process.wait(20)
        took = time.monotonic() - begun
        said = process.stdout.read().splitlines()
    open_workspace(config.load(str(house.root))).close_crashed_runs()  # which any next command does

    assert took < AT_ONCE
    for child in started:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert [json.loads(line)["jsonrpc"] for line in said] == ["2.0"] * len(said)
    assert json.loads(said[0])["result"]["serverInfo"]["name"] == "atomic-agents"
    assert len(house.log("bo")) == before + 1


def test_of_two_clients_at_once_one_is_killed_and_the_other_notices_nothing(house: House) -> None:
    before = len(house.log("ada"))

    async def go() -> tuple[bool, str]:
        with house.start("ada") as process:
            ask(process, "ada", "think")
            async with house.http() as client:
                await until(lambda: list((house.root / "_runs").glob("*")))
                asking = asyncio.create_task(client.call_tool("ask_ada", {"work_item": "hi"}))
                await asyncio.sleep(0.3)
                waited = not asking.done()
                process.kill()
                process.communicate()
                return waited, text(await asking)

    waited, said = asyncio.run(go())

    assert (waited, said.startswith("hello")) == (True, True)
    assert len(house.log("ada")) == before + 2
