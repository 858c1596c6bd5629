"""Run an agent, or show what a run would send."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.budget import prices
from atomic_agents.budget.alerts import Alert
from atomic_agents.budget.usage import most_tokens
from atomic_agents.core.errors import AtomicAgentsError, Conflict, SettingsInvalid
from atomic_agents.core.model import Message, Model, Request
from atomic_agents.core.values import Problem, Usd
from atomic_agents.guard import paths
from atomic_agents.memory.lifecycle import Captures
from atomic_agents.migration import newer
from atomic_agents.operations import judging, mcp_log
from atomic_agents.operations.alerting import Watch
from atomic_agents.operations.replays import replayed
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import gate, prompt, replay, transcript
from atomic_agents.runtime.closing import Also, nothing_else
from atomic_agents.runtime.fit import fit
from atomic_agents.runtime.order import Order, Result
from atomic_agents.runtime.past import Past
from atomic_agents.runtime.prompt import Prompt
from atomic_agents.runtime.rendering import render_within
from atomic_agents.runtime.runner import Runner
from atomic_agents.runtime.sizes import request_tokens, tool_tokens
from atomic_agents.tools import edits, hands, notes
from atomic_agents.tools.builtin import builtin
from atomic_agents.tools.edits import Record
from atomic_agents.tools.notes import Vouch
from atomic_agents.tools.results import Results
from atomic_agents.tools.tool import Tool
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Agent, AgentSettings

if TYPE_CHECKING:  # 3 ms that only a conversation needs
    from atomic_agents.runtime.conversation import Talk

SUMMARY = "summary"
"""The trigger of a run that summarises a conversation."""

LOCK_WAIT = 600.0
"""Seconds for which a run waits for the one before it."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would send: the first request in sections, and the most that it can cost (None: unknown).

    `too_long` is the error with which the run would refuse to send it, None where it would not.
    """

    prompt: Prompt
    request: Request
    model: str
    most: Usd | None
    too_long: AtomicAgentsError | None = None

    @property
    def tokens(self) -> int:
        """About how many tokens the whole request takes, as max_input_tokens counts them."""
        return request_tokens(self.request)

    @property
    def tool_tokens(self) -> int:
        """About how many of them the definitions of tools take."""
        return tool_tokens(self.request.tools)

    @property
    def earlier_tokens(self) -> int:
        """About how many tokens what was said before takes."""
        return sum(prompt.estimate(message.text) for message in self.request.messages[:-1])


def run(workspace: Workspace, name: str, order: Order, *, model_id: str | None, on_text: Callable[[str], None],
        on_notice: Callable[[str], None], talk: "Talk | None" = None, run_id: str = "") -> Result:  # fmt: skip
    """Run an agent on a work item, `talk` being the conversation that it goes on with, `run_id` what it is called.

    What fails before the run begins is raised; what fails in it ends it, and is the result's `failure`.

    Raises:
        AgentMissing: there is no such agent.
        SettingsInvalid: a settings file that holds for it has errors; all of them are carried.
        VaultTooNew: a newer package has written its settings.
        CredentialMissing: its model has no key; it is never replaced in silence.
    """
    with Watch(workspace, name, order.trigger, on_notice) as watch:
        watch.result = _run(
            workspace, name, order, model_id=model_id, on_text=on_text, on_notice=on_notice, talk=talk,
            raised=watch.raised, run_id=run_id,
        )  # fmt: skip
    return watch.result


def _run(workspace: Workspace, name: str, order: Order, *, model_id: str | None, on_text: Callable[[str], None],
         on_notice: Callable[[str], None], talk: "Talk | None", raised: list[Alert],
         run_id: str) -> Result:  # fmt: skip
    workspace.require()
    agent = workspace.vault.agent(name)
    newer.refuse(workspace.store, newer.of_agent(workspace.vault, agent))  # at once, and not after a wait
    say_closed(workspace.close_crashed_runs(), on_notice)
    if answered := replayed(workspace, agent.name, order):
        return answered
    with workspace.store.lock(f"agent/{agent.name}", wait=LOCK_WAIT):
        # Whoever held the lock may have died with it: what was spent must count before the caps are judged.
        say_closed(workspace.close_crashed_runs_of(agent.name), on_notice)
        if answered := replayed(workspace, agent.name, order):  # by the run that held the lock
            return answered
        before = _before(workspace, agent.name, order, on_notice)
        bench = make_bench(workspace, agent, model_id, on_notice, raised)
        return go_on(talk, bench, order, on_text, before, run_id)


def _before(workspace: Workspace, agent: str, order: Order, on_notice: Callable[[str], None]) -> Past:
    """What the run was answered that had the order's key and whose process died; it never keeps the key from asking."""
    run_id = replay.to_resume(workspace.store, agent, order.key) if order.key else ""
    if not run_id:
        return Past()
    from atomic_agents.operations import record, resuming  # noqa: PLC0415 - only a run that is resumed needs them

    try:
        found = resuming.cut_off(workspace, record.find(workspace, run_id))
    except AtomicAgentsError as error:
        on_notice(f"{run_id} had this key and cannot be gone on with: {error.message}; it is asked anew")
        return Past()
    gate.refuse_unanswered(workspace.vault, found.past, workspace.clock())
    on_notice(f"{run_id} had this key and was cut off; this goes on with it")
    return found.past


@dataclass(frozen=True, slots=True)
class Bench:
    """What the runs of one turn, or of one errand, have in common."""

    workspace: Workspace
    agent: Agent
    settings: AgentSettings
    model: Model
    raised: list[Alert]
    """Gets what there is to tell the operator about the caps."""


@contextmanager
def bench_of(
    workspace: Workspace, name: str, *, model_id: str | None, on_notice: Callable[[str], None]
) -> Iterator[Bench]:
    """Hold an agent for questions that are no run on a work item of its own; raises what `run` raises before one."""
    workspace.require()
    agent = workspace.vault.agent(name)
    say_closed(workspace.close_crashed_runs(), on_notice)
    watch = Watch(workspace, agent.name, "", on_notice)
    with watch, workspace.store.lock(f"agent/{agent.name}", wait=LOCK_WAIT):
        say_closed(workspace.close_crashed_runs_of(agent.name), on_notice)
        yield make_bench(workspace, agent, model_id, on_notice, watch.raised)


def ask(
    bench: Bench, order: Order, system: tuple[str, ...], *, earlier: tuple[Message, ...] = (), also: Also = nothing_else
) -> Result:
    """Ask under a system prompt of its own, without tools, captures or journal; reserved and logged as a run."""
    return _runner(
        bench, replace(order, capture=False, key=None), _unheard, earlier=earlier, plain=system, also=also
    ).run()


def make_bench(
    workspace: Workspace, agent: Agent, model_id: str | None, on_notice: Callable[[str], None], raised: list[Alert]
) -> Bench:
    """What the runs of an agent need; raises what `run` raises before one. The caller holds the agent's lock."""
    workspace.refuse_newer(agent.name)
    settings = checked_settings(workspace, agent)
    warn_old(settings, on_notice)
    model = workspace.open_model(model_id_of(settings, agent, model_id), agent.name)
    if model.local and model.id.startswith("local:"):
        on_notice(f"{model.id} runs on this machine and invents facts, also from notes in front of it")
    return Bench(workspace, agent, settings, model, raised)


def _runner(
    bench: Bench, order: Order, on_text: Callable[[str], None], *, earlier: tuple[Message, ...] = (),
    plain: tuple[str, ...] | None = None, also: Also = nothing_else, past: Past | None = None, run_id: str = "",
    notices: Sequence[str] = (),
) -> Runner:  # fmt: skip
    workspace, agent, settings = bench.workspace, bench.agent, bench.settings

    def open_fallback() -> Model | None:
        fallback = settings.model.fallback_model
        return workspace.open_model(fallback, agent.name) if fallback else None

    def ask_judge(model: Model, order: Order, system: tuple[str, ...]) -> Result:
        return ask(replace(bench, model=model), order, system)

    run_id = run_id or transcript.new_run_id(workspace.clock())
    allowed = paths.policy(agent.name, settings.tools, str(workspace.config.root))
    judge = None
    if plain is None and "judges.md" in {found.name for found in (*settings.files.values(), *settings.inherited)}:
        judge = judging.judge_of(
            workspace, agent, settings, allowed, ask_judge, work_item=order.work_item, run_id=run_id
        )  # fmt: skip
    return Runner(
        vault=workspace.vault,
        agent=agent,
        settings=settings,
        mode=workspace.vault.persona(agent).mode,
        model=bench.model,
        open_fallback=open_fallback,
        memory=workspace.memory,
        prices=prices.load(workspace.vault),
        paths=allowed,
        clock=workspace.clock,
        order=order,
        run_id=run_id,
        on_text=on_text,
        earlier=earlier,
        plain=plain,
        also=also,
        secrets=workspace.secrets,
        sleep=workspace.sleep,
        ended=workspace.export_run,
        open_hands=lambda record, warn, vouch: _hands(workspace, agent, settings, run_id, record, warn, vouch),
        raised=bench.raised,
        past=past or Past(),
        judge=judge,
        warnings=list(notices),
    )


def go_on(
    talk: "Talk | None", bench: Bench, order: Order, on_text: Callable[[str], None], past: Past, run_id: str = ""
) -> Result:  # fmt: skip
    """Run with what was said before, and add the turn; a summary that it needs is a run of its own before."""
    if talk is None:
        return _runner(bench, order, on_text, past=past, run_id=run_id).run()

    def summarise(text: str, plain: tuple[str, ...], also: Also) -> Result:
        return ask(bench, replace(order, work_item=text, trigger=SUMMARY), plain, also=also)

    writes = not bench.model.id.startswith("embedded:")  # one that only quotes cannot summarise
    talk.open(
        bench.workspace.vault, bench.agent.name, bench.settings.model, asked=order.work_item,
        now=bench.workspace.clock(), ask=summarise if writes and not past.run_ids else None,
        secrets=bench.workspace.secrets, without=past.run_ids,
    )  # fmt: skip
    left = None if order.max_cost is None else max(order.max_cost - talk.cost, Decimal(0))
    order = replace(order, work_item=talk.asked or order.work_item, max_cost=left, conversation=talk.id)
    runner = _runner(
        bench, order, talk.hear(on_text), earlier=talk.before.messages, also=talk.changes, past=past, run_id=run_id,
        notices=talk.notices,
    )  # fmt: skip
    result = runner.run()
    undo, stays = runner.undo
    kept = talk.own_changes(undo)
    try:
        talk.can_undo(edits.undo_run(bench.workspace.store, result.agent, result.run_id, kept), stays)
    except Conflict:  # somebody has written a note since that a tool wrote: the rest can be taken back without it
        talk.can_undo(kept, (*stays, "write_file"))
    return result


def _unheard(_text: str) -> None:
    """What is asked on an errand is not for the person at the door."""


def ready(workspace: Workspace, name: str, model_id: str | None) -> tuple[str, str]:
    """The agent and the model that a run would have; raises what `run` would raise before it begins."""
    workspace.require()
    agent = workspace.vault.agent(name)
    workspace.refuse_newer(agent.name)
    settings = checked_settings(workspace, agent)
    return agent.name, workspace.open_model(model_id_of(settings, agent, model_id), agent.name).id


def preview(
    workspace: Workspace, name: str, order: Order, *, model_id: str | None, talk: "Talk | None" = None
) -> Preview:
    """The exact request that a run would send first; nothing is written or asked, and nothing summarised."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = checked_settings(workspace, agent)
    workspace.memory.refresh(agent.name)
    now, model = workspace.clock(), model_id_of(settings, agent, model_id)
    if talk is not None:
        talk.open(workspace.vault, agent.name, settings.model, asked=order.work_item, now=now, ask=None)
    earlier = talk.before.messages if talk else ()
    found_tools = tools(workspace, agent, settings, capture=order.capture)
    specs = tuple(tool.spec for tool in found_tools)

    def render(room: int) -> Prompt:
        return prompt.assemble(
            workspace.vault, agent, settings, workspace.memory, now=now, trigger=order.trigger,
            tool_names=tuple(spec.name for spec in specs), room=room,
        )  # fmt: skip

    found = render_within(agent, settings, render, earlier=earlier, work_item=order.work_item, tools=specs)
    messages = (*earlier, Message("user", order.work_item))
    asked = Request(
        found.prompt.parts, messages, specs, settings.model.max_output_tokens, settings.model.temperature
    )  # fmt: skip
    request = fit(asked, found.limit, earlier=len(earlier)).request
    return Preview(found.prompt, request, model, most(workspace, model, request), found.too_long)


def tools(
    workspace: Workspace, agent: Agent, settings: AgentSettings, warn: hands.Warn = lambda _said: None, *,
    capture: bool = True,
) -> tuple[Tool, ...]:  # fmt: skip
    """The tools of a run that is not begun; `warn` hears why others are left out."""
    allowed = paths.policy(agent.name, settings.tools, str(workspace.config.root))
    today = workspace.clock().date()
    captures = Captures(workspace.vault, agent.name, allowed, today, "") if capture else None
    found = builtin(workspace.vault, agent.name, search=lambda _query, _limit: (), captures=captures, paths=allowed)
    further = _hands(workspace, agent, settings, "", lambda _event, _facts: None, warn, notes.claim).tools
    return (*found, *further, Results().tool)


def _hands(
    workspace: Workspace, agent: Agent, settings: AgentSettings, run_id: str, record: Record, warn: hands.Warn,
    vouch: Vouch,
) -> hands.Hands:  # fmt: skip
    allowed = paths.policy(agent.name, settings.tools, str(workspace.config.root))
    return hands.opened(
        workspace.vault, agent, settings, paths=allowed, variable=workspace.variable, run_id=run_id,
        record=record, warn=warn, vouch=vouch, keep_log=partial(mcp_log.keep, workspace, agent.name),
        secrets=workspace.secrets,
    )  # fmt: skip


def most(workspace: Workspace, model: str, request: Request) -> Usd | None:
    """The most that one request can cost, None where nobody knows the model's price."""
    if prices.is_free(model):
        return Decimal(0)
    tokens = most_tokens(request)
    return prices.load(workspace.vault).most(model, input_tokens=tokens, output_tokens=request.max_output_tokens)


def checked_settings(workspace: Workspace, agent: Agent) -> AgentSettings:
    """The settings that hold for an agent, refused where any of them has an error or is of a newer package."""
    settings = workspace.vault.settings(agent)
    above = [found.path for found in settings.files.values() if found.version > CURRENT_SCHEMA_VERSION]
    newer.refuse(workspace.store, newer.still(workspace.vault, above))
    settings.check()
    return settings


def warn_old(settings: AgentSettings, on_notice: Callable[[str], None]) -> None:
    """Say that an old vault runs, and how it is brought up to date."""
    if settings.version < CURRENT_SCHEMA_VERSION:
        way = f"atomic-agents migrate --to v{CURRENT_SCHEMA_VERSION}"
        on_notice(f"the vault is at v{settings.version}; it runs, and {way} brings it up to date")


def say_closed(run_ids: list[str], on_notice: Callable[[str], None]) -> None:
    """Say which runs have got their log line only now."""
    for run_id in run_ids:
        on_notice(f"the process of {run_id} had died; its log line is written now")


def model_id_of(settings: AgentSettings, agent: Agent, chosen: str | None) -> str:
    """The model that answers for an agent: the chosen one, or that of its settings."""
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
