"""Who asks, and whether from where they may: hosts, origins, tokens, and the header of a proxy that is trusted."""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from atomic_agents.vault.tokens import PREFIX, Token, Verb
from atomic_agents.web.refusals import Refused

_LOCAL = ("localhost", "127.0.0.1", "::1")
_LONGEST_NAME = 256
_HINT = "send Authorization: Bearer TOKEN\natomic-agents serve token add NAME"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `agents` are those within reach, none of them meaning all."""

    name: str
    verbs: tuple[Verb, ...]
    agents: tuple[str, ...] = ()

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

    holder: Callable[[str], Awaitable[Token | None]]
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
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        secret = sent.strip() if kind.lower() == "bearer" else request.cookies.get(self.cookie, "")
        # Clients of OpenAI's API always send a key; where none is needed, only one of ours means anything.
        if secret and (self.needs_token or secret.startswith(PREFIX)):
            token = await self.holder(secret)
            if token is None:
                raise _unknown("the token is unknown, revoked or expired")
            agents = tuple(agent for agent in token.agents if not only or agent in only)
            if token.agents and not agents:
                raise Refused(403, "forbidden", f"{token.name} is for agents that are not served here")
            return Caller(token.name, token.verbs, agents or only)
        if (found := self._from_proxy(request)) is not None:
            return Caller(found, ("run", "read"), only)
        if self.needs_token:
            raise _unknown("a token is needed")
        return Caller("this machine", self.local, only)

    def _from_proxy(self, request: Request) -> str | None:
        if self.proxy is None or request.client is None or request.client.host not in self.proxy.addresses:
            return None
        values = request.headers.getlist(self.proxy.header)
        name = values[0].strip() if len(values) == 1 else ""
        return f"{name[:_LONGEST_NAME]} (by the proxy)" if name else None

    def check_place(self, request: Request) -> None:
        """Refuse names that lead here by a rebound DNS entry, and pages of other sites.

        Raises:
            Refused: the Host or the Origin is a stranger's.
        """
        hosts = request.headers.getlist("host")
        host = _name(hosts[0]) if len(hosts) == 1 else ""
        if not self._is_ours(host):
            hint = f"{self.command} --allow-host {host or 'NAME'}"
            raise Refused(421, "host-refused", f"this server is not called {host or 'nothing'}", hint=hint)
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != hosts[0].strip().lower():
            raise Refused(403, "origin-refused", "pages of other sites may not ask this server")

    def _is_ours(self, host: str) -> bool:
        # No DNS entry leads to an address that is written as one.
        return host in _LOCAL or host in self.hosts or _is_address(host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _name(header: str) -> str:
    """The host that a header names, in lower case and without its port; "" where it names none."""
    try:
        return (urlsplit(f"//{header.strip()}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unknown(message: str) -> Refused:
    return Refused(401, "unauthorized", message, hint=_HINT, headers={"www-authenticate": "Bearer"})
