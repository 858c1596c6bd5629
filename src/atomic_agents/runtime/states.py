"""What a run can be in, what can happen to it, and what it can ask for."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError, ProviderFailed
from atomic_agents.core.model import Answer, Message, Request, ToolCall, ToolSpec, Usage
from atomic_agents.core.values import Usd
from atomic_agents.guard.approvals import Approval
from atomic_agents.runtime.fit import Fitted, Omitted, fit

NO_LIMIT = 1 << 60


class Phase(StrEnum):
    """Where a run stands."""

    NEW = "new"
    ASSEMBLING = "assembling"
    RESERVING = "reserving"
    ASKING = "asking"
    WAITING = "waiting"
    REPLACING = "replacing"
    CALLING = "calling"
    CLOSING = "closing"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything that decides what a run does next.

    `text` is what the user has been given so far; `notes` what the model has yet to be told about its captures. Since
    tools were last called, `spoken` says whether it has said anything, `urged` how often it was asked to mend a
    capture, `prompted` whether it was asked for the words of an empty answer. Of the request under way, `attempt` is
    the number of the attempt, `tries` how many of them the model in use has had, `trying` the seconds it has had them
    for.
    """

    work_item: str
    max_iterations: int
    max_output_tokens: int
    temperature: float | None
    phase: Phase = Phase.NEW
    system: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    messages: tuple[Message, ...] = ()
    earlier: int = 0
    """How many of the messages are turns of before this run."""
    max_input_tokens: int = NO_LIMIT
    """The most that a request takes, once the prompt is there; more of the messages is left out."""
    iterations: int = 0
    text: str = ""
    notes: tuple[str, ...] = ()
    spoken: bool = False
    urged: int = 0
    prompted: bool = False
    attempt: int = 1
    tries: int = 1
    trying: float = 0.0
    usage: Usage = field(default_factory=Usage)
    cost: Usd = Decimal(0)
    ending: Ending = Ending.OK
    reason: str = ""
    failure: AtomicAgentsError | None = None
    requests: tuple[Approval, ...] = ()
    """What the operator was asked, where the run waits for an answer."""

    @property
    def asked(self) -> bool:
        """Whether the model has answered anything."""
        return any(message.role == "assistant" for message in self.messages[self.earlier :])

    @property
    def fitted(self) -> Fitted:
        """The next question to the model, and what is left out of it.

        The last one allowed has no tools, so that it is an answer.
        """
        tools = () if self.iterations >= self.max_iterations else self.tools
        request = Request(self.system, self.messages, tools, self.max_output_tokens, self.temperature)
        return fit(request, self.max_input_tokens, earlier=self.earlier)

    @property
    def request(self) -> Request:
        """The next question to the model, within the input limit."""
        return self.fitted.request


# Events: what happened.


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """The prompt and the tools are there; `earlier` is what was said before, oldest first.

    `max_input_tokens` is the most that a request may take.
    """

    system: tuple[str, ...]
    tools: tuple[ToolSpec, ...]
    earlier: tuple[Message, ...] = ()
    max_input_tokens: int = NO_LIMIT


@dataclass(frozen=True, slots=True)
class Reserved:
    """The next request may be made."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A cap forbids the next request."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The model answered, and that cost `cost`.

    `shown` is the answer without its fenced captures; `notes` says what became of those, `refused` whether one was not
    taken.
    """

    answer: Answer
    cost: Usd
    shown: str
    notes: tuple[str, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class AskFailed:
    """The model, or the way to it, failed after `took` seconds, and that cost `cost`.

    `shown` says whether the user has been given a part of the answer. `luck`, from 0 to 1, spreads what waits. Of
    `error.context`, `retryable` says whether to ask again and `retry_after` the seconds that the provider wants.
    """

    error: ProviderFailed
    cost: Usd
    shown: bool = False
    took: float = 0.0
    luck: float = 1.0


@dataclass(frozen=True, slots=True)
class Waited:
    """The wait is over."""


@dataclass(frozen=True, slots=True)
class Called:
    """Every tool call has its answer, in the order of the calls."""

    results: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Suspended:
    """The operator has been asked, and there is no answer yet."""

    requests: tuple[Approval, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Something went wrong that ends the run."""

    error: AtomicAgentsError


@dataclass(frozen=True, slots=True)
class Closed:
    """The run's last change set is applied."""


Event = Started | Assembled | Reserved | Refused | Answered | AskFailed | Waited | Called | Suspended | Failed | Closed

# Effects: what the runner is asked to do; each is answered by one event.


@dataclass(frozen=True, slots=True)
class Assemble:
    """Render the prompt."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Set the most that `request` can cost aside."""

    request: Request


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the model; `omitted` is what was left out of `request` to keep it within the input limit."""

    request: Request
    omitted: Omitted


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for that many seconds, then go on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Replace:
    """Let the fallback model answer `request`, and set the most that it can cost aside."""

    request: Request


@dataclass(frozen=True, slots=True)
class Call:
    """Answer every tool call."""

    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Write what the run learned, did and cost."""


Effect = Assemble | Reserve | Ask | Wait | Replace | Call | Close
