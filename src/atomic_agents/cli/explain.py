"""explain."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option
from atomic_agents.operations import explaining


@click.command("explain")
@click.argument("code", required=False)
@json_option
@common
def explain_command(code: str | None, as_json: bool, root: str | None) -> None:  # noqa: ARG001 - every command has it
    """What an error code or a check of doctor means, and what to type; without CODE, all of them."""
    if code is None:
        found = list(explaining.topics().values())
        if as_json:
            render.say_json([_json(each) for each in found])
        else:
            render.table([(each.code, each.kind, each.meaning.rstrip(".")) for each in found], ("code", "", "means"))
        return
    one = explaining.explain(code)
    if as_json:
        render.say_json(_json(one))
        return
    ends = f", exit code {one.exit_status}" if one.exit_status is not None else ""
    render.say(f"{one.code}: {one.kind}{ends}")
    render.say(f"{'passed' if one.kind == 'check' else 'means'}: {one.meaning}")
    render.say(f"to do: {render.command(one.remedy.replace('`', ''))}")
    render.say(f"page: {one.page}")


def _json(found: explaining.Explanation) -> dict[str, object]:
    return {
        "code": found.code,
        "kind": found.kind,
        "meaning": found.meaning,
        "remedy": found.remedy,
        "page": found.page,
        "exit_status": found.exit_status,
    }
