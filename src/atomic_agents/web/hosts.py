"""The `Host` and `Origin` headers, by a grammar: what is not one host with at most one port is nothing."""

import ipaddress
import re
from dataclasses import dataclass

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>.+)")
_LONGEST = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Host:
    """A host in lower case, an IPv6 address without its brackets; `port` is None where none is stated."""

    name: str
    port: int | None = None

    @property
    def is_address(self) -> bool:
        """Whether the host is written as an IP address, to which no DNS entry can lead."""
        return _address(self.name) is not None


def parse_host(header: str) -> Host | None:
    """The host and port of a `Host` header; None where it is anything but those.

    User information, percent escapes, zone ids, an open or empty bracket, an empty or impossible port, white space,
    a trailing dot and letters beyond ASCII are all refused.
    """
    parts = _HOST.fullmatch(header.lower()) if header.isascii() else None
    if parts is None:
        return None
    port = None if parts["port"] is None else int(parts["port"])
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        return None
    name = parts["six"] or parts["name"]
    address = _address(name)
    if parts["six"] is not None:
        return Host(name, port) if isinstance(address, ipaddress.IPv6Address) else None
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        return None
    return Host(name, port)


def is_same_origin(origin: str, host: Host) -> bool:
    """Whether an `Origin` header names the host that was asked; `null` and anything malformed does not."""
    parts = _ORIGIN.fullmatch(origin.lower()) if origin.isascii() else None
    stated = parse_host(parts["host"]) if parts else None
    if parts is None or stated is None:
        return False
    default = _DEFAULT_PORTS[parts["scheme"]]
    return (stated.name, stated.port or default) == (host.name, host.port or default)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
