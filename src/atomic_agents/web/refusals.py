"""Errors as answers: one table from exit status to HTTP status, in this project's shape or in OpenAI's."""

import math
from collections.abc import Mapping

from starlette.responses import JSONResponse

from atomic_agents.core.errors import AtomicAgentsError, ProviderFailed

SAFE_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Of every answer, errors among them, that does not say otherwise."""

STATUS: Mapping[int, int] = {0: 200, 1: 503, 2: 400, 3: 402, 4: 202, 5: 409, 6: 503, 7: 502, 8: 502, 130: 503}
"""Exit status to HTTP status; what is of the caller's making is told apart by its code."""

_BY_CODE: Mapping[str, int] = {
    "agent-missing": 404,
    "document-missing": 404,
    "model-unknown": 400,
    "path-refused": 400,
    "input-too-long": 400,
    "busy": 503,
    "resume-refused": 409,
    "internal": 500,
}
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_PROVIDER: Mapping[int, int] = {429: 429, 503: 503, 529: 503}
"""A provider's status to ours, where it asks for patience; any other is 502, so that its 401 is never the caller's."""
_SOON = 2.0  # seconds
_PATIENCE = 10.0  # where a provider does not say how long
_MOST_PATIENCE = 60.0  # clients of OpenAI's API do not wait for longer, but ask again at once


class Refused(Exception):
    """A request that gets no further than the door. `headers` go with the answer."""

    def __init__(
        self, status: int, code: str, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.headers = dict(headers or {})


def as_refused(error: AtomicAgentsError) -> Refused:
    """An error of an operation, as the door tells it. Who asks again at once would only pay again."""
    status = _BY_CODE.get(error.code, STATUS.get(error.exit_status, 500))
    wait = _SOON if error.code in ("busy", "interrupted") else None
    if isinstance(error, ProviderFailed):
        status, wait = _provider_status(error, status)
    headers = {} if wait is None else {"retry-after": str(max(1, math.ceil(wait)))}
    if wait is None or wait > _MOST_PATIENCE:
        headers["x-should-retry"] = "false"
    return Refused(status, error.code, error.message, hint=error.hint, headers=headers)


def _provider_status(error: ProviderFailed, otherwise: int) -> tuple[int, float | None]:
    """Our status for what a provider answered, and the seconds to wait; None where waiting does not help."""
    theirs, stated = error.context.get("status"), error.context.get("retry_after")
    status = _PROVIDER.get(theirs, otherwise) if isinstance(theirs, int) else otherwise
    if isinstance(stated, int | float) and math.isfinite(stated) and stated >= 0:
        return status, float(stated)
    return status, _PATIENCE if status != otherwise and error.context.get("retryable") else None


def plain(refused: Refused) -> JSONResponse:
    """In this project's shape."""
    value = {"code": refused.code, "message": refused.message, "hint": refused.hint}
    return JSONResponse({"error": value}, refused.status, refused.headers)


def openai_error(refused: Refused) -> dict[str, object]:
    """The value of `error` in OpenAI's shape, with the hint as an addition."""
    kind = _TYPES.get(refused.status, "invalid_request_error" if refused.status < 500 else "server_error")
    code = "model_not_found" if refused.code == "agent-missing" else refused.code
    return {"message": refused.message, "type": kind, "param": None, "code": code, "hint": refused.hint}


def openai(refused: Refused) -> JSONResponse:
    """In OpenAI's shape; a run that waits is no error, so that it is an answer where the run is known."""
    return JSONResponse({"error": openai_error(refused)}, refused.status, refused.headers)
