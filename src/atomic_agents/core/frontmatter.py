"""Read YAML front matter with the line of every key; the common forms fast, everything else through libyaml.

The published format is written by PyYAML, so YAML 1.1 as PyYAML's C loader reads it is the truth here: `yes` is a
boolean, an unquoted day is a date, the last of two equal keys wins. `_read_plain` reads the forms that writers and
people really use (`key: scalar`, `- item`, short flow lists) about six times faster and returns None for any other;
a property test holds it equal to the C loader on whatever it accepts.
"""

import datetime
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import yaml
from yaml.constructor import SafeConstructor

MAX_DEPTH = 64
MAX_VALUES = 100_000
MAX_DIGITS = 100
"""What a block may hold, aliases written out; more is a mistake or an attack, and is refused before it costs much."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML 1.1 does not let stand in a text, or takes for a line break, beyond ASCII. It is looked for once a block, so
# that the classes below need only speak of ASCII: spelled out in each of them, it takes 30 ms to compile.
_STRANGE = re.compile("[\x80-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# Every repetition is possessive: a line that does not match is given up at once, however long it is.
_COMMENT = r"(?:(?<= )\#[^\x00-\x1f\x7f]*+)?+"
_TEXT = r"[^\x00-\x1f#:\x7f]"
_PLAIN = rf"(?![\s\"'\[\]{{}}>|*&!%#`@,?:=<~-])(?:{_TEXT}++|:(?=[^\s:])|(?<=[^\s])\#)++"
_QUOTED = r"'(?:[^\x00-\x1f'\x7f]++|'')*+'|\"[^\x00-\x1f\"\\\x7f]*+\""
_WORDS = r"\[(?: *+[A-Za-z][\w-]*+(?: *+, *+[A-Za-z][\w-]*+)*+)?+ *+\]"
_LINE = re.compile(
    rf"(?P<key>[A-Za-z_][A-Za-z0-9_-]{{0,100}}+):(?: ++(?P<value>{_PLAIN}|{_QUOTED}|{_WORDS})?+)?+ *+{_COMMENT}\r?\n"
    rf"| ++(?P<more>(?=[A-Za-z0-9])(?:{_TEXT}++|:(?=[^\s:])|(?<=[^\s])\#)++){_COMMENT}\r?\n"
    rf"|(?P<dash> *+)- ++(?P<item>{_PLAIN}|{_QUOTED}) *+{_COMMENT}\r?\n"
    rf"| *+(?:\#[^\x00-\x1f\x7f]*+)?+\r?\n",
    re.ASCII,
)
# A whole document whose front matter is of the commonest forms alone, so that one match vouches for all of it.
_DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
_WORDY_PLAIN = rf"(?=[A-Za-z(/]|[^\x00-\x7f]){_PLAIN}"
_FOLDED = rf"(?: ++(?=[A-Za-z(/])(?:{_TEXT}++|:(?=[^\s:])|(?<=[^\s])\#)++\n)*+"
_SURE = rf"(?:{_WORDY_PLAIN}|{_DATE}|0|[1-9]\d{{0,17}}+|{_QUOTED}|{_WORDS})"
_ITEMS = rf"(?P<indent> *+)- ++{_SURE} *+\n(?:(?P=indent)- ++{_SURE} *+\n)*+"
_VALUE = rf"(?: ++{_WORDY_PLAIN}\n{_FOLDED}| ++{_SURE} *+\n|\n(?:{_ITEMS})?+)"
_HEAD = re.compile(
    rf"---\n(?:[A-Za-z_][A-Za-z0-9_-]{{0,100}}+:{_VALUE}|\#[^\x00-\x1f\x7f]*+\n)*+---\n",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INTEGER = re.compile(rf"0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}}")
_WORDY = re.compile(r"[^0-9A-FTXZa-ftoxz_.:+ -]")
"""What no number and no time of YAML 1.1 holds."""
_SPECIAL: Mapping[str, object] = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("null", "Null", "NULL"), None),
}
_MAP, _STR = "tag:yaml.org,2002:map", "tag:yaml.org,2002:str"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_ODD = (ValueError, TypeError, OverflowError, AttributeError, LookupError)
"""What PyYAML raises for a value that does not fit its tag."""
_OPENINGS = ("[", "{", "- ", "? ", "-\t", "?\t")


class FrontMatterError(Exception):
    """The text is not a YAML mapping; `line` counts from 1 within the front matter."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


Span = tuple[int, int]
"""The lines a key and its value occupy: a half-open range counted from 0 within the front matter."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The values of a block and where each stands.

    A key that is not text, such as `on` or `1`, has the text that it is written with. `spans` lacks a key that shares
    its line with another and one that comes from a merge (`<<`); of equal keys it has the last.
    """

    values: dict[str, object]
    spans: dict[str, Span]


def read(text: str) -> FrontMatter:
    """Read a front matter block (without its `---` lines; its last line ends with a newline).

    Raises:
        FrontMatterError: not YAML, not a mapping, or beyond the limits above.
    """
    return _read_plain(text) or _read_any(text)


def peek(text: str, key: str) -> int | None:
    """The whole number that `key` has in a document, found without reading the rest of its front matter.

    None wherever that cannot be told for sure, also where the key is absent: then the document must be read.
    """
    head = _HEAD.match(text)
    if head is None or (not text.isascii() and _STRANGE.search(text, 0, head.end())):
        return None
    found = _lines_of(key).findall(head[0])
    if len(found) != 1 or not _INTEGER.fullmatch(found[0].strip()):
        return None
    return int(found[0])


@functools.cache
def _lines_of(key: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(key)}:(.*)", re.MULTILINE)


def line_of(text: str, *keys: str) -> int:
    """The line, from 1, of the innermost of nested `keys` that is there, in a block that `read` accepts; 0 for none."""
    line, node = 0, yaml.compose(text, Loader=_Loader)
    for name in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        key, node = next(((key, value) for key, value in reversed(pairs) if key.value == name), (None, None))
        if key is None:
            break
        line = key.start_mark.line + 1
    return line


def repeated(text: str) -> list[tuple[str, int]]:
    """Keys that one mapping states twice, at any depth, and the line, from 1, of each repetition."""
    found: list[tuple[str, int]] = []
    nodes = [yaml.compose(text, Loader=_Loader)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in node.value:
                name = str(key.value)
                found += [(name, key.start_mark.line + 1)] if name in seen else []
                seen.add(name)
        nodes += _children(node) if isinstance(node, yaml.CollectionNode) else []
    return sorted(found, key=lambda each: each[1])


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
    """One line: a key, an item of the list that the key above awaits, more of its plain text, or none of these.

    `plain` is the text that the next line may go on with; "" where quotes, brackets or a comment end it.
    """

    key: str | None
    item: str | None
    more: str | None
    dash: str
    value: object
    plain: str


def _plain(text: str) -> FrontMatter:
    values: dict[str, object] = {}
    spans: dict[str, Span] = {}
    key, first, items, indent, awaits_items, plain = "", 0, list[object](), "", False, ""
    for number, raw in enumerate(text.splitlines(keepends=True)):
        line = _known_line(raw) if len(raw) <= _LONG else _line(raw)
        if line.key is not None:
            key = line.key
            if key in values:
                raise _NotPlain
            first, items, awaits_items = number, [], line.value is _AWAITED
            values[key] = None if awaits_items else list(line.value) if isinstance(line.value, tuple) else line.value
            spans[key] = (number, number + 1)
            plain = line.plain
        elif line.item is not None:
            if not awaits_items or (items and indent != line.dash):
                raise _NotPlain
            items.append(line.value)
            values[key], indent = items, line.dash
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


def _line(raw: str) -> _Line:
    """What a line says; raises _NotPlain where its form is an uncommon one."""
    found = _LINE.fullmatch(raw)
    if found is None:
        raise _NotPlain
    key, value, more, dash, item = found.group("key", "value", "more", "dash", "item")
    said: object = None
    if key in _SPECIAL:
        raise _NotPlain
    if key is not None:
        said = _AWAITED if value is None else _scalar(value)
    elif item is not None:
        said = _scalar(item)
    group = "value" if key is not None else "more"
    return _Line(key, item, more, dash or "", said, _unfinished(found, group))


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
    if _DAY.fullmatch(text):
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            raise _NotPlain from None
    raise _NotPlain


def _read_any(text: str) -> FrontMatter:
    loader = _Loader(text)
    root: object = None
    try:
        _check_depth(text)
        root = loader.get_single_node()
        if root is None:
            return FrontMatter({}, {})
        if not isinstance(root, yaml.MappingNode) or root.tag != _MAP:
            raise FrontMatterError("front matter is not a list of `key: value` lines", root.start_mark.line + 1)
        _weigh(root, {})
        spans = _spans(root)
        values = loader.construct_document(root)
        names = _odd_names(root)
    except yaml.YAMLError as error:
        raise FrontMatterError(f"front matter is not YAML: {_said(error)}", _line_of(error, text)) from error
    except _ODD as error:
        why = f": {error}" if isinstance(error, ValueError) else ""
        raise FrontMatterError(f"front matter has a value that YAML cannot read{why}", _unreadable(root)) from error
    finally:
        loader.dispose()
    named = {names.get(key, str(key)): value for key, value in values.items()}
    return FrontMatter(named, {name: span for name, span in spans.items() if name in named})


def _said(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)


def _line_of(error: yaml.YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    position = getattr(error, "position", None)
    return text.encode()[:position].count(b"\n") + 1 if isinstance(position, int) else 1


def _unreadable(root: object) -> int:
    """The line of the first entry whose value cannot be made."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else []:
        try:
            SafeConstructor().construct_document(yaml.SequenceNode("tag:yaml.org,2002:seq", [key, value]))
        except (yaml.YAMLError, *_ODD):
            return int(key.start_mark.line) + 1
    return 1


def _odd_names(root: yaml.MappingNode) -> dict[object, str]:
    """The keys that are not text, and the text each is written with."""
    keys = [key for key, _ in root.value if key.tag != _STR and isinstance(key, yaml.ScalarNode)]
    return {SafeConstructor().construct_document(key): str(key.value) for key in keys}


def _check_depth(text: str) -> None:
    """Refuse what overflows libyaml's stack: nesting on one line. A text with few openings is not looked at twice."""
    if sum(map(text.count, _OPENINGS)) <= MAX_DEPTH:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise FrontMatterError(f"front matter is nested more than {MAX_DEPTH} deep", line)


def _weigh(node: yaml.Node, known: dict[int, tuple[int, int]], depth: int = 1) -> tuple[int, int]:
    """How many values a node stands for with its aliases written out, and how deep they are nested."""
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > MAX_DIGITS:
            raise FrontMatterError(f"front matter has a number of {len(node.value):,} digits", line)
        return 1, 1
    if id(node) in known:
        if known[id(node)] == (0, 0):
            raise FrontMatterError("front matter has a value that contains itself", line)
        return known[id(node)]
    known[id(node)] = (0, 0)
    weight, height = 1, 0
    for child in _children(node) if depth <= MAX_DEPTH else ():
        inner, below = _weigh(child, known, depth + 1)
        weight, height = weight + inner, max(height, below)
    if depth > MAX_DEPTH or height >= MAX_DEPTH:
        raise FrontMatterError(f"front matter is nested more than {MAX_DEPTH} deep", line)
    if weight > MAX_VALUES:
        raise FrontMatterError(f"front matter stands for more than {MAX_VALUES:,} values", line)
    known[id(node)] = weight, height + 1
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    return [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]


def _spans(root: yaml.MappingNode) -> dict[str, Span]:
    """Lines of each entry; an entry that shares a line with its neighbour is left out."""
    spans: dict[str, Span] = {}
    shared: set[str] = set()
    last_end, last_key = 0, ""
    for key, value in root.value:
        name = str(key.value)
        span = (
            key.start_mark.line,
            max(_last_line(value), key.end_mark.line) + 1,
        )  # an alias ends where its anchor does
        if root.flow_style or span[0] < last_end:
            shared |= {name, last_key}
        spans[name] = span
        last_end, last_key = span[1], name
    return {name: span for name, span in spans.items() if name not in shared}


def _last_line(node: yaml.Node) -> int:
    if isinstance(node, yaml.ScalarNode):
        if node.style in ("|", ">"):
            return max(node.start_mark.line, node.end_mark.line - 1)
        return int(node.end_mark.line)
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.line)
    return max(map(_last_line, _children(node)), default=int(node.start_mark.line))
