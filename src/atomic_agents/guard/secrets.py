"""Secrets in texts: what is one, or looks like one, is blacked out before it is written down."""

import bisect
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from atomic_agents.core.errors import SecretRefused

REDACTED = "[redacted]"

_IN_WORD = re.compile("[A-Za-z0-9_]")
_BREAKS = ("\\n", "\\r", "\\t")
# A text without the mark cannot match, and looking for the mark is a hundred times quicker than the pattern. Where a
# pattern names a part `key`, that alone is blacked out.
_SHAPES = tuple(
    (mark, re.compile(pattern, re.DOTALL))
    for mark, pattern in (
        ("PRIVATE KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
        ("AGE-SECRET", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
        # OpenAI, Anthropic, DeepSeek, OpenRouter, Moonshot
        ("sk-", r"sk-(?:(?:ant|proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{32,}|[A-Za-z0-9]{32,})"),
        ("sk-", r"sk-(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9_-]{16,}"),
        ("csk-", r"csk-[A-Za-z0-9]{32,}"),  # Cerebras
        ("xai-", r"xai-[A-Za-z0-9]{40,}"),
        ("pplx-", r"pplx-[A-Za-z0-9]{40,}"),
        ("gsk_", r"gsk_[A-Za-z0-9]{20,}"),  # Groq
        ("hf_", r"hf_[A-Za-z0-9]{30,}"),
        ("fw_", r"fw_[A-Za-z0-9]{20,}"),  # Fireworks
        ("r8_", r"r8_[A-Za-z0-9]{30,}"),  # Replicate
        ("nvapi-", r"nvapi-[A-Za-z0-9_-]{40,}"),
        ("tgp_v1_", r"tgp_v1_[A-Za-z0-9_-]{30,}"),  # Together
        ("AIza", r"AIza[0-9A-Za-z_-]{35,}"),  # Google
        ("ya29.", r"ya29\.[0-9A-Za-z_-]{20,}"),
        ("GOCSPX-", r"GOCSPX-[0-9A-Za-z_-]{20,}"),
        ("AKIA", r"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),  # AWS
        ("ASIA", r"ASIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("ABSK", r"ABSK[A-Za-z0-9+/=]{100,}"),
        ("JQQJ99", r"[A-Za-z0-9]{40,60}JQQJ99[A-Za-z0-9]{20,40}"),  # Azure
        ("Q~", r"[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
        ("k_", r"[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}"),  # Stripe
        ("whsec_", r"whsec_[A-Za-z0-9+/=]{24,}"),
        ("gh", r"gh[pousr]_[A-Za-z0-9]{30,}"),  # GitHub
        ("github_pat_", r"github_pat_[A-Za-z0-9_]{30,}"),
        ("glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),  # GitLab
        ("npm_", r"npm_[A-Za-z0-9]{36,}"),
        ("pypi-", r"pypi-[A-Za-z0-9_-]{50,}"),
        ("SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),  # SendGrid
        ("lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),  # Linear
        ("ntn_", r"ntn_[A-Za-z0-9]{40,}"),  # Notion
        ("do", r"do[opr]_v1_[a-f0-9]{64}"),  # DigitalOcean
        ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
        ("xapp-", r"xapp-\d-[A-Za-z0-9-]{20,}"),
        ("hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows)/(?P<key>[A-Za-z0-9/_-]{20,})"),
        (":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),  # Telegram
        ("eyJ", r"eyJ[A-Za-z0-9_-]{10,500}+\.[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{10,}"),
        ("://", r"[a-z]://[^\s/:@\"'<>]{1,100}:(?P<key>[^\s/:@\"'<>]{3,200})@"),
        ("earer ", r"[Bb]earer (?P<key>(?=[A-Za-z_.~+/-]{0,64}\d)[A-Za-z0-9_.~+/-]{20,}=*)"),
    )
)
_SHORTEST = 10
"""Characters of the shortest text that can have one of these shapes: a URL with a name and a password."""
_STATED_MARKS = ("key", "token", "secret", "password")
_STATED = re.compile(
    r"(?:api|access|account|auth|secret|subscription)[_ -]?(?:access[_-]?)?(?:key|token)|client[_ -]?secret|password",
    re.IGNORECASE,
)
# Keys without a shape of their own, such as Mistral's and Azure's, are known by what they are said to be.
_VALUE = re.compile(
    r"[\"']?\s{0,3}[:=]\s{0,3}[\"']?((?=[^\s\"']{0,64}\d)(?=[^\s\"']{0,64}[A-Za-z])[A-Za-z0-9+/_.~-]{20,}={0,2})"
)


_SAID = re.compile(
    r"\b(?:(?:password|passwd|passphrase)\b['\"]?\s*(?::|=|\bis\b)"
    r"|(?:api[ _-]?key|secret|access[ _-]?token)\b['\"]?\s*[:=])"
    r"\s*['\"]?(?P<key>(?=[^\s\"']{0,64}\d)(?=[^\s\"']{0,64}[A-Za-z])[^\s\"',;]{8,200})",
    re.IGNORECASE,
)
"""What people write of a password or a key in a sentence or a list."""
_PLACEHOLDER = re.compile(
    r"[$<{%]|.*(?:xxxx|\*\*\*|\.\.\.|…)|(?:your|my)[_-]|(?:password|passwd|pass|pwd)\Z", re.IGNORECASE
)
_NO_KEY = re.compile(
    r"(?:sha\d+|md5)[:-]|https?://|[~.]?/|\d{4}-\d\d-\d\d|\d*[a-z]+(?:-[a-z]+)+[.!?]?\Z", re.IGNORECASE
)
"""Hashes, addresses, paths, days and joined words, which may follow such a word."""
_WORDS = re.compile(r"[A-Za-z]*|\d{1,4}|[A-Za-z0-9]{1,3}")


def lines_with_secrets(text: str, known: Iterable[str] = ()) -> list[int]:
    """The lines, from 1, on which a key or a password stands: by its shape, by what it is said to be, or `known`.

    Stricter than `redact`, since what it finds is refused: placeholders, hashes, ids and words joined by hyphens are
    none.
    """
    starts = {start for start in _starts(text, known) if not text.startswith(REDACTED, start)}
    ends = [found.start() for found in re.finditer("\n", text)] if starts else []
    return sorted({bisect.bisect_left(ends, start) + 1 for start in starts})


def new_lines_with_secrets(after: str, before: str, known: Iterable[str] = ()) -> list[int]:
    """The same for a text that another becomes, without the lines that stood there before."""
    found = lines_with_secrets(after, known)
    if not found:
        return []
    there, lines = set(before.split("\n")), after.split("\n")
    return [number for number in found if lines[number - 1] not in there]


def refuse(path: str, text: str, known: Iterable[str] = (), *, before: str = "") -> None:
    """Refuse to keep a text at `path` that has a key or a password which did not stand in it `before`.

    Raises:
        SecretRefused: names the line, and never the secret.
    """
    found = new_lines_with_secrets(text, before, known)
    if found:
        message = f"{path}:{found[0]} would hold what looks like a key or a password, so nothing was written"
        raise SecretRefused(message, hint=HINT, context={"path": path, "lines": found})


HINT = "atomic-agents secrets set NAME   keeps a secret; write its name instead\n--anyway   where it is none"


def _starts(text: str, known: Iterable[str]) -> Iterator[int]:
    """Where secrets begin."""
    for secret in known:
        if secret in text:
            yield from (found.start() for found in re.finditer(rf"(?<!\w){re.escape(secret)}(?!\w)", text))
    if len(text) < _SHORTEST:
        return
    for mark, pattern in _SHAPES:
        for found in pattern.finditer(text) if mark in text else ():
            start, key = _key_of(found)
            is_words = mark == "sk-" and all(map(_WORDS.fullmatch, re.split("[-_]", key.removeprefix("sk-"))))
            if _blacked_out(found) != found[0] and not is_words and not _PLACEHOLDER.match(key):
                yield start
    for start, end in _lines_with(text, text.lower()):
        yield from (start + at for at in _stated_starts(text[start:end]))


def _lines_with(text: str, lowered: str) -> Iterator[tuple[int, int]]:
    """Start and end of the lines that could say what a key or a password is: few of a text need the long look."""
    if len(lowered) != len(text):  # some letters become two
        lowered = text
    ends = set()
    for mark in (*_STATED_MARKS, "pass"):
        at = lowered.find(mark)
        while at >= 0:
            end = lowered.find("\n", at)
            ends.add(end := len(text) if end < 0 else end)
            at = lowered.find(mark, end)
    yield from ((text.rfind("\n", 0, end) + 1, end) for end in ends)


def _stated_starts(text: str) -> Iterator[int]:
    values = (_VALUE.match(text, name.end()) for name in _STATED.finditer(text))
    found = [(value.start(1), value[1]) for value in values if value]
    found += [(said.start("key"), said["key"]) for said in _SAID.finditer(text)]
    yield from (start for start, value in found if not _PLACEHOLDER.match(value) and not _NO_KEY.match(value))


def _key_of(found: re.Match[str]) -> tuple[int, str]:
    """Where the key in a match begins, and the key."""
    group = "key" if "key" in found.re.groupindex else 0
    return found.start(group), found[group]


def redact(text: str, known: Iterable[str] = ()) -> str:
    """`text` without the shapes of well-known keys and without the secrets in `known`."""
    for secret in known:
        if secret in text:
            text = text.replace(secret, REDACTED)
    if len(text) < _SHORTEST:
        return text
    for mark, pattern in _SHAPES:
        if mark in text:
            text = pattern.sub(_blacked_out, text)
    lowered = text.lower()
    return _without_stated(text) if any(mark in lowered for mark in _STATED_MARKS) else text


def redacted(value: object, known: Iterable[str] = ()) -> object:
    """A JSON value with every text in it redacted."""
    match value:
        case str():
            return redact(value, known)
        case Mapping():
            return {redact(str(key), known): redacted(inner, known) for key, inner in value.items()}
        case list() | tuple():
            return [redacted(inner, known) for inner in value]
    return value


def spelled_out(text: str) -> str:
    """JSON without escapes, behind which a secret could hide; what is no JSON as it is."""
    if "\\u" not in text:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _without_stated(text: str) -> str:
    """What is said to be a key, blacked out: `api_key: …`."""
    kept: list[str] = []
    end = 0
    for name in _STATED.finditer(text):
        value = _VALUE.match(text, name.end()) if name.end() >= end else None
        if value is not None and value[1] != REDACTED:
            kept += (text[end : value.start(1)], REDACTED)
            end = value.end(1)
    return "".join((*kept, text[end:])) if kept else text


def _blacked_out(found: re.Match[str]) -> str:
    """Nothing inside of a word is a key, though a line break as JSON spells it may stand right before one."""
    if "key" in found.re.groupindex:
        start = found.start("key") - found.start()
        return f"{found[0][:start]}{REDACTED}{found[0][start + len(found['key']) :]}"
    before = found.string[max(found.start() - 2, 0) : found.start()]
    in_word = found[0][0].isalnum() and _IN_WORD.match(before[-1:]) is not None
    return found[0] if in_word and before not in _BREAKS else REDACTED
