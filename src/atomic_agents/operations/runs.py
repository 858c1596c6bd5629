"""Run an agent, or show what a run would send."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.budget import prices
from atomic_agents.core.errors import SettingsInvalid
from atomic_agents.core.model import Message, Model, Request, ToolSpec
from atomic_agents.core.values import Problem, Usd
from atomic_agents.guard import paths
from atomic_agents.memory.lifecycle import Captures
from atomic_agents.migration.plan import refuse_newer
from atomic_agents.operations.replays import replayed
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import prompt, transcript
from atomic_agents.runtime.closing import Also, nothing_else
from atomic_agents.runtime.prompt import Prompt
from atomic_agents.runtime.purse import most_tokens
from atomic_agents.runtime.runner import Order, Result, Runner
from atomic_agents.tools.builtin import builtin
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Agent, AgentSettings

if TYPE_CHECKING:  # 3 ms that only a conversation needs
    from atomic_agents.runtime.conversation import Talk

SUMMARY = "summary"
"""The trigger of a run that summarises a conversation."""

_LOCK_WAIT = 600.0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would send: the first request in sections, and the most that it can cost (None: unknown)."""

    prompt: Prompt
    request: Request
    model: str
    most: Usd | None

    @property
    def tokens(self) -> int:
        """About how many tokens the whole request takes, the definitions of tools left out."""
        return self.prompt.tokens + sum(prompt.estimate(message.text) for message in self.request.messages)

    @property
    def earlier_tokens(self) -> int:
        """About how many tokens what was said before takes."""
        return sum(prompt.estimate(message.text) for message in self.request.messages[:-1])


def run(workspace: Workspace, name: str, order: Order, *, model_id: str | None, on_text: Callable[[str], None],
        on_notice: Callable[[str], None], talk: "Talk | None" = None) -> Result:  # fmt: skip
    """Run an agent on a work item, `talk` being the conversation that it goes on with.

    What fails before the run begins is raised; what fails in it ends it, and is the result's `failure`.

    Raises:
        AgentMissing: there is no such agent.
        SettingsInvalid: a settings file that holds for it has errors; all of them are carried.
        VaultTooNew: a newer package has written its settings.
        CredentialMissing: its model has no key; it is never replaced in silence.
    """
    workspace.require()
    agent = workspace.vault.agent(name)
    _say_closed(workspace.close_crashed_runs(), on_notice)
    if answered := replayed(workspace, agent.name, order):
        return answered
    with workspace.store.lock(f"agent/{agent.name}", wait=_LOCK_WAIT):
        # Whoever held the lock may have died with it: what was spent must count before the caps are judged.
        _say_closed(workspace.close_crashed_runs_of(agent.name), on_notice)
        if answered := replayed(workspace, agent.name, order):  # by the run that held the lock
            return answered
        settings = checked_settings(workspace, agent)
        warn_old(settings, on_notice)
        model = workspace.open_model(_model_id(settings, agent, model_id), agent.name)
        if model.local and model.id.startswith("local:"):
            on_notice(f"{model.id} runs on this machine and invents facts, also from notes in front of it")

        bench = _Bench(workspace, agent, settings, model)
        return _go_on(talk, bench, order, on_text) if talk else _runner(bench, order, on_text).run()


@dataclass(frozen=True, slots=True)
class _Bench:
    """What the runs of one turn have in common."""

    workspace: Workspace
    agent: Agent
    settings: AgentSettings
    model: Model


def _runner(
    bench: _Bench, order: Order, on_text: Callable[[str], None], *, earlier: tuple[Message, ...] = (),
    plain: tuple[str, ...] | None = None, also: Also = nothing_else,
) -> Runner:  # fmt: skip
    workspace, agent, settings = bench.workspace, bench.agent, bench.settings

    def open_fallback() -> Model | None:
        fallback = settings.model.fallback_model
        return workspace.open_model(fallback, agent.name) if fallback else None

    return Runner(
        vault=workspace.vault,
        agent=agent,
        settings=settings,
        mode=workspace.vault.persona(agent).mode,
        model=bench.model,
        open_fallback=open_fallback,
        memory=workspace.memory,
        prices=prices.load(workspace.vault),
        paths=paths.policy(agent.name, settings.tools, str(workspace.config.root)),
        clock=workspace.clock,
        order=order,
        run_id=transcript.new_run_id(workspace.clock()),
        on_text=on_text,
        earlier=earlier,
        plain=plain,
        also=also,
        secrets=workspace.config.secrets,
        sleep=workspace.sleep,
    )


def _go_on(talk: "Talk", bench: _Bench, order: Order, on_text: Callable[[str], None]) -> Result:
    """Run with what was said before, and add the turn; a summary that it needs is a run of its own before."""

    def ask(text: str, plain: tuple[str, ...], also: Also) -> Result:
        asked = replace(order, work_item=text, trigger=SUMMARY, capture=False, key=None)
        return _runner(bench, asked, _unheard, plain=plain, also=also).run()

    writes = not bench.model.id.startswith("embedded:")  # one that only quotes cannot summarise
    talk.open(
        bench.workspace.vault, bench.agent.name, bench.settings.model, asked=order.work_item,
        now=bench.workspace.clock(), ask=ask if writes else None,
    )  # fmt: skip
    left = None if order.max_cost is None else max(order.max_cost - talk.cost, Decimal(0))
    order = replace(order, max_cost=left)
    runner = _runner(bench, order, talk.hear(on_text), earlier=talk.before.messages, also=talk.changes)
    result = runner.run()
    talk.can_undo(runner.undo)
    return replace(result, warnings=(*talk.notices, *result.warnings))


def _unheard(_text: str) -> None:
    """A summary is for the model, not for the person at the door."""


def ready(workspace: Workspace, name: str, model_id: str | None) -> tuple[str, str]:
    """The agent and the model that a run would have; raises what `run` would raise before it begins."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = checked_settings(workspace, agent)
    return agent.name, workspace.open_model(_model_id(settings, agent, model_id), agent.name).id


def preview(
    workspace: Workspace, name: str, order: Order, *, model_id: str | None, talk: "Talk | None" = None
) -> Preview:
    """The exact request that a run would send first; nothing is written or asked, and nothing summarised."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = checked_settings(workspace, agent)
    workspace.memory.refresh(agent.name)
    now, model = workspace.clock(), _model_id(settings, agent, model_id)
    if talk is not None:
        talk.open(workspace.vault, agent.name, settings.model, asked=order.work_item, now=now, ask=None)
    earlier = talk.before.messages if talk else ()
    tools = _tools(workspace, agent, settings, order)
    found = prompt.assemble(
        workspace.vault, agent, settings, workspace.memory, now=now, trigger=order.trigger,
        tool_names=tuple(tool.name for tool in tools), work_item=prompt.said(earlier, order.work_item),
    )  # fmt: skip
    messages = (*earlier, Message("user", order.work_item))
    request = Request(found.parts, messages, tools, settings.model.max_output_tokens, settings.model.temperature)
    most = _most(workspace, model, request)
    return Preview(found, request, model, most)


def _tools(workspace: Workspace, agent: Agent, settings: AgentSettings, order: Order) -> tuple[ToolSpec, ...]:
    """The tools of a run that is not begun."""
    allowed = paths.policy(agent.name, settings.tools, str(workspace.config.root))
    today = workspace.clock().date()
    captures = Captures(workspace.vault, agent.name, allowed, today, order.work_item) if order.capture else None
    found = builtin(workspace.vault, agent.name, search=lambda _query, _limit: (), captures=captures, paths=allowed)
    return tuple(tool.spec for tool in found)


def _most(workspace: Workspace, model: str, request: Request) -> Usd | None:
    if prices.is_free(model):
        return Decimal(0)
    tokens = most_tokens(request)
    return prices.load(workspace.vault).most(model, input_tokens=tokens, output_tokens=request.max_output_tokens)


def checked_settings(workspace: Workspace, agent: Agent) -> AgentSettings:
    """The settings that hold for an agent, refused where any of them has an error or is of a newer package."""
    settings = workspace.vault.settings(agent)
    refuse_newer(max((found.version for found in settings.files.values()), default=0))
    settings.check()
    return settings


def warn_old(settings: AgentSettings, on_notice: Callable[[str], None]) -> None:
    """Say that an old vault runs, and how it is brought up to date."""
    if settings.version < CURRENT_SCHEMA_VERSION:
        way = f"atomic-agents migrate --to v{CURRENT_SCHEMA_VERSION}"
        on_notice(f"the vault is at v{settings.version}; it runs, and {way} brings it up to date")


def _say_closed(run_ids: list[str], on_notice: Callable[[str], None]) -> None:
    for run_id in run_ids:
        on_notice(f"the process of {run_id} had died; its log line is written now")


def _model_id(settings: AgentSettings, agent: Agent, chosen: str | None) -> str:
    model = chosen or settings.model.model
    if model:
        return model
    path = layout.settings(agent.name, "model.md")
    found = settings.files.get("model.md")
    hint = (
        f"add a line `model: …` to {found.path}"
        if found
        else f"write {path} with schema_version: 2 and model: … in front matter"
    )
    raise SettingsInvalid(
        [Problem(found.path if found else path, 0, "no model is stated", f"{hint}; atomic-agents models list")]
    )
