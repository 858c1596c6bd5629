"""What a check of doctor finds, mended: each fix is a change set that is shown before it is applied."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from atomic_agents.core.change import ABSENT, ChangeSet, Put
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import near
from atomic_agents.doctor import memory_checks
from atomic_agents.memory import inventory
from atomic_agents.operations import changes, health, scaffold, templates
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import transcript
from atomic_agents.vault import layout, settings
from atomic_agents.vault.vault import Agent

_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Fix:
    """A change set of one agent, and the lock that is held while it is applied."""

    agent: str
    lock: str
    change: ChangeSet


def plan(workspace: Workspace, check: str, agent: str = "") -> list[Fix]:
    """What would mend what a check finds, for one agent or all; nothing is written.

    Raises:
        UsageError: there is no such check, or only you can mend what it finds.
    """
    workspace.require()
    known = (*health.OF_VAULT, *health.OF_AGENTS)
    if check not in known:
        meant = near(check, known)
        hint = f"atomic-agents doctor --fix {meant[0]}" if meant else "atomic-agents explain"
        raise UsageError(f"there is no check {check}", hint=hint)
    if check not in FIXES:
        raise UsageError(f"what {check} finds is for you to mend; can be mended here: {', '.join(FIXES)}",
                         hint="atomic-agents doctor")  # fmt: skip
    names = (agent,) if agent else workspace.vault.survey().agents
    agents = [workspace.vault.agent(name) for name in names]
    return [fix for each in agents for fix in FIXES[check](workspace, each) if fix.change.changes]


def documents(fix: Fix) -> tuple[str, ...]:
    """What a reader would call changed: without former texts and records."""
    return tuple(path for path in fix.change.paths if not layout.is_version(path))


def diff(workspace: Workspace, fix: Fix) -> Iterator[str]:
    """The lines that differ afterwards."""
    return scaffold.diff(workspace, [change for change in fix.change if not layout.is_version(change.path)])


def apply(workspace: Workspace, fix: Fix) -> None:
    """Carry one out.

    Raises:
        Conflict: a document was written since it was planned; nothing was changed.
        Busy: the agent is at work.
    """
    with ExitStack() as stack:
        if fix.lock:
            stack.enter_context(workspace.store.lock(fix.lock, wait=_WAIT))
        workspace.store.apply(fix.change)


def _memory(workspace: Workspace, agent: Agent) -> Iterator[Fix]:
    """The index as the notes are."""
    memory = inventory.take(workspace.vault, agent.name, workspace.clock().date())
    verb = changes.mend(workspace, list(memory_checks.drift(memory)))
    planned = changes.plan(workspace, agent.name, verb, what="doctor --fix", reason="found by doctor")
    yield Fix(agent.name, f"memory/{agent.name}", planned.change)


def _locks(workspace: Workspace, agent: Agent) -> Iterator[Fix]:
    """The log line of every run whose process died."""
    for name, run_id in transcript.crashed(workspace.store):
        if name == agent.name and not workspace.holder(f"agent/{name}"):
            change = transcript.close_crashed(workspace.store, name, run_id, workspace.clock())
            yield Fix(name, f"agent/{name}", change or ChangeSet(""))


def _vault(workspace: Workspace, agent: Agent) -> Iterator[Fix]:
    """The settings files that an agent lacks, as `init` would write them, and keys that are spelt wrongly."""
    found = workspace.vault.settings(agent)
    values = {"name": agent.name.rpartition("/")[2], "model": "embedded:quote",
              "today": workspace.clock().date().isoformat()}  # fmt: skip
    files = templates.filled("advisor", values)
    puts = [
        Put(layout.settings(agent.name, name), files[name].encode(), expect=ABSENT)
        for name in ("model.md", "tools.md") if name not in found.files
    ]  # fmt: skip
    puts += [put for name in found.files if (put := _respelt(workspace, name, found.files[name].path))]
    yield Fix(agent.name, f"agent/{agent.name}", ChangeSet(f"mend the settings of {agent.name}", tuple(puts)))


def _respelt(workspace: Workspace, name: str, path: str) -> Put | None:
    """A settings file whose unknown keys are those that were probably meant."""
    blob, document = workspace.store.read(path), workspace.vault.document(path)
    if blob is None or document is None or settings.version_of(document) < settings.EXPLICIT:
        return None
    text = document.text
    for key in document.meta:
        meant = near(str(key), settings.RULES[name])
        if str(key) not in (*settings.RULES[name], *settings.NOT_OURS) and meant and meant[0] not in document.meta:
            lines = text.split("\n")
            at = document.line_of(str(key)) - 1
            lines[at] = lines[at].replace(str(key), meant[0], 1)
            text = "\n".join(lines)
    return None if text == document.text else Put(path, text.encode(), expect=blob.revision)


def _write_paths(workspace: Workspace, agent: Agent) -> Iterator[Fix]:
    """memory/ among what the agent may write."""
    found = workspace.vault.settings(agent).files.get("tools.md")
    blob = workspace.store.read(found.path) if found else None
    document = workspace.vault.document(found.path) if found else None
    if found is None or blob is None or document is None or found.version < settings.EXPLICIT:
        return
    paths = workspace.vault.settings(agent).tools.write_paths
    if "memory/" not in paths:
        data = document.edit({"write_paths": [*paths, "memory/"]}).data
        put = Put(found.path, data, expect=blob.revision)
        yield Fix(agent.name, f"agent/{agent.name}", ChangeSet(f"let {agent.name} write its memory", (put,)))


FIXES: Mapping[str, Callable[[Workspace, Agent], Iterator[Fix]]] = {
    "memory": _memory,
    "locks": _locks,
    "vault": _vault,
    "model": _vault,
    "write-paths": _write_paths,
}
"""What mends which check; of the others, the hint says what to do."""
