"""The dashboard as a server: pages, forms and the events that keep pages up to date; every request is checked here."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cache, lru_cache
from importlib import resources
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from atomic_agents.core.errors import AtomicAgentsError, InternalError
from atomic_agents.operations.rollups import Kept
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import layout
from atomic_agents.web import limits, refusals
from atomic_agents.web.admission import Admission, Rules, caller_of
from atomic_agents.web.app import Settings, token_check
from atomic_agents.web.auth import Caller, Gate, address_of
from atomic_agents.web.dashboard import draw
from atomic_agents.web.dashboard.actions import ACTIONS, SAID
from atomic_agents.web.dashboard.look import Look
from atomic_agents.web.dashboard.pages import PAGES, drawn, live_href
from atomic_agents.web.desk import Desk
from atomic_agents.web.limits import CALLER_KEY, RateLimit
from atomic_agents.web.refusals import SAFE_HEADERS, Refused

COOKIE = "atomic_agents_token"
HEADERS: Mapping[str, str] = {
    **SAFE_HEADERS,
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
}
_STATIC: Mapping[str, str] = {
    "dashboard.css": "text/css", "uPlot.min.css": "text/css", "dashboard.js": "text/javascript",
    "uPlot.iife.min.js": "text/javascript",
}  # fmt: skip
_EVENTS, _LOGIN, _STATIC_PATH = "/events", "/login", "/static/"
_LOGIN_RATE, _LOGIN_BURST = 1.0, 20.0  # of one address, a second and at first
_WHOLE_VAULT = ("upgrade",)
"""Pages that tell of every agent, so that a token for some does not open them."""
_LOOK = 1.0  # seconds between looks at the vault
_SHARE = 20.0
"""A look is followed by a rest so many times as long, so that a large vault is not always being listed."""
_ALIVE = 10.0
_MONTH = 30 * 24 * 3600


class Live:
    """The routes and what stands before each of them."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self._desk = desk
        self._logins = RateLimit(_LOGIN_RATE, _LOGIN_BURST)
        self._gate = Gate(
            token_check(desk), settings.needs_token, settings.only, settings.hosts, settings.proxy,
            local=("admin", "run", "read"),  # who is on this machine can type the commands too
            cookie=COOKIE,
        )  # fmt: skip
        self._key = secrets.token_bytes(32)
        self._watch = _Watch(desk)
        self._kept: dict[int, Kept] = {}

    def asgi(self) -> ASGIApp:
        """The application."""
        routes = [Route(live_href(page), self._guarded(self._page(page))) for page in PAGES]
        routes += [Route(f"/{name}", self._guarded(self._form(name)), methods=["POST"]) for name in ACTIONS]
        routes += [
            Route(_EVENTS, self._guarded(self._events)),
            Route(_LOGIN, self._login, methods=["POST"]),
            Route(f"{_STATIC_PATH}{{name}}", self._static),
        ]
        app = Starlette(
            routes=routes, exception_handlers={404: self._nowhere, 405: self._nowhere, Exception: self._bug}
        )
        rules = Rules(
            _refused,
            needs_nobody=lambda request: request.url.path == _LOGIN or request.url.path.startswith(_STATIC_PATH),
            is_stream=lambda request: request.url.path == _EVENTS,
            headers=HEADERS,
        )
        return Admission(app, self._desk, self._gate, rules)

    def _guarded(
        self, act: Callable[[Request, Caller], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            caller = caller_of(request.scope)
            try:
                caller.require("read")
                return await act(request, caller)
            except (Refused, AtomicAgentsError) as error:
                return _refused(request, error)

        return endpoint

    def _page(self, page: str) -> Callable[[Request, Caller], Awaitable[Response]]:
        async def act(request: Request, caller: Caller) -> Response:
            if caller.agents and page in _WHOLE_VAULT:
                raise Refused(404, "not-found", "this page is about every agent, and your token is for some")
            query = dict(request.query_params)
            said = SAID.get(query.pop("said", ""), "")

            def work(workspace: Workspace) -> str:
                look = Look(workspace, self._kept_of(workspace), caller.agents)
                return drawn(
                    look, page, query, live_href, live=True, assets="/static/", csrf=self._csrf(caller), said=said,
                    may_act="admin" in caller.verbs,
                )  # fmt: skip

            return HTMLResponse(await self._desk.read(work))

        return act

    def _kept_of(self, workspace: Workspace) -> Kept:
        """The sums of a workspace, which the desk keeps as long as it runs, and gives to one thread at a time."""
        found = self._kept.get(id(workspace))
        if found is None:
            found = self._kept[id(workspace)] = Kept(workspace)
        return found

    def _form(self, name: str) -> Callable[[Request, Caller], Awaitable[Response]]:
        async def act(request: Request, caller: Caller) -> Response:
            caller.require("admin")
            form = await self._sent(request)
            if not hmac.compare_digest(form.get("csrf", "").encode(), self._csrf(caller).encode()):
                raise Refused(
                    403, "form-refused", "this form is not from this server as it runs now", hint="load the page again"
                )
            done = await self._desk.read(ACTIONS[name], caller, form)
            if done.item is not None:
                self._desk.go_on(done.item)
            return RedirectResponse(done.where, 303)

        return act

    async def _sent(self, request: Request) -> Mapping[str, str]:
        """The fields of a form.

        Raises:
            Refused: it is none, or says not where it comes from.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise Refused(415, "not-a-form", "only forms are taken here")
        if "origin" not in request.headers:  # which every browser sends with a form; the gate has compared it
            raise Refused(403, "origin-refused", "a form must say where it comes from")
        data = await limits.body(request, self._desk.limits.body)
        try:
            return dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=50))
        except ValueError as error:
            raise Refused(400, "usage", f"the form cannot be read: {error}") from None

    def _csrf(self, caller: Caller) -> str:
        return hmac.new(self._key, caller.name.encode(), "sha256").hexdigest()

    async def _events(self, _request: Request, _caller: Caller) -> Response:
        async def events() -> AsyncIterator[str]:
            sent, at = "", time.monotonic()
            while not self._desk.draining:
                found = await self._watch.digest()
                if found != sent:
                    yield f"event: vault\ndata: {found}\n\n"
                    sent, at = found, time.monotonic()
                elif time.monotonic() - at > _ALIVE:
                    yield ": still here\n\n"
                    at = time.monotonic()
                await asyncio.sleep(_LOOK)

        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(events(), headers=headers, media_type="text/event-stream")

    async def _login(self, request: Request) -> Response:
        """Take a token and keep it in a cookie that no script and no other site sees."""
        try:
            form = await self._login_form(request)
        except (Refused, AtomicAgentsError) as error:
            return _refused(request, error)
        secret, where = form.get("token", "").strip(), form.get("next", "/")
        is_ours = where.startswith("/") and where[1:2] not in ("/", "\\")
        response = RedirectResponse(where if is_ours else "/", 303)
        is_safe = request.url.scheme == "https"
        response.set_cookie(COOKIE, secret, max_age=_MONTH, httponly=True, samesite="strict", secure=is_safe)
        return response

    async def _login_form(self, request: Request) -> Mapping[str, str]:
        """The fields of a login, with a token that is known.

        Raises:
            Refused: it is not, or there were too many.
        """
        address = address_of(request)
        if wait := self._logins.take(address):
            raise limits.too_fast(wait)
        form = await self._sent(request)
        if await self._gate.tokens.holder(form.get("token", "").strip(), address) is None:
            raise Refused(401, "unauthorized", "the token is unknown, revoked or expired")
        return form

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            return await self._nowhere(request, None)
        return Response(static(name), media_type=_STATIC[name], headers={"cache-control": "max-age=300"})

    async def _nowhere(self, request: Request, _error: object) -> Response:
        return _refused(request, Refused(404, "not-found", f"there is no page {request.url.path}"))

    async def _bug(self, request: Request, error: Exception) -> Response:
        return _refused(request, InternalError(f"a bug: {type(error).__name__}: {error}"))


class _Watch:
    """Tells whether anything in the vault has changed, from stamps alone; one look serves every page that is open."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = asyncio.Lock()
        self._digest = ""
        self._next = 0.0

    async def digest(self) -> str:
        """A digest of the stamps of all documents, not older than a moment."""
        async with self._lock:
            begun = time.monotonic()
            if begun >= self._next:
                own = CALLER_KEY.set("")  # it is nobody's reading, since everybody waits for it
                try:
                    self._digest = await self._desk.read(_stamps)
                finally:
                    CALLER_KEY.reset(own)
                took = time.monotonic() - begun
                self._next = begun + max(_LOOK, took * _SHARE)
            return self._digest


def _stamps(workspace: Workspace) -> str:
    found = hashlib.blake2b(workspace.clock().date().isoformat().encode(), digest_size=12)
    for entry in workspace.store.list():
        if not entry.path.startswith(f"{layout.DASHBOARD}/"):
            found.update(f"{entry.path}\0{entry.stamp}\n".encode(errors="surrogateescape"))
    return found.hexdigest()


@cache
def static(name: str) -> bytes:
    """One of the files that pages need."""
    return (resources.files("atomic_agents.web.dashboard") / "static" / name).read_bytes()


def live_of(desk: Desk, settings: Settings) -> ASGIApp:
    """The application that answers people."""
    return Live(desk, settings).asgi()


def _refused(request: Request, error: Refused | AtomicAgentsError) -> Response:
    refused = error if isinstance(error, Refused) else refusals.as_refused(error)
    where = f"{request.url.path}?{request.url.query}".rstrip("?") if request.method == "GET" else "/"
    title = "This cannot be shown" if request.method == "GET" else "Not done"
    body = _error_page(title, refused.message, refused.hint, where, login=refused.status == 401)
    headers = {name: value for name, value in refused.headers.items() if name != "www-authenticate"}
    return HTMLResponse(body, refused.status, headers)


@lru_cache(64)
def _error_page(title: str, message: str, hint: str, where: str, *, login: bool) -> str:
    """A refusal as a page; whoever is refused again and again is to cost little."""
    title = "A token, please" if login else title
    return draw.render("error.html", title=title, message=message, hint=hint, login=login, next=where)
