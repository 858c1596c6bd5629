import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from atomic_agents.tools.web import Refused, Web

x509 = pytest.importorskip("cryptography.x509")

Send = Callable[[ssl.SSLSocket], None]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate of tides.example with its key, which this machine trusts."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tides.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName("tides.example")])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    file = tmp_path / "tides.pem"
    file.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()) + signed.public_bytes(encoding))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


@contextmanager
def site(certificate: Path, send: Send) -> Iterator[int]:
    """A site behind TLS that answers every request so; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(plain: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
            secure.recv(4096)
            send(secure)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield int(listener.getsockname()[1])
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def said(data: bytes) -> Send:
    return lambda secure: secure.sendall(data)


def dripping(before: bytes, drop: bytes) -> Send:
    def send(secure: ssl.SSLSocket) -> None:
        secure.sendall(before)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            secure.sendall(drop)
            time.sleep(0.1)

    return send


def here(seconds: float = 60.0) -> Web:
    return Web(("*.example",), resolve=lambda _h, _p: ["127.0.0.1"], allowed=lambda _: True, seconds=seconds)


def test_a_page_is_fetched_from_whom_its_certificate_names(certificate: Path) -> None:
    with site(certificate, said(b"HTTP/1.1 200 OK\r\n\r\ntide at noon")) as port:
        text = here().fetch(f"https://tides.example:{port}/")[1]
        with pytest.raises(OSError, match=r"other\.example cannot be reached: "):
            here().fetch(f"https://other.example:{port}/")

    assert text == "tide at noon"


def test_a_redirect_leads_from_https_to_nothing_less(certificate: Path) -> None:
    with (
        site(certificate, said(b"HTTP/1.1 302 Found\r\nlocation: http://tides.example/\r\n\r\n")) as port,
        pytest.raises(Refused, match="from https to http://tides"),
    ):
        here().fetch(f"https://tides.example:{port}/")


@pytest.mark.parametrize(
    ("before", "drop"),
    [(b"", b"H"), (b"HTTP/1.1 200 OK\r\nx: ", b"y"), (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), (b"HTTP/1.1 200 OK\r\n\r\n", b"x")],
    ids=["status line", "header", "header lines", "body"],
)  # fmt: skip
def test_the_deadline_holds_for_what_comes_drop_by_drop_behind_tls(
    certificate: Path, before: bytes, drop: bytes
) -> None:
    begun = time.monotonic()

    with site(certificate, dripping(before, drop)) as port, pytest.raises(Refused, match="took longer than 3 s"):
        here(3.0).fetch(f"https://tides.example:{port}/")

    assert time.monotonic() - begun < 30
