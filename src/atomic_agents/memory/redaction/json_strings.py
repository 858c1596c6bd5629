"""The strings of a JSON text, edited where they stand: everything else stays as it is, byte for byte."""

import json
import re
from collections.abc import Callable

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)
_LONE = re.compile("[\ud800-\udfff]")

Edit = Callable[[tuple[str, ...], str], str]
"""Takes the keys that lead to a string, those of lists left out, and the string; returns what it becomes."""


def edit_strings(text: str, edit: Edit) -> str:
    """The JSON text with every string that is a value edited; keys, numbers and spaces stay.

    The caller has made sure that it is JSON.
    """
    pieces: list[str] = []
    open_: list[str] = []
    keys: list[str] = []
    end, is_key = 0, False
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in "{[":
            open_.append(sign)
            keys.append("")
            is_key = sign == "{"
        elif sign in "}]":
            open_.pop()
            keys.pop()
        elif sign == ",":
            is_key = open_[-1] == "{"
        elif sign == ":":
            is_key = False
        elif is_key:
            keys[-1] = json.loads(sign)
        else:
            before = json.loads(sign)
            after = edit(tuple(filter(None, keys)), before)
            if after != before:
                pieces += (text[end : token.start()], _encode(after, like=sign))
                end = token.end()
    return "".join((*pieces, text[end:]))


def _encode(value: str, *, like: str) -> str:
    """A string as JSON; half characters, and all others where `like` does so, are written as escapes."""
    plain = json.dumps(value, ensure_ascii=like.isascii() and "\\u" in like)
    return _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", plain)
