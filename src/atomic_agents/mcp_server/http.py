"""MCP over streamable HTTP: who may ask is settled as at the HTTP door, before anything is read."""

import asyncio
import logging
import socket
from collections.abc import Callable

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atomic_agents.mcp_server.asking import GONE
from atomic_agents.mcp_server.server import Door
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.tokens import Verb
from atomic_agents.web import app, refusals
from atomic_agents.web.admission import Admission, Rules, caller_of
from atomic_agents.web.app import Settings
from atomic_agents.web.auth import Gate
from atomic_agents.web.desk import Desk
from atomic_agents.web.refusals import Refused

PATH = "/mcp"
_LOOK = 0.2  # seconds


def serve(
    open_workspace: Callable[[], Workspace], settings: Settings, verbs: tuple[Verb, ...], listening: socket.socket
) -> int:  # fmt: skip
    """Serve until told to end, then let runs end; how many would not."""
    return asyncio.run(_serve(open_workspace, settings, verbs, listening))


async def _serve(
    open_workspace: Callable[[], Workspace], settings: Settings, verbs: tuple[Verb, ...], listening: socket.socket
) -> int:  # fmt: skip
    desk = Desk(open_workspace, settings.limits, "")
    logging.getLogger("mcp").setLevel(logging.ERROR)
    server = Door(desk, settings.only, verbs).server()
    manager = StreamableHTTPSessionManager(server, max_request_body_size=settings.limits.body)
    # A stream that waits for an answer does not end with the signal, but with its run.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call] # theirs has no types
    ending = asyncio.create_task(_end_streams(desk))
    async with manager.run():
        left = await app.listen(application(desk, settings, manager), desk, listening)
    ending.cancel()
    return left


async def _end_streams(desk: Desk) -> None:
    """Let the streams that stay open end, once those that wait for an answer have it."""
    while not desk.draining or desk.going:  # noqa: ASYNC110 - a run and a signal know no event loop
        await asyncio.sleep(_LOOK)
    AppStatus.should_exit = True


def application(desk: Desk, settings: Settings, manager: StreamableHTTPSessionManager) -> ASGIApp:
    """The application: a request is let in or refused before the protocol is spoken."""
    gate = Gate(
        app.token_check(desk), settings.needs_token, settings.only, settings.hosts,
        command="atomic-agents mcp-server --http",
    )  # fmt: skip
    rules = Rules(lambda _request, refused: refusals.plain(refused), is_stream=lambda request: request.method == "GET")
    return Admission(_Front(manager), desk, gate, rules)


class _Front:
    """Hands a request on with who asks, and whether they have gone."""

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"].rstrip("/") != PATH:
            elsewhere = Refused(404, "not-found", f"there is no {scope['path']}", hint=f"MCP is spoken at {PATH}")
            await refusals.plain(elsewhere)(scope, receive, send)
            return
        gone = asyncio.Event()

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        # A session is only for the one who has opened it.
        user = AuthenticatedUser(AccessToken(token="", client_id=caller_of(scope).key, scopes=[]))
        await self._manager.handle_request({**scope, GONE: gone, "user": user}, heard, send)
