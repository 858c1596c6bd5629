"""memory: list, show, history, search; the verbs that change notes and what judges them are in modules beside."""

import click

from atomic_agents.cli import memory_checks, memory_verbs, render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.cli.search import search_command
from atomic_agents.operations import memory, shapes


@click.group("memory", invoke_without_command=True)
@click.pass_context
def memory_command(ctx: click.Context) -> None:
    """An agent's notes."""
    show_help(ctx)


@memory_command.command("list")
@click.argument("agent")
@json_option
@common
def memory_list(agent: str, as_json: bool, root: str | None) -> None:
    """Every note of AGENT, and each that cannot be read."""
    with workspace(root) as opened:
        notes, problems = memory.list_notes(opened, agent)
    if as_json:
        render.say_json(shapes.notes(notes, problems))
        return
    rows = []
    for n in notes:
        state = "pinned" if n.pinned else "held" if n.held else "archived" if n.hidden else ""
        rows.append((n.file, n.type, str(n.last_seen or ""), state, n.description))
    render.table(rows, ("note", "type", "last seen", "state", "hook"))
    render.problems("warning", problems)


@memory_command.command("show")
@click.argument("agent")
@click.argument("note")
@click.option("--version", default="", metavar="VERSION", help="A former text, as `memory history` names it.")
@json_option
@common
def memory_show(agent: str, note: str, version: str, as_json: bool, root: str | None) -> None:
    """NOTE of AGENT as it stands, or a former text of it."""
    with workspace(root) as opened:
        found = memory.show(opened, agent, note, version)
    if as_json:
        render.say_json(shapes.note(found))
        return
    render.talk(found.path)
    click.echo(found.text, nl=not found.text.endswith("\n"))


@memory_command.command("history")
@click.argument("agent")
@click.argument("note", required=False, default="")
@json_option
@common
def memory_history(agent: str, note: str, as_json: bool, root: str | None) -> None:
    """What has happened to the notes of AGENT, or to NOTE, the last change first."""
    with workspace(root) as opened:
        entries, versions = memory.past(opened, agent, note)
    if as_json:
        listed = [
            {"id": e.id, "ts": e.at, "what": e.what, "by": e.by, "reason": e.reason, "undone": e.undone,
             "undoes": e.undoes, "documents": [each.path for each in e.documents]}
            for e in entries
        ]  # fmt: skip
        render.say_json({"changes": listed, "versions": list(versions)})
        return
    rows = []
    for e in entries:
        what = f"{e.what}, undone" if e.undone else e.what
        rows.append((e.short, e.at[:16].replace("T", " "), what, e.by, e.reason, *e.files[:1]))
    if rows:
        header = ("change", "when", "what", "by", "why", "note")
        render.table([(*row, "")[: len(header)] for row in rows], header)
    else:
        render.talk("no changes on record")
    if versions:
        render.say()
        render.say("former texts, the last first:")
        for version in versions:
            render.say(f"  {version}")


for _command in (*memory_verbs.COMMANDS, *memory_checks.COMMANDS, search_command("its memory")):
    memory_command.add_command(_command)
