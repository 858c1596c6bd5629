"""What servers say instead of an answer: errors of every status and body, and those behind a status of 200."""

import json

from atomic_agents.testing.provider_corpus.row import (
    ANSWER,
    CHAT,
    HTML,
    JSON,
    PLAIN,
    STREAM,
    Expected,
    Row,
    Sent,
    chunk,
    failed,
    reply,
    stream,
)

_OBJECT = {"error": {"message": "the model is on holiday", "type": "some_error", "param": None, "code": None}}
_PAGE = (
    "<!DOCTYPE html><html><head><title>{0}</title><style>body {{ color: red }}</style></head>"
    "<body><center><h1>{0}</h1></center><hr><center>nginx/1.25</center></body></html>"
)
_DETAILS = {
    "detail": [
        {"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Field required", "input": {}},
        {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 1},
    ]
}
_REASONS = "body.messages.0.content: Field required; body.seed: Extra inputs are not permitted"


def _status(name: str, status: int, body: object, words: str, content_type: str = JSON, **more: object) -> Row:
    retryable = status in {408, 409, 429} or status >= 500
    expected = failed(f"answered {status}: {words}", status, **{"retryable": retryable, **more})
    return Row(f"status {status}: {name}", CHAT, reply(body, status, content_type), expected)


def _wait(name: str, header: str, seconds: float | None, status: int = 429) -> Row:
    expected = failed("on holiday", status, retryable=True, retry_after=seconds)
    return Row(f"retry-after: {name}", CHAT, reply(_OBJECT, status, retry_after=header), expected)


def _inside(name: str, error: object, words: str, status: int | None, **more: object) -> Row:
    """An error in a JSON body of status 200."""
    retryable = status is not None and (status in {408, 409, 429} or status >= 500)
    expected = failed(words, status, **{"retryable": retryable, **more})
    return Row(f"error in a 200: {name}", CHAT, reply(error), expected)


def _event(name: str, raw: bytes, expected: Expected) -> Row:
    return Row(f"error in a stream: {name}", CHAT, Sent(raw), expected)


def _error(**fields: object) -> dict[str, object]:
    return {"error": fields}


_STATUSES = (
    *(_status("an object", status, _OBJECT, "the model is on holiday") for status in
      (400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504, 529)),
    _status("an object", 413, _OBJECT, "the model is on holiday"),
    _status("an object", 402, _OBJECT, "the model is on holiday"),
    _status("an empty account", 429, _error(message="You exceeded your quota", code="insufficient_quota"),
            "You exceeded your quota", retryable=False),
    _status("a text in error, as Ollama says it", 404, {"error": 'model "x" not found, try pulling it first'},
            'model "x" not found, try pulling it first'),
    _status("vLLM's object", 400, {"object": "error", "message": "max_tokens is too large", "code": 400},
            "max_tokens is too large"),
    _status("a list of details, as FastAPI says it", 422, _DETAILS, _REASONS),
    _status("a list of details inside a message, as Mistral says it", 422, {"object": "error", "message": _DETAILS},
            _REASONS),
    _status("one detail", 400, {"detail": "model is required"}, "model is required"),
    _status("a list of one error, as Gemini says it", 400, [{"error": {"code": 400, "message": "no such field"}}],
            "no such field"),
    _status("what the provider behind a gateway said", 502, _error(
        message="Provider returned error", code=502, metadata={"raw": '{"error": {"message": "engine is down"}}'}),
        "Provider returned error: engine is down"),
    _status("plain text", 500, "upstream connect error", "upstream connect error", PLAIN),
    _status("a web page", 502, _PAGE.format("502 Bad Gateway"), "Bad Gateway", HTML),
    _status("a web page", 403, _PAGE.format("Attention Required!"), "Attention Required!", HTML, unwanted="color"),
    _status("nothing", 500, "", "Internal Server Error", PLAIN),
    _status("nothing", 503, "", "Service Unavailable", PLAIN),
    _status("nothing", 529, "", "Overloaded", PLAIN),
    _status("an empty object", 500, {}, "Internal Server Error"),
    _status("more words than anybody reads", 500, _error(message="long " * 5_000), "long long", unwanted="long " * 101),
    _status("escape sequences for a terminal", 500, _error(message="\x1b[31mred\x1b[0m alert"), "red alert",
            unwanted="\x1b"),
)  # fmt: skip

_WAITS = (
    _wait("seconds", "7", 7.0),
    _wait("seconds with a fraction", "7.5", 7.5),
    _wait("seconds, beside a status of the server", "7", 7.0, 503),
    _wait("a date that is over", "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    _wait("nonsense", "soon", None),
    _wait("a negative number", "-7", None),
    _wait("not a number", "nan", None),
    _wait("without end", "inf", None),
    _wait("more seconds than there are", "9" * 30, None),
)

_HIDDEN = (
    _inside("a rate limit by its code", _error(message="Rate limit exceeded upstream", code=429),
            "answered 429: Rate limit exceeded upstream", 429),
    _inside("a rate limit by a code of text", _error(message="slow down", code="429"), "answered 429: slow down", 429),
    _inside("a rate limit by its type", _error(message="slow down", type="rate_limit_error"), "slow down", 429),
    _inside("a rate limit by its words alone", {"error": "Too many requests, try again"}, "Too many requests", 429),
    _inside("a rate limit by Google's word", _error(message="slow down", status="RESOURCE_EXHAUSTED"), "slow", 429),
    _inside("a rate limit with the seconds to wait", _error(message="slow down", code=429, retry_after=7),
            "slow down", 429, retry_after=7.0),
    _inside("a key that is no good", _error(message="Incorrect API key provided", code="invalid_api_key"),
            "answered 401: Incorrect API key provided", 401),
    _inside("no permission", _error(message="not for you", type="permission_error"), "answered 403: not for you", 403),
    _inside("a model that is not there", _error(message="no such model", code="model_not_found"), "no such model", 404),
    _inside("an empty account", _error(message="no money left", code="insufficient_quota"), "no money left", 429,
            retryable=False),
    _inside("an overloaded server", _error(message="Overloaded", type="overloaded_error"), "Overloaded", 529),
    _inside("a server that fails", _error(message="boom", type="server_error"), "answered 500: boom", 500),
    _inside("a status beside the error", {"error": "boom", "status": 503}, "answered 503: boom", 503),
    _inside("vLLM's object", {"object": "error", "message": "wrong", "type": "BadRequestError", "code": 400},
            "answered 400: wrong", 400),
    _inside("a list", [_error(message="slow down", code=429)], "slow down", 429),
    _inside("no class", _error(message="something happened"), "answered with an error: something happened", None),
    _inside("an object that is no error and no answer", {"detail": "Not Found"}, "Not Found", None),
    Row("error in a 200: a web page", CHAT, reply(_PAGE.format("Sign in"), 200, HTML), failed("a web page instead of "
        "an answer: Sign in")),
    Row("error in a 200: a web page that names a status", CHAT,
        reply(_PAGE.format("503 Service Temporarily Unavailable"), 200, HTML),
        failed("503 Service Temporarily Unavailable", 503, retryable=True)),
    Row("error in a 200: a web page that says it is a stream", CHAT, reply(_PAGE.format("Sign in"), 200, STREAM),
        failed("Sign in")),
    Row("error in a 200: plain text", CHAT, reply("no healthy upstream", 200, PLAIN), failed("no healthy upstream")),
    Row("error in a 200: JSON that says it is a stream", CHAT,
        reply(_error(message="slow down", code=429), 200, STREAM), failed("slow down", 429, retryable=True)),
    Row("error in a 200: the seconds to wait in a header", CHAT,
        reply(_error(message="slow down", code=429), 200, JSON, retry_after="7"),
        failed("slow down", 429, retryable=True, retry_after=7.0)),
)  # fmt: skip

_SLOW = _error(message="slow down", code=429)
_BEGUN = chunk({"content": ANSWER})
_EVENTS = (
    _event("at once", stream(_SLOW), failed("answered 429: slow down", 429, retryable=True)),
    _event("after a comment", stream(b": OPENROUTER PROCESSING\n\n", _SLOW), failed("slow", 429, retryable=True)),
    _event("by the name of the event", b'event: error\ndata: {"message": "slow down", "code": 429}\n\n',
           failed("slow down", 429, retryable=True)),
    _event("by the name of the event, in words", b"event: error\ndata: too many requests\n\n",
           failed("too many requests", 429, retryable=True)),
    _event("of a key", stream(_error(message="bad key", code="invalid_api_key")), failed("bad key", 401)),
    _event("in the middle of the answer", stream(_BEGUN, _SLOW),
           failed("slow down", 429, retryable=True, billable=True)),
    _event("in the middle, without being an event", stream(_BEGUN, json.dumps(_SLOW).encode() + b"\n\n"),
           failed("slow down", 429, retryable=True, billable=True)),
    _event("in a chunk that says how it ended", stream({**chunk({"content": ""}, "error"), **_SLOW}),
           failed("slow down", 429, retryable=True)),
    _event("in the word for the end", stream(_BEGUN, chunk({}, "error")),
           failed("broke off", retryable=True, billable=True)),
    _event("in the word for the end, as DeepSeek says it", stream(_BEGUN, chunk({}, "insufficient_system_resource")),
           failed("insufficient_system_resource", retryable=True, billable=True)),
)  # fmt: skip

ROWS = (*_STATUSES, *_WAITS, *_HIDDEN, *_EVENTS)
