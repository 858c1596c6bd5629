"""Answers of a web server that mean no good: each is what it sends, and whether it hangs up when it has sent it."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\n"
HTML = OK + b"Content-Type: text/html\r\n\r\n"
SIZE = 2_000_000
Send = Callable[[socket.socket], None]


def at_once(data: bytes) -> Send:
    return lambda peer: peer.sendall(data)


def dripping(start: bytes, drop: bytes, *, every: float = 0.05) -> Send:
    """`start`, then `drop` again and again until nobody listens."""

    def send(peer: socket.socket) -> None:
        peer.sendall(start)
        for _ in range(2_000):
            peer.sendall(drop)
            time.sleep(every)

    return send


def stalling(data: bytes) -> Send:
    def send(peer: socket.socket) -> None:
        peer.sendall(data)
        peer.settimeout(100)
        while peer.recv(4096):
            pass

    return send


def page(unit: str, *, start: str = "", size: int = SIZE) -> Send:
    return at_once(HTML + (start + unit * (size // len(unit))).encode())


def charset(name: str, body: bytes = b"tide at noon" * 100_000) -> Send:
    return at_once(OK + f"Content-Type: text/html; charset={name}\r\n\r\n".encode() + body)


def location(target: bytes) -> Send:
    return at_once(b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\n\r\n")


FORMS: dict[str, Send] = {
    "tags that never close": page("<a "),
    "comments that never close": page("<!--"),
    "marked sections that never close": page("<![CDATA["),
    "declarations that never close": page("<!"),
    "instructions that never close": page("<?"),
    "end tags that never close": page("</"),
    "opening brackets": page("<"),
    "ampersands": page("&"),
    "numbers of signs without an end": page("&#"),
    "numbers of signs beyond all": page("&#x110000;"),
    "entities without an end": page("&ampamp"),
    "boxes in boxes": page("<div>"),
    "tables in tables": page("<table><tr><td>"),
    "scripts in scripts": page("<script><"),
    "a script without an end": page("</scrip", start="<script>"),
    "a style without an end": page("}", start="<style>"),
    "a title without an end": page("<b", start="<title>"),
    "a text area without an end": page("</textare", start="<textarea>"),
    "attributes without values": page("a ", start="<p "),
    "attributes without an end": page("a=", start="<p "),
    "one value without an end": page('x"y', start="<p a='"),
    "quotes in a tag": page("\"'", start="<p "),
    "slashes in a tag": page("/", start="<p "),
    "blanks in a tag": page(" ", start="<p"),
    "a name as long as a page": page("p", start="<"),
    "NUL signs": page("\0"),
    "one line of links": page('<a href="http://x.example/">x</a>'),
    "lines of nothing": page("\n"),
    "backslashes": page("\\"),
    **{f"charset {name}": charset(name) for name in (
        "punycode", "idna", "utf-7", "rot13", "zlib", "bz2", "hex", "base64", "uu", "unicode_escape", "undefined",
        "raw_unicode_escape", "nonsense", '"utf-8', "x" * 5_000, "utf-16", "iso2022_jp_ext",
    )},
    "a status line in drops": dripping(b"HTTP/1.1 ", b"2"),
    "headers in drops": dripping(OK, b"X: y\r\n"),
    "one header in drops": dripping(OK + b"X: ", b"y"),
    "an answer that goes on and on": dripping(HTML, b"x"),
    "interim answers for ever": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", every=0.001),
    "a chunk size in drops": dripping(HTML[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "a chunk extension in drops": dripping(HTML[:-2] + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x"),
    "trailers in drops": dripping(HTML[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "nothing at all": stalling(b""),
    "a body that does not come": stalling(HTML[:-2] + b"Content-Length: 10\r\n\r\n"),
    "hundreds of headers": at_once(OK + b"X: y\r\n" * 500 + b"\r\n"),
    "one endless header": at_once(OK + b"X: " + b"y" * 200_000 + b"\r\n\r\n"),
    "a length below nothing": at_once(HTML[:-2] + b"Content-Length: -5\r\n\r\nx"),
    "a length that is no number": at_once(HTML[:-2] + b"Content-Length: many\r\n\r\nx"),
    "a chunk below nothing": at_once(HTML[:-2] + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx"),
    "a chunk beyond all": at_once(HTML[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 500 + b"\r\nx"),
    "no HTTP": at_once(b"SSH-2.0-OpenSSH_9\r\n"),
    "a status that is none": at_once(b"HTTP/1.1 99999 Yes\r\n\r\n"),
    "hanging up": at_once(b""),
    "a half address": location(b"http://[::1/"),
    "an address with a name in it": location(b"http://tides.example@evil.example/"),
    "an address of a file": location(b"file:///etc/passwd"),
    "an address of a script": location(b"javascript:alert(1)"),
    "an address with a port that is none": location(b"http://tides.example:99999/"),
    "an address with signs that none has": location(b"http://tides.example/\x00\xff"),
    "an address without an end": location(b"http://tides.example/" + b"a" * 60_000),
    "a bracket in an address": location(b"http://tides.example]/"),
}  # fmt: skip


@contextmanager
def hostile(send: Send) -> Iterator[int]:
    """A server on loopback that answers every request so; its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(65536)
                send(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, allow_reuse_address = True, False, True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
