"""Agents as models of the OpenAI API: chat completions, responses and the list of models, for any client of it.

The caller's messages are the conversation. What they call a system or a tool is data; what they set of the model (its
temperature, its length) is let be, because the agent's own settings hold. What cannot be done is refused, not ignored.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence

from starlette.responses import JSONResponse, Response

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import UsageError
from atomic_agents.operations import dialogue
from atomic_agents.operations.dialogue import By, Said
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.order import Order, Result
from atomic_agents.web import events, running
from atomic_agents.web.contract import TEXT, Call, Route, Schema
from atomic_agents.web.crew import Piece
from atomic_agents.web.desk import Going
from atomic_agents.web.refusals import Refused, as_refused, openai_error

_BY: Mapping[str, By] = {
    "user": "caller", "assistant": "agent", "system": "program", "developer": "program", "tool": "program",
    "function": "program",
}  # fmt: skip
_MESSAGE: Schema = {
    "type": "object",
    "required": ["role"],
    "properties": {"role": {"enum": list(_BY)}, "content": {"type": ["string", "array", "null"]}},
}
_CHAT: Schema = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": TEXT,
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "stream": {"type": ["boolean", "null"]},
        "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": "boolean"}}},
    },
}
_RESPONSE: Schema = {
    "type": "object",
    "required": ["model", "input"],
    "properties": {
        "model": TEXT,
        "input": {"anyOf": [TEXT, {"type": "array", "minItems": 1, "items": {"type": "object"}}]},
        "instructions": {"type": ["string", "null"]},
        "stream": {"type": ["boolean", "null"]},
    },
}
_TOLD = (Ending.WAITING, Ending.TRUNCATED, Ending.REFUSED)
"""Endings that are answers here, though each carries an error elsewhere."""
_LONGEST_HEADER = 2_000
_TEXTS = ("text", "input_text", "output_text", "refusal")
# Parameters that change what an answer is, with the values that change nothing.
_CANNOT: Mapping[str, tuple[object, ...]] = {
    "tools": (None, []),
    "functions": (None, []),
    "n": (None, 1),
    "response_format": (None, {"type": "text"}),
    "text": (None, {}, {"format": {"type": "text"}}),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "logprobs": (None, False),
    "previous_response_id": (None,),
    "conversation": (None,),
    "background": (None, False),
    "prompt": (None,),
}


async def _models(call: Call) -> Response:
    return JSONResponse({"object": "list", "data": [_model(name) for name in await call.desk.read(_names, call)]})


async def _one_model(call: Call) -> Response:
    return JSONResponse(_model(await call.known(call.path("name"))))


async def _chat(call: Call) -> Response:
    """Answer the last message, the others being what was said before."""
    messages = call.body["messages"]
    said = [_said(each) for each in messages] if isinstance(messages, list) else []
    options = call.body.get("stream_options")
    usage = isinstance(options, dict) and options.get("include_usage") is True
    return await _answer(call, said, events.Chat(call.text("model"), usage=usage))


async def _respond(call: Call) -> Response:
    """The same in the other shape."""
    given, instructions = call.body["input"], call.text("instructions")
    said = [Said("program", instructions)] if instructions else []
    if isinstance(given, list):
        said += [_said(each) for each in given]
    else:
        said.append(Said("caller", str(given)))
    return await _answer(call, said, events.Responding(call.text("model")))


async def _answer(call: Call, said: Sequence[Said], shape: events.Shape) -> Response:
    _refuse_what_cannot_be(call.body)
    agent = await call.known(call.text("model"))
    talk, asked = dialogue.parted(said)
    name, key = call.request.headers.get(call.desk.key_header), None
    if name is not None:
        earlier = json.dumps([[message.role, message.text] for message in talk.before.messages])
        key = replay.key(name, work_item=asked, conversation=earlier, principal=call.caller.principal)
    streams, stays = call.body.get("stream") is True, key is not None
    going = call.desk.ask(agent, Order(asked, "api", key=key), talk=talk, streams=streams)
    shape.run_id = going.run_id
    if streams:
        first = await running.until_words(call.request, going, stays=stays)
        if going.ended.is_set() and not any(not piece.notice for piece in first):
            _answered(going)
        return running.streamed(going, first, _teller(shape), lambda going: _closed(shape, going), stays=stays)
    await running.until_ended(call.request, going, stays=stays)
    result = _answered(going)
    headers = {"location": running.location(result.run_id), **_warning(result)}
    status = 202 if result.ending is Ending.WAITING else 200
    return JSONResponse(shape.whole(result, _text(result)), status, headers)


def _answered(going: Going) -> Result:
    """What a run that has ended came to, where these shapes can tell it.

    Raises:
        Refused: it failed; an answer that is empty, or that never came, has no other form here.
    """
    result, failure = going.result, going.failure
    if result is not None and (failure is None or result.ending in _TOLD):
        return result
    assert failure is not None  # noqa: S101 - without a result there is an error
    raise as_refused(failure)


def _teller(shape: events.Shape) -> running.Tell:
    def tell(piece: Piece) -> Iterable[str]:
        return () if piece.notice else shape.piece(piece.text)

    return tell


def _closed(shape: events.Shape, going: Going) -> Iterable[str]:
    try:
        result = _answered(going)
    except Refused as refused:
        return shape.failed(openai_error(refused))
    return shape.end(result, _text(result))


def _text(result: Result) -> str:
    """The answer; that of a run which waits says what for, since the caller's program knows no such thing."""
    if result.failure is None or result.ending is not Ending.WAITING:
        return result.text
    return "\n\n".join(part for part in (result.text, f"({result.failure.message})") if part)


def _warning(result: Result) -> Mapping[str, str]:
    """The warnings of a run as a header, for callers whose client keeps only the fields it knows."""
    plain = (each.encode("ascii", "replace").decode().replace('"', "'") for each in result.warnings)
    words = ", ".join(f'299 - "{" ".join(each.split())}"' for each in plain)
    return {"warning": words[:_LONGEST_HEADER]} if words else {}


def _said(message: Mapping[str, object]) -> Said:
    """A message or an item of input."""
    kind = message.get("type", "message")
    by = _BY.get(str(message.get("role", "")))
    if kind != "message" or by is None:
        raise UsageError(f"{kind} items are not taken: only messages", hint='{"role": "user", "content": "…"}')
    content = message.get("content")
    parts = content if isinstance(content, list) else [] if content is None else [{"type": "text", "text": content}]
    texts = []
    for part in parts:
        found = part if isinstance(part, dict) else {}
        if found.get("type") not in _TEXTS:
            raise UsageError(f"{found.get('type')} parts are not taken: only text", hint="leave it out")
        texts.append(str(found.get("text") or found.get("refusal") or ""))
    return Said(by, "\n".join(texts))


def _refuse_what_cannot_be(body: Mapping[str, object]) -> None:
    for name, harmless in _CANNOT.items():
        if body.get(name) not in harmless:
            hint = f"leave {name} out" + ("; an agent calls tools of its own" if name == "tools" else "")
            raise Refused(400, "unsupported_parameter", f"{name} is not supported", hint=hint)


def _names(workspace: Workspace, call: Call) -> list[str]:
    workspace.require()
    return [name for name in workspace.vault.survey().agents if call.caller.reaches(name)]


def _model(name: str) -> Mapping[str, object]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "atomic-agents"}


_STARTED = int(time.time())
_DONE = {200: "the answer, or its pieces", 202: "it waits for an approval"}

ROUTES = (
    Route("GET", "/v1/models", "the agents, as models", "read", _models, loose=True),
    Route("GET", "/v1/models/{name:path}", "one agent, as a model", "read", _one_model, loose=True),
    Route(
        "POST", "/v1/chat/completions", "a chat completion", "run", _chat, body=_CHAT, answers=_DONE, loose=True
    ),
    Route("POST", "/v1/responses", "a response", "run", _respond, body=_RESPONSE, answers=_DONE, loose=True),
)  # fmt: skip
