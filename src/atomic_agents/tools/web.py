"""Fetch a page: from hosts that tools.md allows, at addresses that are public, within bounds of size, type and time.

One deadline holds for all of it, from the look-up to the parsing of the page, whatever the server does.
A host's addresses are looked up once, all of them are checked, and the connection goes to a checked one: what a name
means cannot change in between. Every redirect goes through the same.
"""

import codecs
import contextlib
import fnmatch
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.core.model import ToolSpec
from atomic_agents.memory import isolated
from atomic_agents.memory.charsets import codec_for
from atomic_agents.tools.addresses import Address, is_public
from atomic_agents.tools.pages import as_data
from atomic_agents.tools.tool import Tool

MAX_BYTES = 2 << 20
SECONDS = 20.0
MAX_REDIRECTS = 5

Resolve = Callable[[str, int], Sequence[str]]

_TYPES = ("text/", "application/json", "application/xml", "application/xhtml+xml", "application/rss+xml",
          "application/atom+xml", "application/ld+json")  # fmt: skip
_CHUNK = 1 << 16


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
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def fetch(self, url: str) -> tuple[str, str]:
        """The address at which a page was found in the end, and its text.

        Raises:
            Refused: the settings, the address, the type or the size forbid it.
            OSError: it cannot be reached.
        """
        deadline = time.monotonic() + self.seconds
        try:
            return self._follow(url, deadline)
        except TimeoutError:
            raise Refused(f"{urlsplit(url).hostname} took longer than {self.seconds:g} s") from None

    def _follow(self, url: str, deadline: float) -> tuple[str, str]:
        """The page at the end of its redirects, and its text."""
        for _ in range(MAX_REDIRECTS + 1):
            parts = self._checked(url)
            status, headers, body = self._get(parts, deadline)
            location = headers.get("location")
            if status in (301, 302, 303, 307, 308) and location:
                after = _joined(url, location)
                if parts.scheme == "https" and not after.lower().startswith("https:"):
                    raise Refused(f"{url} leads from https to {after}")
                url = after
                continue
            if status >= 400:
                raise Refused(f"{url} answers with status {status}")
            return url, _as_text(headers, body, deadline)
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
        address = self._address(host, port, deadline)
        connection = _Pinned(host, port, address, self.context if secure else None, deadline)
        try:
            with connection.ending_at(deadline):
                found = self._ask(parts, host, connection)
            _left(deadline)  # a connection that was cut looks like one that has ended
        except (http.client.HTTPException, UnicodeError, OSError) as error:
            _left(deadline)
            if isinstance(error, OSError):
                raise
            raise Refused(f"{host} gives no proper answer: {error}") from error
        else:
            return found
        finally:
            connection.close()

    def _ask(self, parts: SplitResult, host: str, connection: "_Pinned") -> tuple[int, Mapping[str, str], bytes]:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = host if parts.port is None else f"{host}:{parts.port}"
        connection.request("GET", target.encode("ascii", "strict").decode(), headers={
            "Host": f"[{named}]" if ":" in host and parts.port is None else named,
            "User-Agent": "atomic-agents", "Accept": "text/*, application/json", "Accept-Encoding": "identity",
            "Connection": "close",
        })  # fmt: skip
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        redirects = 300 <= answer.status < 400
        return answer.status, headers, b"" if redirects else _read(answer, headers)

    def _address(self, host: str, port: int, deadline: float) -> str:
        """A checked address of a host. One that is not public spoils all: it is no mistake to have both."""
        try:
            found = _within(deadline, lambda: self.resolve(host, port))
        except TimeoutError:
            _left(deadline)
            raise Refused(f"{host} cannot be found: the look-up took too long") from None
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
        """Connect to the address; the certificate is checked against the name."""
        self.plain = socket.create_connection((self._address, self.port), timeout=_left(self._deadline))
        self.sock = self._context.wrap_socket(self.plain, server_hostname=self.host) if self._context else self.plain

    @contextmanager
    def ending_at(self, deadline: float) -> Iterator[None]:
        """Cut the connection at the deadline: a server that sends a byte now and then passes every other time limit."""
        timer = threading.Timer(max(deadline - time.monotonic(), 0), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # not connected yet, or no more
            self.plain.shutdown(socket.SHUT_RDWR)


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


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Refused(f"{url} leads to {location!a}, which is no URL: {error}") from None


def _within(deadline: float, look: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What a look-up that cannot be cut short gives, if it gives it in time."""
    result: Future[Sequence[str]] = Future()

    def work() -> None:
        try:
            result.set_result(look())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            result.set_exception(error)

    threading.Thread(target=work, name="look-up", daemon=True).start()
    return result.result(_left(deadline))


def _read(answer: http.client.HTTPResponse, headers: Mapping[str, str]) -> bytes:
    kind = headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if not kind.startswith(_TYPES):
        raise Refused(f"it is {kind}, and only text is fetched")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("it is compressed although that was not asked for")
    data = b""
    while True:
        chunk = answer.read1(_CHUNK)
        if not chunk:
            return data
        data += chunk
        if len(data) > MAX_BYTES:
            raise Refused(f"it is longer than {MAX_BYTES:,} bytes")


def _as_text(headers: Mapping[str, str], body: bytes, deadline: float) -> str:
    """The words of a page; what is marked up is parsed in a process of its own, which ends at the deadline."""
    stated = headers.get("content-type", "")
    charset = stated.lower().partition("charset=")[2].split(";")[0].strip("\"' ")
    codec = codec_for(charset)
    if "html" not in stated.lower():
        return body.decode(codec or "utf-8", errors="replace")
    data = codecs.BOM_UTF8 + body.decode(codec, errors="replace").encode() if codec else body
    try:
        return isolated.text_of("the page.html", data, links=True, seconds=_left(deadline)).strip()
    except DocumentUnreadable as error:
        raise Refused(error.message) from error
