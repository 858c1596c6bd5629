"""What a server says instead of an answer, wherever it says so: its words, and the status class that they stand for."""

import datetime
import email.utils
import html
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

LONGEST = 500
"""Characters of a provider's words that are shown."""
QUOTA_WORDS = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_error",
        "credit_balance_exhausted",
        "exceeded_current_quota_error",
        "insufficient_balance",
        "insufficient_credits",
        "payment_required",
    }
)
"""Codes and types that say the account is empty, for which waiting does not help."""

_STATUS_OF_WORD: Mapping[str, int] = {
    **dict.fromkeys(("invalid_request_error", "invalid_request", "invalid_argument", "bad_request"), 400),
    **dict.fromkeys(("context_length_exceeded", "failed_precondition", "badrequesterror"), 400),
    **dict.fromkeys(("authentication_error", "invalid_api_key", "unauthenticated", "unauthorized"), 401),
    **dict.fromkeys(("invalid_authentication_error", "authenticationerror"), 401),
    **dict.fromkeys(("permission_error", "permission_denied", "forbidden"), 403),
    **dict.fromkeys(("not_found_error", "model_not_found", "not_found", "notfounderror"), 404),
    **dict.fromkeys(("request_too_large",), 413),
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "rate_limit", "rate_limit_reached_error"), 429),
    **dict.fromkeys(("too_many_requests", "resource_exhausted", "throttlingexception", "ratelimiterror"), 429),
    **dict.fromkeys(("tokens", "requests"), 429),  # what OpenAI's rate limits name as their type
    **dict.fromkeys(("server_error", "api_error", "internal_error", "internal_server_error", "internal"), 500),
    **dict.fromkeys(("internalservererror", "upstream_error", "bad_gateway"), 502),
    **dict.fromkeys(("service_unavailable", "service_unavailable_error", "unavailable", "server_is_overloaded"), 503),
    **dict.fromkeys(("overloaded", "engine_overloaded_error", "model_overloaded"), 503),
    **dict.fromkeys(("timeout", "timeout_error", "deadline_exceeded", "gateway_timeout"), 504),
    "overloaded_error": 529,
}
_STATUS_OF_WORDS = (
    (re.compile(r"\brate.?limit|too many requests|\bquota\b|throttl", re.IGNORECASE), 429),
    (
        re.compile(r"overloaded|over capacity|at capacity|temporarily unavailable|service unavailable", re.IGNORECASE),
        503,
    ),
    (
        re.compile(r"(invalid|incorrect|missing|bad|no).{0,20}api.?key|unauthori[sz]ed|unauthenticated", re.IGNORECASE),
        401,
    ),
)
"""What a message stands for where nothing else in the error says it."""
_STATED_STATUS = re.compile(r"^\W*(?:(?:HTTP|error|code|status)[ :/]*(?:1\.1 |2 )?)*\b([45]\d\d)\b", re.IGNORECASE)
_STATUS_KEYS = ("code", "status", "status_code", "statusCode", "http_status", "http_code")
_WORD_KEYS = ("code", "type", "status", "error_type", "reason")
_MESSAGE_KEYS = ("message", "msg", "error", "detail", "details", "error_message", "errors", "title", "description")
_TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_SILENT = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_IS_PAGE = re.compile(r"^\s*(?:<!doctype html|<html|<head|<body|<!--|<\?xml)|<title>|</html>", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f]")
_DEEPEST = 6
_MOST_DETAILS = 5
_LONGEST_PAGE = 16_000
_LONGEST_WAIT = 100 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class ErrorInside:
    """An error that a server has put into its reply; `status` is None where nothing tells its class."""

    words: str
    status: int | None = None
    quota: bool = False
    retry_after: float | None = None


class ReplyFailed(Exception):
    """A reply that is no answer. `begun` says whether a part of an answer came before."""

    def __init__(self, error: ErrorInside, *, begun: bool = False) -> None:
        super().__init__(error.words)
        self.error = error
        self.begun = begun


class ReplyCutOff(Exception):
    """A reply that ended before the answer was whole."""

    def __init__(self, reason: str = "", *, begun: bool = True) -> None:
        super().__init__(reason or "the stream ended before the answer did")
        self.begun = begun


def error_in(data: object, *, named: bool = False) -> ErrorInside | None:
    """The error that a reply has instead of an answer, None for none; `named` where its event says it is one."""
    if isinstance(data, Sequence) and not isinstance(data, str) and data:
        return error_in(data[0], named=named)
    if not isinstance(data, Mapping):
        return ErrorInside(shorten(str(data)), _stated(str(data))) if named else None
    inside = data.get("error")
    failed = inside or named or data.get("object") == "error" or data.get("type") == "error" or data.get("errors")
    if not failed:
        return None
    words = words_of(data) or shorten(json.dumps(data, ensure_ascii=False))
    layers = list(_layers(data))
    quota = any(str(layer.get(key)).lower() in QUOTA_WORDS for layer in layers for key in _WORD_KEYS)
    status = next((each for layer in layers if (each := _status_of(layer)) is not None), None)
    if status is None:
        status = 429 if quota else _stated(words)
    wait = next((seconds for layer in layers if (seconds := seconds_of(_wait_in(layer))) is not None), None)
    return ErrorInside(words, status, quota or status == HTTPStatus.PAYMENT_REQUIRED, wait)


def error_of_text(text: str) -> ErrorInside:
    """The error for a reply that is neither JSON nor a stream: a web page, a line of text."""
    words = words_of(text)
    if is_page(text):
        found = f"a web page instead of an answer: {words}" if words else "a web page instead of an answer"
        return ErrorInside(found, _stated(words))
    return ErrorInside(words or "nothing", _stated(words))


def words_of(body: object, depth: int = 0) -> str:
    """The provider's own sentence in an error body, whatever its wrapping; "" where there is none."""
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    if isinstance(body, str):
        return _words_of_text(body, depth)
    if depth > _DEEPEST:
        return ""
    if isinstance(body, Mapping):
        return _words_of_object(body, depth)
    if isinstance(body, Sequence):
        found = [words for each in body[:_MOST_DETAILS] if (words := words_of(each, depth + 1))]
        more = f"; {len(body) - _MOST_DETAILS} more" if len(body) > _MOST_DETAILS else ""
        return shorten("; ".join(found) + more) if found else ""
    return ""


def shorten(text: str) -> str:
    """A text on one line, without control characters, cut to a sensible length."""
    line = " ".join(_UNPRINTABLE.sub(" ", text[: 20 * LONGEST]).split())
    return line.rstrip(".") if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def is_page(text: str) -> bool:
    """Whether a text is markup meant for a browser."""
    return _IS_PAGE.search(text[:2000]) is not None


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` ask for; None where neither can be understood."""
    milliseconds = _number(headers.get("retry-after-ms"))
    return seconds_of(headers.get("retry-after")) if milliseconds is None else milliseconds / 1000


def seconds_of(value: object) -> float | None:
    """Seconds in a number, a text such as `7` or `7.5s`, or a date; None for anything else."""
    seconds = _number(value)
    if seconds is not None or not isinstance(value, str):
        return seconds
    try:
        then = email.utils.parsedate_to_datetime(value)
        then = then if then.tzinfo else then.replace(tzinfo=datetime.UTC)
        return max(0.0, (then - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: object) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        value = text.removesuffix("s")
        if not re.fullmatch(r"\d{1,20}(\.\d+)?", value):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds <= _LONGEST_WAIT else None


def _wait_in(layer: Mapping[object, object]) -> object:
    for key in ("retry_after", "retryAfter", "retryDelay", "retry_after_seconds"):
        if key in layer:
            return layer[key]
    return None


def _layers(data: object, depth: int = 0) -> Iterator[Mapping[object, object]]:
    """Every object in an error, the innermost first: the cause is told more exactly than its wrapping."""
    if depth > _DEEPEST:
        return
    if isinstance(data, Mapping):
        for key in ("error", "detail", "details", "metadata", "raw", "message", "innererror", "errors"):
            yield from _layers(data.get(key), depth + 1)
        yield data
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        for each in data[:_MOST_DETAILS]:
            yield from _layers(each, depth + 1)
    elif isinstance(data, str) and data.lstrip().startswith("{"):
        try:
            yield from _layers(json.loads(data), depth + 1)
        except (ValueError, RecursionError):
            return


def _status_of(layer: Mapping[object, object]) -> int | None:
    for key in _STATUS_KEYS:
        value = layer.get(key)
        if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value.strip()):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
            return value
    for key in _WORD_KEYS:
        status = _STATUS_OF_WORD.get(str(layer.get(key)).lower())
        if status is not None:
            return status
    return None


def _stated(words: str) -> int | None:
    """The status that a sentence begins with, as `502 Bad Gateway` does, or that its words stand for."""
    if found := _STATED_STATUS.search(words):
        return int(found[1])
    return next((status for pattern, status in _STATUS_OF_WORDS if pattern.search(words)), None)


def _words_of_text(text: str, depth: int) -> str:
    if depth <= _DEEPEST and text.lstrip()[:1] in {"{", "["}:
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            return shorten(text)
        return words_of(inner, depth + 1) or shorten(text)
    if not is_page(text):
        return shorten(text)
    page = text[:_LONGEST_PAGE]
    for _, title in _TITLE.findall(page):
        if words := shorten(html.unescape(_TAG.sub(" ", title))):
            return words
    return shorten(html.unescape(_TAG.sub(" ", _SILENT.sub(" ", page))))[:LONGEST]


def _words_of_object(body: Mapping[object, object], depth: int) -> str:
    if "loc" in body and isinstance(body.get("msg"), str):
        where = body["loc"]
        place = ".".join(map(str, where)) if isinstance(where, Sequence) and not isinstance(where, str) else str(where)
        return shorten(f"{place}: {body['msg']}")
    words = next((found for key in _MESSAGE_KEYS if (found := words_of(body.get(key), depth + 1))), "")
    metadata = body.get("metadata")
    raw = words_of(metadata.get("raw"), depth + 1) if isinstance(metadata, Mapping) else ""
    return shorten(f"{words}: {raw}") if words and raw and raw not in words else words or raw
