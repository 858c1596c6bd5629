"""Fetch a page: from hosts that tools.md allows, at addresses that are public, within bounds of size, type and time.

A host's addresses are looked up once, all of them are checked, and the connection goes to a checked one: what a name
means cannot change in between. Every redirect goes through the same.
"""

import fnmatch
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import SplitResult, urljoin, urlsplit

from atomic_agents.core.model import ToolSpec
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.tool import Tool

MAX_BYTES = 2 << 20
SECONDS = 20.0
MAX_REDIRECTS = 5

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

_TYPES = ("text/", "application/json", "application/xml", "application/xhtml+xml", "application/rss+xml",
          "application/atom+xml", "application/ld+json")  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, (
    "168.63.129.16/32",  # what Azure tells its machines, at an address like any other
    "::/96", "fec0::/10", "64:ff9b:1::/48",  # IPv4 in an old form, local networks in an old form, local translation
)))  # fmt: skip
_CHUNK = 1 << 16


class Refused(Exception):
    """Why a page is not fetched."""


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, also where it is wrapped in another."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True)
class Web:
    """How pages are fetched. `hosts` are names or globs such as `*.example.org`; `*` is every public host."""

    hosts: tuple[str, ...]
    resolve: Resolve = look_up
    allowed: Callable[[Address], bool] = is_public
    seconds: float = SECONDS
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def fetch(self, url: str) -> tuple[str, str]:
        """The address at which a page was found in the end, and its text.

        Raises:
            Refused: the settings, the address, the type or the size forbid it.
            OSError: it cannot be reached.
        """
        deadline = time.monotonic() + self.seconds
        for _ in range(MAX_REDIRECTS + 1):
            parts = self._checked(url)
            status, headers, body = self._get(parts, deadline)
            location = headers.get("location")
            if status in (301, 302, 303, 307, 308) and location:
                after = urljoin(url, location)
                if parts.scheme == "https" and urlsplit(after).scheme != "https":
                    raise Refused(f"{url} leads from https to {after}")
                url = after
                continue
            if status >= 400:
                raise Refused(f"{url} answers with status {status}")
            return url, _as_text(headers, body)
        raise Refused(f"more than {MAX_REDIRECTS} redirects")

    def _checked(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise Refused(f"{url!a} is no URL: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{url!a} is no http or https URL")
        if parts.username is not None or parts.password is not None:
            raise Refused("a URL with a user name in it is not fetched")
        if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
            raise Refused(f"{url!a} has signs that no URL has")
        host = parts.hostname.rstrip(".").lower()
        if not any(fnmatch.fnmatchcase(host, pattern.lower()) for pattern in self.hosts):
            raise Refused(f"tools.md does not allow {host}; fetch_hosts has {', '.join(self.hosts)}")
        return parts

    def _get(self, parts: SplitResult, deadline: float) -> tuple[int, Mapping[str, str], bytes]:
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        address = self._address(host, port)
        connection = _Pinned(host, port, address, self.context if secure else None, deadline)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            named = host if parts.port is None else f"{host}:{port}"
            connection.request("GET", target.encode("ascii", "strict").decode(), headers={
                "Host": f"[{named}]" if ":" in host and parts.port is None else named,
                "User-Agent": "atomic-agents", "Accept": "text/*, application/json", "Accept-Encoding": "identity",
                "Connection": "close",
            })  # fmt: skip
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            redirects = 300 <= answer.status < 400
            return answer.status, headers, b"" if redirects else _read(answer, connection, headers, deadline)
        except (http.client.HTTPException, UnicodeError) as error:
            raise Refused(f"{host} gives no proper answer: {error}") from error
        except TimeoutError:
            raise Refused(f"{host} took longer than {self.seconds:g} s") from None
        finally:
            connection.close()

    def _address(self, host: str, port: int) -> str:
        """A checked address of a host. One that is not public spoils all: it is no mistake to have both."""
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Refused(f"{host} cannot be found: {error}") from error
        for each in found:
            if not self.allowed(ipaddress.ip_address(each.partition("%")[0])):
                raise Refused(f"{host} is at {each}, which is no public address")
        if not found:
            raise Refused(f"{host} has no address")
        return found[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that is known already, under the host's name."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext | None, deadline: float) -> None:
        super().__init__(host, port)
        self._address, self._context, self._deadline = address, context, deadline

    def connect(self) -> None:
        """Connect to the address; the certificate is checked against the name.

        `opened` stays when the answer takes the connection over.
        """
        plain = socket.create_connection((self._address, self.port), timeout=_left(self._deadline))
        self.opened = self._context.wrap_socket(plain, server_hostname=self.host) if self._context else plain
        self.opened.settimeout(_left(self._deadline))
        self.sock = self.opened


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


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _read(answer: http.client.HTTPResponse, connection: _Pinned, headers: Mapping[str, str], deadline: float) -> bytes:
    kind = headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if not kind.startswith(_TYPES):
        raise Refused(f"it is {kind}, and only text is fetched")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("it is compressed although that was not asked for")
    data = b""
    while True:
        connection.opened.settimeout(_left(deadline))
        chunk = answer.read1(_CHUNK)
        if not chunk:
            return data
        data += chunk
        if len(data) > MAX_BYTES:
            raise Refused(f"it is longer than {MAX_BYTES:,} bytes")


def _as_text(headers: Mapping[str, str], body: bytes) -> str:
    stated = headers.get("content-type", "")
    charset = stated.partition("charset=")[2].split(";")[0].strip("\"' ") or "utf-8"
    try:
        text = body.decode(charset, errors="replace")
    except LookupError:
        text = body.decode(errors="replace")
    if "html" not in stated:
        return text
    page = _Words()
    page.feed(text)
    page.close()
    return "\n".join(line for line in (" ".join(part.split()) for part in "".join(page.words).split("\n")) if line)


class _Words(HTMLParser):
    """What of a page is text for people."""

    _SKIPPED = ("script", "style", "noscript", "template", "svg", "head")
    _BLOCKS = ("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "pre", "table")

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._skipping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SKIPPED:
            self._skipping.append(tag)
        elif tag in self._BLOCKS:
            self.words.append("\n")
        elif tag == "a" and not self._skipping:
            target = dict(attrs).get("href") or ""
            self.words.append(f"({target}) " if target.startswith("http") else "")

    def handle_endtag(self, tag: str) -> None:
        if self._skipping and tag == self._skipping[-1]:
            self._skipping.pop()
        elif tag in self._BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words.append(data)
