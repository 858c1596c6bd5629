"""Counters in Prometheus' text format: what this process has answered, and what the record says was spent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from atomic_agents.operations import agents
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Result

Labels = tuple[tuple[str, str], ...]

_METRICS: Mapping[str, tuple[str, str]] = {
    "http_requests_total": ("counter", "Requests, by route and status."),
    "runs_total": ("counter", "Runs of this server that have ended, by agent and how."),
    "run_cost_usd_total": ("counter", "What runs of this server have cost."),
    "run_tokens_total": ("counter", "Tokens that runs of this server took, by direction."),
    "run_seconds_total": ("counter", "How long runs of this server took."),
    "runs_going": ("gauge", "Runs that are under way or wait for their agent."),
    "spent_usd": ("gauge", "What each agent has spent, by its log, whatever started its runs."),
}


@dataclass
class Metrics:
    """What has been counted; only the event loop's thread counts."""

    _values: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def add(self, name: str, by: float = 1, **labels: str) -> None:
        """Count."""
        key = (name, tuple(labels.items()))
        self._values[key] = self._values.get(key, 0) + by

    def count_run(self, result: Result) -> None:
        """Count a run that has ended; an answer that was given again took and cost nothing."""
        agent = result.agent
        self.add("runs_total", agent=agent, status="replayed" if result.replayed else result.ending)
        self.add("run_cost_usd_total", float(result.cost), agent=agent)
        self.add("run_tokens_total", result.input_tokens, agent=agent, direction="in")
        self.add("run_tokens_total", result.output_tokens, agent=agent, direction="out")
        self.add("run_seconds_total", result.latency_ms / 1000, agent=agent)

    def text(self, gauges: Mapping[tuple[str, Labels], float]) -> str:
        """Everything, with what only now can be told."""
        return "".join(f"{line}\n" for line in _lines({**self._values, **gauges}))


def spent(workspace: Workspace, names: tuple[str, ...]) -> dict[tuple[str, Labels], float]:
    """What agents have spent today and this month."""
    found: dict[tuple[str, Labels], Decimal] = {}
    for name in names:
        each = agents.info(workspace, name).spent
        found[("spent_usd", (("agent", name), ("period", "day")))] = each.day
        found[("spent_usd", (("agent", name), ("period", "month")))] = each.month
    return {key: float(value) for key, value in found.items()}


def _lines(values: Mapping[tuple[str, Labels], float]) -> Iterator[str]:
    for name, (kind, words) in _METRICS.items():
        yield f"# HELP atomic_agents_{name} {words}"
        yield f"# TYPE atomic_agents_{name} {kind}"
        for (found, labels), value in sorted(values.items()):
            if found == name:
                inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
                yield f"atomic_agents_{name}{f'{{{inner}}}' if inner else ''} {value:.12g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
