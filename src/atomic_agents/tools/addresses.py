"""Which addresses belong to the public internet: everything but the special-purpose ranges."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SPECIAL_IPV4 = tuple(map(ipaddress.IPv4Network, (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # shared by carriers
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # not in the registry: what Azure tells its machines
    "169.254.0.0/16",  # link local, where clouds keep their metadata
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # 6to4 relays, deprecated
    "192.168.0.0/16",  # private
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarking
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and the broadcast address
)))  # fmt: skip
"""IANA IPv4 Special-Purpose Address Registry (RFC 6890 and its updates), with multicast (RFC 5771)."""

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is assigned so far (RFC 4291); what is outside, such as fc00::/7, fe80::/10 and 5f00::/16, is special."""

_SPECIAL_IPV6 = tuple(map(ipaddress.IPv6Network, (
    "2001::/23",  # protocol assignments, Teredo and ORCHID among them
    "2001:db8::/32",  # documentation
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
)))  # fmt: skip
"""IANA IPv6 Special-Purpose Address Registry, as far as it lies within 2000::/3; 6to4 (2002::/16) is looked into."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, also where an IPv4 address is embedded in it."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    embedded = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _SPECIAL_IPV6)
