"""The text of a file that somebody hands in: Markdown, plain text, HTML, PDF, DOCX.

PDF and DOCX are read by libraries of the `documents` extra, imported when such a file comes. The pages of a PDF are set
apart by form feeds.
"""

import codecs
import html.parser
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from atomic_agents.core.errors import DocumentUnreadable, UsageError
from atomic_agents.memory.charsets import codec_for

PAGE_BREAK = "\f"
MOST_BYTES = 64 * 1024 * 1024
_EXTRA = "pip install 'atomic-agents-stack[documents]'"
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file: its media type, how its text is read, and whether its bytes are that text."""

    mime: str
    read: Callable[[bytes], str]
    is_text: bool = False


def form_of(name: str) -> Form | None:
    """The form of a file by its name, None where it is none of those that are read."""
    return FORMS.get(name.rpartition(".")[2].lower()) if "." in name else None


def text_of(name: str, data: bytes, *, links: bool = False) -> str:
    """The text of a file; `links` adds the targets of links, in HTML.

    Raises:
        UsageError: its form is none that is read, or needs the extra that is not installed.
        DocumentUnreadable: it is damaged, locked with a password, or holds no text.
    """
    form = form_of(name)
    if form is None:
        raise UsageError(f"{name} is none of {', '.join(sorted(FORMS))}", hint="save it as one of these")
    if len(data) > MOST_BYTES:
        raise _unreadable(name, f"is larger than {MOST_BYTES // 1_048_576} MiB", "split it")
    try:
        text = _html(data, links=links) if form.mime == "text/html" else form.read(data)
    except ImportError as error:
        raise UsageError(f"{name} needs the documents extra, which is not installed", hint=_EXTRA) from error
    except _Unreadable as error:
        raise _unreadable(name, str(error), "open it, and save it anew or as text") from error
    if not text.strip():
        hint = "run text recognition over it, or hand in its text" if not form.is_text else "it is empty"
        raise _unreadable(name, "holds no text", hint)
    return text


def plain(data: bytes) -> str:
    """Text in whatever encoding it says or seems to have."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


class _Unreadable(Exception):
    """Why a file cannot be read."""


def _html(data: bytes, *, links: bool = False) -> str:
    stated = _CHARSET.search(data[:4096])
    codec = codec_for(stated[1].decode()) if stated else None
    has_bom = data.startswith(tuple(bom for bom, _ in _BOMS))
    text = plain(data) if codec is None or has_bom else data.decode(codec, errors="replace")
    reader = _Page(links=links)
    reader.feed(text)
    reader.close()
    return reader.text


def _pdf(data: bytes) -> str:
    import logging  # noqa: PLC0415 - what the library says of a damaged file is not for the terminal
    import zlib  # noqa: PLC0415 - only this form needs it

    import pypdf  # noqa: PLC0415 - of an extra, and 0.1 s
    from pypdf.errors import DependencyError, PyPdfError  # noqa: PLC0415 - the same

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    # A damaged file makes the library stumble over what is not there.
    stumbles = (
        PyPdfError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
        zlib.error,
    )
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _Unreadable("is locked with a password")
        return PAGE_BREAK.join(page.extract_text().replace(PAGE_BREAK, "\n") for page in reader.pages)
    except DependencyError as error:
        raise _Unreadable(f"is locked in a way that cannot be opened here: {error}") from error
    except stumbles as error:
        raise _Unreadable(f"is no PDF that can be read: {error}") from error


def _docx(data: bytes) -> str:
    import zipfile  # noqa: PLC0415 - only this form is one

    import docx  # noqa: PLC0415 - of an extra, and 40 ms
    from docx.table import Table  # noqa: PLC0415 - the same

    try:
        document = docx.Document(io.BytesIO(data))
        blocks = list(document.iter_inner_content())
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise _Unreadable(f"is no DOCX that can be read: {error}") from error
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Table):
            lines += [" | ".join(cell.text.replace("\n", " ") for cell in row.cells) for row in block.rows]
            continue
        style = str(getattr(block.style, "name", ""))
        level = re.fullmatch(r"Heading (\d)", style)
        mark = f"{'#' * int(level[1])} " if level else "- " if style.startswith("List") else ""
        lines += [f"{mark}{block.text}", ""] if block.text.strip() else []
    return "\n".join(lines)


class _Page(html.parser.HTMLParser):
    """The words of a page as Markdown, nearly: headings, lists, rows and paragraphs, without scripts and styles."""

    _SILENT = frozenset(("script", "style", "noscript", "template", "svg", "nav", "footer", "title"))
    _BLOCKS = frozenset((
        "p", "div", "section", "article", "main", "header", "ul", "ol", "table", "blockquote", "pre", "figure", "dl",
        "form", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "aside", "body",
    ))  # fmt: skip
    _LINES = frozenset(("br", "tr", "li", "dt", "dd"))

    def __init__(self, *, links: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._links = links
        self._parts: list[str] = []
        self._silent = 0
        self._exact = 0

    @property
    def text(self) -> str:
        """What has been read."""
        joined = re.sub(r"[ \t]*\n[ \t]*", "\n", "".join(self._parts))
        return re.sub(r"\n{3,}", "\n\n", joined).strip() + "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag opens."""
        self._silent += tag in self._SILENT
        self._exact += tag == "pre"
        if tag in self._BLOCKS or tag in self._LINES:
            self._parts.append("\n\n" if tag in self._BLOCKS else "\n")
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdecimal():
            self._parts.append(f"{'#' * int(tag[1])} ")
        elif tag == "li":
            self._parts.append("- ")
        elif tag == "a" and self._links and not self._silent:
            target = dict(attrs).get("href") or ""
            self._parts.append(f"({target}) " if target.startswith("http") else "")
        elif tag in ("td", "th") and not "".join(self._parts[-1:]).endswith("\n"):
            self._parts.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        """A tag closes."""
        self._silent -= tag in self._SILENT and self._silent > 0
        self._exact -= tag == "pre" and self._exact > 0
        if tag in self._BLOCKS:
            self._parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        """Words."""
        if not self._silent:
            self._parts.append(data if self._exact else re.sub(r"\s+", " ", data))


FORMS: Mapping[str, Form] = {
    **dict.fromkeys(("md", "markdown"), Form("text/markdown", plain, is_text=True)),
    **dict.fromkeys(("txt", "text", "rst", "org", "csv", "tsv"), Form("text/plain", plain, is_text=True)),
    **dict.fromkeys(("html", "htm", "xhtml"), Form("text/html", _html)),
    "pdf": Form("application/pdf", _pdf),
    "docx": Form("application/vnd.openxmlformats-officedocument.wordprocessingml.document", _docx),
}
"""What is read, by the end of the file's name."""


def _unreadable(name: str, message: str, hint: str) -> DocumentUnreadable:
    context = {"path": name, "line": 0, "message": message}
    return DocumentUnreadable(f"{name}: {message}", hint=hint, context=context)


def page_at(text: str, offset: int) -> int:
    """The page, from 1, on which a place of a text stands; 0 where the text has no pages."""
    return text.count(PAGE_BREAK, 0, offset) + 1 if PAGE_BREAK in text else 0
