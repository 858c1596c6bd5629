"""deploy: plan, up, status, down."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.core.errors import Conflict, ServiceFailed, UsageError
from atomic_agents.operations import containers, deploying
from atomic_agents.operations.deploying import Planned
from atomic_agents.operations.service_options import Options
from atomic_agents.operations.workspace import Workspace

_Command = TypeVar("_Command", bound=Callable[..., object])
_CONTAINER = "container"


@click.group("deploy", invoke_without_command=True)
@click.pass_context
def deploy_command(ctx: click.Context) -> None:
    """Have this machine keep a worker and the servers running. SERVICE is worker, serve, dashboard or schedules."""
    show_help(ctx)


def _chosen(command: _Command) -> _Command:
    """What can be chosen for a service, and is kept until something else is chosen."""
    for option in (
        click.option("--user", default="", metavar="NAME", help="systemd-system: as whom; default the vault's owner."),
        click.option("--env-file", default="", metavar="FILE", help="Keys, as NAME=value lines; mode 600."),
        click.option("--port", type=click.IntRange(1, 65535), metavar="P", help="Where serve listens; default 8000."),
        click.option("--processes", type=click.IntRange(1, 64), metavar="N", help="Beside serve, for runs."),
        click.option("--host", default="", metavar="H", help="Where serve listens; default 127.0.0.1."),
    ):  # fmt: skip
        command = option(command)
    return command


@deploy_command.command("plan")
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option("--target", type=click.Choice((*deploying.TARGETS, _CONTAINER)), help="Default what this machine has.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="container: write the files there.")
@_chosen
@json_option
@common
def deploy_plan(
    services: tuple[str, ...], target: str | None, out: Path | None, host: str, processes: int | None, port: int | None,
    env_file: str, user: str, as_json: bool, root: str | None,
) -> None:  # fmt: skip
    """Show what `up` would write; nothing is started. For containers, print the files or write them with --out."""
    options = Options(host, port or 0, env_file, user, processes or 0)
    names = deploying.names_of(services, options)
    if target == _CONTAINER:
        _container([name for name in names if name != deploying.SCHEDULES], options, out, root, as_json=as_json)
        return
    if out is not None:
        raise UsageError("--out is for --target container", hint=f"atomic-agents deploy plan --target {_CONTAINER}")
    with workspace(root) as opened:
        found = deploying.planned(opened, names, target or "", options)
    if as_json:
        render.say_json([_json(each) for each in found])
        return
    for each in found:
        _say_plan(each, render.say)
        render.talk(f"{each.name}: {each.plan.fitting.kind}{'' if each.changes else ', nothing changes'}")


@deploy_command.command("up")
@click.argument("services", metavar="SERVICE...", nargs=-1)
@click.option("--target", type=click.Choice(deploying.TARGETS), help="Default what this machine has.")
@_chosen
@click.option(
    "--wait", type=click.FloatRange(0), default=deploying.WAIT, show_default=True, metavar="SECONDS",
    help="How long each gets to come up.",
)  # fmt: skip
@dry_run_option
@yes_option
@json_option
@common
def deploy_up(
    services: tuple[str, ...], target: str | None, host: str, processes: int | None, port: int | None, env_file: str,
    user: str, wait: float, dry_run: bool, as_json: bool, root: str | None,
) -> None:  # fmt: skip
    """Write, start and ask each SERVICE; what does not come up is put back. Default those deployed before."""
    options = Options(host, port or 0, env_file, user, processes or 0)
    with workspace(root) as opened:
        names = services or tuple(each.name for each in deploying.running(opened))
        if not names:
            raise UsageError("nothing is deployed yet; name a service", hint="atomic-agents deploy up worker")
        done = []
        for each in deploying.planned(opened, deploying.names_of(names, options), target or "", options):
            if each.changes and not as_json:
                _say_plan(each, render.say if dry_run else render.talk)
            if not dry_run:
                state = _up(opened, each, wait, as_json=as_json)
                done.append(_json(each) | {"state": state or "unchanged"})
    if as_json:
        render.say_json(done)


def _up(opened: Workspace, each: Planned, wait: float, *, as_json: bool) -> str:
    try:
        state = deploying.up(opened, each, wait)
    except ServiceFailed as error:
        lines = error.context.get("lines")
        for line in lines if isinstance(lines, list) and not as_json else ():
            render.talk(f"  {line}")
        raise
    if not as_json:
        kind = each.plan.fitting.kind
        render.say(f"{each.name} is {state} by {kind}" if state else f"{each.name} is up already; nothing was changed")
        for note in each.plan.notes if state else ():
            render.notice(note)
    return state


@deploy_command.command("status")
@json_option
@common
def deploy_status(as_json: bool, root: str | None) -> int:
    """What is deployed for this vault, and whether it does what it is for; exit 1 where something does not."""
    with workspace(root) as opened:
        found = deploying.running(opened)
    if as_json:
        value = [
            {"service": each.name, "kind": each.service.kind, "label": each.service.label, "state": each.sight.state,
             "healthy": not each.trouble, "why": each.trouble or None, "file": each.service.file or None,
             "port": each.options.port or None}
            for each in found
        ]  # fmt: skip
        render.say_json(value)
    elif found:
        rows = [(each.name, each.service.kind, each.sight.state, each.trouble or "well", each.service.label)
                for each in found]  # fmt: skip
        render.table(rows, ("service", "by", "state", "does", "label"))
    else:
        render.talk("nothing is deployed")
        render.hint("atomic-agents deploy up worker")
    return int(any(each.trouble for each in found))


@deploy_command.command("down")
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@dry_run_option
@yes_option
@json_option
@common
def deploy_down(services: tuple[str, ...], dry_run: bool, as_json: bool, root: str | None) -> None:
    """Stop each SERVICE, or all, and take away the files that `up` has written; others are left alone."""
    with workspace(root) as opened:
        names = deploying.names_of(services or (*deploying.DEPLOYABLES, deploying.SCHEDULES), Options())
        found = deploying.planned(opened, names, "", Options(), remove=True)
        for each in found:
            if dry_run and not as_json:
                _say_plan(each, render.say)
            elif not dry_run:
                deploying.down(opened, each)
    if as_json:
        render.say_json([_json(each) | {"state": "unchanged" if dry_run else "removed"} for each in found])
        return
    for each in found if not dry_run else ():
        render.say(f"{each.name} is stopped, and its files are gone")
    missing = set(services) - {each.name for each in found}
    for name in sorted(missing) if services or found else ["nothing"]:
        render.say(f"{name} is deployed" if name == "nothing" else f"{name} is not deployed")


def _container(names: Sequence[str], options: Options, out: Path | None, root: str | None, *, as_json: bool) -> None:
    with workspace(root) as opened:
        found = containers.files(opened, names, options)
    if out is not None:
        _write(found, out)
    if as_json:
        render.say_json(found)
    elif out is None:
        render.say("\n".join(f"# {name}\n{text}" for name, text in found.items()).rstrip())


def _write(files: Mapping[str, str], out: Path) -> None:
    for name, text in files.items():
        path = out / name
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
            raise Conflict(f"{path} is there already", hint=f"move it away: mv {path} {path}.before")
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
        render.talk(f"{out / name} is written")


def _say_plan(each: Planned, say: Callable[[str], None]) -> None:
    for line in each.plan.diff():
        say(line)


def _json(each: Planned) -> dict[str, object]:
    kind = each.plan.fitting.kind
    files = [{"name": one.name, "before": one.before, "after": one.after} for one in each.plan.fitting.files]
    shown = files if kind != "cron" else []  # the crontab holds what is none of ours
    return {"service": each.name, "kind": kind, "changes": each.changes, "files": shown, "notes": each.plan.notes}
