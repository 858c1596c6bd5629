"""INDEX.md, the routing page that is always in the prompt: entries added without disturbing what people wrote.

Every function returns the text it was given with lines added or moved, and everything else byte for byte.
"""

import re
from collections.abc import Iterator

from atomic_agents.vault.markdown import Line, heading_of, lines_of, open_end

SECTIONS = {
    "user": "User Profile",
    "feedback": "Critical Feedback",
    "project": "Active Projects",
    "decision": "Locked Decisions",
    "reference": "Reference",
}
ARCHIVE = "Archive (superseded)"
MAX_ENTRY = 150
MAX_LINES = 150
_ENTRY = re.compile(
    r"\s*+[-*]\s++(?:"
    r"\[\[(?P<wiki>[^\[\]|#]++)[^\[\]]*+\]\]"
    r"|\[(?:\\.|[^\\])*?\]\((?:<(?P<angled>[^<>]+)>|(?P<file>[^()<>]+))\)"
    r"|`(?P<quoted>[^`]+\.md)`)"
)
_SWALLOWS = ((b"!", b"<!--"), (b"`", b"```"), (b"~", b"~~~"))  # a single sign is found in no time
_SEPARATORS = " \t—–:-"
"""What may stand between an entry's link and its hook."""
_BREAKING = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")


def section(type_: str) -> str:
    """The title of the section that lists notes of a type."""
    return SECTIONS.get(type_, SECTIONS["reference"])


def entry(name: str, file: str, hook: str) -> str:
    """An index line. Newlines and markup in a name or a hook can neither end the line nor open a comment or a link.

    The hook is cut so that the line has at most MAX_ENTRY characters, where the name leaves room for that.
    """
    title = re.sub(r"([\[\]\\])", r"\\\1", one_line(name))
    text = f"- [{title}](<{file}>)" if re.search(r"[\s()]", file) else f"- [{title}]({file})"
    hook = _cut(one_line(hook), MAX_ENTRY - len(text) - 3)
    return f"{text} — {hook}" if hook else text


def add(text: str, *, type_: str, name: str, file: str, hook: str, former: str | None = None) -> str:
    """The index with an entry for `file`, first in the section of its type.

    An entry that stands there already is replaced only where it equals `former`, the line this function wrote for it
    earlier; any other has been written by hand and stays.
    """
    new = entry(name, file, hook)
    if file.removesuffix(".md") in text:
        lines = _split(text)
        for number, listed in files(text):
            if listed == file:
                line = lines[number - 1].rstrip("\r\n")
                if line == former:
                    lines[number - 1] = new + lines[number - 1][len(line) :]
                return "".join(lines)
    return insert(text, section(type_), new)


def add_quickly(data: bytes, *, type_: str, name: str, file: str, hook: str) -> bytes | None:
    """What `add` makes of the bytes of an index, where that can be told from a few lines; None elsewhere.

    That is so for a file that is not listed, a section with entries or none of that title, and a page without comments
    and code blocks. Nearly all of a long index is neither decoded nor looked at.
    """
    if file.removesuffix(".md").encode() in data or any(sign in data and mark in data for sign, mark in _SWALLOWS):
        return None
    new = entry(name, file, hook).encode(errors="replace")
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    title = section(type_)
    start = next((below for name_, below in _sections(data) if name_ == title.lower()), 0)
    if not start:
        last = data[data.rfind(b"\n", 0, -1) + 1 :].decode(errors="replace")
        if not last.endswith("\n"):
            return None
        gap = newline if last.strip() else b""
        return b"".join((data, gap, b"## ", title.encode(), newline, newline, new, newline))
    while data[start : start + 1] not in (b"#", b""):
        end = data.find(b"\n", start)
        if _ENTRY.match(data[start : end if end >= 0 else None].decode(errors="replace")):
            return b"".join((data[:start], new, newline, data[start:]))
        start = end + 1
    return None


def remove(text: str, file: str) -> str:
    """The index without the entries of `file`; as with `archive`, a line that holds a comment's mark stays."""
    lines = _split(text)
    gone = {number for number, listed, _ in listing(text) if listed == file and stands_alone(lines[number - 1])}
    return "".join(line for number, line in enumerate(lines, 1) if number not in gone)


def lists(text: str, file: str) -> bool:
    """Whether a file is listed."""
    return file.removesuffix(".md") in text and any(listed == file for _, listed in files(text))


def title_of(line: str) -> str:
    """What an entry calls the note: the words in its brackets."""
    found = re.match(r"\s*[-*]\s+\[((?:\\.|[^\\\]])*)\]", line)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else ""


def line_of(text: str, file: str) -> str:
    """The entry of a file as it stands there, without its line end; "" where it has none that stands alone."""
    lines = (line for number, listed in files(text) if listed == file and (line := _split(text)[number - 1]))
    return next(filter(stands_alone, lines), "").rstrip("\r\n")


def hook_of(line: str) -> tuple[str, str]:
    """What stands before the hook of an entry, and the hook; ("", "") where the line is no entry."""
    match = _ENTRY.match(line)
    if match is None:
        return "", ""
    rest = line[match.end() :]
    hook = rest.lstrip(_SEPARATORS)
    return line[: len(line) - len(hook)], hook.rstrip()


def with_hook(line: str, hook: str) -> str:
    """An entry with another hook, cut as `entry` cuts it; what stands before the hook stays as it is."""
    before, _ = hook_of(line)
    hook = _cut(one_line(hook), MAX_ENTRY - len(before))
    return f"{before}{hook}" if hook else before.rstrip(_SEPARATORS)


def insert(text: str, title: str, line: str) -> str:
    """The index with an entry, or several, each a line, first in the section of that title."""
    return _insert(text or "# Memory Index\n", title, line)


def archived(text: str, line: str) -> str:
    """The index with an entry, or several, each a line, first in its archive section."""
    titles = (heading[1] for each in lines_of(text) if (heading := heading_of(each)) and heading[0] == 2)
    return _insert(text, next(filter(_is_archive, titles), ARCHIVE), line)


def archive(text: str, file: str) -> str:
    """The index with the entries of `file` moved to the archive section, word for word.

    A line that opens a comment, or ends one, cannot be moved without what stands around it, and stays.
    """
    while (number := _to_archive(text, file)) is not None:
        lines = _split(text)
        line = lines.pop(number - 1).rstrip("\r\n")
        moved = archived("".join(lines), line)
        if _archived_count(moved) <= _archived_count(text):
            break  # the archive's own heading stands where nothing can be put below it
        text = moved
    return text


def files(text: str) -> list[tuple[int, str]]:
    """Line number and file of every entry, in order; lines in comments and code blocks do not count."""
    return [(number, file) for number, file, _ in listing(text)]


def listing(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line number and file of every entry, and whether it stands in the archive."""
    inside = False
    for line in lines_of(text):
        heading = heading_of(line)
        if heading and heading[0] == 2:
            inside = _is_archive(heading[1])
        elif file := _file(line):
            yield line.number, file, inside


def stands_alone(line: str) -> bool:
    """Whether a line can be moved or taken away without what stands around it: it neither opens nor ends a comment."""
    opened, closed = line.find("<!--"), line.find("-->")
    return open_end(line) is None and (closed < 0 or 0 <= opened < closed)


def _file(line: Line) -> str:
    found = _ENTRY.match(line.text) if line.fence is None else None
    if found is None:
        return ""
    if found["wiki"]:
        return found["wiki"].strip().removesuffix(".md") + ".md"
    return (found["angled"] or found["file"] or found["quoted"]).strip().removeprefix("./")


def _is_archive(title: str) -> bool:
    return title.lower().startswith("archive")


def _to_archive(text: str, file: str) -> int | None:
    raw = _split(text)
    entries = ((number, inside) for number, listed, inside in listing(text) if listed == file)
    return next((number for number, inside in entries if not inside and stands_alone(raw[number - 1])), None)


def _archived_count(text: str) -> int:
    return sum(inside for _, _, inside in listing(text))


def _sections(data: bytes) -> Iterator[tuple[str, int]]:
    """Title in lower case, and where the line below it starts, of each heading of level 2 that ends."""
    at = 0 if data.startswith(b"##") else data.find(b"\n##") + 1
    while at or data.startswith(b"##"):
        end = data.find(b"\n", at)
        heading = heading_of(Line(0, data[at : end if end >= 0 else None].decode(errors="replace")))
        if heading and heading[0] == 2 and end >= 0:
            yield heading[1].lower(), end + 1
        at = data.find(b"\n##", end) + 1 if end >= 0 else 0
        if not at:
            return


def _insert(text: str, title: str, new: str) -> str:
    """The text with the line `new` in a section, at the first place where no comment or code block swallows it.

    `new` may be several lines.
    """
    count = len(files(text)) + new.count("\n") + 1
    for candidate in _candidates(text, title, new):
        if len(files(candidate)) == count:
            return candidate
    return _joined(["", f"## {title}", "", new, ""], text) + text


def _candidates(text: str, title: str, new: str) -> Iterator[str]:
    raw, lines = _split(text), list(lines_of(text))
    headings = [(i, heading) for i, line in enumerate(lines) if (heading := heading_of(line))]
    start = next((i for i, (level, each) in headings if level == 2 and each.lower() == title.lower()), None)
    if start is not None:
        end = next((i for i, (level, _) in headings if i > start and level <= 2), len(lines))
        first = next((i for i in range(start + 1, end) if _file(lines[i])), None)
        if first is not None:
            yield _with(raw, first, [new], text)
        last = end
        while last > start + 1 and not raw[last - 1].strip():
            last -= 1
        alone = last == start + 1 and last < len(raw) and raw[last].strip()
        yield _with(raw, last, [new] if alone else ["", new], text)
        yield _with(raw, start + 1, [new], text)
    unfinished = open_end(text)
    last = unfinished[0] - 1 if unfinished else len(raw)
    gap = [""] if last and raw[last - 1].strip() else []
    yield _with(raw, last, [*gap, f"## {title}", "", new, *([""] if last < len(raw) else [])], text)


def _with(raw: list[str], at: int, new: list[str], text: str) -> str:
    above = "".join(raw[:at])
    if above and not above.endswith("\n"):
        above += "\r\n" if "\r\n" in text else "\n"
    return above + _joined(new, text) + "".join(raw[at:])


def _joined(lines: list[str], text: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    return "".join(line + newline for line in lines)


def _split(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def one_line(text: str) -> str:
    """A text as an entry holds it: on one line, and with nothing that opens or ends a comment."""
    return _BREAKING.sub(" ", text).strip().replace("<!--", "&lt;!--").replace("-->", "--&gt;")


def _cut(hook: str, room: int) -> str:
    if len(hook) <= room:
        return hook
    return f"{hook[: room - 1].rstrip()}…" if room > 1 else ""
