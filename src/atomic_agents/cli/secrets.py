"""secrets."""

import sys

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.core.errors import UsageError
from atomic_agents.guard.keys import Sight
from atomic_agents.operations import secrets
from atomic_agents.operations.workspace import Workspace

_NO_KEYRING = "pip install 'atomic-agents-stack[keyring]'"


@click.group("secrets", invoke_without_command=True)
@click.pass_context
def secrets_command(ctx: click.Context) -> None:
    """The keys of providers and other secrets. Values are never shown.

    Looked for in this order: environment, the system's keyring, ~/.config/atomic_agents/keys.json.
    """
    show_help(ctx)


@secrets_command.command("check")
@click.argument("name", required=False)
@json_option
@common
def secrets_check(name: str | None, as_json: bool, root: str | None) -> int:
    """Whether there is a key NAME, asking whoever has it; without NAME, which places can be used.

    NAME is a provider's, as `openai`, or a variable's, as `GITHUB_TOKEN`. Exit code 1 where there is none.
    """
    with workspace(root) as opened:
        if name is None:
            places = secrets.places(opened)
            if as_json:
                render.say_json([{"place": place.name, "trouble": place.trouble or None} for place in places])
            else:
                render.table([(place.name, place.trouble or "can be used") for place in places], ("place", "here"))
                if any(place.trouble.endswith("not installed") for place in places):
                    render.hint(_NO_KEYRING)
            return 0
        return _say(opened, secrets.check(opened, name), as_json=as_json)


@secrets_command.command("which")
@click.argument("name")
@json_option
@common
def secrets_which(name: str, as_json: bool, root: str | None) -> int:
    """Where the key NAME would be taken from, such as env:OPENAI_API_KEY. Exit code 1 where from nowhere."""
    with workspace(root) as opened:
        return _say(opened, secrets.look(opened, name), as_json=as_json)


@secrets_command.command("list")
@json_option
@common
def secrets_list(as_json: bool, root: str | None) -> None:
    """The keys there are and those that tools and MCP servers ask for, and where each is taken from."""
    with workspace(root) as opened:
        found, wanted = secrets.listed(opened), secrets.wanted(opened)
    if as_json:
        render.say_json([
            {"name": sight.name, "where": sight.where or None, "wanted_by": wanted.get(sight.name, ())}
            for sight in found
        ])  # fmt: skip
        return
    if found:
        rows = [(each.name, each.where or "nowhere", ", ".join(wanted.get(each.name, ()))) for each in found]
        render.table(rows, ("key", "from", "asked for by"))
        for trouble in (trouble for sight in found for trouble in sight.troubles):
            render.notice(trouble.message)
            render.hint(trouble.hint)
    else:
        render.talk("no key is known here")
        render.hint("atomic-agents secrets set PROVIDER")


@secrets_command.command("set")
@click.argument("name")
@click.argument("rest", nargs=-1, metavar="")
@click.option("--to", type=click.Choice(secrets.PLACES), help="Where to; default the keyring, else the file.")
@dry_run_option
@yes_option
@common
def secrets_set(name: str, rest: tuple[str, ...], to: str | None, dry_run: bool, root: str | None) -> None:
    """Keep a key, which is read from standard input, or asked for where that is a terminal."""
    if rest:  # not repeated: it may be the key
        raise UsageError(
            "a key is not taken from the command line, where other programs can read it",
            hint='printf %s "$KEY" | atomic-agents secrets set NAME\natomic-agents secrets set NAME  (asks for it)',
        )
    with workspace(root) as opened:
        place = secrets.destination(opened, to or "")
        if dry_run:
            render.say(f"would keep {secrets.named(name)} in: {place.name}")
            return
        asks = sys.stdin.isatty()
        value = (
            str(click.prompt(f"the key for {secrets.named(name)}", hide_input=True, err=True))
            if asks
            else sys.stdin.read()
        )
        kept = secrets.keep(opened, name, value, place.name)
        render.say(f"{kept.name}: kept in {kept.where}")
        if kept.before:
            render.notice(f"{kept.before} has one too, and goes before it")


@secrets_command.command("delete")
@click.argument("name")
@click.option("--from", "place", type=click.Choice(secrets.PLACES), help="Out of that place only; default both.")
@dry_run_option
@yes_option
@common
def secrets_delete(name: str, place: str | None, dry_run: bool, root: str | None) -> int:
    """Take a key out of the keyring and the file. Exit code 1 where neither has it."""
    with workspace(root) as opened:
        had = (secrets.holding if dry_run else secrets.forget)(opened, name, place or "")
        left = secrets.look(opened, name)
        verb = "would be taken out of" if dry_run else "taken out of"
        render.say(f"{left.name}: {verb} {' and '.join(had)}" if had else f"{left.name}: nothing to take away")
        if left.where and not dry_run:
            render.notice(f"{left.where} still has one")
    return 0 if had else 1


def _say(opened: Workspace, found: Sight, *, as_json: bool) -> int:
    wanted = secrets.wanted(opened).get(found.name, ())
    if as_json:
        render.say_json({
            "name": found.name, "found": bool(found.where), "where": found.where or None, "wanted_by": wanted,
            "troubles": [trouble.as_json() for trouble in found.troubles],
        })  # fmt: skip
    elif found.where:
        render.say(found.where)
    for trouble in () if as_json else found.troubles:
        render.notice(trouble.message)
        render.hint(trouble.hint)
    if not found.where and not as_json:
        other = "" if wanted else secrets.meant(opened, found.name)
        render.talk(f"there is no key {found.name}{f'; did you mean {other}' if other else ''}")
        for path in wanted:
            render.talk(f"{path} asks for it")
        render.hint(f"atomic-agents secrets set {found.name}\natomic-agents secrets check  (which places can be used)")
    return 0 if found.where else 1
