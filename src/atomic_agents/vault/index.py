"""INDEX.md, the routing page that is always in the prompt: entries added without disturbing what people wrote."""

import re

SECTIONS = {
    "user": "User Profile",
    "feedback": "Critical Feedback",
    "project": "Active Projects",
    "decision": "Locked Decisions",
    "reference": "Reference",
}
MAX_ENTRY = 150
_LINK = re.compile(r"\s*[-*]\s+\[(?P<name>(?:\\.|[^\]\\])*)\]\(<?(?P<file>[^)>]+)>?\)")


def entry(name: str, file: str, hook: str) -> str:
    """An index line. Newlines and markup in a name or a hook can neither end the line nor open a comment or a link."""
    title = re.sub(r"([\[\]\\])", r"\\\1", _one_line(name))
    text = f"- [{title}]({file})"
    hook = _one_line(hook)
    room = MAX_ENTRY - len(text) - 3
    if len(hook) > room > 1:
        hook = hook[: room - 1].rstrip() + "…"
    return f"{text} — {hook}" if hook else text


def add(text: str, *, type_: str, name: str, file: str, hook: str, former: str | None = None) -> str:
    """The index with an entry for `file`, first in the section of its type.

    An entry that stands there already is replaced only where it equals `former`, the line this function wrote for it
    earlier; any other has been written by hand and stays.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines() or ["# Memory Index", ""]
    new = entry(name, file, hook)
    for number, line in enumerate(lines):
        if (found := _LINK.match(line)) and found["file"] == file:
            if line == former:
                lines[number] = new
            return newline.join(lines) + newline
    _insert(lines, SECTIONS.get(type_, "Reference"), new)
    return newline.join(lines) + newline


ARCHIVE = "Archive (superseded)"


def archive(text: str, file: str) -> str:
    """The index with the entry of `file` moved to the archive section, word for word."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines()
    number = next((i for i, line in enumerate(lines) if (found := _LINK.match(line)) and found["file"] == file), None)
    if number is None:
        return text
    heading = next((line for line in reversed(lines[:number]) if line.startswith("## ")), "")
    if heading.lower().startswith("## archive"):
        return text
    line = lines.pop(number)
    title = next((line[3:].strip() for line in lines if line.lower().startswith("## archive")), ARCHIVE)
    _insert(lines, title, line)
    return newline.join(lines) + newline


def files(text: str) -> list[tuple[int, str]]:
    """Line number and file of every entry, in order; commented-out lines do not count."""
    found: list[tuple[int, str]] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if not inside and (link := _LINK.match(line)):
            found.append((number, link["file"]))
        opened, closed = line.rfind("<!--"), line.rfind("-->")
        inside = opened > closed if max(opened, closed) >= 0 else inside
    return found


def _insert(lines: list[str], title: str, new: str) -> None:
    heading = re.compile(rf"##\s+{re.escape(title)}\s*#*\s*", re.IGNORECASE)
    start = next((i for i, line in enumerate(lines) if heading.fullmatch(line)), None)
    if start is None:
        while lines and not lines[-1].strip():
            lines.pop()
        lines += ["", f"## {title}", "", new]
        return
    end = next((i for i in range(start + 1, len(lines)) if re.match(r"#{1,2}\s", lines[i])), len(lines))
    first = next((i for i in range(start + 1, end) if _LINK.match(lines[i])), None)
    if first is not None:
        lines.insert(first, new)
        return
    last = end
    while last > start + 1 and not lines[last - 1].strip():
        last -= 1
    lines[last:last] = [new] if last == start + 1 and last < len(lines) and lines[last].strip() else ["", new]


def _one_line(text: str) -> str:
    text = re.sub(r"[\x00-\x20\x7f\x85\u2028\u2029]+", " ", text).strip()
    return text.replace("<!--", "&lt;!--").replace("-->", "--&gt;")
