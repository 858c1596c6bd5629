"""Checks of the machine: environment, Python, keys, MCP commands, locks."""

import os
import shutil
import sys
from collections.abc import Iterator

from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.vault import layout, log
from atomic_agents.vault.vault import Agent

_PYTHON = (3, 11)


def env(examination: Examination) -> Iterator[Finding]:
    """The vault's folder is there and can be written to."""
    root = examination.root
    if not root.is_dir():
        hint = f"atomic-agents init my-agent --root {root}\nor name another: export ATOMIC_AGENTS_ROOT=…"
        yield Finding("fail", f"there is no vault at {root}", hint)
    elif not os.access(root, os.W_OK):
        yield Finding("fail", f"{root} cannot be written to", f"chmod u+w {root}")
    for path, why in examination.strange:
        yield Finding("warn", f"{path}: {why}; it is left out", f"look at it: ls -l {root / path}")


def python(_examination: Examination) -> Iterator[Finding]:
    """Python is new enough."""
    if sys.version_info < _PYTHON:  # reached where the package was put on the path of another Python by hand
        yield Finding("fail", f"Python {sys.version.split()[0]} is too old; 3.11 is needed", "python3.11 -m venv .venv")


def locks(examination: Examination) -> Iterator[Finding]:
    """No run is left unfinished."""
    for entry in examination.vault.store.list(layout.OPEN_RUNS):
        blob = examination.vault.store.read(entry.path)
        first = next(log.read(entry.path, blob.data), None) if blob else None
        agent = str(first.record.get("agent", "")) if first else ""
        if not examination.only_agent or agent == examination.only_agent:
            run_id = entry.path.removeprefix(layout.OPEN_RUNS).removesuffix(".jsonl")
            message = f"{run_id} of {agent or 'an unknown agent'} is under way, or its process died"
            yield Finding("warn", message, f"atomic-agents info {agent} closes it if its process is gone")


def provider_keys(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """The models it may use can be asked."""
    settings = examination.settings(agent).model
    for model, state in ((settings.model, "fail"), (settings.fallback_model, "warn")):
        offer = examination.check_model(model) if model else None
        if offer is not None and offer.availability != "ready":
            yield Finding(
                "fail" if state == "fail" else "warn", f"{model}: {offer.note or offer.availability}", _ways(str(model))
            )


def _ways(model: str) -> str:
    if model.startswith("local:"):
        return "pip install 'atomic-agents-stack[local]' && atomic-agents models install smollm2"
    provider = model.partition(":")[0] if ":" in model else "anthropic" if model.startswith("claude") else "openai"
    variable = f"{provider.upper().replace('-', '_')}_API_KEY"
    return f"export {variable}=…\nor use a model that needs no key: atomic-agents models list"


def mcp(examination: Examination, agent: Agent) -> Iterator[Finding]:
    """The commands of its MCP servers are there."""
    found = examination.settings(agent).files.get("mcp.md")
    if found is None or not examination.with_mcp:
        yield Finding("skip", "no mcp.md" if found is None else "left out by --no-mcp")
        return
    for problem in found.problems:
        yield Finding(
            "fail" if problem.severity == "error" else "warn", f"{problem.where}: {problem.message}", problem.hint
        )
    servers = found.values.get("servers")
    for name, server in servers.items() if isinstance(servers, dict) else ():
        command = str(server.get("command", ""))
        if command and shutil.which(command) is None:
            line = found.lines.get(f"servers.{name}", found.lines.get("servers", 0))
            yield Finding(
                "fail",
                f"{found.path}:{line}: {command} of {name} is not on the PATH",
                f"install {command}, or correct its path",
            )
