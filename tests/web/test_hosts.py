import pytest

from atomic_agents.web.hosts import Host, is_same_origin, parse_host

HOSTS = [
    ("localhost", Host("localhost")),
    ("LocalHost:8000", Host("localhost", 8000)),
    ("127.0.0.1", Host("127.0.0.1")),
    ("127.0.0.1:65535", Host("127.0.0.1", 65535)),
    ("[::1]", Host("::1")),
    ("[::1]:8000", Host("::1", 8000)),
    ("[FE80::A]:1", Host("fe80::a", 1)),
    ("[::ffff:127.0.0.1]", Host("::ffff:127.0.0.1")),
    ("my-box.lan", Host("my-box.lan")),
    ("my_box", Host("my_box")),
    ("xn--bcher-kva.example", Host("xn--bcher-kva.example")),
    ("a" * 63 + ".example", Host("a" * 63 + ".example")),
]
NO_HOSTS = [
    "",
    " ",
    ":8000",
    "evil@127.0.0.1",
    "evil:secret@127.0.0.1",
    "@127.0.0.1",
    "127.0.0.1@evil.example",
    "[::1].evil",
    "[::1]evil",
    "[::1",
    "::1",
    "::1]",
    "[]",
    "[]:80",
    "[127.0.0.1]",
    "[localhost]",
    "[v1.fe80::a]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[::1]:",
    "[::1]:x",
    "[[::1]]",
    "localhost.",
    "localhost..",
    ".localhost",
    "local..host",
    "127.0.0.1.:80",
    "localhost:",
    "localhost:0",
    "localhost:65536",
    "localhost:100000",
    "localhost:-1",
    "localhost:+80",
    "localhost:8 0",
    "localhost:80:80",
    "localhost:80/",
    "localhost/",
    "localhost?x",
    "localhost#x",
    "http://localhost",
    "//localhost",
    "local%68ost",
    "localhost%00",
    "localhost\x00",
    "localhost\t",
    "local host",
    "localhost, localhost",
    "localhost;x",
    "localhost\\x",
    "*",
    "-localhost",
    "localhost-",
    "löcalhost",
    "１２７.0.0.1",
    "127.0.0.1:８０",
    "a" * 64 + ".example",
    ".".join(["a" * 60] * 5),
]


@pytest.mark.parametrize(("header", "host"), HOSTS)
def test_a_host_is_a_name_or_an_address_and_at_most_a_port(header: str, host: Host) -> None:
    assert parse_host(header) == host


@pytest.mark.parametrize("header", NO_HOSTS)
def test_anything_else_is_no_host(header: str) -> None:
    assert parse_host(header) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("127.0.0.1", True), ("[::1]", True), ("10.1.2.3", True), ("localhost", False), ("127.0.0.01", False),
        ("127.1", False), ("0x7f.0.0.1", False), ("2130706433", False), ("127.0.0.1.nip.io", False),
    ],
)  # fmt: skip
def test_only_what_is_written_as_an_address_is_one(name: str, *, expected: bool) -> None:
    host = parse_host(name)

    assert host is not None
    assert host.is_address is expected


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("http://localhost", "localhost:80", True),
        ("https://agents.example", "agents.example", True),
        ("https://agents.example:443", "agents.example", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://localhost:8001", "localhost:8000", False),
        ("http://localhost", "localhost:8000", False),
        ("https://localhost", "localhost:80", False),
        ("http://evil.example", "localhost", False),
        ("http://evil@localhost", "localhost", False),
        ("http://localhost.", "localhost", False),
        ("http://localhost/", "localhost", False),
        ("http://localhost http://localhost", "localhost", False),
        ("file://localhost", "localhost", False),
        ("chrome-extension://localhost", "localhost", False),
        ("//localhost", "localhost", False),
        ("localhost", "localhost", False),
        ("null", "localhost", False),
        ("", "localhost", False),
    ],
)
def test_an_origin_is_ours_where_it_names_the_host_that_was_asked(origin: str, host: str, *, expected: bool) -> None:
    asked = parse_host(host)

    assert asked is not None
    assert is_same_origin(origin, asked) is expected
