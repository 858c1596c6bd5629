"""Secrets in texts: what is one, or looks like one, is blacked out before it is written down."""

import re
from collections.abc import Iterable, Mapping

REDACTED = "[redacted]"

_IN_WORD = re.compile("[A-Za-z0-9_]")
_BREAKS = ("\\n", "\\r", "\\t")
# A text without the mark cannot match, and looking for the mark is a hundred times quicker than the pattern.
_SHAPES = tuple(
    (mark, re.compile(pattern, re.DOTALL))
    for mark, pattern in (
        ("PRIVATE KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
        ("sk-", r"sk-(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9_-]{16,}"),
        ("k_live_", r"[rsp]k_live_[A-Za-z0-9]{16,}"),
        ("gsk_", r"gsk_[A-Za-z0-9]{20,}"),
        ("AKIA", r"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("ASIA", r"ASIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("gh", r"gh[pousr]_[A-Za-z0-9]{30,}"),
        ("github_pat_", r"github_pat_[A-Za-z0-9_]{30,}"),
        ("glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
        ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("AIza", r"AIza[0-9A-Za-z_-]{35}"),
        ("eyJ", r"eyJ[A-Za-z0-9_-]{10,500}+\.[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{10,}"),
    )
)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """`text` without the shapes of well-known keys and without the secrets in `known`."""
    for secret in known:
        if secret in text:
            text = text.replace(secret, REDACTED)
    for mark, pattern in _SHAPES:
        if mark in text:
            text = pattern.sub(_blacked_out, text)
    return text


def redacted(value: object, known: Iterable[str] = ()) -> object:
    """A JSON value with every text in it redacted."""
    match value:
        case str():
            return redact(value, known)
        case Mapping():
            return {key: redacted(inner, known) for key, inner in value.items()}
        case list() | tuple():
            return [redacted(inner, known) for inner in value]
    return value


def _blacked_out(found: re.Match[str]) -> str:
    """Nothing inside of a word is a key, though a line break as JSON spells it may stand right before one."""
    before = found.string[max(found.start() - 2, 0) : found.start()]
    in_word = found[0][0].isalnum() and _IN_WORD.match(before[-1:]) is not None
    return found[0] if in_word and before not in _BREAKS else REDACTED
