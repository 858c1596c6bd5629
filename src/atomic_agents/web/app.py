"""The application: every request is let in or refused in one place, and the server that ends without loss."""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp

from atomic_agents.core.errors import AtomicAgentsError, InternalError, UsageError
from atomic_agents.operations.tokens import TokenTable
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.tokens import Token
from atomic_agents.web import api, connections, metrics, openai, refusals
from atomic_agents.web.admission import OPEN, Admission, Rules, caller_of
from atomic_agents.web.auth import Gate, Proxy, TokenCheck
from atomic_agents.web.contract import Call, Route, document
from atomic_agents.web.desk import Desk
from atomic_agents.web.limits import Limits
from atomic_agents.web.refusals import Refused

_BACKLOG = 1024
_ACCEPTED_AT_ONCE = 16
"""Connections that are taken before those that were taken already are read, so that a crowd keeps nobody waiting."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the door asks and gives. `only` is the one agent that is served, "" all; `hosts` names of the server."""

    only: str = ""
    needs_token: bool = False
    hosts: tuple[str, ...] = ()
    proxy: Proxy | None = None
    limits: Limits = field(default_factory=Limits)
    key_header: str = "idempotency-key"


Make = Callable[[Desk, Settings], ASGIApp]


class App:
    """The routes and what stands before each of them."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self._desk = desk
        self._settings = settings
        self._routes = (*api.ROUTES, *openai.ROUTES, *self._own())
        self._document = document(self._routes, OPEN)

    def asgi(self) -> ASGIApp:
        """The application."""
        paths = [Path(route.path, self._endpoint(route), methods=[route.method]) for route in self._routes]
        app = Starlette(routes=paths, exception_handlers={HTTPException: self._nowhere, Exception: self._bug})
        settings = self._settings
        gate = Gate(
            token_check(self._desk), settings.needs_token, settings.only, settings.hosts, settings.proxy
        )  # fmt: skip
        return Admission(app, self._desk, gate, Rules(self._refuse))

    def _endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                response = await route.act(await route.admitted(self._desk, request, caller_of(request.scope)))
            except (Refused, AtomicAgentsError) as error:
                refused = error if isinstance(error, Refused) else refusals.as_refused(error)
                response = _shaped(request, refused)
            self._desk.metrics.add("http_requests_total", route=route.path, status=str(response.status_code))
            return response

        return endpoint

    def _refuse(self, request: Request, refused: Refused) -> Response:
        self._desk.metrics.add("http_requests_total", route="", status=str(refused.status))
        return _shaped(request, refused)

    def _own(self) -> Sequence[Route]:
        return (
            Route("GET", "/openapi.json", "this document", "read", self._openapi),
            Route("GET", "/metrics", "counters for Prometheus", "read", self._metrics),
        )

    async def _openapi(self, _call: Call) -> Response:
        return JSONResponse(self._document)

    async def _metrics(self, call: Call) -> Response:
        names = await call.desk.read(lambda workspace: workspace.vault.survey().agents)
        gauges = await call.desk.read(metrics.spent, tuple(name for name in names if call.caller.reaches(name)))
        gauges[("runs_going", ())] = call.desk.going
        return PlainTextResponse(call.desk.metrics.text(gauges), media_type="text/plain; version=0.0.4")

    async def _nowhere(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        found = Refused(status, "not-found", f"there is no {request.url.path}", hint="GET /openapi.json")
        if status == 405:
            found = Refused(405, "method-not-allowed", f"{request.url.path} takes no {request.method}")
        headers = error.headers if isinstance(error, HTTPException) else None
        found.headers.update(headers or {})
        return _shaped(request, found)

    async def _bug(self, request: Request, error: Exception) -> Response:
        return _shaped(request, refusals.as_refused(InternalError(f"a bug: {type(error).__name__}: {error}")))


def token_check(desk: Desk) -> TokenCheck:
    """What knows the tokens of the vault that a desk reads."""
    table = TokenTable()

    async def find(secret: str) -> Token | None:
        return await desk.check(table.find, secret)

    return TokenCheck(table, find, desk.limits.rate)


def _shaped(request: Request, refused: Refused) -> Response:
    return (refusals.openai if request.url.path.startswith("/v1/") else refusals.plain)(refused)


class _Server(uvicorn.Server):
    """A server that takes no more runs from the moment it is told to end; told twice, it waits for none."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk
        self.told = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen; asyncio has one number for what is taken at once and for what may queue up."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(_BACKLOG)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to end; the signal is not raised again afterwards, since to end well is no failure."""
        self.force_exit = self.should_exit
        self.should_exit = self._desk.draining = True
        self.told = self.told or time.monotonic()


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        UsageError: the port is taken, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once only on sockets that say they are TCP; else each answer waits 40 ms for an acknowledgement.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        hint = f"see who listens there, or take another: --port {port + 1}"
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint=hint) from error
    return found


def api_of(desk: Desk, settings: Settings) -> ASGIApp:
    """The application that answers programs."""
    return App(desk, settings).asgi()


def serve(
    open_workspace: Callable[[], Workspace], settings: Settings, listening: socket.socket, make: Make = api_of,
    *, processes: int = 1,
) -> int:  # fmt: skip
    """Serve what `make` makes until told to end, then let runs end; how many would not.

    Runs go on in this process, or where there are more `processes` in those; `open_workspace` is taken along there.
    """
    return asyncio.run(_serve(open_workspace, settings, listening, make, processes))


async def _serve(
    open_workspace: Callable[[], Workspace], settings: Settings, listening: socket.socket, make: Make, processes: int
) -> int:
    desk = Desk(open_workspace, settings.limits, settings.key_header, processes)
    return await listen(make(desk, settings), desk, listening)


async def listen(served: ASGIApp, desk: Desk, listening: socket.socket) -> int:
    """Serve an application, then let the runs of its desk end; how many would not."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        served,
        http=connections.protocol(connections.allow_files()),  # type: ignore[arg-type] # it is only called
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_ACCEPTED_AT_ONCE,
        proxy_headers=False,
        timeout_keep_alive=int(connections.HEAD_SECONDS),
        timeout_graceful_shutdown=max(int(desk.limits.drain), 1),
    )
    server = _Server(config, desk)
    await server.serve([listening])
    return await desk.drain(0.0 if server.force_exit else server.told + desk.limits.drain - time.monotonic())
