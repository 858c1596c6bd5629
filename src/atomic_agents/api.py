"""The door for Python: a vault, its agents and their runs, as values and calls."""

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike, fspath
from types import TracebackType
from typing import TYPE_CHECKING, Self

from atomic_agents import config
from atomic_agents.core.values import Usd
from atomic_agents.operations.workspace import Workspace

if TYPE_CHECKING:  # a vault is opened in a third of the time without what only a run needs
    from atomic_agents.memory.search import Passage
    from atomic_agents.operations.agents import AgentInfo
    from atomic_agents.operations.runs import Preview
    from atomic_agents.runtime.order import Result
    from atomic_agents.vault.conversation import Conversation


class Vault:
    """A vault that is open, as a context manager or until `close`.

    `notices` is called with each warning that stops nothing; without it they are left unsaid, but those of a run stand
    in its result too.
    """

    def __init__(self, workspace: Workspace, *, notices: Callable[[str], None] | None = None) -> None:
        self._workspace = workspace
        self._notices = notices or _unsaid

    @classmethod
    def open(cls, root: str | PathLike[str] | None = None, *, notices: Callable[[str], None] | None = None) -> Self:
        """The vault at `root`; without one, at ATOMIC_AGENTS_ROOT or in ~/docs/agents.

        Raises:
            VaultMissing: there is none.
        """
        from atomic_agents.bootstrap import open_workspace  # noqa: PLC0415 - a workspace of one's own needs no adapters

        workspace = open_workspace(config.load(None if root is None else fspath(root)))
        workspace.require()
        return cls(workspace, notices=notices)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index; what was repaired meanwhile is said to `notices`."""
        for repaired in self._workspace.notices():
            self._notices(repaired)
        self._workspace.close()

    def agents(self) -> tuple[str, ...]:
        """The names of the agents, in order."""
        return self._workspace.vault.survey().agents

    def agent(self, name: str) -> "Agent":
        """An agent by name or slash path.

        Raises:
            AgentMissing: with the nearest names there are.
        """
        return Agent(self._workspace.vault.agent(name).name, self._workspace, self._notices)


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent of an open vault."""

    name: str
    _workspace: Workspace
    _notices: Callable[[str], None]

    def run(
        self,
        work_item: str,
        *,
        model: str | None = None,
        conversation: str | None = None,
        trigger: str = "api",
        critical: bool = False,
        capture: bool = True,
        max_cost: Usd | None = None,
        idempotency_key: str | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> "Result":
        """Run the agent on a work item, as `atomic-agents run` does; runs of one agent wait for each other.

        `on_text` is handed the answer as it comes. `conversation` is the id of one to go on with or to begin, `new` for
        an id of its own. What ends a run that has begun is the result's `failure`, so that what was said and what it
        cost are not lost; nothing of that is raised.

        Raises:
            AtomicAgentsError: the run could not begin; nothing was asked.
        """
        # 30 ms that a program which only reads need not pay.
        from atomic_agents.core.errors import UsageError  # noqa: PLC0415
        from atomic_agents.operations import conversations, runs  # noqa: PLC0415
        from atomic_agents.runtime import replay  # noqa: PLC0415
        from atomic_agents.runtime.order import Order  # noqa: PLC0415

        if not work_item.strip():
            raise UsageError("the work item is empty")
        talk = conversations.talk(self._workspace, conversation) if conversation else None
        key = None
        if idempotency_key is not None:
            key = replay.key(
                idempotency_key, work_item=work_item, model=model or "", conversation=conversation or ""
            )  # fmt: skip
        order = Order(work_item, trigger, critical, capture, max_cost, key)
        return runs.run(
            self._workspace, self.name, order, model_id=model, on_text=on_text or _unsaid, on_notice=self._notices,
            talk=talk,
        )  # fmt: skip

    async def run_async(
        self,
        work_item: str,
        *,
        model: str | None = None,
        conversation: str | None = None,
        trigger: str = "api",
        critical: bool = False,
        capture: bool = True,
        max_cost: Usd | None = None,
        idempotency_key: str | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> "Result":
        """As `run`, in a thread of its own; `on_text` is called in the event loop's thread.

        A task that is cancelled stops waiting. The run itself goes on to its end and is recorded.
        """
        import asyncio  # noqa: PLC0415 - 20 ms that only async callers, who have it already, need

        loop = asyncio.get_running_loop()

        def hand_over(text: str) -> None:
            if on_text is not None and not loop.is_closed():
                loop.call_soon_threadsafe(on_text, text)

        return await asyncio.to_thread(
            self.run,
            work_item,
            model=model,
            conversation=conversation,
            trigger=trigger,
            critical=critical,
            capture=capture,
            max_cost=max_cost,
            idempotency_key=idempotency_key,
            on_text=hand_over,
        )

    def preview(self, work_item: str = "", *, model: str | None = None, trigger: str = "api") -> "Preview":
        """The exact request that a run would send first, and the most it can cost; nothing is sent or written."""
        from atomic_agents.operations import runs  # noqa: PLC0415 - as above
        from atomic_agents.runtime.order import Order  # noqa: PLC0415 - as above

        return runs.preview(self._workspace, self.name, Order(work_item, trigger), model_id=model)

    def info(self) -> "AgentInfo":
        """What holds for the agent: settings, caps, what was spent."""
        from atomic_agents.operations import agents  # noqa: PLC0415 - as above

        return agents.info(self._workspace, self.name)

    def search(self, query: str, limit: int = 10) -> "list[Passage]":
        """The passages of its notes, wiki and journal that match best, best first."""
        from atomic_agents.operations import memory  # noqa: PLC0415 - as above

        return memory.search(self._workspace, self.name, query, limit)

    def conversations(self) -> "tuple[Conversation, ...]":
        """Its conversations, the last one first."""
        from atomic_agents.operations import conversations  # noqa: PLC0415 - as above

        return conversations.list_conversations(self._workspace, self.name).found


def _unsaid(_text: str) -> None:
    """Nobody listens."""
