"""What a bug report needs: versions, doctor's findings, which settings are stated, the last errors; redacted."""

import json
import platform
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents._version import __version__
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.guard.secrets import redacted
from atomic_agents.operations import effective, health, record
from atomic_agents.operations.workspace import Workspace

_DISTRIBUTION = "atomic-agents-stack"
_ERRORS = 20
_MOST_WORDS = 200
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def gather(workspace: Workspace) -> dict[str, bytes]:
    """The files of a report by name. No text of a note, no prompt and no value of a setting is in them.

    A part that cannot be had says why, because what keeps it from being had may be the bug.
    """
    parts: Mapping[str, Callable[[Workspace], object]] = {
        "versions.json": _versions,
        "doctor.json": _doctor,
        "settings.json": _settings,
        "errors.json": _errors,
    }
    return {name: _as_file(workspace, part) for name, part in parts.items()}


def _as_file(workspace: Workspace, part: Callable[[Workspace], object]) -> bytes:
    try:
        value = part(workspace)
    except AtomicAgentsError as error:
        value = {"error": error.as_json()}
    except Exception as error:  # noqa: BLE001 - a bug is what is reported; it is said with where it happened
        value = {"error": "".join(traceback.format_exception(error)).splitlines()}
    text = json.dumps(redacted(value, workspace.secrets), ensure_ascii=False, indent=2, default=str)
    for path, short in ((workspace.config.root, "VAULT"), (Path.home(), "~")):
        text = text.replace(json.dumps(str(path))[1:-1], short) if len(path.parts) > 1 else text
    return f"{text}\n".encode()


def _versions(_workspace: Workspace) -> dict[str, object]:
    return {
        "atomic-agents": __version__,
        "schema": CURRENT_SCHEMA_VERSION,
        "python": sys.version,
        "platform": platform.platform(),
        "dependencies": _dependencies(),
    }


def _dependencies() -> dict[str, str | None]:
    """The installed version of each package that the metadata names, None where it is not there."""
    try:
        needed = metadata.requires(_DISTRIBUTION) or ()
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, str | None] = {}
    for name in sorted({named[0] for line in needed if (named := _NAME.match(line))}):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _doctor(workspace: Workspace) -> list[dict[str, object]]:
    return [result.as_json() for result in health.examine(workspace, with_mcp=False)]


def _settings(workspace: Workspace) -> dict[str, object]:
    """The settings that are stated and where; not what they say."""
    found = {"": effective.of_vault(workspace)}
    if workspace.exists():
        found |= {name: effective.of_agent(workspace, name) for name in workspace.vault.survey().agents}
    return {
        agent or "the vault": {
            "stated": [
                f"{value.group} {value.key}, {value.where}" for value in each.values if value.where != effective.DEFAULT
            ],
            "problems": [problem.where for problem in each.problems],
        }
        for agent, each in found.items()
    }


def _errors(workspace: Workspace) -> list[dict[str, object]]:
    """The last runs that failed: when, and the beginning of the error."""
    if not workspace.exists():
        return []
    runs = record.list_runs(workspace, status="error", limit=_ERRORS).runs
    return [
        {"run": line.run_id, "at": str(line.at), "model": line.model, "trigger": line.trigger,
         "error": line.text("error")[:_MOST_WORDS]}
        for line in runs
    ]  # fmt: skip
