"""Fetch a page: from hosts that tools.md allows, at addresses that are public, within bounds of size, type and time.

A host's addresses are looked up once, all of them are checked, and the connection goes to a checked one: what a name
means cannot change in between. Every redirect goes through the same. One deadline holds for all of it, from the first
look-up to the last word; what a server sends is read in a process of its own, which ends with the deadline.
"""

import fnmatch
import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from atomic_agents.core.model import ToolSpec
from atomic_agents.tools.addresses import Address, is_public
from atomic_agents.guard.reader_process import Limits, ReaderFailed, ReaderLate, ReaderProcess
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.tool import Tool

MAX_BYTES = 2 << 20
SECONDS = 20.0
CPU_SECONDS = 10
MEMORY = 512 << 20
MAX_REDIRECTS = 5

Resolve = Callable[[str, int], Sequence[str]]

_MAX_URL = 4096
_SHOWN = 200
_MAX_ANSWER = 8 * MAX_BYTES  # a byte of a page is three of UTF-8 at most, and a tag a line break and a mark
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_QUOTED = "%/:=&?~#+!$,;'@()*[]|"  # is not escaped in a path or a query, escapes that stand there included


class Refused(Exception):
    """Why a page is not fetched."""


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Web:
    """How pages are fetched. `hosts` are names or globs such as `*.example.org`; `*` is every public host."""

    hosts: tuple[str, ...]
    resolve: Resolve = look_up
    allowed: Callable[[Address], bool] = is_public
    seconds: float = SECONDS

    def fetch(self, url: str) -> tuple[str, str]:
        """The address at which a page was found in the end, and its text.

        Raises:
            Refused: the settings, the address, the type, the size or the deadline forbid it.
            OSError: it cannot be reached.
        """
        self._checked(url)
        limits = Limits(self.seconds, CPU_SECONDS, MEMORY, _MAX_ANSWER)
        with ReaderProcess("atomic_agents.tools.page_reader", limits) as reader:
            for _ in range(MAX_REDIRECTS + 1):
                parts, host = self._checked(url)
                answer = self._get(reader, parts, host)
                if "text" in answer:
                    return url, str(answer["text"])
                url = _next(url, str(answer["location"]))
        raise Refused(f"more than {MAX_REDIRECTS} redirects")

    def _checked(self, url: str) -> tuple[SplitResult, str]:
        """A URL in its parts, and its host as it is looked up."""
        if len(url) > _MAX_URL:
            raise Refused(f"a URL of {len(url):,} characters is not fetched")
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise Refused(f"{url[:_SHOWN]!a} is no URL: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{url[:_SHOWN]!a} is no http or https URL")
        if parts.username is not None or parts.password is not None:
            raise Refused("a URL with a user name in it is not fetched")
        if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
            raise Refused(f"{url[:_SHOWN]!a} has signs that no URL has")
        host = _host(parts.hostname, in_brackets="[" in parts.netloc)
        if not any(fnmatch.fnmatchcase(host, _pattern(pattern)) for pattern in self.hosts):
            raise Refused(f"tools.md does not allow {host}; fetch_hosts has {', '.join(self.hosts)}")
        return parts, host

    def _get(self, reader: ReaderProcess, parts: SplitResult, host: str) -> Mapping[str, object]:
        """What the reader says of a page: its `text`, or the `location` it leads to."""
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        address = self._address(host, port, reader.seconds_left)
        named = f"[{host}]" if ":" in host else host
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            answer = reader.ask({
                "address": address, "host": host, "port": port, "secure": secure, "seconds": reader.seconds_left,
                "target": quote(target, safe=_QUOTED), "host_header": f"{named}:{parts.port}" if parts.port else named,
                "most": MAX_BYTES,
            })  # fmt: skip
        except ReaderLate:
            raise self._late(host) from None
        except ReaderFailed as error:
            raise Refused(f"{host} sends what cannot be read: {error}") from None
        if "late" in answer:
            raise self._late(host)
        if "unreachable" in answer:
            raise ConnectionError(str(answer["unreachable"]))
        if "refused" in answer:
            raise Refused(f"{parts.geturl()[:_SHOWN]}: {answer['refused']}")
        return answer

    def _address(self, host: str, port: int, seconds: float) -> str:
        """A checked address of a host. One that is not public spoils all: it is no mistake to have both."""
        addresses = self._addresses(host, port, seconds)
        for each in addresses:
            if not self.allowed(ipaddress.ip_address(each.partition("%")[0])):
                raise Refused(f"{host} is at {each}, which is no public address")
        if not addresses:
            raise Refused(f"{host} has no address")
        return addresses[0]

    def _addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """The addresses of a host. No look-up can be broken off, so one that takes too long is left to itself."""
        addresses: list[str] = []
        errors: list[Exception] = []

        def look() -> None:
            try:
                addresses.extend(self.resolve(host, port))
            except Exception as error:  # noqa: BLE001 - it is raised below, on the thread that asked
                errors.append(error)

        thread = threading.Thread(target=look, name=f"look up {host}", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            raise self._late(host)
        if errors and isinstance(errors[0], OSError | UnicodeError):
            raise Refused(f"{host} cannot be found: {errors[0]}") from errors[0]
        if errors:
            raise errors[0]
        return addresses

    def _late(self, host: str) -> Refused:
        return Refused(f"{host} took longer than {self.seconds:g} s")


def tool(web: Web) -> Tool:
    """The tool `fetch_url`."""

    def handle(arguments: Mapping[str, object]) -> str:
        url, text = web.fetch(str(arguments["url"]))
        return as_data(url, text, provenance="tool")

    hosts = ", ".join(web.hosts)
    spec = ToolSpec(
        "fetch_url",
        f"Fetch a web page as text. Allowed hosts: {hosts}.",
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["url"],
            "properties": {"url": {"type": "string", "minLength": 8, "maxLength": 2000}},
        },
    )
    return Tool(spec, handle, parallel=True, seconds=web.seconds + 5)


def _next(url: str, location: str) -> str:
    """Where a redirect leads; the URL is checked when it is fetched."""
    location = quote(location.encode("latin-1", "replace"), safe=_QUOTED)  # headers are read as Latin-1
    try:
        after = urljoin(url, location)
        scheme = urlsplit(after).scheme
    except ValueError as error:
        raise Refused(f"{url} leads to {location[:_SHOWN]!a}, which is no URL: {error}") from None
    if urlsplit(url).scheme == "https" and scheme != "https":
        raise Refused(f"{url} leads from https to {after[:_SHOWN]}")
    return after


def _host(name: str, *, in_brackets: bool) -> str:
    """A host as it is looked up: a name in ASCII and lower case, or an address in its one usual spelling.

    Raises:
        Refused: it is neither, or a number that some read as one address and some as another.
    """
    try:
        if in_brackets:
            address = ipaddress.IPv6Address(name)
            if address.scope_id is not None:
                raise ValueError("it is an address of one network")
            return str(address)
        host = name.rstrip(".").lower()
        if not host.isascii():
            host = host[:_SHOWN].encode("idna").decode().lower()
        if not _NAME.fullmatch(host):
            raise ValueError("it is no host name")
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            return str(ipaddress.IPv4Address(host))
    except ValueError as error:
        raise Refused(f"{name[:_SHOWN]!a} is not fetched: {error}") from None
    return host


def _pattern(pattern: str) -> str:
    """A pattern of `fetch_hosts` as hosts are compared with it."""
    try:
        return pattern.lower().encode("idna").decode().lower()
    except UnicodeError:
        return pattern.lower()
