"""Read YAML front matter with the line of every key; the common forms fast, everything else through libyaml.

The published format is written by PyYAML, so YAML 1.1 as PyYAML's C loader reads it is the truth here: `yes` is a
boolean, an unquoted day is a date, the last of two equal keys wins. Only numbers that are no plain decimals, such as
010 and 1:30, stay the text that they are. `_read_plain` reads the forms that writers and
people really use (`key: scalar`, `- item`, keys of a table, short flow lists) about six times faster and returns None
for any other, for which libyaml is imported; a property test holds it equal to the C loader on whatever it accepts.
"""

import datetime
import functools
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from atomic_agents.core.block import MAX_DIGITS, FrontMatter, Span

# What YAML 1.1 does not let stand in a text, or takes for a line break, beyond ASCII. It is looked for once a block, so
# that the classes below need only speak of ASCII: spelled out in each of them, it takes 30 ms to compile.
_STRANGE = re.compile("[\x80-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# Every repetition is possessive: a line that does not match is given up at once, however long it is.
_COMMENT = r"(?:(?<= )\#[^\x00-\x1f\x7f]*+)?+"
_TEXT = r"[^\x00-\x1f#:\x7f]"
_PLAIN = rf"(?![\s\"'\[\]{{}}>|*&!%#`@,?:=<~-])(?:{_TEXT}++|:(?=[^\s:])|(?<=[^\s])\#)++"
_QUOTED = r"'(?:[^\x00-\x1f'\x7f]++|'')*+'|\"[^\x00-\x1f\"\\\x7f]*+\""
_WORDS = r"\[(?: *+[A-Za-z][\w-]*+(?: *+, *+[A-Za-z][\w-]*+)*+)?+ *+\]"
_KEY = r"[A-Za-z_][A-Za-z0-9_-]{0,100}+"
_LINE = (
    rf"(?P<key>{_KEY}):(?: ++(?P<value>{_PLAIN}|{_QUOTED}|{_WORDS})?+)?+ *+{_COMMENT}\r?\n"
    rf"|(?P<inset> ++)(?P<inner>{_KEY}):(?: ++(?P<said>{_PLAIN}|{_QUOTED}|{_WORDS})?+)?+ *+{_COMMENT}\r?\n"
    rf"| ++(?P<more>(?=[A-Za-z0-9])(?:{_TEXT}++|:(?=[^\s:])|(?<=[^\s])\#)++){_COMMENT}\r?\n"
    rf"|(?P<dash> *+)- ++(?P<item>{_PLAIN}|{_QUOTED}) *+{_COMMENT}\r?\n"
    rf"| *+(?:\#[^\x00-\x1f\x7f]*+)?+\r?\n"
)
# A whole document whose front matter is of the commonest forms alone, so that one match vouches for all of it.
_DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
_WORDY_PLAIN = rf"(?=[A-Za-z(/]|[^\x00-\x7f]){_PLAIN}"
_FOLDED = rf"(?: ++(?=[A-Za-z(/])(?:{_TEXT}++|:(?=[^\s:])|(?<=[^\s])\#)++\n)*+"
_SURE = rf"(?:{_WORDY_PLAIN}|{_DATE}|0|[1-9]\d{{0,17}}+|{_QUOTED}|{_WORDS})"
_ITEMS = rf"(?P<indent> *+)- ++{_SURE} *+\n(?:(?P=indent)- ++{_SURE} *+\n)*+"
_VALUE = rf"(?: ++{_WORDY_PLAIN}\n{_FOLDED}| ++{_SURE} *+\n|\n(?:{_ITEMS})?+)"
_HEAD = rf"---\n(?:{_KEY}:{_VALUE}|\#[^\x00-\x1f\x7f]*+\n)*+---\n"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INTEGER = re.compile(rf"0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}}")
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}", re.ASCII)
_WORDY = re.compile(r"[^0-9A-FTXZa-ftoxz_.:+ -]")
"""What no number and no time of YAML 1.1 holds."""
_SPECIAL: Mapping[str, object] = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("null", "Null", "NULL"), None),
}


def read(text: str) -> FrontMatter:
    """Read a front matter block (without its `---` lines; its last line ends with a newline).

    Raises:
        FrontMatterError: not YAML, not a mapping, or beyond the limits of `block.py`.
    """
    found = _read_plain(text)
    if found is None:
        from atomic_agents.core import libyaml  # noqa: PLC0415 - 12 ms that few documents need

        found = libyaml.read(text)
    return found


def peek(text: str, key: str) -> int | None:
    """The whole number that `key` has in a document, found without reading the rest of its front matter.

    None wherever that cannot be told for sure, also where the key is absent: then the document must be read.
    """
    head = _compiled(_HEAD).match(text)
    if head is None or (not text.isascii() and _STRANGE.search(text, 0, head.end())):
        return None
    line = f"\n{key}:"
    start = text.find(line, 0, head.end())
    if start < 0 or text.find(line, start + 1, head.end()) >= 0:
        return None
    start += len(line)
    stated = text[start : text.index("\n", start)].strip()
    return int(stated) if _INTEGER.fullmatch(stated) else None


def line_of(text: str, *keys: str) -> int:
    """The line, from 1, of the innermost of nested `keys` that is there, in a block that `read` accepts; 0 for none."""
    found = _read_plain(text)
    if found is None:
        from atomic_agents.core import libyaml  # noqa: PLC0415 - as above

        return libyaml.line_of(text, *keys)
    if not keys or keys[0] not in found.spans:
        return 0
    first, end = found.spans[keys[0]]
    if len(keys) > 1 and isinstance(found.values[keys[0]], dict):
        for number, line in enumerate(text.splitlines()[first + 1 : end], first + 2):
            if line.lstrip(" ").startswith(f"{keys[1]}:"):
                return number
    return first + 1


def written(text: str, key: str) -> list[str]:
    """The scalars of a key, or of the list below it, as they are written, in a block that `read` accepts."""
    from atomic_agents.core import libyaml  # noqa: PLC0415 - as above

    return libyaml.written(text, key)


def repeated(text: str) -> list[tuple[str, int]]:
    """Keys that one mapping states twice, at any depth, and the line, from 1, of each repetition."""
    if _read_plain(text) is not None:
        return []
    from atomic_agents.core import libyaml  # noqa: PLC0415 - as above

    return libyaml.repeated(text)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern that takes a millisecond or two to compile, and that not every command needs."""
    return re.compile(pattern, re.ASCII)


def _read_plain(text: str) -> FrontMatter | None:
    if not text.isascii() and _STRANGE.search(text):
        return None
    try:
        return _plain(text)
    except _NotPlain:
        return None


_AWAITED: Final = object()
"""The value of a key whose line has none: that of the list below it, or null."""

_LONG: Final = 200


class _NotPlain(Exception):
    """The text needs the full YAML reader."""


class _Line(NamedTuple):
    """One line: a key, an item or inner key that the key above awaits, more of its plain text, or none of these.

    `indent` stands before an item or inner key. `plain` is the text that the next line may go on with; "" where quotes,
    brackets or a comment end it.
    """

    key: str | None
    item: str | None
    inner: str | None
    more: str | None
    indent: str
    value: object
    plain: str


def _plain(text: str) -> FrontMatter:
    values: dict[str, object] = {}
    spans: dict[str, Span] = {}
    key, first, indent, awaits, plain = "", 0, "", False, ""
    below: _Below = None
    for number, raw in enumerate(text.splitlines(keepends=True)):
        line = _known_line(raw) if len(raw) <= _LONG else _line(raw)
        if line.key is not None:
            key = line.key
            if key in values:
                raise _NotPlain
            first, below, awaits = number, None, line.value is _AWAITED
            values[key] = None if awaits else _own(line.value)
            spans[key] = (number, number + 1)
            plain = line.plain
        elif line.item is not None or line.inner is not None:
            if not awaits or (below and indent != line.indent):
                raise _NotPlain
            below = values[key] = _add(below, line)
            indent = line.indent
            spans[key] = (first, number + 1)
        elif line.more is not None:
            if not plain:
                raise _NotPlain
            values[key] = _scalar(f"{plain} {line.more}")
            spans[key] = (first, number + 1)
            plain = line.plain and f"{plain} {line.plain}"
        else:
            plain = ""
    return FrontMatter(values, spans)


_Below = list[object] | dict[str, object] | None
"""The list or table below a key, as far as it has been read."""


def _add(below: _Below, line: _Line) -> _Below:
    """What is below a key, with one line more; raises _NotPlain where the line does not go with the others."""
    if line.inner is None:
        below = [] if below is None else below
        if not isinstance(below, list):
            raise _NotPlain
        below.append(line.value)
    else:
        below = {} if below is None else below
        if not isinstance(below, dict) or line.inner in below:
            raise _NotPlain
        below[line.inner] = None if line.value is _AWAITED else _own(line.value)
    return below


def _own(value: object) -> object:
    """A value of its own for every document: lines are read once for all."""
    return list(value) if isinstance(value, tuple) else value


def _line(raw: str) -> _Line:
    """What a line says; raises _NotPlain where its form is an uncommon one."""
    found = _compiled(_LINE).fullmatch(raw)
    if found is None:
        raise _NotPlain
    key, value, more, dash, item = found.group("key", "value", "more", "dash", "item")
    inset, inner, inner_value = found.group("inset", "inner", "said")
    said: object = None
    if key in _SPECIAL or inner in _SPECIAL:
        raise _NotPlain
    if key is not None or inner is not None:
        stated = inner_value if key is None else value
        said = _AWAITED if stated is None else _scalar(stated)
    elif item is not None:
        said = _scalar(item)
    group = "value" if key is not None else "more"
    return _Line(key, item, inner, more, dash or inset or "", said, _unfinished(found, group))


# Notes have most of their lines in common, and an edited document nearly all of them with what it was.
_known_line = functools.lru_cache(1024)(_line)


def _unfinished(line: re.Match[str], group: str) -> str:
    """The plain text of a line that the next line may go on with; "" where quotes, brackets or a comment end it."""
    text = line[group] or ""
    return "" if text[:1] in "'\"[" or line.string[line.end(group)] == "#" else text.rstrip(" ")


def _scalar(text: str) -> object:
    first = text[0]
    if first == "'":
        return text[1:-1].replace("''", "'")
    if first == '"':
        return text[1:-1]
    if first == "[":
        words = [word.strip() for word in text[1:-1].split(",")] if text[1:-1].strip() else []
        return tuple(_SPECIAL.get(word, word) for word in words)
    text = text.rstrip(" ")
    if text in _SPECIAL:
        return _SPECIAL[text]
    if first not in "+.0123456789" or (first not in "+." and _WORDY.search(text)):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _DAY.fullmatch(text):
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            raise _NotPlain from None
    raise _NotPlain
