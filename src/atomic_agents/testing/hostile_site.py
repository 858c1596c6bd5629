"""A site on this machine whose pages, headers and charsets are made to hold up whoever reads them: a table of forms."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

PAUSE: Final = 0.05
"""Seconds between two pieces of what comes drop by drop."""

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_PLAIN: Final = _OK + b"content-type: text/plain\r\n\r\n"
_CHUNKED: Final = _OK + b"content-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"

Pieces = Iterable[bytes]
"""What a server sends, piece by piece."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to hold up a reader: what is sent, a given number of bytes long where it is a page.

    `verdict` is how reading it has to end: `text`, `refused`, `late`, or `stopped`, by whichever limit is reached first;
    `words` stand in the text or in the refusal.
    """

    name: str
    pieces: Callable[[int], Pieces]
    verdict: str = "refused"
    words: str = ""
    scheme: str = "http"


def _page(unit: str, before: str = "", after: str = "<p>end") -> Callable[[int], Pieces]:
    def pieces(size: int) -> Pieces:
        body = before + unit * ((size - len(before) - len(after)) // len(unit)) + after
        yield _OK + b"content-type: text/html; charset=utf-8\r\n\r\n" + body.encode()

    return pieces


def _text(charset: str, unit: bytes, kind: str = "text/plain") -> Callable[[int], Pieces]:
    def pieces(size: int) -> Pieces:
        yield _OK + f"content-type: {kind}; charset={charset}\r\n\r\n".encode() + unit * ((size - 64) // len(unit))

    return pieces


def _said(*parts: bytes) -> Callable[[int], Pieces]:
    return lambda _size: parts


def _headed(*lines: str) -> Callable[[int], Pieces]:
    return _said(_OK + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\ntide at noon")


def _to(location: str) -> Callable[[int], Pieces]:
    return _said(f"HTTP/1.1 302 Found\r\nlocation: {location}\r\n\r\n".encode("latin-1", "replace"))


def _for_ever(before: bytes, *units: bytes, pause: float = PAUSE) -> Callable[[int], Pieces]:
    """`before` at once, then the units in turn, without end."""

    def pieces(_size: int) -> Pieces:
        yield before
        for unit in itertools.cycle(units):
            if pause:
                time.sleep(pause)
            yield unit

    return pieces


def _at_once(before: bytes, unit: bytes) -> Callable[[int], Pieces]:
    return _for_ever(before, unit * (65_536 // len(unit) + 1), pause=0)


_PAGES: Final = (
    *(
        Form(f"a page of {name}", _page(unit, before, after), "text", words)
        for name, unit, before, after, words in (
            ("tags that do not end", "<a ", "<p>begin<p>", "<p>end", "begin"),
            ("comments that do not end", "<!--", "<p>begin<p>", "<p>end", "begin"),
            ("comments in comments", "<!-- ", "<p>begin<p>", "--><p>end", "end"),
            ("declarations", "<!", "<p>begin<p>", "<p>end", "begin"),
            ("processing instructions", "<?", "<p>begin<p>", "<p>end", "begin"),
            ("CDATA", "<![CDATA[", "<p>begin<p>", "<p>end", "begin"),
            ("end tags that do not end", "</a", "<p>begin<p>", "<p>end", "begin"),
            ("end tags of nothing", "</>", "", "<p>end", "end"),
            ("attributes without a value", "<a a=", "<p>begin<p>", "<p>end", "begin"),
            ("double quotes that do not end", '<a a="', "<p>begin<p>", "<p>end", "begin"),
            ("single quotes that do not end", "<a a='", "<p>begin<p>", "<p>end", "begin"),
            ("both quotes in turn", "<a a=\"<a b='", "<p>begin<p>", "<p>end", "begin"),
            ("signs like any other", "< ", "", "<p>end", "end"),
            ("less-than signs", "<", "", "<p>end", "end"),
            ("elements in elements", "<div>", "", "<p>end", "end"),
            ("short tags", "<b>", "", "<p>end", "end"),
            ("hidden elements in hidden elements", "<svg>", "<p>begin<p>", "<p>end", "begin"),
            ("scripts that do not end", "<script>", "<p>begin<p>", "<p>end", "begin"),
            ("script ends in a script", "</script", "<p>begin<script>", "<p>end", "begin"),
            ("titles", "<title></title>", "", "<p>end", "end"),
            ("text areas that do not end", "<textarea>", "<p>begin<p>", "<p>end", "begin"),
            ("spaces that are kept", " ", "<pre>", "</pre><p>end", "end"),
            ("tabs and spaces", "\t ", "<pre>", "\nx</pre><p>end", "end"),
            ("empty lines", "\n", "<pre>", "</pre><p>end", "end"),
            ("ampersands", "&", "", "<p>end", "end"),
            ("references that do not end", "&#", "", "<p>end", "end"),
            ("named references", "&notit;", "", "<p>end", "end"),
            ("a reference of many digits", "9", "&#", ";<p>end", "end"),
            ("a reference of many hexadecimal digits", "f", "&#x", ";<p>end", "end"),
            ("cells", "<td>", "", "<p>end", "end"),
            ("list items", "<li>x", "", "<p>end", "end"),
            ("one tag of many attributes", " a=b", "<p", "><p>end", "end"),
            ("one tag of many links", " href", "<a", "><p>end", "end"),
            ("one tag of spaces", " ", "<a href=", "><p>end", "end"),
            ("one tag of equals signs", "=", "<a ", "><p>end", "end"),
            ("one tag of slashes", "/", "<p ", "><p>end", "end"),
            ("one tag of quotes", "\"'", "<p ", "><p>end", "end"),
            ("one value that does not end", 'x"y', "<p>begin<p a='", "<p>end", "begin"),
            ("one name", "a", "<", "><p>end", "end"),
            ("links", '<a href="http://x.example/">x</a>', "", "<p>end", "end"),
            ("tables in tables", "<table><tr><td>", "", "<p>end", "end"),
            ("backslashes", "\\", "", "<p>end", "end"),
            ("zero bytes", "\0", "", "<p>end", "end"),
        )
    ),
)

_CHARSETS: Final = (
    *(
        Form(f"the charset {name[:20]}", _text(name, unit), "text", words)
        for name, unit, words in (
            ("punycode", b"a-9999", "is not one that is read"),
            ("idna", b"xn--", "is not one that is read"),
            ("utf-7", b"+AGE-", "is not one that is read"),
            ("unicode_escape", b"\\x61", "is not one that is read"),
            ("raw_unicode_escape", b"\\u0061", "is not one that is read"),
            ("zlib_codec", b"x\x9c", "is not one that is read"),
            *((name, b"a", "is not one that is read") for name in ("rot13", "bz2", "hex", "base64", "uu", "palmos")),
            ("undefined", b"a", "is not one that is read"),
            ("mbcs", b"a", "is not one that is read"),
            ("../../etc/passwd", b"a", "is not one that is read"),
            ("x" * 60_000, b"a", "is not one that is read"),
            ("utf-8", b"\xff", "\ufffd"),
            ("utf-16", b"\x00\xd8", "\ufffd"),
            ("gb18030", b"\xff", "\ufffd"),
            ("big5", b"\x81", "\ufffd"),
            ("shift_jis", b"\x81 ", "\ufffd"),
            ("euc-jp", b"\x8f", "\ufffd"),
            ("euc-kr", b"\xff", "\ufffd"),
            ("iso-2022-jp", b"\x1b$B\x1b(B", ""),
            ("windows-1252", b"\x81", "\ufffd"),
        )
    ),
    Form(
        "a charset that the page states",
        _said(_OK + b"content-type: text/html\r\n\r\n<meta charset=punycode><p>tide at noon"),
        "text",
        "is not one that is read",
    ),
)

_SLOW: Final = tuple(
    Form(name, pieces, "late", scheme=scheme)
    for name, pieces, scheme in (
        ("nothing at all", _for_ever(b"", b""), "http"),
        ("a status line, drop by drop", _for_ever(b"HTTP/1.1 200 ", b"O"), "http"),
        ("a header, line by line", _for_ever(_OK, b"x: y\r\n", pause=0.3), "http"),
        ("a header, drop by drop", _for_ever(_OK + b"x: ", b"y"), "http"),
        ("a header that does not end", _for_ever(_PLAIN[:-2], b""), "http"),
        ("a body, drop by drop", _for_ever(_PLAIN, b"x"), "http"),
        ("a body that does not come", _for_ever(_PLAIN[:-2] + b"content-length: 9\r\n\r\n", b""), "http"),
        ("a chunk size, drop by drop", _for_ever(_CHUNKED, b"0"), "http"),
        ("a chunk extension, drop by drop", _for_ever(_CHUNKED + b"5;", b"x"), "http"),
        ("chunks, drop by drop", _for_ever(_CHUNKED, b"1\r\nx", b"\r\n"), "http"),
        ("a trailer, line by line", _for_ever(_CHUNKED + b"0\r\n", b"x: y\r\n"), "http"),
        ("interim answers, one by one", _for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "http"),
        ("a handshake that does not come", _for_ever(b"", b""), "https"),
        ("a handshake, drop by drop", _for_ever(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x00"), "https"),
    )
)

_FLOODS: Final = (
    Form("a body that does not end", _at_once(_PLAIN, b"x" * 1024), words="longer than"),
    Form("a status line that does not end", _at_once(b"HTTP/1.1 200 ", b"O"), words="no proper answer"),
    Form("a header line that does not end", _at_once(_OK + b"x: ", b"y"), words="no proper answer"),
    Form("headers that do not end", _at_once(_OK, b"x: y\r\n"), words="no proper answer"),
    Form("a chunk size that does not end", _at_once(_CHUNKED, b"0"), words="no proper answer"),
    Form("chunk extensions that do not end", _at_once(_CHUNKED + b"1;", b"x"), words="no proper answer"),
    Form("chunks of one byte", _at_once(_CHUNKED, b"1\r\nx\r\n"), "stopped"),
    Form("interim answers that do not end", _at_once(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "stopped"),
    Form("a chunk size below zero", _said(_CHUNKED + b"-5\r\nxxxxx\r\n0\r\n\r\n")),
    Form("a chunk size that is none", _said(_CHUNKED + b"zz\r\n"), words="no proper answer"),
    Form("a chunk size beyond every memory", _said(_CHUNKED + b"fffffffffffffff\r\nx"), words="no proper answer"),
)

_LIES: Final = (
    Form("no answer", _said(b""), words="no proper answer"),
    Form("no HTTP", _said(b"\x16\x03\x01" * 400), words="no proper answer"),
    Form("a status that is none", _said(b"HTTP/1.1 9999999999999 OK\r\n\r\n"), words="no proper answer"),
    Form("a status of letters", _said(b"HTTP/1.1 \xff\xfe OK\r\n\r\n"), words="no proper answer"),
    Form("another protocol", _said(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n"), words="status 101"),
    Form("a length below zero", _headed("content-type: text/plain", "content-length: -1"), "text", "tide at noon"),
    Form("a length of many digits", _headed("content-type: text/plain", f"content-length: {'9' * 9000}"), "text"),
    Form("a type of 60,000 letters", _headed(f"content-type: {'x' * 60_000}"), words="only text is fetched"),
    Form("a compressed body", _headed("content-type: text/plain", "content-encoding: gzip"), words="compressed"),
    Form("a redirect to half an address", _to("http://[::1/"), words="is no URL"),
    Form("a redirect to an address that is none", _to("http://[zz]/"), words="is no URL"),
    Form("a redirect to a port that is none", _to("http://tides.example:99999/"), words="is no URL"),
    Form("a redirect to a port of letters", _to("//tides.example:x/"), words="is no URL"),
    Form("a redirect to a scheme", _to("javascript:alert(1)"), words="is no http or https URL"),
    Form("a redirect to a file", _to("file:///etc/passwd"), words="is no http or https URL"),
    Form("a redirect to a name with a password", _to("http://tides.example@other.example/"), words="user name"),
    Form("a redirect to a number", _to("http://2130706433/"), words="is not fetched"),
    Form("a redirect to another spelling", _to("http://0x7f.1/"), words="is not fetched"),
    Form("a redirect to nowhere", _to(""), words="status 302"),
    Form("a redirect of 60,000 letters", _to("/" + "x" * 60_000), words="60,001 characters"),
    Form("a redirect with control signs", _to("/\t\x01\x7f"), words="redirects"),
    Form("a redirect to itself", _to("/"), words="redirects"),
)

FORMS: Final[Mapping[str, Form]] = {form.name: form for form in (*_PAGES, *_CHARSETS, *_SLOW, *_FLOODS, *_LIES)}
"""Every form, by its name."""


class HostileSite:
    """Answers every request with one form, on a port of this machine, until the `with` block ends."""

    def __init__(self, form: Form, size: int) -> None:
        """`size` is how many bytes a page has."""
        self._form, self._size = form, size
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._connections: set[socket.socket] = set()
        self._closed = False
        self.port = int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Where the form is; the name leads to this machine where the test says so."""
        return f"{self._form.scheme}://tides.example:{self.port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        for each in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._connections.add(connection)
        with connection, contextlib.suppress(OSError):  # the other side has had enough
            connection.recv(65_536)
            for piece in self._form.pieces(self._size):
                if self._closed:
                    break
                connection.sendall(piece)
        self._connections.discard(connection)
