"""One HTTP request with a JSON body, without redirects or proxies, within a few seconds."""

import http.client
import json
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

_SECONDS = 4.0
_MOST = 2000
_SHOWN = 200


def wrong(url: str) -> str:
    """What is wrong with a URL, "" where nothing is. The URL itself may be a secret and is not repeated."""
    broken = "its URL is none: https://HOST/PATH is needed"
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            return broken
    except ValueError:
        return broken
    if "@" in parts.netloc:
        return "its URL has a user or a password in it; name a token_variable instead"
    return "" if url.isascii() and url.isprintable() and " " not in url else "its URL has signs that must be escaped"


def post(url: str, body: Mapping[str, object], leaving: Callable[[], None], *, token: str = "") -> str:
    """Post JSON; "" where the server took it, otherwise its answer.

    Raises:
        OSError: it cannot be reached, or breaks off.
    """
    parts = urlsplit(url)
    headers = {"content-type": "application/json", "user-agent": "atomic-agents", "connection": "close"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    connection = _connection(parts)
    try:
        connection.connect()
        leaving()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        said = b"" if answer.status < http.client.MULTIPLE_CHOICES else answer.read(_MOST)
    except http.client.HTTPException as error:
        raise OSError(f"{parts.hostname} does not speak HTTP: {type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status < http.client.MULTIPLE_CHOICES:
        return ""
    words = " ".join(said.decode(errors="replace").split())[:_SHOWN]
    return f"{parts.hostname} answered {answer.status}" + (f": {words}" if words else "")


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    host = str(parts.hostname)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=_SECONDS)
    return http.client.HTTPConnection(host, parts.port, timeout=_SECONDS)
