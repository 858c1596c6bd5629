"""Install what drives the schedules of this vault: one entry of cron, systemd or launchd, started every minute."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atomic_agents.core.errors import Conflict, StorageFailed, UsageError
from atomic_agents.core.service import Entry, Fitting
from atomic_agents.fleet import beats, watch
from atomic_agents.operations.workspace import Workspace

KINDS = ("cron", "systemd", "launchd")


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written, and what to know besides."""

    fitting: Fitting
    notes: tuple[str, ...] = ()

    def diff(self) -> Sequence[str]:
        """The change of every file, as lines of a diff."""
        import difflib  # noqa: PLC0415 - only here

        lines: list[str] = []
        for each in self.fitting.files:
            was, becomes = each.before.splitlines(), each.after.splitlines()
            names = (each.name if was else "/dev/null", each.name if becomes else "/dev/null")
            lines += difflib.unified_diff(was, becomes, *names, lineterm="", n=1)
        return lines


def entry(workspace: Workspace) -> Entry:
    """The entry of this vault: no key and no other secret stands in it."""
    root = str(workspace.config.root)
    return Entry(
        key=watch.driver_key(workspace.config.root),
        says=f"the schedules of the agents in {root}",
        command=(sys.executable, "-m", "atomic_agents", "schedule", "run-due", "--root", root),
        path=workspace.config.environ.get("PATH") or os.defpath,
    )


def planned(workspace: Workspace, kind: str = "", *, remove: bool = False) -> Plan:
    """What installing, or taking away, would write; without `kind`, what this machine usually starts things with.

    Raises:
        Conflict: another kind drives this vault already.
        UsageError: this machine has none of them, or the vault's path cannot stand in such an entry.
    """
    workspace.require()
    services, ours = workspace.find_services(), entry(workspace)
    if any(not sign.isprintable() for sign in " ".join(ours.command)):
        raise UsageError(f"{workspace.config.root} has signs that no entry can hold", hint="rename the folder")
    there = installed(workspace)
    chosen = kind or (there[0] if remove and there else services.usual())
    if not chosen:
        hint = "let what starts programs here run this every minute: atomic-agents schedule run-due"
        raise UsageError("this machine has neither launchd nor systemd nor cron", hint=hint)
    others = [each for each in there if each != chosen]
    if others and not remove:
        hint = f"atomic-agents schedule uninstall --{others[0]}"
        raise Conflict(f"{others[0]} drives the schedules of this vault already", hint=hint)
    return Plan(services.plan(chosen, ours, remove=remove), () if remove else tuple(notes(workspace, chosen)))


def carried_out(workspace: Workspace, plan: Plan) -> None:
    """Write it, and start it or stop it.

    Raises:
        StorageFailed: something was in the way; every file is as it was.
    """
    if trouble := workspace.find_services().carry_out(plan.fitting):
        raise StorageFailed(f"{plan.fitting.kind}: {trouble}", hint="atomic-agents schedule install --dry-run")


def installed(workspace: Workspace) -> list[str]:
    """The kinds that drive this vault on this machine."""
    return watch.drivers(workspace.config.root, workspace.find_services().found())


def driven_by(workspace: Workspace) -> list[str]:
    """What drives the schedules of this vault: those kinds, and workers that are alive."""
    alive = any(beat.state(workspace.clock()) == "alive" for beat in beats.every(workspace.store))
    return [*installed(workspace), *(["a worker"] if alive else [])]


def notes(workspace: Workspace, kind: str) -> Iterator[str]:
    """What to know of what a kind starts: keys that it will not have, and when it runs."""
    sights = [workspace.keys.look(name) for name in workspace.keys.names()]
    for name in (sight.name for sight in sights if sight.where.startswith("env:")):
        where = f"is in your shell's environment, which {kind} does not have"
        yield f"the key for {name} {where}: atomic-agents secrets set {name}"
    if kind == "systemd":
        yield "systemd runs this while you are logged in; to have it run always: loginctl enable-linger"
