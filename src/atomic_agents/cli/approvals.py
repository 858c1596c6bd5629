"""approvals: list, show, approve, deny, revise, answer."""

import json
import sys
from collections.abc import Mapping

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace
from atomic_agents.core.errors import UsageError
from atomic_agents.guard import questions
from atomic_agents.guard.approvals import Decision
from atomic_agents.operations import approvals, shapes
from atomic_agents.operations.approvals import Item
from atomic_agents.operations.workspace import Workspace

_note = click.option("--note", default="", metavar="TEXT", help="What the agent is told with it.")
_by = click.option("--by", default="", metavar="NAME", help="Who answers; default the user of this machine.")


@click.group("approvals", invoke_without_command=True)
@click.pass_context
def approvals_command(ctx: click.Context) -> None:
    """What agents wait for. A run goes on as soon as you have answered.

    An answer can also be written into the request's own document: change `state: pending`.
    """
    show_help(ctx)


@approvals_command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what is answered.")
@json_option
@common
def approvals_list(everything: bool, as_json: bool, root: str | None) -> None:
    """What waits for you, the oldest first."""
    with workspace(root) as opened:
        _meet(opened)
        items = approvals.everything(opened) if everything else approvals.inbox(opened)
    if as_json:
        render.say_json([shapes.approval(item) for item in items])
        return
    if items:
        rows = [(item.id, item.agent, item.tool, item.state, item.asked[:16].replace("T", " ")) for item in items]
        render.table(rows, ("request", "agent", "wants", "state", "since"))
    for item in items:
        if item.reply.problem:
            render.notice(f"{item.path}:{item.reply.line}: {item.reply.problem}")
        if item.waits and not item.resumable:
            render.notice(f"{item.id}: {approvals.why_not_resumable(item)}")
            render.hint(f"atomic-agents approvals deny {item.id}")
    waiting = sum(item.waits for item in items)
    render.talk(f"{render.count(waiting, 'request')} waiting" if waiting else "nothing waits for you")
    if waiting:
        render.hint("atomic-agents approvals show REQUEST")


@approvals_command.command("show")
@click.argument("request", required=False, default="")
@json_option
@common
def approvals_show(request: str, as_json: bool, root: str | None) -> None:
    """One REQUEST, by its id or a part of it; without it, the only one that waits."""
    with workspace(root) as opened:
        _meet(opened)
        item = approvals.find(opened, request)
    if as_json:
        render.say_json(shapes.approval(item))
        return
    _say_wanted(item)
    if item.expires:
        render.say(f"until: {item.expires:%Y-%m-%d %H:%M}")
    render.say(f"state: {item.state}{f' by {item.reply.by}' if item.reply.by else ''}")
    if item.reply.note:
        render.say(f"{'answer' if item.reply.decision == 'answered' else 'note'}: {_indented(item.reply.note)}")
    if item.waits and not item.resumable:
        render.talk(item.path)
        render.notice(f"{item.id} can only be denied: {approvals.why_not_resumable(item)}")
        render.hint(f"atomic-agents approvals deny {item.id} --note '…'")
        return
    render.talk(f"{item.run_id} {'waits' if item.waits else 'waited'} for it; {item.path}")
    if item.waits and not item.answered:
        way = f"answer {item.id} 'your answer'" if item.is_question else f"approve {item.id}"
        render.hint(f"atomic-agents approvals {way}\natomic-agents approvals deny {item.id} --note '…'")


@approvals_command.command("approve")
@click.argument("request")
@_note
@_by
@dry_run_option
@json_option
@common
def approvals_approve(request: str, note: str, by: str, dry_run: bool, as_json: bool, root: str | None) -> int:
    """Let the call of REQUEST be made, once, exactly as it stands there; the run goes on at once."""
    return _answer(request, "approved", note, by, None, dry_run=dry_run, as_json=as_json, root=root)


@approvals_command.command("deny")
@click.argument("request")
@_note
@_by
@dry_run_option
@json_option
@common
def approvals_deny(request: str, note: str, by: str, dry_run: bool, as_json: bool, root: str | None) -> int:
    """Refuse the call of REQUEST; the run goes on at once and is told."""
    return _answer(request, "denied", note, by, None, dry_run=dry_run, as_json=as_json, root=root)


@approvals_command.command("revise")
@click.argument("request")
@click.option("--arguments", required=True, metavar="JSON", help="All arguments as they shall be; - reads them.")
@_note
@_by
@dry_run_option
@json_option
@common
def approvals_revise(
    request: str, arguments: str, note: str, by: str, dry_run: bool, as_json: bool, root: str | None
) -> int:
    """Let the call of REQUEST be made with other arguments, which the agent is told."""
    try:
        value = json.loads(sys.stdin.read() if arguments == "-" else arguments)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"--arguments is not JSON: {error}", hint="""--arguments '{"to": "ada@example.org"}'"""
        ) from error
    if not isinstance(value, dict):
        raise UsageError("--arguments is no object", hint="""--arguments '{"to": "ada@example.org"}'""")
    return _answer(request, "revised", note, by, value, dry_run=dry_run, as_json=as_json, root=root)


@approvals_command.command("answer")
@click.argument("request")
@click.argument("text")
@_by
@dry_run_option
@json_option
@common
def approvals_answer(request: str, text: str, by: str, dry_run: bool, as_json: bool, root: str | None) -> int:
    """Answer the question REQUEST with TEXT, or the number of a choice; - reads it. The run goes on at once.

    `approvals deny` leaves it unanswered.
    """
    note = sys.stdin.read() if text == "-" else text
    return _answer(request, "answered", note, by, None, dry_run=dry_run, as_json=as_json, root=root)


def _say_wanted(item: Item) -> None:
    if item.is_question:
        render.say("\n".join([f"{item.agent} asks you:", *(f"  {line}" for line in questions.lines(item.arguments))]))
        return
    render.say(f"{item.agent} wants to call {item.tool}, which is {item.kind}")
    for key, value in item.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        render.say(f"  {key}: {_indented(text)}")
    render.say(f"because: {item.why}")


def _answer(
    request: str, decision: Decision, note: str, by: str, arguments: Mapping[str, object] | None, *, dry_run: bool,
    as_json: bool, root: str | None,
) -> int:  # fmt: skip
    from atomic_agents.cli import run as running  # noqa: PLC0415 - 30 ms that only a run needs

    with workspace(root) as opened:
        item = approvals.find(opened, request)
        change = approvals.answer(opened, item, decision, by=by, note=note, arguments=arguments)
        if dry_run:
            for line in change.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
                render.say(line)
            return 0
        opened.store.apply(change)
        if not item.resumable:
            return _say_denied(approvals.find(opened, item.id), as_json=as_json)
        render.talk(f"{item.id} is {decision}; {item.run_id} goes on")
        streams = running.streams(no_stream=False, as_json=as_json)
        result = approvals.go_on(opened, item, on_text=running.printed(streams=streams), on_notice=render.notice)
        return running.finish(result, None, as_json=as_json, streamed=streams)


def _say_denied(item: Item, *, as_json: bool) -> int:
    """A request of another program was denied: there is no run to print."""
    if as_json:
        render.say_json(shapes.approval(item))
    else:
        render.say(f"{item.id} is denied; {approvals.why_not_resumable(item)}")
    return 0


def _meet(opened: Workspace) -> None:
    """Answers that were written into documents take effect; each run that goes on says in a line how it ended."""
    for result in approvals.meet_answers(opened, render.talk):
        render.talk(f"{result.run_id} of {result.agent}: {result.ending}")
        render.hint(f"atomic-agents runs show {result.run_id}")


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
