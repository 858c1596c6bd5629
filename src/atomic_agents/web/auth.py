"""Who asks, and whether from where they may: hosts, origins, tokens, and the header of a proxy that is trusted."""

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from atomic_agents.operations.tokens import TokenTable
from atomic_agents.vault.tokens import PREFIX, Token, Verb
from atomic_agents.web.hosts import Host, is_same_origin, parse_host
from atomic_agents.web.limits import RateLimit, too_fast
from atomic_agents.web.refusals import Refused

_LOCAL = ("localhost", "127.0.0.1", "::1")
_LONGEST_NAME = 256
_WRONG_RATE, _WRONG_BURST = 1.0, 20.0  # unknown tokens of one address, a second and at first
_RELOAD_SECONDS = 1.0
_HELD_SECONDS, _MOST_HELD = 0.05, 64
_HINT = "send Authorization: Bearer TOKEN\natomic-agents serve token add NAME"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `agents` are those within reach, none of them meaning all.

    `key` is whose limits count: the token's, or the address's where there is none. `principal` is whose idempotency
    keys these are, "" for everybody on this machine.
    """

    name: str
    verbs: tuple[Verb, ...]
    agents: tuple[str, ...] = ()
    key: str = ""
    principal: str = ""

    def reaches(self, agent: str) -> bool:
        """Whether an agent is within reach."""
        return not self.agents or agent in self.agents

    def may(self, verb: Verb) -> bool:
        """Whether the caller may do what takes `verb`."""
        return verb in self.verbs or "admin" in self.verbs

    def require(self, verb: Verb) -> None:
        """Refuse what a caller may not do.

        Raises:
            Refused: with the way to a token that may.
        """
        if not self.may(verb):
            hint = f"atomic-agents serve token add NAME --verb {verb}"
            raise Refused(403, "forbidden", f"{self.name} may not do this: it takes {verb}", hint=hint)


class TokenCheck:
    """Finds the token that a caller sends; whoever guesses is slowed before anything is looked up.

    `find` looks in the vault, at most `rate` times a second for each token. Tokens that were good at the last look are
    looked up whatever else comes from their address, so that no neighbour who guesses keeps anybody out.
    """

    def __init__(self, table: TokenTable, find: Callable[[str], Awaitable[Token | None]], rate: float = 100.0) -> None:
        self._table = table
        self._find = find
        self._known = RateLimit(rate, rate * 2)
        self._wrong = RateLimit(_WRONG_RATE, _WRONG_BURST)
        self._reloading: asyncio.Future[Token | None] | None = None
        self._reloaded = 0.0
        self._held = 0

    async def holder(self, secret: str, address: str) -> Token | None:
        """The token; None where it is unknown, revoked or expired.

        Raises:
            Refused: too many unknown tokens came from that address, or the token comes too often.
        """
        if self._table.has(secret):
            if wait := self._known.take(secret):
                raise too_fast(wait)
            token = await self._find(secret)
            if token is None:  # revoked since
                self._wrong.take(address)
            return token
        wait = self._wrong.take(address)
        if wait:
            await self._reload()  # the token may have been made since
            if not self._table.has(secret):
                await self._hold_up()
                raise too_fast(wait, "too many unknown tokens came from your address")
        token = await self._find(secret)
        if token is not None and not wait:
            self._wrong.put_back(address)
        return token

    async def _hold_up(self) -> None:
        """Let a guesser wait, so that guessing as fast as one is answered takes little of the server."""
        if self._held < _MOST_HELD:
            self._held += 1
            try:
                await asyncio.sleep(_HELD_SECONDS)
            finally:
                self._held -= 1

    async def _reload(self) -> None:
        """Look for new tokens, at most once a second whoever asks."""
        now = time.monotonic()
        if self._reloading is None or (self._reloading.done() and now - self._reloaded >= _RELOAD_SECONDS):
            self._reloaded = now
            self._reloading = asyncio.ensure_future(self._find(""))
        await asyncio.shield(self._reloading)


def address_of(request: Request) -> str:
    """The address that a request came from; of IPv6 the network, since a host has all of its addresses."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return host if address.is_loopback else str(ipaddress.ip_network((address, 64), strict=False))


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that says in `header` who asks; only peers in `addresses` are believed."""

    header: str
    addresses: tuple[str, ...] = _LOCAL[1:]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the door asks of a request. `only` is the one agent that is served, "" all; `hosts` are further names.

    `local` is what whoever is on this machine may do where no token is needed; `cookie` is where a browser keeps one;
    `command` is what serves, for hints.
    """

    tokens: TokenCheck
    needs_token: bool
    only: str = ""
    hosts: tuple[str, ...] = ()
    proxy: Proxy | None = None
    local: tuple[Verb, ...] = ("run", "read")
    cookie: str = ""
    command: str = "atomic-agents serve"

    async def admit(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            Refused: nobody whom this door knows.
        """
        only = (self.only,) if self.only else ()
        secret, address = self._secret(request), address_of(request)
        # Clients of OpenAI's API always send a key; where none is needed, only one of ours means anything.
        if secret and (self.needs_token or secret.startswith(PREFIX)):
            token = await self.tokens.holder(secret, address)
            if token is None:
                raise _unknown("the token is unknown, revoked or expired")
            agents = tuple(agent for agent in token.agents if not only or agent in only)
            if token.agents and not agents:
                raise Refused(403, "forbidden", f"{token.name} is for agents that are not served here")
            # By its hash too: another token may get the same name later.
            principal = f"token:{token.name}:{token.digest[:16]}"
            return Caller(token.name, token.verbs, agents or only, principal, principal)
        if (name := self._from_proxy(request)) is not None:
            return Caller(f"{name} (by the proxy)", ("run", "read"), only, f"proxy:{name}", f"proxy:{name}")
        if self.needs_token:
            raise _unknown("a token is needed")
        return Caller("this machine", self.local, only, f"address:{address}")

    def _secret(self, request: Request) -> str:
        """What the caller sends as its token; "" where it sends none."""
        stated = request.headers.getlist("authorization")
        if len(stated) > 1:
            raise _unknown("there is more than one Authorization")
        kind, _, sent = (stated[0] if stated else "").partition(" ")
        if kind.lower() == "bearer":
            return sent.strip()
        return request.cookies.get(self.cookie, "") if self.cookie else ""

    def _from_proxy(self, request: Request) -> str | None:
        if self.proxy is None or request.client is None or request.client.host not in self.proxy.addresses:
            return None
        values = request.headers.getlist(self.proxy.header)
        name = values[0].strip() if len(values) == 1 else ""
        return name[:_LONGEST_NAME] or None

    def check_place(self, request: Request) -> None:
        """Refuse names that lead here by a rebound DNS entry, and pages of other sites.

        Raises:
            Refused: the Host or the Origin is a stranger's.
        """
        stated = request.headers.getlist("host")
        host = parse_host(stated[0]) if len(stated) == 1 else None
        if host is None or not self._is_ours(host):
            name = host.name if host else "that"
            hint = f"{self.command} --allow-host {host.name if host else 'NAME'}"
            raise Refused(421, "host-refused", f"this server is not called {name}", hint=hint)
        origins = request.headers.getlist("origin")
        if len(origins) > 1 or not all(is_same_origin(origin, host) for origin in origins):
            raise Refused(403, "origin-refused", "pages of other sites may not ask this server")

    def _is_ours(self, host: Host) -> bool:
        # No DNS entry leads to an address that is written as one.
        return host.name in _LOCAL or host.name in self.hosts or host.is_address


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unknown(message: str) -> Refused:
    return Refused(401, "unauthorized", message, hint=_HINT, headers={"www-authenticate": "Bearer"})
