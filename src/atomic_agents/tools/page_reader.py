"""Fetch one page from an address that was checked, and read it as text; this runs in a reader process.

Nothing that the server sends is seen by another process before it is text. The deadline is kept from outside.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Final, TypedDict, cast

from atomic_agents.memory import charsets
from atomic_agents.memory.page_text import page_text

_MAX_LOCATION: Final = 4096
_TYPES: Final = (
    "text/", "application/json", "application/xml", "application/xhtml+xml", "application/rss+xml",
    "application/atom+xml", "application/ld+json",
)  # fmt: skip
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_CHUNK: Final = 1 << 16


class Get(TypedDict):
    """What is asked for: `address` is connected to, `host` is whom the certificate has to name, `most` bytes are read."""

    address: str
    host: str
    port: int
    secure: bool
    target: str
    host_header: str
    seconds: float
    most: int


class _Refused(Exception):
    """Why a page is not read."""


def read(request: Mapping[str, object], _data: bytes) -> Mapping[str, object]:
    """A page as `text`, where it leads as `location`, or why neither came: `refused`, `unreachable` or `late`."""
    get = cast("Get", request)
    connection = _Connection(get)
    try:
        connection.request("GET", get["target"], headers={
            "Host": get["host_header"], "User-Agent": "atomic-agents", "Accept": "text/*, application/json",
            "Accept-Encoding": "identity", "Connection": "close",
        })  # fmt: skip
        return _understood(connection.getresponse(), get["most"])
    except _Refused as error:
        return {"refused": str(error)}
    except http.client.HTTPException as error:
        return {"refused": _improper(get, error)}
    except TimeoutError:
        return {"late": True}
    except OSError as error:  # an error of a certificate is also one of values
        return {"unreachable": f"{get['host']} cannot be reached: {error.strerror or error}"}
    except ValueError as error:
        return {"refused": _improper(get, error)}
    finally:
        connection.close()


def _improper(get: Get, error: Exception) -> str:
    return f"{get['host']} gives no proper answer: {type(error).__name__}: {str(error)[:200]}"


class _Connection(http.client.HTTPConnection):
    """A connection to an address that is known already; the certificate is checked against the host's name."""

    def __init__(self, get: Get) -> None:
        super().__init__(get["host"], get["port"])
        self._get = get

    def connect(self) -> None:
        """Connect to the address."""
        plain = socket.create_connection((self._get["address"], self.port), timeout=self._get["seconds"])
        self.sock = _context().wrap_socket(plain, server_hostname=self.host) if self._get["secure"] else plain


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _understood(answer: http.client.HTTPResponse, most: int) -> Mapping[str, object]:
    status, location = answer.status, answer.headers.get("location", "").strip()
    if status in _REDIRECTS and location:
        if len(location) > _MAX_LOCATION:
            raise _Refused(f"it leads to an address of {len(location):,} characters")
        return {"location": location}
    if not 200 <= status < 300:
        raise _Refused(f"it answers with status {status}")
    stated = answer.headers.get("content-type", "text/plain")
    kind = stated.partition(";")[0].strip().lower()
    if not kind.startswith(_TYPES):
        raise _Refused(f"it is {kind[:100]}, and only text is fetched")
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused("it is compressed although that was not asked for")
    return {"text": _as_text(kind, charsets.stated_in(stated), _body(answer, most))}


def _body(answer: http.client.HTTPResponse, most: int) -> bytes:
    data = bytearray()
    while chunk := answer.read1(_CHUNK):
        data += chunk
        if len(data) > most:
            raise _Refused(f"it is longer than {most:,} bytes")
    return bytes(data)


def _as_text(kind: str, charset: str, body: bytes) -> str:
    is_page = "html" in kind
    text, problem = charsets.decode(body, charset or (charsets.stated_in_page(body) if is_page else ""))
    if is_page:
        text = page_text(text, links=True).rstrip("\n")
    return f"({problem})\n{text}" if problem else text
