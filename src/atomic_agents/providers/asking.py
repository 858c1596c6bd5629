"""One question through pydantic-ai: our request in its words, its answer and its errors in ours."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from atomic_agents.core.model import Answer, Finish, Message, Request, ToolCall, ToolSpec, Usage
from atomic_agents.providers import failures
from atomic_agents.providers.inline_reasoning import Piece, ReasoningSplitter, without_lone_closer
from atomic_agents.providers.reply_errors import ReplyCutOff, ReplyFailed, shorten
from atomic_agents.providers.stream import Pieces, background, relay

if TYPE_CHECKING:
    from pydantic_ai.messages import InstructionPart, ModelMessage, ModelResponse, ToolCallPart
    from pydantic_ai.models import Model as Engine
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.settings import ModelSettings

_REMEMBERED = 64
_FINISH: Mapping[str | None, Finish] = {"tool_call": "tool_calls", "length": "length", "content_filter": "refused"}


class LibraryModel:
    """A model that pydantic-ai drives; safe to ask from several threads at once."""

    def __init__(self, model_id: str, engine: "Engine", *, local: bool, hints: failures.Hints) -> None:
        self.id = model_id
        self.local = local
        self._engine = engine
        self._hints = hints
        self._answered: dict[tuple[str, tuple[ToolCall, ...]], ModelResponse] = {}

    def ask(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """Ask once, streaming; neither this nor the client below tries again.

        Raises:
            ProviderFailed: context has `status`, `retryable`, `billable` (whether tokens may have been paid for) and,
                where the provider says so, `retry_after` in seconds.
        """
        from concurrent.futures import CancelledError  # noqa: PLC0415 - heavy

        pieces = Pieces()
        work = background().submit(self._converse(request, pieces))
        try:
            return relay(work, pieces, on_text, work.cancel)
        except CancelledError as error:
            raise failures.failed(self.id, "was stopped", retryable=True, billable=True) from error

    async def _converse(self, request: Request, pieces: Pieces) -> Answer:
        from httpx2 import HTTPError  # noqa: PLC0415 - heavy
        from pydantic_ai.direct import model_request_stream  # noqa: PLC0415 - heavy
        from pydantic_ai.exceptions import AgentRunError, UserError  # noqa: PLC0415 - heavy

        listening = _Listening(pieces)
        try:
            async with model_request_stream(
                self._engine,
                self._messages(request.messages),
                model_settings=_settings(self._engine, request),
                model_request_parameters=_parameters(self._engine, request),
            ) as stream:
                async for event in stream:
                    listening.hear(_text(event))
                response = stream.get()
        except (AgentRunError, UserError, HTTPError, OSError, ValueError, ReplyFailed, ReplyCutOff) as error:
            raise failures.translated(self.id, error, self._hints, streamed=listening.begun) from error
        except (TypeError, AttributeError, LookupError) as error:  # a reply in a form that the library cannot take
            raise failures.cut_off(self.id, f"the reply cannot be read: {error}") from error
        listening.finish()
        return self._answer(response, listening)

    def _messages(self, messages: Sequence[Message]) -> "list[ModelMessage]":
        from pydantic_ai import messages as theirs  # noqa: PLC0415 - heavy

        out: list[ModelMessage] = []
        parts: list[theirs.ModelRequestPart] = []
        for message in messages:
            if message.role == "assistant":
                if parts:
                    out.append(theirs.ModelRequest(parts=parts))
                    parts = []
                if message.text or message.calls:
                    out.append(self._answered.get((message.text, message.calls)) or _response(message))
            elif message.role == "tool":
                parts.append(theirs.ToolReturnPart(message.tool_name, message.text, tool_call_id=message.call_id))
            else:
                parts.append(theirs.UserPromptPart(message.text))
        return [*out, theirs.ModelRequest(parts=parts)] if parts else out

    def _answer(self, response: "ModelResponse", listening: "_Listening") -> Answer:
        from pydantic_ai.messages import ThinkingPart, ToolCallPart  # noqa: PLC0415 - heavy

        details = response.provider_details or {}
        if response.finish_reason == "error" or (response.finish_reason is None and not details.get("finish_reason")):
            word = details.get("finish_reason")
            raise failures.cut_off(self.id, f"it stopped with {word}" if word else "")
        parted = without_lone_closer(listening.text)
        thought = [part.content for part in response.parts if isinstance(part, ThinkingPart) and part.content]
        reasoning = "\n\n".join(part for part in (*thought, listening.reasoning, parted.reasoning) if part.strip())
        found = [part for part in response.parts if isinstance(part, ToolCallPart)]
        ids = _own_ids([part.tool_call_id for part in found])
        calls = tuple(ToolCall(id_, part.tool_name, _raw(part)) for id_, part in zip(ids, found, strict=True))
        if calls:
            self._remember((parted.text, calls), response)
        refusal = details.get("refusal") or details.get("block_reason_message") or details.get("block_reason") or ""
        return Answer(
            text=parted.text,
            calls=calls,
            usage=_usage(response),
            finish=_FINISH.get(response.finish_reason, "tool_calls" if calls else "stop"),
            refusal=shorten(str(refusal)),
            reasoning=reasoning,
        )

    def _remember(self, key: "tuple[str, tuple[ToolCall, ...]]", response: "ModelResponse") -> None:
        # Some providers want their reasoning back, signed, with the results of the calls it led to.
        self._answered[key] = response
        while len(self._answered) > _REMEMBERED:
            self._answered.pop(next(iter(self._answered)), None)


def _settings(engine: "Engine", request: Request) -> "ModelSettings":
    settings: dict[str, object] = {"max_tokens": request.max_output_tokens}
    if request.temperature is not None and _takes_temperature(engine):
        settings["temperature"] = request.temperature
    if engine.system == "anthropic":
        settings["anthropic_cache_instructions"] = True
        settings["anthropic_cache_tool_definitions"] = True
        # A loop over tools sends the same messages again and again: each round reads what the last one wrote.
        settings["anthropic_cache_messages"] = bool(request.tools) or len(request.messages) > 1
    return cast("ModelSettings", settings)


def _takes_temperature(engine: "Engine") -> bool:
    profile = cast("Mapping[str, object]", engine.profile)
    if profile.get("anthropic_disallows_sampling_settings"):
        return False
    if not profile.get("openai_supports_reasoning"):
        return True
    can_rest = profile.get("openai_supports_reasoning_effort_none")
    return bool(can_rest and not profile.get("thinking_enabled_by_default"))


def _parameters(engine: "Engine", request: Request) -> "ModelRequestParameters":
    from pydantic_ai.models import ModelRequestParameters  # noqa: PLC0415 - heavy
    from pydantic_ai.tools import ToolDefinition  # noqa: PLC0415 - heavy

    def tool(spec: ToolSpec) -> ToolDefinition:
        return ToolDefinition(
            name=spec.name,
            parameters_json_schema=dict(spec.parameters),
            description=spec.description,
            strict=False,  # strict mode would rewrite the schema, and compatible servers do not know it
        )

    instructions = _instructions(request.system, parted=engine.system == "anthropic")
    return ModelRequestParameters(
        function_tools=[tool(spec) for spec in request.tools], instruction_parts=instructions or None
    )


def _instructions(system: Sequence[str], *, parted: bool) -> "list[InstructionPart]":
    from pydantic_ai.messages import InstructionPart  # noqa: PLC0415 - heavy

    parts = [part for part in system if part]
    if not parted:
        # Many chat templates take one system message and no more; a cached prefix needs no parts.
        return [InstructionPart("\n\n".join(parts))] if parts else []
    last = len(parts) - 1
    return [InstructionPart(part, dynamic=0 < last == at) for at, part in enumerate(parts)]


def _response(message: Message) -> "ModelResponse":
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart  # noqa: PLC0415 - heavy

    text = [TextPart(message.text)] if message.text else []
    calls = [ToolCallPart(call.name, call.arguments, call.id) for call in message.calls]
    return ModelResponse(parts=[*text, *calls])


def _text(event: object) -> str:
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta  # noqa: PLC0415 - heavy

    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _raw(part: "ToolCallPart") -> str:
    return (part.args or "{}") if isinstance(part.args, str) else part.args_as_json_str()


def _own_ids(ids: Sequence[str]) -> list[str]:
    """The ids, of which no two are equal: a result answers one call."""
    own: list[str] = []
    for id_ in ids:
        number = 2
        unused = id_ or "call"
        while unused in own:
            unused, number = f"{id_ or 'call'}_{number}", number + 1
        own.append(unused)
    return own


def _usage(response: "ModelResponse") -> Usage:
    """The usage as it was reported; nothing where there was none, or where it is no count of tokens."""
    used = response.usage
    counts: tuple[object, ...] = (
        used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens
    )  # fmt: skip
    return Usage(*(count if isinstance(count, int) and count > 0 else 0 for count in counts))


class _Listening:
    """Hears the text of one answer, passes on what is no reasoning, and keeps both."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._splitter = ReasoningSplitter()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self.begun = False

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The reasoning that stood in it."""
        return "".join(self._reasoning).strip()

    def hear(self, piece: str) -> None:
        """Take the next piece of text."""
        if piece:
            self.begun = True
            self._keep(self._splitter.feed(piece))

    def finish(self) -> None:
        """Take the end of the text."""
        self._keep(self._splitter.finish())

    def _keep(self, found: Iterable[Piece]) -> None:
        for kind, text in found:
            if kind == "reasoning":
                self._reasoning.append(text)
            elif text:
                self._text.append(text)
                self._pieces.put(text)
