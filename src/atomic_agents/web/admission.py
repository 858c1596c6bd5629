"""What every request meets before the application: health, the headers of each answer, who asks, and their share."""

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atomic_agents.core.errors import AtomicAgentsError, InternalError
from atomic_agents.operations.workspace import Workspace
from atomic_agents.web import limits, refusals
from atomic_agents.web.auth import Caller, Gate, address_of
from atomic_agents.web.desk import Desk
from atomic_agents.web.limits import CALLER_KEY, RateLimit, Slots, share, too_fast
from atomic_agents.web.refusals import SAFE_HEADERS, Refused

OPEN = {"/healthz": "it is alive", "/readyz": "it takes requests"}
"""Paths at which whoever keeps a server running asks how it does; they tell nothing, and ask for no token."""

_HEALTH_SECONDS = 1.0
_CALLER = "atomic_agents.caller"


def caller_of(scope: Scope) -> Caller:
    """Who asks, of a request that was let in."""
    caller = scope[_CALLER]
    assert isinstance(caller, Caller)  # noqa: S101 - no request comes this far without one
    return caller


def _never(_request: Request) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between the doors.

    `refuse` tells a refusal in the door's shape. `needs_nobody` says which requests are for everyone, `is_stream` which
    are answered by events without an end.
    """

    refuse: Callable[[Request, Refused], Response]
    needs_nobody: Callable[[Request], bool] = _never
    is_stream: Callable[[Request], bool] = _never
    headers: Mapping[str, str] | None = None


class Admission:
    """Lets a request in to `app` or refuses it; health is answered before any limit."""

    def __init__(self, app: ASGIApp, desk: Desk, gate: Gate, rules: Rules) -> None:
        self._app = app
        health = _Health(desk)
        self._health = Starlette(routes=[Route("/healthz", health.alive), Route("/readyz", health.ready)])
        self._gate = gate
        self._rules = rules
        self._rates = RateLimit(desk.limits.rate, desk.limits.rate * 2)
        self._requests = Slots(limits.REQUESTS, share(limits.REQUESTS), "requests")
        self._streams = Slots(limits.STREAMS, limits.STREAMS_EACH, "streams")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_safely(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in (self._rules.headers or SAFE_HEADERS).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._answer(scope, receive, send_safely)
        except ClientDisconnect:
            return  # nobody takes the answer: the server closes what is left open
        except Exception as error:
            if begun:
                raise
            traceback.print_exc()
            refused = refusals.as_refused(InternalError(f"a bug: {type(error).__name__}"))
            await self._rules.refuse(Request(scope), refused)(scope, receive, send_safely)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if scope["path"] in OPEN:
            await self._health(scope, receive, send)
            return
        try:
            caller = await self._admit(request)
            slots = self._streams if self._rules.is_stream(request) else self._requests
            slots.take(caller.key)
        except (Refused, AtomicAgentsError) as error:
            refused = error if isinstance(error, Refused) else refusals.as_refused(error)
            await self._rules.refuse(request, refused)(scope, receive, send)
            return
        try:
            CALLER_KEY.set(caller.key)
            await self._app({**scope, _CALLER: caller}, receive, send)
        finally:
            slots.give_back(caller.key)

    async def _admit(self, request: Request) -> Caller:
        self._gate.check_place(request)
        if self._rules.needs_nobody(request):
            return Caller("somebody", (), key=f"address:{address_of(request)}")
        caller = await self._gate.admit(request)
        if wait := self._rates.take(caller.key):
            raise too_fast(wait)
        return caller


class _Health:
    """Whether the server is alive, and whether it takes requests; who asks often is told what was seen a moment ago."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._looked = float("-inf")
        self._lock = asyncio.Lock()
        self._state = "ok"

    async def alive(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        async with self._lock:
            if time.monotonic() - self._looked >= _HEALTH_SECONDS:
                self._state = await self._look()
                self._looked = time.monotonic()
        state = "ending" if self._desk.draining else self._state
        return JSONResponse({"status": state}, 200 if state == "ok" else 503)

    async def _look(self) -> str:
        try:
            await self._desk.check(Workspace.require)
        except AtomicAgentsError as error:
            return error.code
        return "ok"
