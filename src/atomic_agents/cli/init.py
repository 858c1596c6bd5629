"""init."""

import shlex

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, workspace, yes_option
from atomic_agents.operations import scaffold, templates


@click.command("init")
@click.argument("name", default="my-agent")
@click.option(
    "--template",
    type=click.Choice(templates.TEMPLATES),
    default="advisor",
    show_default=True,
    help="What kind of agent to begin with.",
)
@click.option("--model", metavar="ID", help="Default: the best that is usable here, which may be embedded:quote.")
@dry_run_option
@yes_option
@common
def init_command(name: str, template: str, model: str | None, dry_run: bool, root: str | None) -> None:
    """Make an agent NAME from a template. Needs no key and no terminal."""
    with workspace(root) as opened:
        chosen = model or scaffold.best_model(opened)
        change = scaffold.scaffold(opened, name, template=template, model=chosen)
        if dry_run:
            for line in change.diff(lambda _path: None):
                render.say(line)
            return
        opened.store.apply(change)
        render.say(f"{opened.config.root}/{name}: made from the template {template}, with the model {chosen}")
        if chosen == "embedded:quote":
            others = "embedded:quote quotes the vault and generates nothing; atomic-agents models list shows others"
            render.talk(render.command(others))
        render.talk(render.command(f"next: atomic-agents run {shlex.quote(name)} --work-item 'remember: …'"))
