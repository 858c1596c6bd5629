"""Failures of the way to a model in our words: what the provider said, whether to try again, whether it may cost."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from atomic_agents.core.errors import ProviderFailed
from atomic_agents.providers.reply_errors import (
    ErrorInside,
    ReplyCutOff,
    ReplyFailed,
    is_page,
    shorten,
    wait_asked,
    words_of,
)

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelHTTPError

_PASSING = frozenset({408, 409, 425, 429})
_OVERLOADED = 529
_TOO_LONG = ("maximum context length", "context_length_exceeded", "context length", "prompt is too long")


@dataclass(frozen=True, slots=True)
class Hints:
    """What to type when the way to a model fails, by how it fails."""

    key: str = "atomic-agents secrets check"
    unreachable: str = "atomic-agents models list"
    unknown: str = "atomic-agents models list"


def failed(
    model_id: str, what: str, *, hint: str = "", status: int | None = None, retryable: bool, billable: bool,
    retry_after: float | None = None,
) -> ProviderFailed:  # fmt: skip
    """The error `model_id what`; `billable` says whether tokens may have been paid for.

    `retry_after` is how many seconds the provider wants to be left alone, None where it does not say.
    """
    context: dict[str, object] = {"model": model_id, "status": status, "retryable": retryable, "billable": billable}
    if retry_after is not None:
        context["retry_after"] = retry_after
    return ProviderFailed(f"{model_id} {what}", hint=hint, context=context)


def translated(model_id: str, error: Exception, hints: Hints, *, streamed: bool) -> ProviderFailed:
    """What the client raised, as the one error the rest of the house knows."""
    from pydantic_ai import exceptions as theirs  # noqa: PLC0415 - heavy

    if isinstance(error, ReplyFailed):
        return _refused_inside(model_id, error, hints, streamed=streamed)
    if isinstance(error, ReplyCutOff):
        return cut_off(model_id, str(error))
    if isinstance(error, theirs.ModelHTTPError):
        return _refused(model_id, error, hints, streamed=streamed)
    if isinstance(error, theirs.ModelTimeoutError | theirs.ModelRequestTimeout | TimeoutError):
        sent = streamed or getattr(error, "phase", None) not in {"connect", "pool"}
        return failed(model_id, "did not answer in time", retryable=True, billable=sent)
    if isinstance(error, theirs.ModelConnectionError | OSError):
        sent = streamed or getattr(error, "phase", None) in {"read", "write"}
        what = "broke off" if sent else "could not be reached"
        hint = "" if sent else hints.unreachable
        return failed(model_id, f"{what}: {_cause(error)}", hint=hint, retryable=True, billable=sent)
    retryable = isinstance(error, theirs.ModelServerError | theirs.ModelUnavailableError | theirs.ModelRateLimitError)
    wait = getattr(error, "retry_after", None)
    words = words_of(str(error)) or type(error).__name__
    return failed(model_id, f"failed: {words}", retryable=retryable, billable=True, retry_after=wait)


def cut_off(model_id: str, why: str = "") -> ProviderFailed:
    """The error for an answer that ended before it was whole, and may have been paid for."""
    reason = f": {shorten(why)}" if why else ""
    return failed(model_id, f"broke off before the end of the answer{reason}", retryable=True, billable=True)


def again(seconds: float | None) -> str:
    """When to run something again: `in 7 s`, `in 3 min`, `after 14:05`, `after 2026-12-02 09:00`."""
    wait = seconds or 0.0
    if wait < 1:
        return "run it again in a moment"
    if wait < 120:
        return f"run it again in {wait:.0f} s"
    if wait < 3600:
        return f"run it again in {wait / 60:.0f} min"
    now = datetime.datetime.now().astimezone()
    try:
        then = now + datetime.timedelta(seconds=wait + 59)  # the minute that is named has to be over
    except OverflowError:
        return "run it again later"
    return (
        f"run it again after {then:%H:%M}" if then.date() == now.date() else f"run it again after {then:%Y-%m-%d %H:%M}"
    )


def _refused_inside(model_id: str, error: ReplyFailed, hints: Hints, *, streamed: bool) -> ProviderFailed:
    """The error that stands in a reply of status 200; what came of an answer before it may have been paid for."""
    begun = streamed or error.begun
    if error.error.status is None:
        what = f"answered with an error: {error.error.words}"
        if "web page" in error.error.words:
            what = f"answered with {error.error.words}"
        hint = "check the address of the server, or use another model: atomic-agents models list"
        return failed(model_id, what, hint=hint, retryable=False, billable=begun)
    return _of_status(model_id, error.error, error.error.status, hints, billable=begun)


def _refused(model_id: str, error: "ModelHTTPError", hints: Hints, *, streamed: bool) -> ProviderFailed:
    from pydantic_ai import exceptions as theirs  # noqa: PLC0415 - heavy

    wait = wait_asked(error.headers or {})
    found = ErrorInside(
        _words(error),
        error.status_code,
        quota=isinstance(error, theirs.ModelQuotaExceededError),
        retry_after=error.retry_after if wait is None and not _asks_by_header(error.headers) else wait,
    )
    too_long = isinstance(error, theirs.ModelContextWindowExceededError)
    suggested = error.suggested_model_id or ""
    return _of_status(
        model_id, found, error.status_code, hints, billable=streamed, too_long=too_long, suggested=suggested
    )


def _of_status(
    model_id: str, error: ErrorInside, status: int, hints: Hints, *, billable: bool, too_long: bool = False,
    suggested: str = "",
) -> ProviderFailed:  # fmt: skip
    """The error for an HTTP status, wherever it stood."""
    hint = ""
    passes = not error.quota and (status in _PASSING or status >= 500)
    if error.quota:
        hint = "top up the account, or use another model: atomic-agents models list"
    elif status in {401, 403}:
        hint = hints.key
    elif too_long or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or any(w in error.words.lower() for w in _TOO_LONG):
        hint = "shorten the work item, or use a model that takes more: atomic-agents models list"
    elif status == HTTPStatus.NOT_FOUND:
        hint = f"--model {suggested}" if suggested else hints.unknown
    elif passes:
        hint = again(error.retry_after)
    return failed(
        model_id, f"answered {status}: {error.words}", hint=hint, status=status, retryable=passes, billable=billable,
        retry_after=error.retry_after,
    )  # fmt: skip


def _words(error: "ModelHTTPError") -> str:
    """What the provider said beside a status, or what the status means."""
    words = words_of(error.body)
    if words and isinstance(error.body, str) and is_page(error.body):
        return words.removeprefix(str(error.status_code)).strip(" -–:|") or _meaning(error.status_code)
    return words or _meaning(error.status_code)


def _meaning(status: int) -> str:
    if status == _OVERLOADED:
        return "Overloaded"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "nothing was said"


def _asks_by_header(headers: Mapping[str, str] | None) -> bool:
    return headers is not None and ("retry-after" in headers or "retry-after-ms" in headers)


def _cause(error: Exception) -> str:
    """The innermost reason: SDKs wrap `Connection refused` in `Connection error.`."""
    deepest: BaseException = error
    while (deeper := deepest.__cause__ or deepest.__context__) is not None and str(deeper):
        deepest = deeper
    return shorten(str(deepest))
