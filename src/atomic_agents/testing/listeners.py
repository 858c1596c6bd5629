"""A web server and an SMTP server on loopback that keep what they are sent and answer as they are told."""

import http.server
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Heard:
    """What a server was sent: path, headers in lower case and body of each request; each mail as it came."""

    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextmanager
def web(status: int = 200, body: bytes = b"", *, silent: bool = False) -> Iterator[Heard]:
    """A web server; a `silent` one closes the connection instead of answering."""
    heard = Heard()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            heard.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, data))
            if not silent:
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with _serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as heard.port:
        yield heard


@contextmanager
def post_office(**answers: str) -> Iterator[Heard]:
    """An SMTP server; `answers` has what it says to a verb (`RCPT="550 nobody"`, "" to hang up) or of an address."""
    heard = Heard()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                said = line.decode().strip()
                verb = said.partition(" ")[0].upper()
                if not self._answer(verb, said) or verb == "QUIT":
                    return

        def _answer(self, verb: str, said: str) -> bool:
            if verb == "AUTH":
                heard.logins.append(said)
            if verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                heard.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            usual = {"EHLO": "250-here\r\n250 AUTH PLAIN", "AUTH": "235 fine"}.get(verb, "250 fine")
            address = said.partition("<")[2].partition(">")[0]
            reply = answers.get(address, answers.get(verb, usual))
            self.wfile.write(f"{reply}\r\n".encode() if reply else b"")
            return bool(reply)

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as heard.port:
        yield heard


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
