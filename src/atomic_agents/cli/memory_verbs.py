"""memory: add, edit, merge, supersede, pin, unpin, archive, restore, accept, undo, redact."""

import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace, yes_option
from atomic_agents.core.errors import AtomicAgentsError, Conflict, UsageError
from atomic_agents.memory import edits
from atomic_agents.memory.notebook import Notebook
from atomic_agents.memory.redaction.phrase import REPLACEMENT, Phrase
from atomic_agents.operations import changes
from atomic_agents.operations.changes import Plan, Verb
from atomic_agents.operations.redaction import plan as redaction
from atomic_agents.operations.redaction.plan import Redaction
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault import note as notes

_Command = TypeVar("_Command", bound=Callable[..., object])
_FIELDS = (
    click.option("--name", help="What it is called."),
    click.option("--description", help="A line for INDEX.md."),
    click.option("--confidence", type=click.Choice(notes.CONFIDENCES), help="How sure you are."),
    click.option("--source", "sources", multiple=True, help="Where you have it from; may be repeated."),
    click.option("--tag", "tags", multiple=True, help="A tag; may be repeated."),
    click.option("--expires", "expires_at", metavar="YYYY-MM-DD", help="The last day on which it holds."),
    click.option(
        "--anyway", is_flag=True, help="Though a decision on the subject says something else, or it looks like a key."
    ),
)


def _changing(command: _Command) -> _Command:
    """The options of every command that changes notes."""
    for option in (
        json_option, yes_option, dry_run_option, click.option("--reason", default="", help="Why, for the history."),
    ):  # fmt: skip
        command = option(command)
    return common(command)


def _fields(command: _Command) -> _Command:
    for option in reversed(_FIELDS):
        command = option(command)
    return command


@click.command("add")
@click.argument("agent")
@click.argument("text")
@click.option("--type", "type_", type=click.Choice(notes.TYPES), required=True, help="What kind of note it is.")
@_fields
@click.option("--pin", is_flag=True, help="Load it in every run.")
@click.option("--supersede", "supersedes", multiple=True, metavar="NOTE", help="A note that it replaces.")
@_changing
def add_command(
    agent: str, text: str, type_: str, pin: bool, supersedes: tuple[str, ...], anyway: bool, reason: str,
    dry_run: bool, as_json: bool, root: str | None, **given: str | tuple[str, ...] | None,
) -> None:  # fmt: skip
    """Have AGENT remember TEXT (`-` for standard input), for which you vouch."""
    body = (sys.stdin.read() if text == "-" else text).strip()
    first = body.partition("\n")[0].strip()
    fields: dict[str, object] = {
        "type": type_, "name": _short(first, 60), "description": _short(first, 120), "confidence": "high",
        "sources": ["operator"], "body": body, "pinned": pin, **_given(given),
    }  # fmt: skip

    def verb(book: Notebook) -> str:
        return edits.add(book, fields, supersedes=supersedes, anyway=anyway)

    with workspace(root) as opened:
        verb_ = verb if anyway else changes.without_secrets(opened, verb)
        _carry_out(opened, agent, verb_, "add", reason, dry_run=dry_run, as_json=as_json)


@click.command("edit")
@click.argument("agent")
@click.argument("note")
@click.option("--body", metavar="TEXT", help="The new text; `-` for standard input.")
@_fields
@_changing
def edit_command(
    agent: str, note: str, body: str | None, anyway: bool, reason: str, dry_run: bool, as_json: bool, root: str | None,
    **given: str | tuple[str, ...] | None,
) -> None:  # fmt: skip
    """Change NOTE of AGENT; without an option, in your editor."""
    fields = _given(given)
    with workspace(root) as opened:
        if body is None and not fields and sys.stdin.isatty():
            _in_editor(opened, agent, note, reason, anyway=anyway, dry_run=dry_run, as_json=as_json)
            return
        text = sys.stdin.read() if body == "-" else body

        def verb(book: Notebook) -> str:
            return edits.edit(book, note, fields, text, anyway=anyway)

        verb_ = verb if anyway else changes.without_secrets(opened, verb)
        _carry_out(opened, agent, verb_, "edit", reason, dry_run=dry_run, as_json=as_json)


@click.command("merge")
@click.argument("agent")
@click.argument("note")
@click.argument("others", nargs=-1, required=True)
@click.option("--body", metavar="TEXT", help="The joined text; without it, the texts below each other.")
@click.option("--anyway", is_flag=True, help="Though the text looks like a key.")
@_changing
def merge_command(
    agent: str, note: str, others: tuple[str, ...], body: str | None, anyway: bool, reason: str, dry_run: bool,
    as_json: bool, root: str | None,
) -> None:  # fmt: skip
    """Join OTHERS into NOTE of AGENT; they stay, superseded by it."""

    def verb(book: Notebook) -> str:
        return edits.merge(book, note, others, body)

    with workspace(root) as opened:
        verb_ = verb if anyway or body is None else changes.without_secrets(opened, verb)
        _carry_out(opened, agent, verb_, "merge", reason, dry_run=dry_run, as_json=as_json)


@click.command("supersede")
@click.argument("agent")
@click.argument("old")
@click.argument("new")
@_changing
def supersede_command(
    agent: str, old: str, new: str, reason: str, dry_run: bool, as_json: bool, root: str | None
) -> None:  # fmt: skip
    """Have NEW replace OLD, linked both ways."""
    with workspace(root) as opened:
        _carry_out(
            opened, agent, lambda book: edits.supersede(book, old, new), "supersede", reason,
            dry_run=dry_run, as_json=as_json,
        )  # fmt: skip


def _on_one(name: str, verb: Callable[[Notebook, str], str], words: str) -> click.Command:
    """A command that does one thing with one note."""

    def command(agent: str, note: str, reason: str, dry_run: bool, as_json: bool, root: str | None) -> None:
        with workspace(root) as opened:
            _carry_out(
                opened, agent, lambda book: verb(book, note), name, reason, dry_run=dry_run, as_json=as_json
            )  # fmt: skip

    wrapped = click.argument("agent")(click.argument("note")(_changing(command)))
    return click.command(name, help=words)(wrapped)


@click.command("restore")
@click.argument("agent")
@click.argument("note")
@click.option("--version", default="", metavar="VERSION", help="The former text, as `memory history` names it.")
@_changing
def restore_command(
    agent: str, note: str, version: str, reason: str, dry_run: bool, as_json: bool, root: str | None
) -> None:  # fmt: skip
    """Bring back a former text of NOTE, or a note that is archived or superseded."""
    with workspace(root) as opened:
        _carry_out(
            opened, agent, lambda book: edits.restore(book, note, version), "restore", reason,
            dry_run=dry_run, as_json=as_json,
        )  # fmt: skip


@click.command("undo")
@click.argument("agent")
@click.argument("change", required=False, default="")
@_changing
def undo_command(agent: str, change: str, reason: str, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Take the last change of AGENT's notes back, or CHANGE; refused where somebody has written since."""
    with workspace(root) as opened:
        verb, undone = changes.undo(opened, agent, change)
        _carry_out(
            opened, agent, verb, "undo", reason or "by hand", dry_run=dry_run, as_json=as_json,
            undoes=undone,
        )  # fmt: skip


@click.command("redact")
@click.argument("agent")
@click.argument("text")
@click.option("--with", "replacement", default=REPLACEMENT, show_default=True, help="What stands there instead.")
@click.option("--parts", is_flag=True, help="Take TEXT out of longer words too.")
@click.option("--match-case", is_flag=True, help="Tell upper case from lower case.")
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@common
def redact_command(
    agent: str, text: str, replacement: str, parts: bool, match_case: bool, dry_run: bool, yes: bool, as_json: bool,
    root: str | None,
) -> None:  # fmt: skip
    """Take TEXT, a word or a phrase, out of everything that is kept of AGENT; this cannot be undone.

    Whole words go, in upper and lower case, wherever people or models wrote them: in notes and their former texts,
    journals, conversations, logs and transcripts. Keys, numbers, ids, paths, dates and names of models stay. A note or
    page whose name has the word is renamed, and every link to it follows. What still holds the word is named.
    """
    phrase = Phrase(text, replacement, parts=parts, match_case=match_case)
    with workspace(root) as opened:
        found = redaction.plan(opened, agent, phrase)
        if dry_run and not as_json:
            for line in redaction.diff(opened, found):
                render.say(line)
        elif not as_json:
            for path, count in found.places:
                render.say(f"{path}: {count:,}")
        if found.change.changes and not dry_run:
            given = ["--with", replacement] if replacement != REPLACEMENT else []
            given += [*(["--parts"] if parts else []), *(["--match-case"] if match_case else [])]
            again = shlex.join(["atomic-agents", "memory", "redact", agent, text, *given, "--yes"])
            places = render.count(len(found.places), "document")
            ask(f"take it out of {places} for good", again, yes=yes, silent=as_json)
            found = redaction.carry_out(opened, agent, phrase)
        shown = redaction.as_json(opened, found, dry_run=dry_run) if as_json else {}
    if as_json:
        render.say_json(shown)
        return
    _say_redacted(found, dry_run=dry_run)


def _say_redacted(found: Redaction, *, dry_run: bool) -> None:
    for old, new in found.renamed:
        render.say(f"{'would rename' if dry_run else 'renamed'} {old} to {new}")
    for left in found.left:
        render.notice(f"{left.path} {left.why}")
        render.hint(left.hint)
    places = render.count(len(found.places), "document") if found.places else "no document"
    render.say(f"dry run: it stands in {places}; nothing was changed" if dry_run else f"redacted in {places}")


def ask(question: str, again: str, *, yes: bool, silent: bool) -> None:
    """Ask where there is somebody to ask.

    Raises:
        UsageError: there is not, and `--yes` was not said.
    """
    if yes:
        return
    if silent or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"this would {question}, and nobody is there to be asked", hint=again)
    click.confirm(f"{question}?", abort=True, err=True)


def show(agent: str, plan: Plan, *, dry_run: bool, as_json: bool) -> None:
    """What a change of notes changed, or would."""
    if as_json:
        value = {"said": plan.said, "id": plan.id, "documents": plan.documents, "diff": plan.diff, "dry_run": dry_run}
        render.say_json(value)
        return
    for line in plan.diff:
        render.say(line)
    if not plan.change.changes:
        render.say("nothing to do")
        return
    for line in plan.said.splitlines():
        render.say(f"dry run: {line}; nothing was changed" if dry_run else line)
    if not dry_run:
        render.hint(f"atomic-agents memory undo {agent}")


def _carry_out(
    opened: Workspace, agent: str, verb: Verb, what: str, reason: str, *, dry_run: bool, as_json: bool, undoes: str = ""
) -> None:
    act = changes.plan if dry_run else changes.do
    show(agent, act(opened, agent, verb, what=what, reason=reason, undoes=undoes), dry_run=dry_run, as_json=as_json)


def _in_editor(
    opened: Workspace, agent: str, file: str, reason: str, *, anyway: bool, dry_run: bool, as_json: bool
) -> None:  # fmt: skip
    """Let the operator edit a note; what they wrote is kept in a file where it cannot be taken over."""
    before = edits.find(changes.notebook(opened, agent), file)
    text = click.edit(before.text, extension=".md", require_save=True)
    if text is None or text == before.text:
        render.say("nothing to do")
        return

    def verb(book: Notebook) -> str:
        if edits.find(book, file).data != before.data:
            raise Conflict(f"{before.path} was written while you edited it; nothing was changed")
        return edits.replace(book, file, text.encode())

    try:
        verb_ = verb if anyway else changes.without_secrets(opened, verb)
        _carry_out(opened, agent, verb_, "edit", reason, dry_run=dry_run, as_json=as_json)
    except AtomicAgentsError as error:
        with tempfile.NamedTemporaryFile(
            "w", suffix=f"-{Path(before.path).name}", delete=False, encoding="utf-8"
        ) as kept:
            kept.write(text)
        error.hint = f"what you wrote is in {kept.name}\n{error.hint}".strip()
        raise


def _given(options: dict[str, str | tuple[str, ...] | None]) -> dict[str, object]:
    """The fields that were stated on the command line."""
    stated = {key: value for key, value in options.items() if value is not None and value != ()}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in stated.items()}


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


COMMANDS = (
    add_command,
    edit_command,
    merge_command,
    supersede_command,
    _on_one("pin", edits.pin, "Load NOTE of AGENT in every run."),
    _on_one("unpin", edits.unpin, "Load NOTE only when it is recent or recalled."),
    _on_one("archive", edits.archive, "Keep NOTE of AGENT and load it no more."),
    _on_one("accept", edits.accept, "Let a note be loaded that says what a tool said."),
    restore_command,
    undo_command,
    redact_command,
)
