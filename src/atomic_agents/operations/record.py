"""What runs there were, and what each did: from the log lines and the transcripts."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import DocumentMissing, UsageError
from atomic_agents.core.values import Problem, Usd, parse_date
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import record
from atomic_agents.runtime.record import Record
from atomic_agents.vault import layout, log

CUT_OFF = frozenset({Ending.CRASHED, Ending.ERROR, Ending.INTERRUPTED, Ending.SKIPPED, Ending.WAITING})
"""How a run ends that another can go on with."""

_LAST = "last"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as its log line states it. `where` is that line, `path:line`.

    `status` is how it ended, in the word of `Ending` or of whoever wrote the line; "open" where it has not ended.
    `continued_by` is the run that has gone on with it, "" where none has; one that waited is "continued" then.

    `run_id` is "" in lines of before there were ids; `cost` is None where the line states no sum.
    """

    run_id: str
    agent: str
    at: datetime.datetime | None
    status: str
    trigger: str
    model: str
    summary: str
    cost: Usd | None
    input_tokens: int
    output_tokens: int
    where: str
    facts: Mapping[str, object]
    continued_by: str = ""

    @property
    def ending(self) -> str:
        """Its status in words: with the run that went on with it, where one has."""
        if not self.continued_by:
            return self.status
        first = "" if self.status == Ending.CONTINUED else f"{self.status}, "
        return f"{first}continued by {self.continued_by}"

    def text(self, key: str) -> str:
        """A further key of the line as text, "" where it is not there."""
        value = self.facts.get(key)
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class RunList:
    """Runs, newest first; `more` says that there are others, `problems` names the lines that could not be read."""

    runs: tuple[RunLine, ...]
    more: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One run: its line, its transcript (None where there is none), the run it belongs to and those it started.

    `successor` is the run that went on with it.
    """

    line: RunLine
    record: Record | None
    parent: RunLine | None
    children: tuple["Shown", ...]
    successor: RunLine | None = None

    @property
    def can_be_resumed(self) -> bool:
        """Whether `runs resume` can go on with it; what was a part of something else is asked again by that."""
        if self.record is None or self.record.started is None or self.record.is_part:
            return False
        return self.line.status in CUT_OFF and self.successor is None


def list_runs(
    workspace: Workspace, agent: str = "", *, since: datetime.date | None = None, until: datetime.date | None = None,
    status: str = "", limit: int = 20,
) -> RunList:  # fmt: skip
    """The newest runs of an agent, or of all.

    Raises:
        AgentMissing: there is no such agent.
    """
    names = agents_of(workspace, agent)
    under_way = [line for line in open_runs(workspace) if line.agent in names]
    found = [line for line in under_way if _fits(line, since, until, status)]
    successors = _successors(under_way)
    problems: list[Problem] = []
    more = False
    for day in logs(workspace, names, since, None):  # also those beyond `until`, which say what has gone on
        if len(found) >= limit:
            more = True
            break
        inside = until is None or (log.day_of(day[0][0]) or until) <= until
        read = [(lines_of(workspace, path, name, problems if inside else [])) for path, name in day]
        successors |= _successors(line for lines in read for line in lines)
        for lines in read if inside else ():
            runs = (continued(line, successors) for line in reversed(lines) if is_run(line.facts))
            found += [line for line in runs if _fits(line, since, until, status)]  # of one moment, the later is newer
    found.sort(key=lambda line: record.in_order(line.at), reverse=True)
    return RunList(tuple(found[:limit]), more or len(found) > limit, tuple(problems))


def show(workspace: Workspace, selector: str) -> Shown:
    """One run, as `find` finds it.

    Raises:
        DocumentMissing: no run is meant.
        UsageError: more than one is.
    """
    return _shown(workspace, find(workspace, selector))


def shown_at(workspace: Workspace, agent: str, day: datetime.date) -> list[Shown]:
    """Every run of an agent on a day, oldest first.

    Raises:
        AgentMissing: there is no such agent.
        DocumentMissing: it did nothing on that day.
    """
    listed = list_runs(workspace, agent, since=day, until=day, limit=10_000)
    if not listed.runs:
        raise DocumentMissing(f"{agent} has no run on {day}", hint=f"atomic-agents runs list {agent}")
    return [_shown(workspace, line) for line in reversed(listed.runs)]


def day_of(text: str, today: datetime.date) -> datetime.date:
    """A day as a person says it: `2026-11-17`, `today`, `yesterday`, or a weekday, which is the last one before today.

    Raises:
        UsageError: it is none of these.
    """
    said = text.strip().lower().removeprefix("last ")
    found = parse_date(said)
    if found is None and said in _WEEKDAYS:
        found = today - datetime.timedelta(days=(today.weekday() - _WEEKDAYS.index(said) - 1) % 7 + 1)
    if found is None and said in ("today", "yesterday"):
        found = today - datetime.timedelta(days=said == "yesterday")
    if found is None:
        raise UsageError(f"{text!r} is no day", hint="2026-11-17, today, yesterday or tuesday")
    return found


def is_run(line: Mapping[str, object]) -> bool:
    """Whether a log line is that of a run, and not of a part of one: a tool call, a helper, a warning."""
    trigger, primitive = str(line.get("trigger", "")), str(line.get("primitive", ""))
    parts = ("tool_call", "helper", "cost_warning", "capture", "escalation", "embed", "judgment", "delegate_batch")
    if log.TRANSCRIPT_HASH in line:
        return True
    return not (log.repeats(line) or trigger.startswith(parts) or primitive in (*parts, "tool", "policy_decision"))


def transcript(workspace: Workspace, agent: str, run_id: str) -> Record | None:
    """The transcript of a run, ended or not; None where there is none."""
    for path, ended in ((layout.open_run(run_id), False), (layout.run_transcript(agent, run_id), True)):
        blob = workspace.store.read(path) if agent and run_id else None
        if blob is not None:
            return record.read(run_id, path, blob.data, ended=ended)
    return None


def continued(line: RunLine, successors: Mapping[str, str]) -> RunLine:
    """A line with the run that has gone on with its run, where one has."""
    by = successors.get(line.run_id, "") if line.run_id and line.status in CUT_OFF else ""
    if not by:
        return line
    status = Ending.CONTINUED.value if line.status == Ending.WAITING else line.status
    return replace(line, status=status, continued_by=by)


def _successors(lines: Iterable[RunLine]) -> dict[str, str]:
    """The runs that went on with others, by the ids of those."""
    return {before: line.run_id for line in lines if (before := line.text("resumed_from"))}


def successor(workspace: Workspace, line: RunLine) -> RunLine | None:
    """The run that went on with a run; None where none has."""
    if not line.run_id or (line.status not in CUT_OFF and not line.continued_by):
        return None
    named = f'"{line.run_id}"'.encode()
    since = line.at.date() - datetime.timedelta(days=1) if line.at else None
    found = [other for other in open_runs(workspace) if other.text("resumed_from") == line.run_id]
    for path, agent in (each for day in logs(workspace, (line.agent,), since, None) for each in day):
        blob = workspace.store.read(path)
        if blob is not None and named in blob.data:
            lines = lines_of(workspace, path, agent, [])
            found += [other for other in lines if other.text("resumed_from") == line.run_id]
    return found[-1] if found else None


def _shown(workspace: Workspace, line: RunLine) -> Shown:
    found = transcript(workspace, line.agent, line.run_id)
    parent_id = line.text("parent_run_id") or (found.started.text("parent_run_id") if found and found.started else "")
    parent = _by_id(workspace, parent_id) if parent_id else None
    children = tuple(_children(workspace, line, found, {line.run_id}))
    later = successor(workspace, line)
    line = continued(line, {line.run_id: later.run_id}) if later else line
    return Shown(line, found, parent, children, later)


def _children(workspace: Workspace, line: RunLine, found: Record | None, seen: set[str]) -> Iterator[Shown]:
    """The runs that a run started: what its transcript names, and the log lines of that day which name it."""
    if not line.run_id:
        return
    named = dict.fromkeys(found.delegates if found else ())
    for path, name in _around(workspace, line):
        blob = workspace.store.read(path)
        if blob is None or line.run_id.encode() not in blob.data:
            continue
        for other in lines_of(workspace, path, name, []):
            if other.text("parent_run_id") == line.run_id:
                child = other.text("delegate_run_id") or (other.run_id if is_run(other.facts) else "")
                named |= {child: None} if child else {}
    for run_id in named:
        child_line = None if run_id in seen else _by_id(workspace, run_id)
        if child_line is not None:
            seen.add(run_id)
            record_of = transcript(workspace, child_line.agent, run_id)
            yield Shown(child_line, record_of, line, tuple(_children(workspace, child_line, record_of, seen)))


def _around(workspace: Workspace, line: RunLine) -> list[tuple[str, str]]:
    """The logs in which a run's children can stand: those from the day before it ended to the day after."""
    names = agents_of(workspace, "")
    if line.at is None:
        return []
    since, until = (line.at.date() + datetime.timedelta(days=days) for days in (-1, 1))
    return [each for day in logs(workspace, names, since, until) for each in day]


def _by_id(workspace: Workspace, run_id: str) -> RunLine | None:
    return next(iter(_matching(workspace, run_id, whole=True)), None)


def find(workspace: Workspace, selector: str) -> RunLine:
    """A run by its id, the start or the end of one, `last`, `AGENT:last`, or the `path:line` of its log line.

    Raises:
        DocumentMissing: no run is meant.
        UsageError: more than one is.
    """
    agent, _, last = selector.rpartition(":")
    if last == _LAST:
        newest = list_runs(workspace, agent, limit=1).runs
        if newest:
            return newest[0]
        raise DocumentMissing("nothing has run yet", hint="atomic-agents run AGENT --work-item …")
    path, _, number = selector.rpartition(":")
    if path.endswith(".jsonl") and number.isdecimal():
        lines = lines_of(workspace, path, path.partition("/log/")[0], [])
        found = [line for line in lines if line.where == selector]
    else:
        found = list(_matching(workspace, selector))
    if len(found) == 1:
        return found[0]
    if found:
        listed = "\n".join(f"atomic-agents runs show {line.run_id}" for line in found[:5])
        raise UsageError(f"{len(found):,} runs are called {selector}…", hint=listed)
    raise DocumentMissing(f"there is no run {selector}", hint="atomic-agents runs list")


def _matching(workspace: Workspace, wanted: str, *, whole: bool = False) -> Iterator[RunLine]:
    """The runs whose id is `wanted`, or starts or ends so."""
    bare = wanted.removeprefix("run-")
    if not bare:
        return
    seen: set[str] = set()
    for line in _candidates(workspace, bare):
        inner = line.run_id.removeprefix("run-")
        fits = line.run_id == wanted if whole else inner.startswith(bare) or inner.endswith(f"-{bare}")
        if fits and line.run_id not in seen:
            seen.add(line.run_id)
            yield line
            if line.run_id == wanted:
                return


def _candidates(workspace: Workspace, wanted: str) -> Iterator[RunLine]:
    """Runs whose line holds `wanted` somewhere: those that are open, then those of the day in the id, then all."""
    yield from open_runs(workspace)
    names = agents_of(workspace, "")
    days = list(logs(workspace, names, None, None))
    stated = parse_date(f"{wanted[:4]}-{wanted[4:6]}-{wanted[6:8]}")
    if stated is not None:
        near = (f"/{stated}.jsonl", f"/{stated + datetime.timedelta(days=1)}.jsonl")
        days.sort(key=lambda day: not day[0][0].endswith(near))
    for path, name in (each for day in days for each in day):
        blob = workspace.store.read(path)
        if blob is not None and wanted.encode() in blob.data:
            yield from (line for line in _lines(path, name, blob.data, []) if is_run(line.facts))


def open_runs(workspace: Workspace) -> list[RunLine]:
    """The runs that have begun and not ended."""
    found = []
    for path in workspace.store.paths(layout.OPEN_RUNS):
        blob = workspace.store.read(path)
        run_id = layout.open_run_id(path)
        opened = record.read(run_id, path, blob.data if blob else b"", ended=False)
        started = opened.started
        if started is None:
            continue
        tokens_in, tokens_out = (
            sum(log.tokens(event.facts, key) for event in opened.events) for key in ("input_tokens", "output_tokens")
        )
        line = RunLine(
            run_id, started.text("agent"), started.at, "open", started.text("trigger"), started.text("model"),
            log.summary(started.text("work_item")), opened.cost, tokens_in, tokens_out, f"{path}:{started.line}",
            started.facts,
        )  # fmt: skip
        found.append(line)
    return found


def agents_of(workspace: Workspace, agent: str) -> tuple[str, ...]:
    """The agent of that name, or all where it is "".

    Raises:
        AgentMissing: there is no such agent.
    """
    workspace.require()
    return (workspace.vault.agent(agent).name,) if agent else workspace.vault.survey().agents


def logs(
    workspace: Workspace, names: tuple[str, ...], since: datetime.date | None, until: datetime.date | None
) -> Iterator[list[tuple[str, str]]]:
    """The logs of some agents by day, newest first, each with its agent."""
    days: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        for path in workspace.store.paths(layout.log(name)):
            stated = log.day_of(path)
            inside = stated is None or ((since is None or stated >= since) and (until is None or stated <= until))
            if path.endswith(".jsonl") and inside:
                days.setdefault(str(stated), []).append((path, name))
    return (days[day] for day in sorted(days, reverse=True))


def _fits(line: RunLine, since: datetime.date | None, until: datetime.date | None, status: str) -> bool:
    day = line.at.date() if line.at else None
    if day is not None and ((since is not None and day < since) or (until is not None and day > until)):
        return False
    return not status or line.status == status


def lines_of(workspace: Workspace, path: str, agent: str, problems: list[Problem]) -> list[RunLine]:
    """The lines of one log; those that cannot be read are added to `problems`."""
    blob = workspace.store.read(path)
    return list(_lines(path, agent, blob.data if blob else b"", problems))


def _lines(path: str, agent: str, data: bytes, problems: list[Problem]) -> Iterator[RunLine]:
    for line in log.read(path, data):
        if line.problem:
            problems.append(line.problem)
            continue
        yield run_line(path, agent, line.number, line.record)


def run_line(path: str, agent: str, number: int, facts: Mapping[str, object]) -> RunLine:
    """What a line of a log says."""

    def text(key: str) -> str:
        return str(facts.get(key) or "")

    return RunLine(
        text("run_id"), agent, record.moment(facts.get("ts")), log.ending(facts), text("trigger"), text("model"),
        text("summary"), log.cost(facts), log.tokens(facts, "input_tokens"), log.tokens(facts, "output_tokens"),
        f"{path}:{number}", facts,
    )  # fmt: skip
