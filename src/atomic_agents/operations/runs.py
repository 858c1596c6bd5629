"""Run an agent, or show what a run would send."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.budget import prices
from atomic_agents.core.errors import SettingsInvalid
from atomic_agents.core.model import Model
from atomic_agents.core.values import Problem, Usd
from atomic_agents.guard import paths
from atomic_agents.migration.plan import refuse_newer
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import prompt, transcript
from atomic_agents.runtime.prompt import Prompt
from atomic_agents.runtime.runner import Order, Result, Runner
from atomic_agents.vault import layout
from atomic_agents.vault.vault import Agent, AgentSettings

_LOCK_WAIT = 600.0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would send: the prompt, the model, and the most that one request can cost (None: unknown)."""

    prompt: Prompt
    model: str
    most: Usd | None


def run(workspace: Workspace, name: str, order: Order, *, model_id: str | None, on_text: Callable[[str], None],
        on_notice: Callable[[str], None]) -> Result:  # fmt: skip
    """Run an agent on a work item.

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
    with workspace.store.lock(f"agent/{agent.name}", wait=_LOCK_WAIT):
        # Whoever held the lock may have died with it: what was spent must count before the caps are judged.
        _say_closed(workspace.close_crashed_runs_of(agent.name), on_notice)
        settings = checked_settings(workspace, agent)
        warn_old(settings, on_notice)
        model = workspace.open_model(_model_id(settings, agent, model_id), agent.name)
        if model.local and model.id.startswith("local:"):
            on_notice(f"{model.id} runs on this machine and invents facts, also from notes in front of it")

        def open_fallback() -> Model | None:
            fallback = settings.model.fallback_model
            return workspace.open_model(fallback, agent.name) if fallback else None

        runner = Runner(
            vault=workspace.vault,
            agent=agent,
            settings=settings,
            mode=workspace.vault.persona(agent).mode,
            model=model,
            open_fallback=open_fallback,
            memory=workspace.memory,
            prices=prices.load(workspace.vault),
            paths=paths.policy(agent.name, settings.tools, str(workspace.config.root)),
            clock=workspace.clock,
            order=order,
            run_id=transcript.new_run_id(workspace.clock()),
            on_text=on_text,
        )
        return runner.run()


def preview(workspace: Workspace, name: str, *, work_item: str, model_id: str | None, trigger: str) -> Preview:
    """The exact prompt that a run would send now; nothing is written or asked."""
    workspace.require()
    agent = workspace.vault.agent(name)
    settings = checked_settings(workspace, agent)
    workspace.memory.refresh(agent.name)
    found = prompt.assemble(
        workspace.vault, agent, settings, workspace.memory, now=workspace.clock(), trigger=trigger,
        tool_names=("recall", "read_note", "remember"), work_item=work_item,
    )  # fmt: skip
    model = _model_id(settings, agent, model_id)
    tokens = found.tokens + prompt.estimate(work_item)
    free = prices.is_free(model)
    rates = prices.load(workspace.vault)
    most = (
        Decimal(0) if free else rates.most(model, input_tokens=tokens, output_tokens=settings.model.max_output_tokens)
    )
    return Preview(found, model, most)


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
