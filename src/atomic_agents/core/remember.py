"""The forms in which somebody asks that something is remembered: `remember: …` and `remember that …`."""

import re

_FORM = re.compile(r"\s*remember(?:\s*[:\uff1a]|\s+that\b)\s*(?P<what>\S.*)", re.IGNORECASE | re.DOTALL)


def asked_to_remember(text: str) -> str:
    """The text that is to be remembered, "" where `text` does not begin with one of the forms."""
    found = _FORM.fullmatch(text)
    return found["what"].strip() if found else ""
