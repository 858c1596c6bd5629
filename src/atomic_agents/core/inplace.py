"""Edit a front matter block by lines, and write one anew."""

import functools
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from atomic_agents.core.block import MAX_DIGITS, FrontMatter, Span

if TYPE_CHECKING:
    import yaml

_WIDE = 2**31 - 1
_BREAKS = re.compile(r"[\n\r\x85\u2028\u2029]")
_OPENING = re.compile(r"(?:[ \t]*+(?:#[^\n]*+|\r)?+\n)*+")
_LEAD = re.compile(r" *[^:\s]{1,200}:[ \t]+")
_QUOTED = re.compile(r"'(?:[^']|'')*+'|\"[^\"\\]*+\"")
_SIMPLE_LIST = re.compile(r"\[[^\[\]{}#'\"]*+\]")
_TAIL = re.compile(r"(?:[ \t]+#[^\r\n]*)?+[ \t]*\r?\n?")
_COMMENT = re.compile(r"[ \t]#")
_SPACES = re.compile(r" *")


def block(meta: Mapping[str, object], newline: str = "\n") -> str:
    """The lines of a front matter block that says `meta`, in its order."""
    return _dump(dict(meta)).replace("\n", newline) if meta else ""


def opening_comments(text: str) -> str:
    """The comment lines, and blank ones, that a block opens with."""
    found = _OPENING.match(text)
    return found[0] if found else ""


def edit(
    text: str,
    parsed: FrontMatter,
    changed: Mapping[str, object],
    removed: AbstractSet[str],
    *,
    newline: str,
    gently: bool,
) -> str | None:
    """The block with the lines of `changed` and `removed` keys replaced; None where a removed key has none of its own.

    `gently` keeps quotes, comments and list style of a changed value, and the blank lines below a removed one. The
    caller reads the result again: where a form is beyond this function, it says something else than was asked.
    """
    lines = text.splitlines(keepends=True)
    first_entry = _OPENING.match(text)
    indent = _indent(text[first_entry.end() :]) if first_entry else ""
    replacements: dict[Span, list[str]] = {}
    tail: list[str] = []
    for key, value in changed.items():
        span = parsed.spans.get(key)
        if span is None:
            tail += _entry(key, value, indent, newline)
            continue
        old = lines[span[0] : span[1]]
        new = _replace(old, parsed.values.get(key), value, newline) if gently else None
        replacements[span] = _entry(key, value, indent, newline) if new is None else new
    for key in removed:
        if key not in parsed.spans:
            return None
        first, end = parsed.spans[key]
        while not gently and end < len(lines) and not lines[end].strip():
            end += 1  # blank lines that would become the end of a text above, where that keeps them (`|+`)
        replacements[first, end] = []
    for (first, end), new in sorted(replacements.items(), reverse=True):
        lines[first:end] = new
    return "".join(lines + tail)


def _indent(text: str) -> str:
    found = _SPACES.match(text)
    return found[0] if found else ""


def _replace(old: list[str], was: object, value: object, newline: str) -> list[str] | None:
    """The lines of an entry with another value in the form they have; None where that form cannot hold it."""
    if isinstance(value, list) and isinstance(was, list) and len(value) > len(was) > 0 and value[: len(was)] == was:
        last = old[-1].lstrip(" ")
        if last.startswith("- "):
            indent = _indent(old[-1])
            return old + [f"{indent}- {_inline(item)}{newline}" for item in value[len(was) :]]
    lead = _LEAD.match(old[0])
    if len(old) > 1 or lead is None or isinstance(value, dict):
        return None
    rest = old[0][lead.end() :]
    form = _value_end(rest)
    tail = _TAIL.fullmatch(rest, form)
    if tail is None or (isinstance(value, list) != rest.startswith("[")):
        return None
    text = f"[{', '.join(_inline(item, flow=True) for item in value)}]" if isinstance(value, list) else None
    return [lead[0] + (_like(rest[:form], value) if text is None else text) + tail[0]]


def _value_end(rest: str) -> int:
    """Where the value at the start of `rest` ends, if it is a scalar or a list of plain words."""
    found = _QUOTED.match(rest) or _SIMPLE_LIST.match(rest)
    if found:
        return found.end()
    if rest.startswith(("'", '"', "[", "{", "|", ">", "&", "*", "!", "#")):
        return 0
    comment = _COMMENT.search(rest)
    return len((rest[: comment.start()] if comment else rest).rstrip())


def _like(old: str, value: object) -> str:
    """`value` as a scalar, in the quotes that `old` has where those can hold it."""
    if isinstance(value, str) and not _BREAKS.search(value):
        if old.startswith("'"):
            return "'" + value.replace("'", "''") + "'"
        if old.startswith('"') and not re.search(r'["\\]', value):
            return f'"{value}"'
    return _inline(value)


def _entry(key: str, value: object, indent: str, newline: str) -> list[str]:
    plain = _plainly(value) if _WORD.fullmatch(key) else None
    if plain is not None:
        return [f"{indent}{key}: {plain}{newline}"]
    return [indent + line + newline for line in _dump({key: value}).split("\n")[:-1]]


_WORD = re.compile(r"(?!(?:yes|no|on|off|true|false|null|y|n)\Z)[a-z][a-z_]*")


def _plainly(value: object) -> str | None:
    """What every YAML writer makes of a whole number and of a word, without asking one; None for anything else."""
    if type(value) is int:
        return str(value)
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _inline(value: object, *, flow: bool = False) -> str:
    plain = _plainly(value)
    if plain is not None:
        return plain
    if flow or not isinstance(value, str):
        return _dump([value], flow=True).strip()[1:-1]
    return _dump({"k": value}).removeprefix("k: ").rstrip("\n")


def _text(dumper: "yaml.SafeDumper", value: str) -> "yaml.ScalarNode":
    """A text with line breaks goes on one line, in double quotes: line ends are the file's, not the value's."""
    style = '"' if _BREAKS.search(value) else None
    whole = value.encode(errors="replace").decode()
    return dumper.represent_scalar("tag:yaml.org,2002:str", whole, style=style)


def _number(dumper: "yaml.SafeDumper", value: float) -> "yaml.ScalarNode":
    """A number without an exponent, which is read back as a text."""
    plain = f"{Decimal(repr(value)):f}" if math.isfinite(value) else ""
    if not plain or len(plain) >= MAX_DIGITS:
        return dumper.represent_float(value)
    return dumper.represent_scalar("tag:yaml.org,2002:float", plain if "." in plain else f"{plain}.0")


@functools.cache
def _dumper() -> "type[yaml.SafeDumper]":
    import yaml  # noqa: PLC0415 - 12 ms that only writing needs

    writer = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumper = cast("type[yaml.SafeDumper]", type("_Dumper", (writer,), {"ignore_aliases": lambda *_: True}))
    dumper.add_representer(str, _text)
    dumper.add_representer(float, _number)
    return dumper


def _dump(value: object, *, flow: bool = False) -> str:
    import yaml  # noqa: PLC0415 - as above

    dumped: str = yaml.dump(
        value, Dumper=_dumper(), default_flow_style=flow, sort_keys=False, allow_unicode=True, width=_WIDE
    )
    return dumped
