"""Read what somebody else wrote in a process of its own, with limits of memory, processor and time.

A parser can be made to run for hours, or to fill the memory, by the document that it parses.
"""

import contextlib
import json
import os
import subprocess
import sys

from atomic_agents.core.errors import AtomicAgentsError, DocumentUnreadable, UsageError
from atomic_agents.memory import extract

SECONDS = 30.0
"""How long a file may take by default."""

MEMORY = 1 << 30
MOST_TEXT = 32 << 20  # characters

_START = "from atomic_agents.memory.isolated import main; main()"
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP")
_ERRORS: dict[str, type[AtomicAgentsError]] = {each.code: each for each in (UsageError, DocumentUnreadable)}


def text_of(name: str, data: bytes, *, links: bool = False, seconds: float = SECONDS) -> str:
    """The text of a file as `extract.text_of` has it; files that are text already are read here.

    `links` adds the targets of links, in HTML.

    Raises:
        UsageError: its form cannot be read, or needs the extra that is not installed.
        DocumentUnreadable: it is damaged, locked with a password, holds no text, or passes the limits.
    """
    form = extract.form_of(name)
    if form is None or form.is_text:
        return extract.text_of(name, data)
    head = json.dumps({"name": name, "links": links, "seconds": seconds})
    environ = {key: os.environ[key] for key in _KEPT if key in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _START], input=f"{head}\n".encode() + data, capture_output=True, timeout=seconds,
            env=environ, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _passed(name, f"could not be read within {seconds:g} s") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise _passed(name, f"could not be read: its reader ended with code {done.returncode}") from None
    if "text" in answer:
        return str(answer["text"])
    raise _ERRORS[answer["code"]](answer["message"], hint=answer["hint"], context=answer["context"])


def main() -> None:
    """Read the file on standard input, and write its text, or why it cannot be read, to standard output as JSON."""
    head = json.loads(sys.stdin.buffer.readline())
    _limit(head["seconds"])
    data = sys.stdin.buffer.read()
    try:
        text = extract.text_of(head["name"], data, links=head["links"])
        answer: dict[str, object] = {"text": text[:MOST_TEXT]}
    except (UsageError, DocumentUnreadable) as error:
        answer = error.as_json()
    sys.stdout.write(json.dumps(answer))


def _limit(seconds: float) -> None:
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    limits = {"RLIMIT_CPU": int(seconds) + 1, "RLIMIT_AS": MEMORY, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
    for limit, value in limits.items():
        with contextlib.suppress(OSError, ValueError):  # a system that does not know one, or is stricter already
            resource.setrlimit(getattr(resource, limit), (value, value))


def _passed(name: str, message: str) -> DocumentUnreadable:
    context = {"path": name, "line": 0, "message": message}
    return DocumentUnreadable(f"{name}: {message}", hint="save it as plain text", context=context)
