"""A library's errors in our words: what the provider said, whether to try again, whether it may have cost something."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from atomic_agents.core.errors import ProviderFailed

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelHTTPError

_LONGEST = 500


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
    """What pydantic-ai raised, as the one error the rest of the house knows."""
    from pydantic_ai import exceptions as theirs  # noqa: PLC0415 - heavy

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
    return failed(model_id, f"failed: {_short(str(error))}", retryable=retryable, billable=True, retry_after=wait)


def _refused(model_id: str, error: "ModelHTTPError", hints: Hints, *, streamed: bool) -> ProviderFailed:
    from pydantic_ai import exceptions as theirs  # noqa: PLC0415 - heavy

    status = error.status_code
    hint = ""
    if isinstance(error, theirs.ModelQuotaExceededError):
        hint = "top up the account, or use another model: atomic-agents models list"
    elif status in {401, 403}:
        hint = hints.key
    elif isinstance(error, theirs.ModelContextWindowExceededError):
        hint = "shorten the work item, or use a model that takes more: atomic-agents models list"
    elif status == 404:
        hint = f"--model {error.suggested_model_id}" if error.suggested_model_id else hints.unknown
    elif status in {408, 409, 429} or status >= 500:
        wait = error.retry_after or 0
        hint = f"run it again in {wait:.0f} s" if wait >= 1 else "run it again in a moment"
    quota = isinstance(error, theirs.ModelQuotaExceededError)
    retryable = not quota and (status in {408, 409, 429} or status >= 500)
    what = f"answered {status}: {_said(error.body) or _short(str(error.__cause__ or error))}"
    return failed(
        model_id, what, hint=hint, status=status, retryable=retryable, billable=streamed, retry_after=error.retry_after
    )


def _said(body: object) -> str:
    """The provider's own sentence in an error body, whatever its wrapping."""
    if isinstance(body, str):
        return _short(body)
    if not isinstance(body, Mapping):
        return ""
    inside = cast("Mapping[str, object]", body)
    for name in ("message", "error", "detail"):
        if found := _said(inside.get(name)):
            return found
    return ""


def _cause(error: Exception) -> str:
    """The innermost reason: SDKs wrap `Connection refused` in `Connection error.`."""
    deepest: BaseException = error
    while (deeper := deepest.__cause__ or deepest.__context__) is not None and str(deeper):
        deepest = deeper
    return _short(str(deepest))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line.rstrip(".") if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
