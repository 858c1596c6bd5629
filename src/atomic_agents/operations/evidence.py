"""Whether transcripts are as they were written: their hash chains, held against the log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import DocumentMissing
from atomic_agents.core.values import Problem
from atomic_agents.operations import record
from atomic_agents.operations.record import RunLine
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import chain
from atomic_agents.runtime import record as reading
from atomic_agents.runtime.chain import Verdict
from atomic_agents.vault import layout, log

_PROVEN = ("status", "ending", "cost_usd", log.TRANSCRIPT_HASH)
_HINT = "compare it with a backup of the vault, or with its history in git"


@dataclass(frozen=True, slots=True)
class Checked:
    """A run and what its transcript's chain says."""

    run_id: str
    agent: str
    path: str
    verdict: Verdict


def verify(workspace: Workspace, selectors: Sequence[str] = (), agent: str = "") -> list[Checked]:
    """Check the runs that are named, or every run of an agent, or of all; in order of id.

    Raises:
        DocumentMissing: a run that is named is not there.
    """
    names = record.agents_of(workspace, agent)
    named = (_one(workspace, names, selector) for selector in selectors)
    found = named if selectors else _all(workspace, names)
    return sorted(found, key=lambda checked: checked.run_id)


def _one(workspace: Workspace, names: Iterable[str], selector: str) -> Checked:
    """A run by its line, or by its transcript where the line is gone."""
    try:
        line = record.find(workspace, selector)
    except DocumentMissing:
        for name in names:
            path = layout.run_transcript(name, selector)
            if workspace.store.read(path) is not None:
                return _checked(workspace, name, path, selector, None)
        raise
    path = layout.open_run(line.run_id) if line.status == "open" else layout.run_transcript(line.agent, line.run_id)
    return _checked(workspace, line.agent, path, line.run_id, line)


def _all(workspace: Workspace, names: Iterable[str]) -> Iterator[Checked]:
    for name in names:
        stated = _stated(workspace, name)
        paths = {
            run_id: path for path in workspace.store.paths(layout.runs(name)) if (run_id := layout.run_id_of(path))
        }
        gone = {run_id for run_id, line in stated.items() if log.TRANSCRIPT_HASH in line.facts} - paths.keys()
        for run_id in sorted(paths.keys() | gone):
            path = paths.get(run_id) or layout.run_transcript(name, run_id)
            yield _checked(workspace, name, path, run_id, stated.get(run_id))


def _stated(workspace: Workspace, agent: str) -> dict[str, RunLine]:
    """What the log says about an agent's runs, as much of it as a transcript is held against: there can be many."""
    lines = (
        line
        for day in record.logs(workspace, (agent,), None, None)
        for path, name in day
        for line in record.lines_of(workspace, path, name, [])
    )
    return {
        line.run_id: replace(line, facts={key: line.facts[key] for key in _PROVEN if key in line.facts})
        for line in lines
        if line.run_id and record.is_run(line.facts)
    }


def _checked(workspace: Workspace, agent: str, path: str, run_id: str, line: RunLine | None) -> Checked:
    blob = workspace.store.read(path)
    if blob is None:
        known = line is not None and log.TRANSCRIPT_HASH in line.facts
        note = "there is no transcript; whoever wrote its log line kept none"
        problem = Problem(path, 0, "is gone, and the log knows of it", _HINT)
        verdict = Verdict("missing", (problem,)) if known else Verdict("unverifiable", notes=(note,))
        return Checked(run_id, agent, path, verdict)
    ended = not path.startswith(layout.OPEN_RUNS)
    head = line.text(log.TRANSCRIPT_HASH) if line else ""
    verdict = chain.verify(path, run_id, blob.data, head=head, ended=ended)
    if ended and verdict.state == "sound":
        verdict = _against_log(reading.read(run_id, path, blob.data, ended=True), line, verdict)
    return Checked(run_id, agent, path, verdict)


def _against_log(found: reading.Record, line: RunLine | None, verdict: Verdict) -> Verdict:
    """A sound chain, held against the log line that was written with its end."""
    if line is None:
        return replace(verdict, notes=(*verdict.notes, "its log line is not there"))
    closed = list(found.of("closed"))[-1].facts
    stated = {**line.facts, "status": log.ending(line.facts)}
    wrong = [key for key in closed if key in _PROVEN and not _same(closed.get(key), stated.get(key))]
    messages = [f"was edited: {key} is {stated.get(key)} and was {closed.get(key)}" for key in wrong]
    if "ending" in line.facts and not wrong and line.facts.get("status") != Ending(str(stated["status"])).log_status:
        messages.append(f"was edited: status is {line.facts.get('status')}, of a run that ended as {stated['status']}")
    if log.TRANSCRIPT_HASH not in line.facts:  # whoever writes a chain writes this with it
        messages.append(f"was edited: {log.TRANSCRIPT_HASH} is gone")
    path, _, number = line.where.rpartition(":")
    problems = tuple(Problem(path, int(number), message, _HINT) for message in messages)
    return Verdict("broken", problems) if problems else verdict


def _same(closed: object, stated: object) -> bool:
    if closed is None or closed == stated:
        return True
    try:
        return Decimal(str(closed)) == Decimal(str(stated)) or float(str(closed)) == stated
    except (InvalidOperation, ValueError):
        return False


def summary(found: Iterable[Checked]) -> Mapping[str, int]:
    """How many runs there are of each state, those that there are none of left out."""
    counts: dict[str, int] = {}
    for checked in found:
        counts[checked.verdict.state] = counts.get(checked.verdict.state, 0) + 1
    return counts
