"""Which runs can be gone on with, and from what: the records of a run that was cut off and of those before it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import Busy, DocumentMissing, ResumeRefused
from atomic_agents.core.values import Usd
from atomic_agents.guard.secrets import REDACTED
from atomic_agents.operations import evidence, record
from atomic_agents.operations.record import RunLine
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import past
from atomic_agents.runtime.order import Order
from atomic_agents.runtime.past import Past
from atomic_agents.runtime.record import Record
from atomic_agents.runtime.replay import Key
from atomic_agents.runtime.transcript import OCCASION
from atomic_agents.vault import log

_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class CutOff:
    """A run that was cut off: what was asked of which model, and what has been answered already."""

    order: Order
    model: str
    past: Past
    notices: tuple[str, ...]


def newest(workspace: Workspace) -> RunLine:
    """The last run that was cut off and that no other has finished.

    Raises:
        DocumentMissing: there is none.
    """
    for line in record.list_runs(workspace, limit=_LOOKED_AT).runs:
        if (
            line.status in record.CUT_OFF
            and not line.continued_by
            and record.show(workspace, line.run_id).can_be_resumed
        ):
            return line
    raise DocumentMissing("no run is cut off", hint="atomic-agents runs list")


def cut_off(workspace: Workspace, line: RunLine) -> CutOff:
    """What it takes to go on with a run, or with the run that went on with it. The caller holds its agent's lock.

    Raises:
        Busy: it is still going.
        ResumeRefused: it ended well, it is no run on a work item, or its record is not there or was edited.
    """
    meant, seen = line, {line.run_id}
    while (later := record.successor(workspace, line)) and later.run_id not in seen:
        line = later
        seen.add(line.run_id)
    _refuse_ended(line, meant)
    told = tuple(_told(workspace, line))
    records = tuple(one for _, one in told)
    started = records[-1].started
    if started is None or records[-1].is_part:
        hint = f"atomic-agents runs show {line.run_id}"
        raise ResumeRefused(f"{line.run_id} was a part of something else: {line.trigger}", hint=hint)
    systems = [event.items("system") for one in records for event in one.of("asking") if event.items("system")]
    found = Past(
        tuple(one.run_id for one in records),
        line.text(log.TRANSCRIPT_HASH),
        past.heard(records),
        tuple(map(str, systems[-1])) if systems else (),
        sum((each.cost or Decimal(0) for each, _ in told), Decimal(0)),
    )
    hidden = REDACTED in started.text("work_item") or any(REDACTED in each.answer.text for each in found.heard)
    notices = (f"the record of {line.run_id} has secrets blacked out, and the model sees it so",) if hidden else ()
    return CutOff(_order(started.facts), started.text("model"), found, notices)


def _refuse_ended(line: RunLine, meant: RunLine) -> None:
    show = f"atomic-agents runs show {line.run_id}"
    if line.status == "open":
        raise Busy(f"{line.run_id} is still going", hint="atomic-agents runs tail --follow")
    if line.status not in record.CUT_OFF:
        how = "ended well" if line.status == Ending.OK else f"ended as {line.status}"
        if line is meant:
            raise ResumeRefused(f"{line.run_id} {how}; there is nothing to go on with", hint=show)
        raise ResumeRefused(
            f"{meant.run_id} is continued by {line.run_id}: "
            f"{line.run_id} has finished {meant.run_id} and {how}; there is nothing to go on with",
            hint=show,
            context={"continued_by": line.run_id},
        )


def _told(workspace: Workspace, line: RunLine) -> Iterator[tuple[RunLine, Record]]:
    """The line and the record of a run after those of the runs that it went on with, each held against its log line."""
    found = record.transcript(workspace, line.agent, line.run_id)
    if found is None:
        raise ResumeRefused(
            f"there is no record of what {line.run_id} was answered",
            hint=f"ask again: atomic-agents run {line.agent} --work-item …",
        )
    (checked,) = evidence.verify(workspace, [line.run_id])
    if checked.verdict.problems:
        problem = checked.verdict.problems[0]
        raise ResumeRefused(
            f"the record of {line.run_id} is not as it was written: {problem.where} {problem.message}",
            hint=f"atomic-agents runs verify {line.run_id}\nask again: atomic-agents run {line.agent} --work-item …",
        )
    before = found.started.text("resumed_from") if found.started else ""
    if before:
        earlier = tuple(_told(workspace, record.find(workspace, before)))
        if found.started and found.started.text("resumed_hash") != earlier[-1][0].text(log.TRANSCRIPT_HASH):
            hint = f"ask again: atomic-agents run {line.agent} --work-item …"
            raise ResumeRefused(f"the record of {before} is not the one that {line.run_id} went on with", hint=hint)
        yield from earlier
    yield line, found


def _order(started: Mapping[str, object]) -> Order:
    """What was asked, as the record has it."""

    def text(key: str) -> str:
        value = started.get(key)
        return value if isinstance(value, str) else ""

    key = Key(text("idempotency_key"), text("key_request"), text("key_principal")) if text("key_request") else None
    capture = started.get("no_capture") is not True
    return Order(
        text("work_item"), text("trigger"), started.get("critical") is True, capture, _sum(text("max_cost")), key,
        text("conversation_id"), occasion={key: started[key] for key in OCCASION if key in started},
    )  # fmt: skip


def _sum(text: str) -> Usd | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None
