"""What OpenAI's clients read: completions and responses, whole and in pieces."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AnswerRefused
from atomic_agents.runtime.order import Result
from atomic_agents.web.running import event

Json = Mapping[str, object]

_DONE = "data: [DONE]\n\n"
_FINISH: Mapping[Ending, str] = {Ending.TRUNCATED: "length", Ending.REFUSED: "content_filter"}
_INCOMPLETE: Mapping[Ending, str] = {Ending.TRUNCATED: "max_output_tokens", Ending.REFUSED: "content_filter"}


class Shape(Protocol):
    """One way in which an answer is told; `run_id` is that of the run, and becomes the answer's."""

    run_id: str

    def piece(self, text: str) -> Iterator[str]:
        """A piece of the answer, after whatever comes before the first."""
        ...

    def end(self, result: Result, text: str) -> Iterator[str]:
        """What closes the pieces; `text` is the whole answer."""
        ...

    def failed(self, error: Json) -> Iterator[str]:
        """What closes them where it broke off."""
        ...

    def whole(self, result: Result, text: str) -> Json:
        """The answer in one."""
        ...


@dataclass
class Chat:
    """A chat completion. `usage` asks for a last chunk with the tokens."""

    model: str
    usage: bool = False
    run_id: str = ""
    created: int = field(default_factory=lambda: int(time.time()))
    _told: list[str] = field(default_factory=list)

    def piece(self, text: str) -> Iterator[str]:
        """A chunk; the first one says who speaks."""
        if not self._told:
            yield self._chunk({"role": "assistant", "content": ""})
        self._told.append(text)
        yield self._chunk({"content": text})

    def end(self, result: Result, text: str) -> Iterator[str]:
        """What is left of the answer, why it ends, and the tokens where they were asked for."""
        if rest := _rest(self._told, text):
            yield from self.piece(rest)
        if refusal := _refusal(result):
            yield self._chunk({"refusal": refusal} if self._told else {"role": "assistant", "refusal": refusal})
        yield self._chunk({}, _FINISH.get(result.ending, "stop"), _warnings(result))
        if self.usage:
            yield event({**self._head("chat.completion.chunk"), "choices": [], "usage": _tokens(result)})
        yield _DONE

    def failed(self, error: Json) -> Iterator[str]:
        """An error in the stream."""
        yield event({"error": error})
        yield _DONE

    def whole(self, result: Result, text: str) -> Json:
        """A completion."""
        refusal = _refusal(result)
        message = {"role": "assistant", "content": text or (None if refusal else ""), "refusal": refusal or None}
        finish = _FINISH.get(result.ending, "stop")
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": _tokens(result), **_warnings(result)}

    def _chunk(self, delta: Json, finish: str | None = None, more: Json | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return event({**self._head("chat.completion.chunk"), "choices": [choice], **(more or {})})

    def _head(self, kind: str) -> Json:
        return {"id": self.run_id, "object": kind, "created": self.created, "model": self.model}


@dataclass
class Responding:
    """A response with one message."""

    model: str
    run_id: str = ""
    created: int = field(default_factory=lambda: int(time.time()))
    _told: list[str] = field(default_factory=list)
    _sent: int = 0

    def piece(self, text: str) -> Iterator[str]:
        """A delta; before the first one, what it belongs to."""
        if not self._told:
            yield from self._opening()
            yield self._event("response.content_part.added", self._at(0) | {"part": _part("")})
        self._told.append(text)
        yield self._event("response.output_text.delta", self._at(0) | {"delta": text, "logprobs": []})

    def end(self, result: Result, text: str) -> Iterator[str]:
        """What is left, then everything once more as it is when whole."""
        refusal = _refusal(result)
        if rest := _rest(self._told, text):
            yield from self.piece(rest)
        elif not self._told:
            yield from self._opening()
            if not refusal:
                yield self._event("response.content_part.added", self._at(0) | {"part": _part("")})
        if self._told or not refusal:
            yield self._event("response.output_text.done", self._at(0) | {"text": text, "logprobs": []})
            yield self._event("response.content_part.done", self._at(0) | {"part": _part(text)})
        if refusal:
            yield from self._declined(refusal, 1 if self._told else 0)
        response = self.whole(result, text)
        message = {"output_index": 0, "item": self._message(_parts(text, refusal), _status(result))}
        yield self._event("response.output_item.done", message)
        yield self._event(f"response.{_status(result)}", {"response": response})

    def failed(self, error: Json) -> Iterator[str]:
        """A response that failed."""
        code = "rate_limit_exceeded" if error["type"] == "rate_limit_error" else "server_error"
        found = {"code": code, "message": error["message"]}
        yield self._event("response.failed", {"response": self._response("failed", ()) | {"error": found}})

    def whole(self, result: Result, text: str) -> Json:
        """The response."""
        usage = {
            "input_tokens": result.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": result.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": result.input_tokens + result.output_tokens,
        }
        reason, status = _INCOMPLETE.get(result.ending), _status(result)
        message = self._message(_parts(text, _refusal(result)), status)
        details = {"reason": reason} if reason else None
        facts = {"usage": usage, "incomplete_details": details, **_warnings(result)}
        return self._response(status, (message,)) | facts

    def _declined(self, refusal: str, index: int) -> Iterator[str]:
        """The provider's words as a part of their own."""
        at = self._at(index)
        yield self._event("response.content_part.added", at | {"part": {"type": "refusal", "refusal": ""}})
        yield self._event("response.refusal.delta", at | {"delta": refusal})
        yield self._event("response.refusal.done", at | {"refusal": refusal})
        yield self._event("response.content_part.done", at | {"part": {"type": "refusal", "refusal": refusal}})

    def _opening(self) -> Iterator[str]:
        yield self._event("response.created", {"response": self._response("in_progress", ())})
        yield self._event("response.in_progress", {"response": self._response("in_progress", ())})
        message = self._message([], "in_progress")
        yield self._event("response.output_item.added", {"output_index": 0, "item": message})

    def _at(self, index: int) -> dict[str, object]:
        return {"item_id": f"msg_{self.run_id}", "output_index": 0, "content_index": index}

    def _event(self, kind: str, facts: Json) -> str:
        self._sent += 1
        return event({"type": kind, "sequence_number": self._sent - 1, **facts}, kind)

    def _message(self, content: Sequence[Json], status: str) -> Json:
        return {
            "id": f"msg_{self.run_id}", "type": "message", "role": "assistant", "status": status,
            "content": content,
        }  # fmt: skip

    def _response(self, status: str, output: tuple[Json, ...]) -> dict[str, object]:
        return {
            "id": self.run_id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.model,
            "output": list(output),
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": False,
            "temperature": None,
            "tool_choice": "none",
            "tools": [],
            "top_p": None,
            "usage": None,
        }


def _warnings(result: Result) -> Json:
    """What the caller is to hear beside the answer, such as that its messages were cut; other clients overlook it."""
    return {"warnings": list(result.warnings)} if result.warnings else {}


def _tokens(result: Result) -> Json:
    total = result.input_tokens + result.output_tokens
    return {"prompt_tokens": result.input_tokens, "completion_tokens": result.output_tokens, "total_tokens": total}


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _parts(text: str, refusal: str) -> list[Json]:
    """The content of the message: what was said, and what was declined."""
    said = [_part(text)] if text or not refusal else []
    return [*said, {"type": "refusal", "refusal": refusal}] if refusal else said


def _refusal(result: Result) -> str:
    """What the model or its provider said where it declined to answer; "" where it did not, or said nothing."""
    failure = result.failure
    return str(failure.context.get("refusal", "")) if isinstance(failure, AnswerRefused) else ""


def _status(result: Result) -> str:
    return "incomplete" if result.ending in _INCOMPLETE else "completed"


def _rest(told: list[str], text: str) -> str:
    """What of the whole was not told: all of an answer that was given before, or what a run waits for."""
    so_far = "".join(told)
    if not so_far.strip():
        return text
    return text[len(so_far) :] if text.startswith(so_far) else ""
