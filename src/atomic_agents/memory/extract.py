"""The text of a file that somebody hands in: Markdown, plain text, HTML, PDF, DOCX.

HTML, PDF and DOCX are read in a process of its own, with limits: a file that makes its reader stumble ends that. PDF and
DOCX need libraries of the `documents` extra. The pages of a PDF are set apart by form feeds.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from atomic_agents.core.errors import DocumentUnreadable, UsageError
from atomic_agents.guard.reader_process import Limits, ReaderFailed, ReaderProcess
from atomic_agents.memory.charsets import guess as plain

PAGE_BREAK = "\f"
MOST_BYTES = 64 * 1024 * 1024
LIMITS = Limits(seconds=180.0, cpu_seconds=120, memory=2 << 30, answer=MOST_BYTES)
_EXTRA = "pip install 'atomic-agents-stack[documents]'"


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file: its media type, whether its bytes are its text, and the library that reads it."""

    mime: str
    is_text: bool = False
    library: str = ""


def form_of(name: str) -> Form | None:
    """The form of a file by its name, None where it is none of those that are read."""
    return FORMS.get(name.rpartition(".")[2].lower()) if "." in name else None


def text_of(name: str, data: bytes, *, limits: Limits = LIMITS) -> str:
    """The text of a file.

    Raises:
        UsageError: its form is none that is read, or needs the extra that is not installed.
        DocumentUnreadable: it is damaged, locked with a password, holds no text, or takes more than `limits` to read.
    """
    form = form_of(name)
    if form is None:
        raise UsageError(f"{name} is none of {', '.join(sorted(FORMS))}", hint="save it as one of these")
    if len(data) > MOST_BYTES:
        raise _unreadable(name, f"is larger than {MOST_BYTES // 1_048_576} MiB", "split it")
    text = plain(data) if form.is_text else _read_apart(name, form, data, limits)
    if not text.strip():
        hint = "run text recognition over it, or hand in its text" if not form.is_text else "it is empty"
        raise _unreadable(name, "holds no text", hint)
    return text


def _read_apart(name: str, form: Form, data: bytes, limits: Limits) -> str:
    """The text of a file that is read in a process of its own."""
    if form.library and importlib.util.find_spec(form.library) is None:
        raise UsageError(f"{name} needs the documents extra, which is not installed", hint=_EXTRA)
    try:
        with ReaderProcess("atomic_agents.memory.document_reader", limits) as reader:
            answer = reader.ask({"mime": form.mime}, data)
    except ReaderFailed as error:
        raise _unreadable(name, f"cannot be read: {error}", "save it as text, and hand that in") from error
    if "unreadable" in answer:
        raise _unreadable(name, str(answer["unreadable"]), "open it, and save it anew or as text")
    return str(answer["text"])


FORMS: Mapping[str, Form] = {
    **dict.fromkeys(("md", "markdown"), Form("text/markdown", is_text=True)),
    **dict.fromkeys(("txt", "text", "rst", "org", "csv", "tsv"), Form("text/plain", is_text=True)),
    **dict.fromkeys(("html", "htm", "xhtml"), Form("text/html")),
    "pdf": Form("application/pdf", library="pypdf"),
    "docx": Form("application/vnd.openxmlformats-officedocument.wordprocessingml.document", library="docx"),
}
"""What is read, by the end of the file's name."""


def _unreadable(name: str, message: str, hint: str) -> DocumentUnreadable:
    context = {"path": name, "line": 0, "message": message}
    return DocumentUnreadable(f"{name}: {message}", hint=hint, context=context)


def page_at(text: str, offset: int) -> int:
    """The page, from 1, on which a place of a text stands; 0 where the text has no pages."""
    return text.count(PAGE_BREAK, 0, offset) + 1 if PAGE_BREAK in text else 0
