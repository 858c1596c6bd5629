"""Read the text of an HTML, PDF or DOCX file; this runs in a reader process, as the bytes are anybody's."""

import io
import re
from collections.abc import Callable, Mapping

from atomic_agents.memory import charsets

_PAGE_BREAK = "\f"


class _Unreadable(Exception):
    """Why a file cannot be read."""


def read(request: Mapping[str, object], data: bytes) -> Mapping[str, object]:
    """`text`, or `unreadable` and why, of a file whose media type is `mime`."""
    try:
        return {"text": _READERS[str(request["mime"])](data)}
    except _Unreadable as error:
        return {"unreadable": str(error)}


def _html(data: bytes) -> str:
    from atomic_agents.memory.page_text import page_text  # noqa: PLC0415 - only this form needs it

    stated = charsets.stated_in_page(data)
    text, problem = charsets.decode(data, stated) if stated else (charsets.guess(data), "")
    return page_text(charsets.guess(data) if problem else text)


def _pdf(data: bytes) -> str:
    import zlib  # noqa: PLC0415 - only this form needs it

    import pypdf  # noqa: PLC0415 - of an extra, and 0.1 s
    from pypdf.errors import DependencyError, PyPdfError  # noqa: PLC0415 - the same

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
        return _PAGE_BREAK.join(page.extract_text().replace(_PAGE_BREAK, "\n") for page in reader.pages)
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
    except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError) as error:  # a syntax error is one in its XML
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


_READERS: Mapping[str, Callable[[bytes], str]] = {
    "text/html": _html,
    "application/pdf": _pdf,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": _docx,
}
