"""Checks of the machine: environment, Python, packages, services, keys."""

import os
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.fleet import watch
from atomic_agents.vault.vault import Agent

_PYTHON = (3, 11)
_OURS = "atomic-agents-stack"
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?(?P<versions>[^;]*)(?:;(?P<marker>.*))?")
_DEVELOPERS = re.compile(r"['\"](?:dev|testing)['\"]")
_LIMIT = re.compile(r"(>=|<=|==|!=|<|>)\s*([\w.]+)")


def env(examination: Examination) -> Iterator[Finding]:
    """The vault's folder is there and can be written to."""
    root = examination.root
    if not root.is_dir():
        hint = "atomic-agents init my-agent\nor name another: export ATOMIC_AGENTS_ROOT=…"
        yield Finding("fail", f"there is no vault at {root}", hint)
    elif not os.access(root, os.W_OK):
        yield Finding("fail", f"{root} cannot be written to", f"chmod u+w {root}")
    for path, why in examination.list_strange() if root.is_dir() else ():
        yield Finding("warn", f"{path}: {why}; it is left out", f"look at it: ls -l {root / path}")


def python(_examination: Examination) -> Iterator[Finding]:
    """Python is new enough."""
    if sys.version_info < _PYTHON:  # reached where the package was put on the path of another Python by hand
        yield Finding("fail", f"Python {sys.version.split()[0]} is too old; 3.11 is needed", "python3.11 -m venv .venv")


def telemetry(examination: Examination) -> Iterator[Finding]:
    """Traces are sent where the environment asks for them."""
    collector = examination.config.collector
    if collector and not examination.exports:
        message = f"runs are to be sent to {collector} as traces, and OpenTelemetry is not installed"
        yield Finding("warn", message, "pip install 'atomic-agents-stack[otel]'\nor: export OTEL_SDK_DISABLED=true")


def packages(_examination: Examination) -> Iterator[Finding]:
    """Every package that this one needs is there, in a version that it was tested with.

    `pip install --upgrade atomic-agents-stack` brings them together again.
    """
    try:
        wanted = metadata.requires(_OURS) or []
    except metadata.PackageNotFoundError:  # a checkout on the path, whose owner knows what is installed
        return
    for line in wanted:
        found = _REQUIREMENT.match(line)
        if found is None or _DEVELOPERS.search(found["marker"] or ""):
            continue
        name, needed = found["name"], found["versions"].strip(" ()")
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            if not found["marker"]:
                yield Finding("fail", f"{name} is not installed", f"pip install '{name}{needed}'")
            continue
        if not all(_within(version, each) for each in needed.split(",") if each):
            message = f"{name} is {version}, and this package was tested with {needed}"
            yield Finding("warn", message, f"pip install '{name}{needed}'")


def services(examination: Examination) -> Iterator[Finding]:
    """What starts agents without you starts the package that is installed here.

    Write the program that the hint names into the service's file, or install the schedule again; `atomic-agents deploy
    up` writes what it has deployed anew.
    """
    here = os.path.dirname(sys.executable)
    for service in examination.find_services():
        program = service.program
        if not os.path.isabs(program):
            continue
        name = f"{service.kind}: {service.label}" if service.kind != "cron" else "a line of the crontab"
        edit = "crontab -e" if service.kind == "cron" else service.file
        meant = os.path.join(here, os.path.basename(program))
        mend = f"write {meant} in its place: {edit}"
        if service.mark and watch.key(examination.root, "") in service.label:
            mend = "atomic-agents deploy up"
        if not os.path.exists(program):
            yield Finding("fail", f"{name} starts {program}, which is not there", mend)
        elif here not in (os.path.dirname(program), os.path.dirname(os.path.realpath(program))):
            message = f"{name} starts {program}, which is another installation than this one, {here}"
            yield Finding("warn", message, mend)


def _within(version: str, limit: str) -> bool:
    """Whether a version keeps a limit such as `>=2.1` or `<3`."""
    found = _LIMIT.fullmatch(limit.strip())
    if found is None:
        return True  # of a form that we do not write
    have, bound = _numbers(version), _numbers(found[2])
    length = max(len(have), len(bound))
    one, other = (each + (0,) * (length - len(each)) for each in (have, bound))
    return {">=": one >= other, "<=": one <= other, "<": one < other, ">": one > other, "==": one == other,
            "!=": one != other}[found[1]]  # fmt: skip


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()


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
    free = "or use a model that needs no key: atomic-agents models list"
    return f"atomic-agents secrets set {provider}\nexport {variable}=…\n{free}"
