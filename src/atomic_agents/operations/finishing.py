"""Finish a run that was cut off."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from atomic_agents.core.values import Usd
from atomic_agents.migration import newer
from atomic_agents.operations import answers, record, resuming, runs
from atomic_agents.operations.alerting import Watch
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Order, Result

if TYPE_CHECKING:
    from atomic_agents.runtime.conversation import Talk


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be otherwise when a run is resumed; what is not stated stays as it was ordered."""

    model_id: str | None = None
    max_cost: Usd | None = None
    critical: bool = False
    run_id: str = ""
    """What the run that finishes it is to be called."""


def resume(workspace: Workspace, selector: str, wish: Wish, *, on_text: Callable[[str], None],
           on_notice: Callable[[str], None]) -> Result:  # fmt: skip
    """Finish a run that was cut off, as a run of its own that asks only what the other was not answered.

    `selector` is as `record.find` has it, "" the last run that was cut off. What fails is raised or is the result's
    `failure`, as with `run`.

    Raises:
        ApprovalNeeded: it waits for you, and you have not answered.
        Conflict: the document that you have answered was edited, and asks something else.
        UsageError: the arguments of your revision are not what the tool takes.
        Busy: it is still going.
        ResumeRefused: it ended well, it is no run on a work item, or its record is not there or was edited.
    """
    workspace.require()
    runs.say_closed(workspace.close_crashed_runs(), on_notice)
    line = record.find(workspace, selector) if selector else resuming.newest(workspace)
    agent = workspace.vault.agent(line.agent)
    newer.refuse(workspace.store, newer.of_agent(workspace.vault, agent))
    before = resuming.cut_off(workspace, line)  # refused at once, and not after a wait
    answers.refuse_unusable(workspace, before.past)
    watch = Watch(workspace, agent.name, line.trigger, on_notice)
    with watch, workspace.store.lock(f"agent/{agent.name}", wait=runs.LOCK_WAIT):
        runs.say_closed(workspace.close_crashed_runs_of(agent.name), on_notice)
        found = resuming.cut_off(workspace, record.find(workspace, line.run_id))
        answers.refuse_unusable(workspace, found.past)
        for notice in found.notices:
            on_notice(notice)
        bench = runs.make_bench(workspace, agent, wish.model_id or found.model, on_notice, watch.raised)
        stated = bench.settings.model.model
        if not wish.model_id and stated and stated not in (found.model, found.model.partition(":")[2]):
            on_notice(f"it goes on with {found.model}, as it began; model.md states {stated}: --model {stated}")
        max_cost = found.order.max_cost if wish.max_cost is None else wish.max_cost
        order = replace(found.order, max_cost=max_cost, critical=found.order.critical or wish.critical)
        watch.result = runs.go_on(_talk(workspace, order), bench, order, on_text, found.past, wish.run_id)
    return watch.result


def _talk(workspace: Workspace, order: Order) -> "Talk | None":
    """The conversation that an order belongs to."""
    if not order.conversation:
        return None
    from atomic_agents.operations import conversations  # noqa: PLC0415 - 3 ms that only a conversation needs

    return conversations.talk(workspace, order.conversation)
