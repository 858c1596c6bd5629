"""What is asked of a run, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.core.values import Usd
from atomic_agents.memory.lifecycle import Outcome
from atomic_agents.runtime.replay import Key


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a run."""

    work_item: str
    trigger: str = "manual"
    critical: bool = False
    capture: bool = True
    max_cost: Usd | None = None
    key: Key | None = None
    conversation: str = ""
    parent: str = ""
    """The run that this one is a part of."""
    occasion: Mapping[str, object] = field(default_factory=dict)
    """What its schedule says of it, for the transcript and the log line."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run did. `text` is the answer; `failure` the error that ended it, None where nothing failed."""

    run_id: str
    agent: str
    model: str
    text: str
    ending: Ending
    reason: str
    input_tokens: int
    output_tokens: int
    cost: Usd
    latency_ms: float
    captures: tuple[Outcome, ...]
    warnings: tuple[str, ...]
    transcript: str
    failure: AtomicAgentsError | None = None
    replayed: bool = False
    resumed_from: str = ""
