"""init."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace
from atomic_agents.core.errors import AgentExists, UsageError
from atomic_agents.core.values import near, parse_usd
from atomic_agents.operations import scaffold, templates
from atomic_agents.operations.scaffold import QUESTIONS, Answers, Scaffold
from atomic_agents.operations.workspace import Workspace

_MOST_SHOWN = 20
_MOST_MODELS = 9


@click.command("init")
@click.argument("name", default=None, required=False)
@click.option("--template", type=click.Choice(templates.TEMPLATES), help="What kind of agent; default advisor.")
@click.option("--model", metavar="ID", help="Default: the best that is usable here, which may be embedded:quote.")
@click.option("--budget", metavar="USD", help="The most it may spend in a day; default what fits the model.")
@click.option(
    "--autonomy", type=click.Choice(tuple(scaffold.AUTONOMY)), default=None,
    help="What it may do outside without you; written to judges.md, and enforced. Default: you are asked.",
)  # fmt: skip
@click.option("--about", metavar="TEXT", help="Who you are, in a sentence; written to USER.md.")
@click.option(
    "--from", "source", metavar="FOLDER", help="Begin from a Claude Code, OpenClaw, Letta or Obsidian folder."
)
@click.option("--anyway", is_flag=True, help="Though a file of --from looks as if it held a key.")
@click.option("--answers", metavar="FILE", help=f"Answers as `key: value` lines: {', '.join(QUESTIONS)}.")
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask: defaults for whatever is not said.")
@json_option
@common
def init_command(
    name: str | None, template: str | None, model: str | None, budget: str | None, autonomy: str | None,
    about: str | None, source: str | None, anyway: bool, answers: str | None, dry_run: bool, yes: bool, as_json: bool,
    root: str | None,
) -> None:  # fmt: skip
    """Make an agent NAME from a template, or from a folder of another program. Needs no key and no terminal.

    On a terminal it asks what is not said here, at most seven questions.
    """
    said = dict(zip(QUESTIONS, (name, template, model, budget, autonomy, about, source), strict=True))
    given = scaffold.read_answers(Path(answers)) if answers else {}
    given |= {key: value for key, value in said.items() if value is not None}
    with workspace(root) as opened:
        asks = not (yes or as_json or answers) and sys.stdin.isatty() and sys.stderr.isatty()
        wanted = _answers(_asked(opened, given) if asks else given, opened)
        try:
            made = scaffold.scaffold(opened, wanted, anyway=anyway)
        except AgentExists:
            _show_upgrade(opened, wanted.name)
            raise
        if dry_run:
            for line in made.change.diff(lambda _path: None):
                render.say(line)
            return
        opened.store.apply(made.change)
        if as_json:
            render.say_json(
                {"agent": made.name, "template": wanted.template, "model": wanted.model,
                 "layout": made.layout or None, "imported": [each._asdict() for each in made.moved]}
            )  # fmt: skip
            return
        render.say(f"{opened.config.root}/{made.name}: made from the template {wanted.template}, "
                   f"with the model {wanted.model}")  # fmt: skip
        _say_imported(made, wanted)
        if wanted.model == "embedded:quote":
            others = "embedded:quote quotes the vault and generates nothing; atomic-agents models list shows others"
            render.talk(render.command(others))
        render.talk(render.command(f"next: atomic-agents run {shlex.quote(made.name)} --work-item 'remember: …'"))


def _answers(given: Mapping[str, object], opened: Workspace) -> Answers:
    """What was said, the rest by default."""
    text = {key: str(given.get(key) or "") for key in QUESTIONS}
    for key, known in (("template", templates.TEMPLATES), ("autonomy", tuple(scaffold.AUTONOMY))):
        if text[key] and text[key] not in known:
            hint = f"write {key}: {(near(text[key], known) or known)[0]}"
            raise UsageError(f"there is no {key} {text[key]}; it can be {', '.join(known)}", hint=hint)
    budget = parse_usd(text["budget"].replace(",", ".")) if text["budget"] else None
    if budget is None and text["budget"]:
        raise UsageError(f"the budget is {text['budget']!r}; a number in USD is needed", hint="--budget 1.00")
    return Answers(
        name=str(given.get("name", "my-agent")),
        template=text["template"] or "advisor",
        model=text["model"] or scaffold.best_model(opened),
        budget=budget,
        autonomy=text["autonomy"],
        about=text["about"],
        source=text["from"],
    )


def _asked(opened: Workspace, given: Mapping[str, object]) -> dict[str, object]:
    """What is not said yet, asked at the terminal; Enter takes the default."""
    found = dict(given)

    def ask(key: str, words: str, default: str, known: tuple[str, ...] = ()) -> None:
        if key not in found:
            kind = click.Choice(known) if known else None
            found[key] = click.prompt(words, default=default, type=kind, err=True, show_default=bool(default))

    ask("name", "what is it called", "my-agent")
    ask("template", "what kind of agent", "advisor", templates.TEMPLATES)
    if "model" not in found:
        ready = scaffold.usable_models(opened)[:_MOST_MODELS]
        render.talk("usable here: " + ", ".join(ready))
        ask("model", "which model", ready[0])
    if "budget" not in found:
        ask("budget", "the most it may spend in a day, in USD",
            f"{scaffold.fitting_budget(opened, str(found['model'])):.2f}")  # fmt: skip
    ask("autonomy", "what it may do outside: ask you, ask a judge first, or ask a judge always", "cautious",
        tuple(scaffold.AUTONOMY))  # fmt: skip
    ask("about", "who you are, in a sentence (Enter for nothing)", "")
    ask("from", "a folder to begin from: Claude Code, OpenClaw, Letta, Obsidian (Enter for none)", "")
    return found


def _say_imported(made: Scaffold, wanted: Answers) -> None:
    """What went where, and what stayed behind."""
    if not made.layout:
        return
    taken = [each for each in made.moved if each.target]
    render.say(f"imported from {wanted.source} ({made.layout}): {render.count(len(taken), 'file')}; it is as it was")
    for each in taken[:_MOST_SHOWN]:
        render.say(f"  {each.source} -> {each.target} ({each.why})")
    if len(taken) > _MOST_SHOWN:
        render.say(f"  and {len(taken) - _MOST_SHOWN:,} more")
    behind = [each for each in made.moved if not each.target]
    for each in behind[:_MOST_SHOWN]:
        render.say(f"  {each.source} stays behind: it {each.why}")
    if len(behind) > _MOST_SHOWN:
        render.say(f"  and {len(behind) - _MOST_SHOWN:,} more stay behind")


def _show_upgrade(opened: Workspace, name: str) -> None:
    """What the agent that is there would take over from today's template; nothing of it is written."""
    found = templates.changes(opened)
    puts = [change for change in found.changes if change.path.startswith(f"{name}/")]
    for line in scaffold.diff(opened, puts):
        render.say(line)
    if puts:
        render.talk(render.command("to take that over: atomic-agents upgrade --templates"))
