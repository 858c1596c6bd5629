import http.server
import ipaddress
import threading
import time
from collections.abc import Iterator

import pytest

from atomic_agents.tools.addresses import Address, is_public
from atomic_agents.tools.web import MAX_BYTES, Refused, Web


class Site(http.server.BaseHTTPRequestHandler):
    """A site whose pages are what a test needs."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.headers["host"], self.path))
        page = self.path.strip("/")
        if page.startswith("to/"):
            self.send_response(302)
            after = page.removeprefix("to/").replace("~", "/")
            self.send_header("location", self.path if after == "loop" else after)
            self.end_headers()
            return
        kinds = {"image": "image/png", "html": "text/html; charset=latin-1", "plain": "text/plain"}
        self.send_response(404 if page == "gone" else 200)
        self.send_header("content-type", kinds.get(page, "text/plain"))
        if page == "zip":
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        try:
            if page == "drip":
                for _ in range(50):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            elif page == "endless":
                for _ in range(MAX_BYTES // 65536 + 2):
                    self.wfile.write(b"x" * 65536)
            elif page == "html":
                self.wfile.write(
                    "<head><title>no</title></head><script>no()</script><p>Caf\u00e9 <b>at</b> four".encode("latin-1")
                )
            else:
                self.wfile.write(b"tide at noon")
        except OSError:
            pass  # the other side has had enough

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Site.asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def here(*hosts: str, seconds: float = 5) -> Web:
    """A web in which every name is this machine, and this machine is public."""
    return Web(
        hosts or ("tides.example",), resolve=lambda _h, _p: ["127.0.0.1"], allowed=lambda _: True, seconds=seconds
    )


def test_a_page_is_fetched_from_the_checked_address_under_its_name(port: int) -> None:
    found = here().fetch(f"http://tides.example:{port}/plain?day=1")

    assert found == (f"http://tides.example:{port}/plain?day=1", "tide at noon")
    assert Site.asked == [(f"tides.example:{port}", "/plain?day=1")]


def test_of_a_page_the_words_are_kept(port: int) -> None:
    assert here().fetch(f"http://tides.example:{port}/html")[1] == "Caf\u00e9 at four"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("image", "only text is fetched"), ("gone", "answers with status 404"), ("zip", "compressed"),
        ("endless", "longer than"), ("to/http:~~other.example~x", "does not allow other.example"),
        ("to/file:~~~etc~passwd", "is no http or https URL"), ("to/loop", "more than 5 redirects"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(port: int, path: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        here().fetch(f"http://tides.example:{port}/{path}")


def test_a_site_that_takes_its_time_is_left(port: int) -> None:
    with pytest.raises(Refused, match=r"took longer than 0\.4 s"):
        here(seconds=0.4).fetch(f"http://tides.example:{port}/drip")


def test_a_redirect_goes_through_the_same_checks(port: int) -> None:
    addresses = {"tides.example": "203.0.113.9", "inside.example": "10.0.0.8"}
    real = {"203.0.113.9": "127.0.0.1"}
    seen: list[Address] = []

    def allowed(address: Address) -> bool:
        seen.append(address)
        return str(address) == "127.0.0.1"

    open_web = Web(
        ("*.example",), resolve=lambda host, _p: [real.get(addresses[host], addresses[host])], allowed=allowed
    )

    with pytest.raises(Refused, match=r"inside.example is at 10.0.0.8, which is no public address"):
        open_web.fetch(f"http://tides.example:{port}/to/http:~~inside.example:{port}~x")
    assert [host for host, _ in Site.asked] == [f"tides.example:{port}"]


def test_a_name_is_looked_up_once_so_that_it_cannot_mean_another_address_when_it_is_reached(port: int) -> None:
    answers = iter((["127.0.0.1"], ["10.0.0.8"]))

    found = Web(("*",), resolve=lambda _h, _p: next(answers), allowed=lambda each: str(each) == "127.0.0.1")

    assert found.fetch(f"http://rebind.example:{port}/plain")[1] == "tide at noon"


def test_one_private_address_among_public_ones_spoils_the_name() -> None:
    mixed = Web(("*",), resolve=lambda _h, _p: ["93.184.216.34", "127.0.0.1"])

    with pytest.raises(Refused, match="which is no public address"):
        mixed.fetch("http://mixed.example/")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.7", "224.0.0.1",
     "255.255.255.255", "192.0.0.192", "192.0.0.9", "198.18.0.1", "192.88.99.1", "240.0.0.1", "203.0.113.1", "::1",
     "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::c000:c0",
     "2002:7f00:1::", "2002:c000:c0::", "2002:808:808::", "ff02::1", "5f00::1", "3fff::1", "2001::1", "2001:20::1", "2001:db8::1",
     "100::1", "2620:4f:8000::1", "4000::1"],
)  # fmt: skip
def test_no_address_inside_is_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "8.8.8.8",
        "192.0.1.1",
        "64:ff9b::808:808",
        "2606:2800:220:1:248:1893:25c8:1946",
    ],
)
def test_an_address_outside_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    ["0177.0.0.1", "0x7f.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "0x5db8d822", "1.2.3", "1.2.3.4.5",
     "8.8.8.010", "256.1.1.1", "x.0x7f", "[fe80::1%25eth0]", "[::1%eth0]", "[v1.x]", "tides.example%00.x", "a..b", "a b",
     "tides_example\\", "x" * 64 + ".example", "\u2460.\u0660.0x1", "\ud800.example", "xn--\ud800"],
)  # fmt: skip
def test_a_host_that_some_read_as_another_is_refused_before_it_is_looked_up(host: str) -> None:
    looked_up: list[str] = []

    def resolve(name: str, _port: int) -> list[str]:
        looked_up.append(name)
        return ["93.184.216.34"]

    with pytest.raises(Refused):
        Web(("*",), resolve=resolve).fetch(f"http://{host}/")
    assert looked_up == []


@pytest.mark.parametrize(
    ("pattern", "host", "looked_up"),
    [
        ("b\u00fccher.example", "b\u00fccher.example", "xn--bcher-kva.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("*.example", "T\u0130des\u3002example".replace("\u0130", "i"), "tides.example"),
        ("93.184.216.34", "\u2469.1.1.1", ""),
        ("*", "[2606:2800:220:1:0:0:25c8:1946]", "2606:2800:220:1::25c8:1946"),
    ],
)
def test_a_host_is_compared_and_looked_up_in_one_spelling(pattern: str, host: str, looked_up: str) -> None:
    names: list[str] = []

    def resolve(name: str, _port: int) -> list[str]:
        names.append(name)
        return ["127.0.0.1"]

    with pytest.raises(Refused, match="no public address" if looked_up else "does not allow"):
        Web((pattern,), resolve=resolve).fetch(f"http://{host}/")
    assert names == ([looked_up] if looked_up else [])


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://2130706433/", "http://0x7f000001/", "http://0/",
     "http://127.1/", "http://[::ffff:127.0.0.1]/"],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_fetched(url: str) -> None:
    with pytest.raises(Refused):
        Web(("*",)).fetch(url)


@pytest.mark.parametrize(
    "url",
    ["ftp://tides.example/", "file:///etc/passwd", "//tides.example/", "http://a@tides.example/", "http://tides.example:x/",
     "http://tides.example/\r\nX: y", "http://other.example/", "http://tides.example.other.example/", "tides.example",
     "http://tides.example@other.example/"],
)  # fmt: skip
def test_a_url_that_is_none_or_not_allowed_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        here().fetch(url)


def test_hosts_are_names_or_globs(port: int) -> None:
    fetched = here("*.example").fetch(f"http://Tides.Example.:{port}/plain")[1]

    assert fetched == "tide at noon"
    with pytest.raises(Refused, match="does not allow example"):
        here("*.example").fetch(f"http://example:{port}/plain")


@pytest.mark.parametrize("inward", ["::7f00:1", "fec0::1", "64:ff9b:1::7f00:1", "64:ff9b::a9fe:a9fe", "168.63.129.16"])
def test_an_address_that_only_looks_public_is_none(inward: str) -> None:
    assert not is_public(ipaddress.ip_address(inward))
