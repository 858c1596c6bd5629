import ipaddress

import pytest

from atomic_agents.tools.addresses import SPECIAL_IPV4, SPECIAL_IPV6, is_public


@pytest.mark.parametrize("network", [*SPECIAL_IPV4, *SPECIAL_IPV6])
def test_no_address_of_a_special_range_is_public(network: str) -> None:
    whole = ipaddress.ip_network(network)

    for number in (0, whole.num_addresses // 2, whole.num_addresses - 1):
        address = whole[number]
        mapped = getattr(address, "ipv4_mapped", None)
        assert not is_public(address) or (mapped is not None and is_public(mapped)), address


@pytest.mark.parametrize("network", SPECIAL_IPV4)
def test_an_ipv4_address_is_judged_wherever_ipv6_carries_it(network: str) -> None:
    inner = int(ipaddress.IPv4Network(network)[-1])
    carriers = [
        ipaddress.IPv6Address((0xFFFF << 32) + inner),
        ipaddress.IPv6Address(inner),
        ipaddress.IPv6Address((0x64FF9B << 96) + inner),
        ipaddress.IPv6Address((0x64FF9B0001 << 80) + inner),
        ipaddress.IPv6Address((0x2002 << 112) + (inner << 80)),
        ipaddress.IPv6Address((0x20010000 << 96) + (inner ^ 0xFFFFFFFF)),
    ]

    assert [is_public(carrier) for carrier in carriers] == [False] * 6


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "100.100.100.200", "100.127.255.255", "0.0.0.7", "224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1",
        "192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171", "192.0.0.192", "192.0.0.255",
        "192.88.99.1", "198.18.0.1", "198.19.255.255", "168.63.129.16", "::1", "::", "::7f00:1", "fe80::1", "febf::1",
        "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:192.0.0.192", "::ffff:0:7f00:1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::c000:c0", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::808:808",
        "2002:7f00:1::", "2002:808:808::", "2001::1", "2001:0:808:808::", "2001:2::1", "2001:10::1", "2001:20::1",
        "2001:30::1", "2001:1ff:ffff::", "2001:db8::1", "3fff::1", "3fff:fff:ffff::", "5f00::1", "100::1", "100:0:0:1::1",
        "200::1", "4000::1", "a000::1", "e000::1",
    ],
)  # fmt: skip
def test_an_address_with_a_special_purpose_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34", "8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
        "198.17.255.255", "198.20.0.1", "223.255.255.254", "2606:2800:220:1:248:1893:25c8:1946", "2001:200::1",
        "2001:4860:4860::8888", "2a00:1450:4001:81b::200e", "2003::1", "3ffe::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
    ],
)  # fmt: skip
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
