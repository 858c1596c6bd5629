"""What an idempotency key has answered already, given again without asking anybody."""

from decimal import Decimal

from atomic_agents._version import __version__
from atomic_agents.core.change import Append, ChangeSet
from atomic_agents.core.ending import Ending
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay, transcript
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.replay import Key
from atomic_agents.vault import layout, log


def replayed(workspace: Workspace, agent: str, order: Order) -> Result | None:
    """The result of the run that answered the order's key, at no cost; None where there is no key or no answer.

    The log says that it was given again.

    Raises:
        UsageError: something else was asked under the key.
    """
    if order.key is None:
        return None
    found = replay.kept(workspace.store, agent, order.key)
    if found is None:
        return None
    _log(workspace, agent, order, order.key, found)
    return Result(
        run_id=found.run_id,
        agent=agent,
        model=found.model,
        text=found.text,
        ending=Ending.OK,
        reason="",
        input_tokens=0,
        output_tokens=0,
        cost=Decimal(0),
        latency_ms=0,
        captures=found.captures,
        warnings=(f"the key {order.key.name} was answered at {found.at}; this is that answer, and nothing was asked",),
        transcript=layout.run_transcript(agent, found.run_id),
        replayed=True,
    )


def _log(workspace: Workspace, agent: str, order: Order, key: Key, found: replay.Kept) -> None:
    now = workspace.clock()
    record = {
        "ts": now.isoformat(),
        "run_id": transcript.new_run_id(now),
        "primitive": "agent_call",
        "status": "deduped",
        "summary": log.summary(order.work_item),
        "model": transcript.log_model(found.model),
        "input_tokens": 0,
        "output_tokens": 0,
        "trigger": order.trigger,
        "agent_name": agent,
        "idempotency_key": key.name,
        "replayed_run_id": found.run_id,
        "package": __version__,
    }
    change = Append(layout.log_day(agent, now.date()), log.render(record))
    workspace.store.apply(ChangeSet(f"answer again what {found.run_id} answered", (change,)))
