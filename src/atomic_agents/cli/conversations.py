"""conversations: list, show, export, delete."""

import shlex
import sys
from pathlib import Path

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace
from atomic_agents.core.errors import StorageFailed, UsageError
from atomic_agents.operations import conversations
from atomic_agents.vault.conversation import Conversation


@click.group("conversations", invoke_without_command=True)
@click.pass_context
def conversations_command(ctx: click.Context) -> None:
    """What was said to agents, turn by turn."""
    show_help(ctx)


@conversations_command.command("list")
@click.argument("agent", required=False)
@click.option("--containing", default="", metavar="TEXT", help="Only those in which TEXT was said.")
@json_option
@common
def list_command(agent: str | None, containing: str, as_json: bool, root: str | None) -> None:
    """List the conversations of AGENT or of all, the last one first.

    The id of one that was with another principal than you is PRINCIPAL/ID.
    """
    with workspace(root) as opened:
        listing = conversations.list_conversations(opened, agent, containing=containing)
    if as_json:
        problems = [problem.as_json() for problem in listing.problems]
        render.say_json({"conversations": [conversations.about(one) for one in listing.found], "problems": problems})
        return
    render.problems("warning", listing.problems)
    if not listing.found:
        render.talk("no conversations")
        render.hint(f"atomic-agents chat {agent or 'AGENT'}")
        return
    rows = [
        (one.id, one.agent, f"{one.last:%Y-%m-%d %H:%M}", f"{len(one.turns):,}", render.money(one.cost), one.title)
        for one in listing.found
    ]
    render.table(rows, ("conversation", "agent", "last", "turns", "cost", "title"))


@conversations_command.command("show")
@click.argument("agent")
@click.argument("conversation", metavar="ID")
@json_option
@common
def show_command(agent: str, conversation: str, as_json: bool, root: str | None) -> None:
    """What was said to AGENT in conversation ID."""
    with workspace(root) as opened:
        found = conversations.show(opened, agent, conversation)
    if as_json:
        render.say_json(conversations.as_json(found))
        return
    _show(found)


@conversations_command.command("export")
@click.argument("agent")
@click.argument("conversation", metavar="ID")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--format", "form", type=click.Choice(("md", "json")), default="md", show_default=True, help="The form.")
@common
def export_command(agent: str, conversation: str, file: Path | None, form: str, root: str | None) -> None:
    """Write conversation ID of AGENT to FILE, which must be new, or to standard output."""
    with workspace(root) as opened:
        text = conversations.export(conversations.show(opened, agent, conversation), form)
    if file is None or str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already; nothing was written", hint="name another") from error
    except OSError as error:
        raise StorageFailed(f"{file}: {error.strerror or error}", hint="name another") from error
    render.say(f"wrote {file}")


@conversations_command.command("delete")
@click.argument("agent")
@click.argument("conversation", metavar="ID")
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@common
def delete_command(
    agent: str, conversation: str, dry_run: bool, yes: bool, as_json: bool, root: str | None
) -> None:  # fmt: skip
    """Take conversation ID of AGENT away; the notes that came of it stay."""
    with workspace(root) as opened:
        plan = conversations.plan_delete(opened, agent, conversation)
        path, *_ = plan.paths
        if dry_run:
            if not as_json:
                for line in plan.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
                    render.say(line)
        else:
            _ask(path, ["conversations", "delete", agent, conversation], yes=yes, as_json=as_json)
            conversations.delete(opened, agent, plan)
    if as_json:
        render.say_json({"deleted": path, "dry_run": dry_run})
    else:
        render.say(f"dry run: would delete {path}; nothing was changed" if dry_run else f"deleted {path}")


def _ask(path: str, line: list[str], *, yes: bool, as_json: bool) -> None:
    """Ask where there is somebody to ask.

    Raises:
        UsageError: there is not, and `--yes` was not said.
    """
    if yes:
        return
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = shlex.join(["atomic-agents", *line, "--yes"])
        raise UsageError(f"{path} would be deleted for good, and nobody is there to be asked", hint=hint)
    click.confirm(f"delete {path} for good?", abort=True, err=True)


def _show(found: Conversation) -> None:
    render.talk(f"{found.document.path}: {render.count(len(found.turns), 'turn')}, {render.money(found.cost)}")
    if found.summary:
        render.talk(f"the first {render.count(found.summary.covers, 'turn')} are summarised for the model")
    for turn in found.turns:
        asked, *more = turn.asked.strip().split("\n")
        render.say("\n".join([f"> {asked}", *(f"> {line}".rstrip() for line in more)]))
        render.say()
        render.say(turn.answer.strip() or "(no answer)")
        facts = [f"{turn.answered_at:%Y-%m-%d %H:%M}", turn.run_id, *turn.captured]
        facts += [] if turn.ended == "ok" else [turn.ended]
        render.say(f"— {', '.join(fact for fact in facts if fact)}")
        render.say()
