"""Have the machine keep `serve` and a worker running: what is written, that it came up, what runs, take it away."""

import datetime
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from atomic_agents.core.errors import Conflict, ServiceFailed, StorageFailed, UsageError
from atomic_agents.core.service import Entry, Fitting, Service, Sight, Written
from atomic_agents.core.values import near
from atomic_agents.fleet import beats, watch
from atomic_agents.operations import fitting, service_options
from atomic_agents.operations.service_options import Options
from atomic_agents.operations.workspace import Workspace

TARGETS = ("systemd", "systemd-system", "launchd")
SCHEDULES = "schedules"
"""What `schedule install` installs: nothing that stays, and needed only where no worker runs."""

WAIT = 30.0
"""Seconds that a service gets to come up."""

_POLL = 0.25
_SETTLED = 2
_CONTAINER = "atomic-agents deploy plan --target container"


class Deployable(NamedTuple):
    """A command that can be kept running. With a `port` it is asked at `asks`, else it is a worker, which beats."""

    says: str
    words: tuple[str, ...]
    port: int = 0
    asks: str = ""
    needs: tuple[str, ...] = ()
    extra: str = ""


DEPLOYABLES: Mapping[str, Deployable] = {
    "worker": Deployable("what drives the schedules, answers and alerts", ("worker",)),
    "serve": Deployable("HTTP for the agents", ("serve",), 8000, "/readyz", ("starlette", "uvicorn"), "serve"),
    "dashboard": Deployable(
        "the dashboard", ("dashboard", "serve"), 8765, "/readyz", ("starlette", "uvicorn", "jinja2"), "serve"
    ),
}
"""What is deployed where nothing is named."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One service: its entry, what would be written to put it in or take it out, the way back, what was chosen."""

    name: str
    entry: Entry
    plan: fitting.Plan
    back: Fitting
    options: Options
    before: Options | None = None

    @property
    def changes(self) -> bool:
        """Whether any file becomes another."""
        return self.plan.fitting.changes


@dataclass(frozen=True, slots=True)
class Running:
    """A deployed service, and why it does not do what it is for; "" where it does."""

    name: str
    service: Service
    sight: Sight
    trouble: str
    options: Options


def names_of(names: Sequence[str], options: Options) -> list[str]:
    """The services that are named, or all that stay.

    Raises:
        UsageError: there is none of that name, or a place to listen is not for one of them alone.
    """
    known = (*DEPLOYABLES, SCHEDULES)
    for name in names:
        if name not in known:
            meant = near(name, known) or known
            raise UsageError(f"no service is called {name}", hint=f"atomic-agents deploy plan {meant[0]}")
    found = list(dict.fromkeys(names or DEPLOYABLES))
    listening = [name for name in found if name in DEPLOYABLES and DEPLOYABLES[name].port]
    if (options.host or options.port) and len(listening) != 1:
        hint = f"atomic-agents deploy up {(listening or ['serve'])[0]} --port {options.port or 8000}"
        raise UsageError("--host and --port are for one service that listens", hint=hint)
    if options.processes and listening != ["serve"]:
        hint = f"atomic-agents deploy up serve --processes {options.processes}"
        raise UsageError("--processes is for serve", hint=hint)
    return found


def target(workspace: Workspace, wanted: str = "") -> str:
    """The kind of service manager to use.

    Raises:
        UsageError: this machine has none.
    """
    chosen = wanted or workspace.find_services().usual()
    if chosen not in TARGETS:
        hint = f"{_CONTAINER}\nor, for schedules alone: atomic-agents schedule install --cron"
        raise UsageError("this machine has neither launchd nor systemd, which keep a process running", hint=hint)
    return chosen


def planned(
    workspace: Workspace, names: Iterable[str], wanted: str, options: Options, *, remove: bool = False
) -> list[Planned]:
    """What deploying, or taking away, would write; nothing is written. What is not there is not taken away.

    Raises:
        Conflict: another kind has the service already, or a file is in the way that this has not written.
        UsageError: it cannot be deployed here.
    """
    workspace.require()
    there = {each.name: each for each in _found(workspace)}
    found = []
    for name in names:
        before = there.get(name)
        if name == SCHEDULES:
            found += _planned_schedules(workspace, wanted, remove=remove)
            continue
        if remove and before is None:
            continue
        kind = before.service.kind if before and (remove or not wanted) else target(workspace, wanted)
        if before is not None and before.service.kind != kind:
            hint = f"atomic-agents deploy down {name}"
            raise Conflict(f"{before.service.kind} keeps {name} running already", hint=hint)
        held = before.options if before else None
        chosen = _chosen(name, options, held or Options(), workspace)
        found.append(replace(_planned(workspace, name, kind, chosen, remove=remove), before=held))
    return found


def up(workspace: Workspace, wanted: Planned, wait: float = WAIT) -> str:
    """Write it, start it and see that it does what it is for; what was done, in words, "" for nothing.

    Raises:
        ServiceFailed: it did not come up; what was there before is back, and was waited for as long.
        KeyboardInterrupt: likewise, without the wait.
    """
    services, plan = workspace.find_services(), wanted.plan.fitting
    kind = plan.kind
    if not wanted.entry.stays:
        if wanted.changes:
            fitting.carried_out(workspace, wanted.plan)
        return "installed" if wanted.changes else ""
    if not wanted.changes and not _trouble(workspace, wanted.name, wanted.entry.key, kind, wanted.options, None):
        return ""
    since = workspace.clock()
    trouble = services.carry_out(plan)
    sight = Sight("inactive")
    if not trouble:
        try:
            trouble, sight = _await(workspace, wanted, since, wait)
        except KeyboardInterrupt:
            services.carry_out(wanted.back)
            raise
    if not trouble:
        return "restarted" if any(each.before for each in plan.files) else "started"
    sight = services.look(kind, wanted.entry.key) if sight.lines == () else sight
    back = _put_back(workspace, wanted, wait) if wanted.changes else ""
    was = "what was there before is back" if any(each.before for each in plan.files) else "its files are gone again"
    was = f"and what was there before does not start: {back}" if back else was
    raise ServiceFailed(
        f"{wanted.name} did not come up: {trouble}; {was if wanted.changes else 'its files are as they were'}",
        hint=f"correct that, then: atomic-agents deploy up {wanted.name}",
        context={"service": wanted.name, "kind": kind, "lines": list(sight.lines)},
    )


def _put_back(workspace: Workspace, wanted: Planned, wait: float) -> str:
    """Have what was there before; why that does not do what it is for, "" where it does or nothing was there."""
    since = workspace.clock()
    trouble = workspace.find_services().carry_out(wanted.back)
    if trouble or wanted.before is None:
        return trouble
    return _await(workspace, replace(wanted, options=wanted.before), since, wait)[0]


def down(workspace: Workspace, wanted: Planned) -> None:
    """Stop it and take its files away.

    Raises:
        StorageFailed: something is in the way.
    """
    if trouble := workspace.find_services().carry_out(wanted.plan.fitting):
        raise StorageFailed(f"{wanted.plan.fitting.kind}: {trouble}", hint="atomic-agents deploy status")


def running(workspace: Workspace) -> list[Running]:
    """Every service of this vault that was deployed here, and how it is."""
    workspace.require()
    found = []
    for each in _found(workspace):
        key = watch.key(workspace.config.root, each.name)
        sight = workspace.find_services().look(each.service.kind, key)
        trouble = _trouble(workspace, each.name, key, each.service.kind, each.options, None, sight)
        found.append(replace(each, sight=sight, trouble=trouble))
    for kind in fitting.installed(workspace):
        label = watch.key(workspace.config.root, SCHEDULES)
        found.append(Running(SCHEDULES, Service(kind, label), Sight("installed"), "", Options()))
    return found


def runs(workspace: Workspace, service: Service) -> bool:
    """Whether a service is one of this vault's, and does what it is for."""
    return any(each.service == service and not each.trouble for each in running(workspace))


def after_restart(workspace: Workspace, service: Service, since: datetime.datetime) -> str:
    """Why a service that was restarted does not do what it is for; "" where it does, or is none of this vault's."""
    for each in _found(workspace):
        if each.service == service:
            key = watch.key(workspace.config.root, each.name)
            entry = Entry(key, "", (), "")
            plan = fitting.Plan(Fitting(service.kind, ()))
            return _await(workspace, Planned(each.name, entry, plan, plan.fitting, each.options), since, WAIT)[0]
    return ""


def _found(workspace: Workspace) -> list[Running]:
    """What was deployed, by the marks of the files."""
    keys = {name: watch.key(workspace.config.root, name) for name in DEPLOYABLES}
    return [
        Running(name, service, Sight(""), "", service_options.read(service.mark))
        for service in workspace.find_services().found()
        for name, key in keys.items()
        if service.mark and key in service.label
    ]


def _planned_schedules(workspace: Workspace, wanted: str, *, remove: bool) -> list[Planned]:
    if remove and not fitting.installed(workspace):
        return []
    plan = fitting.planned(workspace, wanted, remove=remove)
    return [Planned(SCHEDULES, fitting.entry(workspace), plan, Fitting(plan.fitting.kind, ()), Options())]


def _chosen(name: str, options: Options, held: Options, workspace: Workspace) -> Options:
    """What is chosen now, else what was before, else what is usual."""
    port = (options.port or held.port or DEPLOYABLES[name].port) if DEPLOYABLES[name].port else 0
    host = (options.host or held.host or "127.0.0.1") if port else ""
    processes = options.processes or held.processes
    found = Options(host, port, options.env_file or held.env_file, options.user or held.user, processes)
    if found.env_file:
        found = replace(found, env_file=os.path.abspath(os.path.expanduser(found.env_file)))
    return found if found.user else replace(found, user=_owner(workspace.config.root))


def _planned(workspace: Workspace, name: str, kind: str, options: Options, *, remove: bool) -> Planned:
    deployable, services = DEPLOYABLES[name], workspace.find_services()
    if not remove and not all(find_spec(module) for module in deployable.needs):
        raise UsageError(f"{name} needs an extra", hint=f"pip install 'atomic-agents-stack[{deployable.extra}]'")
    if options.env_file and not remove:
        service_options.check_private(options.env_file)
    if kind != "systemd-system":
        options = replace(options, user="")
    entry = _entry(workspace, name, options)
    if any(not sign.isprintable() for sign in " ".join((*entry.command, options.env_file))):
        raise UsageError(f"{workspace.config.root} has signs that no entry can hold", hint="rename the folder")
    put_in, out = services.plan(kind, entry), services.plan(kind, entry, remove=True)
    for each in put_in.files:
        if each.before and service_options.MARK not in each.before:
            hint = f"move it away: mv {each.name} {each.name}.before"
            raise Conflict(f"{each.name} is there, and `deploy` has not written it", hint=hint)
    chosen = out if remove else put_in
    was = any(each.before for each in put_in.files)
    back = Fitting(
        kind, tuple(Written(each.name, each.after, each.before) for each in put_in.files),
        put_in.first if was else out.first, put_in.then if was else out.then, put_in.gone,
    )  # fmt: skip
    notes = () if remove else tuple(_notes(workspace, name, kind, options))
    return Planned(name, entry, fitting.Plan(chosen, notes), back, options)


def _notes(workspace: Workspace, name: str, kind: str, options: Options) -> Iterator[str]:
    yield from fitting.notes(workspace, kind) if not options.env_file else ()
    if name == "worker" and (others := fitting.installed(workspace)):
        yield f"{' and '.join(others)} drives the schedules too and need not: atomic-agents schedule uninstall"


def _entry(workspace: Workspace, name: str, options: Options) -> Entry:
    """The entry of a service: no key and no other secret stands in it."""
    deployable, root = DEPLOYABLES[name], str(workspace.config.root)
    key = watch.key(workspace.config.root, name)
    own = options.listening(options.host, options.port) if deployable.port else ("--name", key)
    return Entry(
        key=key,
        says=f"{deployable.says} in {root}",
        command=(sys.executable, "-m", "atomic_agents", *deployable.words, *own, "--root", root),
        path=workspace.config.environ.get("PATH") or os.defpath,
        stays=True,
        mark=options.mark(name),
        environment=options.env_file,
        user=options.user,
    )


def _owner(root: Path) -> str:
    """Whose vault it is."""
    try:
        return root.owner()
    except (OSError, KeyError, NotImplementedError):
        return ""


def _await(workspace: Workspace, wanted: Planned, since: datetime.datetime, wait: float) -> tuple[str, Sight]:
    """Wait until a service does what it is for, twice in a row; what is in the way where it does not in time."""
    until, good = time.monotonic() + wait, 0
    services, kind = workspace.find_services(), wanted.plan.fitting.kind
    while True:
        sight = services.look(kind, wanted.entry.key)
        trouble = _trouble(workspace, wanted.name, wanted.entry.key, kind, wanted.options, since, sight)
        good = 0 if trouble else good + 1
        if good == _SETTLED:
            return "", sight
        if trouble and (sight.state == "failed" or time.monotonic() > until):
            return trouble, sight
        time.sleep(_POLL)


def _trouble(
    workspace: Workspace, name: str, key: str, kind: str, options: Options, since: datetime.datetime | None,
    sight: Sight | None = None,
) -> str:  # fmt: skip
    """Why a service does not do what it is for; `since` is when it was started, where that is known."""
    state = (sight or workspace.find_services().look(kind, key)).state
    if state != "active":
        return f"{kind} says that it is {state}"
    deployable = DEPLOYABLES[name]
    if deployable.port:
        return _unanswered(options, deployable.asks)
    now = workspace.clock()
    here = [beat for beat in beats.every(workspace.store) if (beat.name, beat.host) == (key, socket.gethostname())]
    heard = [beat for beat in here if beat.state(now) == "alive"]
    if not heard or (since is not None and heard[0].started < since):
        return "it has not said that it is alive"
    return ""


def _unanswered(options: Options, path: str) -> str:
    """What a server on this machine answers, where that is not 200."""
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415 - only a server is asked

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)  # noqa: S104 - to ask, not to listen
    connection = HTTPConnection(host, options.port, timeout=2)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"http://{host}:{options.port}{path}: {getattr(error, 'strerror', None) or type(error).__name__}"
    finally:
        connection.close()
    return "" if status == 200 else f"http://{host}:{options.port}{path} answers {status}"
