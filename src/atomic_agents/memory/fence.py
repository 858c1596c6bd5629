"""Text as data: what notes, pages and tools say goes to a model inside an element that nothing in it can close."""

import re

_TAG = re.compile(r"<(?=[\s/]*document)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def fence(path: str, text: str, **facts: str) -> str:
    """`text` inside a `document` element that says where it comes from; facts that say nothing are left out."""
    attributes = "".join(f' {name}="{_attribute(value)}"' for name, value in {"path": path, **facts}.items() if value)
    return f"<document{attributes}>\n{unfenced(text.strip())}\n</document>"


def unfenced(text: str) -> str:
    """`text` in which nothing begins or ends such an element."""
    return _TAG.sub("&lt;", text) if "<" in text else text


def _attribute(value: str) -> str:
    value = _CONTROL.sub(" ", value)
    return value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
