"""Sessions with MCP servers, through the maintained client: opened at first use, kept for the run, bounded in time.

The client is asynchronous and a run is not, so the sessions live in a thread of their own.
"""

import asyncio
import hashlib
import importlib.util
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from atomic_agents.tools import mcp_listing
from atomic_agents.tools.mcp_noise import Heard, Noise, listen
from atomic_agents.vault.mcp_servers import Server, filled

if TYPE_CHECKING:  # 0.8 s that only agents with servers pay
    from mcp import Client
    from mcp.client._transport import TransportStreams
    from mcp.types import ToolAnnotations

T = TypeVar("T")
Variable = Callable[[str], str | None]

CONNECT_SECONDS = 30.0
MOST_TOOLS = 500
_CLOSE_SECONDS = 8.0
_TAIL = 300


class ServerFailed(Exception):
    """Why a server gives no answer."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A tool as its server describes it."""

    name: str
    description: str
    schema: object
    """As it is stated, which need not be JSON Schema."""
    kind: str


def launch(server: Server) -> str:
    """What is started or spoken to, in words that change when it does: where the command is, and hashes of files.

    Raises:
        ServerFailed: the command is not there.
    """
    if server.url:
        return server.url
    command = os.path.realpath(_found(server.command))
    named = (command, *(place for argument in server.args for place in _places(argument)))
    files = [f"{path} {_hash(path)}" for path in dict.fromkeys(named) if os.path.isfile(path)]
    return "\n".join((command, *server.args, *files))


def expanded(argument: str) -> str:
    """An argument with `~` at its start, or right after `=`, as the home folder."""
    name, equals, value = argument.partition("=")
    if equals and value.startswith("~/"):
        return f"{name}={os.path.expanduser(value)}"
    return os.path.expanduser(argument) if argument.startswith("~/") or argument == "~" else argument


def _places(argument: str) -> tuple[str, ...]:
    """Where files are that an argument may name: a server starts in the home folder."""
    whole = expanded(argument)
    return tuple(os.path.join(Path.home(), each) for each in (whole, whole.partition("=")[2]) if each)


def _found(command: str) -> str:
    place = expanded(command)
    found = shutil.which(os.path.join(Path.home(), place) if os.path.dirname(place) else place)
    if found is None:
        raise ServerFailed(f"{command} is not on the PATH")
    return found


@dataclass
class _Open:
    client: "Client"
    refused: mcp_listing.Refused
    stop: asyncio.Event
    task: "asyncio.Task[None]"


@dataclass
class Sessions:
    """The servers that a run has spoken to. Every method may be called from any thread."""

    variable: Variable
    connect_seconds: float = CONNECT_SECONDS
    heard: Heard = lambda _server, _noise: None
    """Told, when the sessions end, of each server that printed more than messages."""
    _noise: dict[str, Noise] = field(default_factory=dict)
    _open: dict[str, _Open] = field(default_factory=dict)
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _folder: str = ""
    """Where what servers say on standard error goes, a file each."""
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    def definitions(self, server: Server) -> list[Definition]:
        """The tools that a server has now.

        Raises:
            ServerFailed: it cannot be reached, or does not answer in time.
        """
        opened = self._opened(server)
        return self._wait(server, _list(opened), server.seconds)

    def call(self, server: Server, tool: str, arguments: Mapping[str, object]) -> str:
        """What a tool says.

        Raises:
            ServerFailed: the tool failed, or the server does not answer in time.
        """
        opened = self._opened(server)
        failed, text = self._wait(server, _call(opened.client, tool, dict(arguments)), server.seconds)
        if failed:
            raise ServerFailed(text)
        return text

    def is_open(self, server: Server) -> bool:
        """Whether a session with a server is there, so that the next call starts nothing."""
        opened = self._open.get(server.name)
        return opened is not None and not opened.task.done()

    def close(self) -> None:
        """End every session and every process that was started for one."""
        if self._loop is None or self._thread is None:
            return
        with suppress(Late):
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)
        self._loop = self._thread = None
        shutil.rmtree(self._folder, ignore_errors=True)
        for server, noise in self._noise.items():
            if noise.lines:
                self.heard(server, noise)
        self._noise.clear()

    def _opened(self, server: Server) -> _Open:
        with self._opening:
            opened = self._open.get(server.name)
            if opened is None or opened.task.done():
                self._begin()
                opened = self._wait(server, self._connect(server), self.connect_seconds + 5)
                self._open[server.name] = opened
            return opened

    def _begin(self) -> None:
        if importlib.util.find_spec("mcp") is None:
            raise ServerFailed("MCP servers need an extra that is not installed: atomic-agents-stack[mcp]")
        if self._loop is None:
            self._folder = tempfile.mkdtemp(prefix="atomic-agents-mcp-")
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_turn, args=(self._loop,), name="mcp", daemon=True)
            self._thread.start()

    async def _connect(self, server: Server) -> _Open:
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        stop, refused = asyncio.Event(), mcp_listing.Refused()
        noise = self._noise.setdefault(server.name, Noise())
        entered = _entered(server, self.variable, self._said(server), refused)
        task = asyncio.create_task(_serve(entered, noise, ready, stop))
        try:
            client = await asyncio.wait_for(asyncio.shield(ready), self.connect_seconds)
        except TimeoutError:
            task.cancel()
            raise ServerFailed(f"{server.name} did not answer within {self.connect_seconds:g} s") from None
        return _Open(client, refused, stop, task)

    def _wait(self, server: Server, work: Coroutine[object, object, T], seconds: float) -> T:
        assert self._loop is not None  # noqa: S101 - `_begin` came before
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds)
        except Late:
            future.cancel()
            raise ServerFailed(f"{server.name} did not answer within {seconds:g} s") from None
        except ServerFailed:
            raise
        except Exception as error:
            if _is_over(error) and server.name in self._open:
                self._loop.call_soon_threadsafe(self._open.pop(server.name).stop.set)  # the next call opens another
            words = _tail(self._said(server))
            raise ServerFailed(f"{server.name}: {_reason(error)}{f' ({words})' if words else ''}") from error

    def _said(self, server: Server) -> Path:
        return Path(self._folder, hashlib.sha256(server.name.encode()).hexdigest()[:16])

    async def _end(self) -> None:
        for opened in self._open.values():
            opened.stop.set()
        await asyncio.gather(*(opened.task for opened in self._open.values()), return_exceptions=True)
        self._open.clear()


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with suppress(RuntimeError):
            loop.run_until_complete(asyncio.sleep(0.05))
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _serve(
    opened: AbstractAsyncContextManager["Client"], noise: Noise, ready: "asyncio.Future[Client]", stop: asyncio.Event
) -> None:
    """Hold a session open until `stop`, or until it ends by itself; the client wants one task for both ends of it."""
    listen(noise)
    try:
        async with opened as client:
            ready.set_result(client)
            await stop.wait()
    except Exception as error:  # noqa: BLE001 - whoever waits is told; a session that breaks later shows at its next use
        if not ready.done():
            ready.set_exception(error)


@asynccontextmanager
async def _entered(
    server: Server, variable: Variable, said: Path, refused: mcp_listing.Refused
) -> "AsyncIterator[Client]":
    """A session with a server."""
    from mcp import Client  # noqa: PLC0415 - 0.8 s, and an extra

    async with AsyncExitStack() as stack:
        transport = await _transport(server, variable, said, stack)
        yield await stack.enter_async_context(Client(mcp_listing.let_through(transport, refused)))


async def _transport(
    server: Server, variable: Variable, said: Path, stack: AsyncExitStack
) -> "AbstractAsyncContextManager[TransportStreams]":
    if server.url:
        import httpx2  # noqa: PLC0415 - comes with mcp
        from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415 - as above

        headers = {name: filled(text, variable) for name, text in server.headers.items()}
        timeout = httpx2.Timeout(server.seconds, connect=CONNECT_SECONDS)
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=timeout))
        return streamable_http_client(server.url, http_client=http)
    from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: PLC0415 - as above

    environ = {name: filled(text, variable) for name, text in server.env.items()}
    # No folder of an agent's: what stands there could be taken for a module of the server.
    parameters = StdioServerParameters(
        command=_found(server.command), args=[expanded(each) for each in server.args], env=environ, cwd=Path.home(),
        encoding_error_handler="replace",
    )  # fmt: skip
    return stdio_client(parameters, errlog=stack.enter_context(said.open("w")))


async def _list(opened: _Open) -> list[Definition]:
    found: list[Definition] = []
    cursor: str | None = None
    while len(found) < MOST_TOOLS:
        page = await mcp_listing.listing(opened.client, cursor, opened.refused)
        found += [
            Definition(tool.name, tool.description or "", mcp_listing.stated_schema(tool), _kind(tool.annotations))
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _kind(hints: "ToolAnnotations | None") -> str:
    """The class that a tool's annotations claim, for the operator to accept."""
    if hints is None:
        return "external_side_effect"
    if hints.read_only_hint:
        return "read_only"
    if hints.destructive_hint:
        return "high_risk"
    closed = hints.destructive_hint is False and hints.open_world_hint is False
    return "reversible_write" if closed else "external_side_effect"


async def _call(client: "Client", tool: str, arguments: dict[str, object]) -> tuple[bool, str]:
    found = await client.call_tool(tool, arguments)
    texts = [_block(block) for block in found.content]
    if not texts and found.structured_content is not None:
        import json  # noqa: PLC0415 - seldom needed

        texts = [json.dumps(found.structured_content, ensure_ascii=False)]
    return bool(found.is_error), "\n".join(texts) or "(nothing)"


def _block(block: object) -> str:
    text = getattr(block, "text", None)
    if isinstance(text, str):
        return text
    inner = getattr(getattr(block, "resource", None), "text", None)
    if isinstance(inner, str):
        return inner
    return f"({getattr(block, 'type', 'something')} is left out: {getattr(block, 'mime_type', '') or 'no text'})"


def _is_over(error: Exception) -> bool:
    """Whether the session has ended with this, rather than one request in it."""
    from mcp import MCPError  # noqa: PLC0415 - as above
    from mcp.types import CONNECTION_CLOSED  # noqa: PLC0415 - as above

    return not isinstance(error, MCPError) or error.code == CONNECTION_CLOSED


def _reason(error: BaseException) -> str:
    """The innermost reason: groups of errors and empty ones say nothing by themselves."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{error}" or type(error).__name__


def _tail(said: Path) -> str:
    try:
        return " ".join(said.read_bytes()[-_TAIL:].decode(errors="replace").split())
    except OSError:
        return ""


def _hash(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return f"sha256:{digest.hexdigest()}"
