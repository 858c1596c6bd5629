"""What runs are doing now: the events of open ones and of those that have just ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from atomic_agents.operations import record
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import record as reading
from atomic_agents.runtime.record import Event, Record
from atomic_agents.vault import layout

_ENDED = 5


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a run."""

    agent: str
    run_id: str
    event: Event


def tail(workspace: Workspace, agent: str = "", *, limit: int = 20) -> list[Happened]:
    """The last events of the runs that are open and of those that ended last, oldest first.

    Raises:
        AgentMissing: there is no such agent.
    """
    return _Watch(workspace, agent).begin(limit)


def follow(
    workspace: Workspace, agent: str = "", *, limit: int = 20, pause: Callable[[], None]
) -> Iterator[Happened]:  # fmt: skip
    """The same, and then every event as it happens, for ever; `pause` is what is done between two looks.

    Raises:
        AgentMissing: there is no such agent.
    """
    watch = _Watch(workspace, agent)
    yield from watch.begin(limit)
    while True:
        pause()
        yield from watch.look()


class _Watch:
    """Which events have been told, by run."""

    def __init__(self, workspace: Workspace, agent: str) -> None:
        self._workspace = workspace
        self._names = record.agents_of(workspace, agent)
        self._all = not agent
        self._told: dict[str, int] = {}
        self._ended = set(self._finished())

    def begin(self, limit: int) -> list[Happened]:
        """What there is, at most `limit` events."""
        last = sorted(self._ended, key=layout.run_id_of)[-_ENDED:]
        found = [happened for path in last for happened in self._new(path, ended=True)]
        found += self._open()
        found.sort(key=lambda happened: reading.in_order(happened.event.at))
        return found[-limit:] if limit > 0 else []

    def look(self) -> list[Happened]:
        """What has happened since the last look."""
        found = self._open()
        for path in self._finished():
            if path not in self._ended:
                self._ended.add(path)
                found += self._new(path, ended=True)
        return sorted(found, key=lambda happened: reading.in_order(happened.event.at))

    def _finished(self) -> Iterator[str]:
        for name in self._names:
            yield from (path for path in self._workspace.store.paths(layout.runs(name)) if layout.run_id_of(path))

    def _open(self) -> list[Happened]:
        paths = list(self._workspace.store.paths(layout.OPEN_RUNS))
        return [happened for path in paths for happened in self._new(path, ended=False)]

    def _new(self, path: str, *, ended: bool) -> list[Happened]:
        blob = self._workspace.store.read(path)
        run_id = layout.run_id_of(path)
        if blob is None:  # it has ended meanwhile
            return []
        found: Record = reading.read(run_id, path, blob.data, ended=ended)
        agent = found.started.text("agent") if found.started else path.partition("/runs/")[0]
        if not self._all and agent not in self._names:
            return []
        if agent not in self._names:  # made since
            self._names = (*self._names, agent)
        told = self._told.get(run_id, 0)
        self._told[run_id] = max(told, len(found.events))
        return [Happened(agent, run_id, event) for event in found.events[told:]]
