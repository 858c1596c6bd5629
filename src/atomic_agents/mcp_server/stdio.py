"""MCP over this process's stdin and stdout, for the program that has started it."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from mcp.server.stdio import stdio_server

from atomic_agents.mcp_server.server import Door
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.tokens import Verb
from atomic_agents.web.app import Settings
from atomic_agents.web.desk import Desk

_CHUNK = 65_536
_STOPPING = 0.4  # seconds: a client that ends its server waits for no more than a moment


def serve(open_workspace: Callable[[], Workspace], settings: Settings, verbs: tuple[Verb, ...]) -> int:
    """Answer until the client closes stdin or a signal comes; how many runs would not end."""
    return asyncio.run(_serve(open_workspace, settings, verbs))


async def _serve(open_workspace: Callable[[], Workspace], settings: Settings, verbs: tuple[Verb, ...]) -> int:
    desk = Desk(open_workspace, settings.limits, "")
    server = Door(desk, settings.only, verbs).server()
    close = _stdin_with_an_end()
    for sent in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows, where only the client ends it
            asyncio.get_running_loop().add_signal_handler(sent, close)
    # While it serves, what anybody prints goes to stderr.
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
    return await desk.drain(0, _STOPPING)


def _stdin_with_an_end() -> Callable[[], None]:
    """Put a pipe in front of stdin; what is returned ends it, since a read of stdin itself cannot be broken off."""
    source = os.dup(0)
    read, write = os.pipe()
    os.dup2(read, 0)
    os.close(read)
    pipe = os.fdopen(write, "wb", buffering=0)

    def pump() -> None:
        with suppress(OSError, ValueError), pipe:
            while data := os.read(source, _CHUNK):
                pipe.write(data)

    threading.Thread(target=pump, name="stdin", daemon=True).start()
    return pipe.close
