"""Read YAML front matter with the line of every key; the common forms fast, everything else through libyaml.

The published format is written by PyYAML, so YAML 1.1 as PyYAML's C loader reads it is the truth here: `yes` is a
boolean, an unquoted day is a date, the last of two equal keys wins. `_read_plain` reads the forms that writers and
people really use (`key: scalar`, `- item`, short flow lists) about six times faster and returns None for any other;
a property test holds it equal to the C loader on whatever it accepts.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML 1.1 lets stand on a line, less the break characters; then the same without `#` and `:`, `'`, `"` and `\\`.
_REST = r"\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_COMMENT = rf"(?: \#[ -~{_REST}]*)?"
_TEXT = rf"[ -\"$-9;-~{_REST}]"
_PLAIN = rf"(?![\s\"'\[\]{{}}>|*&!%#`@,?:=<~-]){_TEXT}*(?:(?::(?=[^\s:])|(?<=[^\s])\#){_TEXT}*)*"
_QUOTED = rf"'(?:[ -&(-~{_REST}]+|'')*'|\"[ !#-\[\]-~{_REST}]*\""
_WORDS = r"\[(?: *[A-Za-z][\w-]*(?: *, *[A-Za-z][\w-]*)*)? *\]"
_LINE = re.compile(
    rf"(?P<key>[A-Za-z_][A-Za-z0-9_-]{{0,100}}):(?: +(?P<value>{_PLAIN}|{_QUOTED}|{_WORDS}))? *{_COMMENT}\r?\n"
    rf"|(?P<dash> *)- +(?P<item>{_PLAIN}|{_QUOTED}) *{_COMMENT}\r?\n"
    rf"| *(?:\#[ -~{_REST}]*)?\r?\n",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INTEGER = re.compile(r"0|[1-9][0-9]*")
_SPECIAL: Mapping[str, object] = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("null", "Null", "NULL"), None),
}


class FrontMatterError(Exception):
    """The text is not a YAML mapping; `line` counts from 1 within the front matter."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


Span = tuple[int, int]
"""The lines a key and its value occupy: a half-open range counted from 0 within the front matter."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The values of a block and where each stands; `spans` lacks a key that shares its line with another."""

    values: dict[str, object]
    spans: dict[str, Span]


def read(text: str) -> FrontMatter:
    """Read a front matter block (without its `---` lines; its last line ends with a newline).

    Raises:
        FrontMatterError: not YAML, or not a mapping.
    """
    return _read_plain(text) or _read_any(text)


def _read_plain(text: str) -> FrontMatter | None:
    values: dict[str, object] = {}
    spans: dict[str, Span] = {}
    items: list[object] | None = None
    key, first, indent, awaits_items = "", 0, "", False
    position, number, end = 0, 0, len(text)
    while position < end:
        line = _LINE.match(text, position)
        if line is None:
            return None
        position = line.end()
        try:
            name, value, dash, item = line.group("key", "value", "dash", "item")
            if name is not None:
                if name in values or name in _SPECIAL:
                    return None
                key, first, items, awaits_items = name, number, None, value is None
                values[name] = None if awaits_items else _scalar(value)
                spans[name] = (number, number + 1)
            elif item is not None:
                if items is None:
                    if not awaits_items:
                        return None
                    values[key] = items = []
                    indent = dash
                if indent != dash:
                    return None
                items.append(_scalar(item))
                spans[key] = (first, number + 1)
        except _NotPlain:
            return None
        number += 1
    return FrontMatter(values, spans)


class _NotPlain(Exception):
    """The scalar needs the full YAML resolver."""


def _scalar(text: str) -> object:
    first = text[0]
    if first == "'":
        return text[1:-1].replace("''", "'")
    if first == '"':
        return text[1:-1]
    if first == "[":
        words = [word.strip() for word in text[1:-1].split(",")] if text[1:-1].strip() else []
        return [_SPECIAL.get(word, word) for word in words]
    text = text.rstrip(" ")
    if text in _SPECIAL:
        return _SPECIAL[text]
    if first not in "+.0123456789":
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
    try:
        node = loader.get_single_node()
        if node is None:
            return FrontMatter({}, {})
        if not isinstance(node, yaml.MappingNode):
            raise FrontMatterError("front matter is not a list of `key: value` lines", node.start_mark.line + 1)
        spans = _spans(node)
        values = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise FrontMatterError(f"front matter is not YAML: {problem}", mark.line + 1 if mark else 1) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FrontMatterError(f"front matter has a value that YAML cannot read: {error}", 1) from error
    finally:
        loader.dispose()
    return FrontMatter({str(key): value for key, value in values.items()}, spans)


def _spans(root: yaml.MappingNode) -> dict[str, Span]:
    """Lines of each entry; an entry that shares a line with its neighbour is left out."""
    spans: dict[str, Span] = {}
    shared: set[str] = set()
    last_end, last_key = 0, ""
    for key, value in root.value:
        name = str(key.value)
        span = (key.start_mark.line, _last_line(value) + 1)
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
    children = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    return max((_last_line(child) for child in children), default=int(node.start_mark.line))
