"""The command `search` of the groups memory, wiki and journal: ranked passages, each with its place."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.memory.tables import KINDS, Kind
from atomic_agents.operations import memory, shapes


def search_command(what: str, *kinds: Kind) -> click.Command:
    """A command that searches the documents of some `kinds`, without any of all, which it calls `what`."""

    @click.command("search", help=f"What AGENT has in {what} that answers QUERY best; dates in QUERY count.")
    @click.argument("agent")
    @click.argument("query")
    @click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Passages at most.")
    @json_option
    @common
    def search(agent: str, query: str, limit: int, as_json: bool, root: str | None) -> None:
        with workspace(root) as opened:
            found = memory.search(opened, agent, query, limit, kinds or KINDS)
        if as_json:
            render.say_json(shapes.passages(found))
            return
        for hit in found:
            render.say(f"{hit.path}:{hit.line}  {hit.score:.2f}")
            render.say(f"{hit.text}\n")
        if not found:
            render.talk("nothing matches")

    return search
