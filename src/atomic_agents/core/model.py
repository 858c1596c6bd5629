"""The model seam: what is asked of a language model and what comes back, whoever provides it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["user", "assistant", "tool"]
Finish = Literal["stop", "tool_calls", "length", "refused"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it; `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model wants called. `arguments` is the JSON text it sent, which may be wrong."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. A `tool` message answers the call `call_id`; only `assistant` messages carry `calls`."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    tool_name: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as providers bill them; `input_tokens` includes both cache figures."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. `system` is in parts, stable ones first, so that a provider can cache a prefix."""

    system: tuple[str, ...]
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    max_output_tokens: int = 4000
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    `refusal` is what the provider says where it declined to answer; `reasoning` what the model thought, which is kept
    in the record and never shown as the answer.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish: Finish = "stop"
    refusal: str = ""
    reasoning: str = ""


class Model(Protocol):
    """A model that is ready to be asked."""

    @property
    def id(self) -> str:
        """The id it was opened under, with its provider: `anthropic:claude-…`, `embedded:quote`."""
        ...

    @property
    def local(self) -> bool:
        """Whether it runs on this machine and costs nothing."""
        ...

    def ask(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        """Ask, handing text to `on_text` as it comes; `Answer.text` is the whole of it.

        Raises:
            ProviderFailed: with the provider's own message.
        """
        ...


Availability = Literal["ready", "no-key", "not-installed", "unreachable"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that a provider could open here, or why not."""

    id: str
    availability: Availability
    note: str = ""


class Provider(Protocol):
    """A way to models. Providers answer `claims` and `check` without network, imports of weight, or cost."""

    @property
    def name(self) -> str:
        """The prefix of its model ids."""
        ...

    def claims(self, model_id: str) -> bool:
        """Whether `model_id` (bare or with a prefix) is one of its models."""
        ...

    def check(self, model_id: str) -> Offer:
        """Whether that model could be asked right now."""
        ...

    def open(self, model_id: str) -> Model:
        """The model, ready to be asked.

        Raises:
            CredentialMissing: no key for it.
            ModelUnknown: no such model, or its weights are not installed.
        """
        ...

    def offers(self) -> Sequence[Offer]:
        """The models worth proposing on this machine; may look at loopback, never further."""
        ...
