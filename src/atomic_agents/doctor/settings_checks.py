"""Checks of settings against each other: what has no effect, and what says otherwise elsewhere."""

import re
from collections.abc import Iterator

from atomic_agents.core.values import key_of, near
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.guard import policy
from atomic_agents.vault import authority as said
from atomic_agents.vault.vault import Agent, AgentSettings

_ROW = re.compile(rf"\b({'|'.join(said.TOOL_CLASSES)})\b[^\w\n]+({'|'.join(said.WORDS)})\b")


def settings(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """What its settings say has an effect, and nothing says otherwise.

    Where two places disagree, the one that is enforced is named second: change it, or the other.
    """
    found = examination.settings(agent)
    if any(problem.severity == "error" for problem in found.problems):
        yield Finding("skip", "its settings have errors")
        return
    yield from _prose(examination, agent, found)
    yield from _model(found)
    yield from _roster(examination, found)


def _prose(examination: Examination, agent: Agent, found: AgentSettings) -> Iterator[Finding]:
    """Levels that the persona states, which nothing enforces, against those that are enforced."""
    rules = policy.authority(agent.name, found)
    for name in ("IDENTITY.md", "SOUL.md"):
        path = f"{agent.persona_home}/{name}"
        for number, line in enumerate(examination.vault.text(path).split("\n") if agent.persona_home else (), 1):
            for kind, word in _ROW.findall(line):
                holds = policy.level(rules, "", kind)
                if said.level(word) != holds.level:
                    message = f"{path}:{number} says {kind}: {word}, and {holds.level} holds ({holds.where})"
                    yield Finding("warn", message, f"write {kind}: {word} below class_policy in {agent.name}/judges.md")


def _model(found: AgentSettings) -> Iterator[Finding]:
    stated = found.files.get("model.md")
    if stated is None:
        return
    line = f"{stated.path}:{stated.lines.get('cost_guardrails', 1)}"
    caps = stated.values.get("cost_guardrails")
    if isinstance(caps, dict) and caps.get("daily_cap_usd") is not None and caps.get("monthly_cap_usd") is not None:
        daily, monthly = float(str(caps["daily_cap_usd"])), float(str(caps["monthly_cap_usd"]))
        if daily > monthly:
            message = f"{line}: daily_cap_usd is {daily:g} and never reached: monthly_cap_usd is {monthly:g}"
            yield Finding("warn", message, "write a daily cap below the monthly one")
    model = found.model
    if model.fallback_model and model.fallback_model == model.model:
        where = f"{stated.path}:{stated.lines.get('fallback_model', 1)}"
        yield Finding("warn", f"{where}: fallback_model is the model itself, so it has no effect",
                      "name another: atomic-agents models list")  # fmt: skip
    provider, named = stated.values.get("provider"), str(stated.values.get("model", ""))
    if isinstance(provider, str) and ":" in named and named.partition(":")[0] != provider:
        where = f"{stated.path}:{stated.lines.get('provider', 1)}"
        yield Finding("warn", f"{where}: provider is {provider}, and the model is {named}; the latter holds",
                      "take provider away")  # fmt: skip


def _roster(examination: Examination, found: AgentSettings) -> Iterator[Finding]:
    """Names that are nearly those of an agent; others may be of agents to come."""
    roster = found.files.get("roster.md")
    names = examination.survey.agents
    listed = roster.values.get("delegate_to") if roster else None
    for name in map(str, listed if isinstance(listed, list) else ()):
        meant, known = near(name, names), key_of(names, name) in names
        if roster and meant and not known and not any(each.endswith(f"/{name}") for each in names):
            where = f"{roster.path}:{roster.lines.get('delegate_to', 1)}"
            yield Finding("warn", f"{where}: there is no agent {name} to delegate to", f"write {meant[0]}")


def policies(examination: Examination) -> Iterator[Finding]:
    """What policy.md says of an agent is said of one that is there."""
    found = examination.vault.settings_of("policy.md", "policy.md")
    agents = found.values.get("agents") if found else None
    for name in agents if found and isinstance(agents, dict) else ():
        if key_of(examination.survey.agents, str(name)) not in examination.survey.agents:
            meant = near(str(name), examination.survey.agents)
            hint = f"write {meant[0]}" if meant else f"take {name} away"
            where = f"policy.md:{found.lines.get(f'agents.{name}', 1) if found else 1}"
            yield Finding("warn", f"{where}: there is no agent {name}, so what is said of it has no effect", hint)
