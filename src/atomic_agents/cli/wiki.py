"""wiki: list, show, search, ingest, distill, verify."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.cli.run import usd
from atomic_agents.cli.search import search_command
from atomic_agents.memory.wiki import Page
from atomic_agents.operations import wiki
from atomic_agents.operations.wiki import Distilled, Ingested, Plan


@click.group("wiki", invoke_without_command=True)
@click.pass_context
def wiki_command(ctx: click.Context) -> None:
    """Pages that an agent's documents were distilled to, and the documents."""
    show_help(ctx)


wiki_command.add_command(search_command("its wiki and the sources", "wiki", "raw"))


@wiki_command.command("list")
@click.argument("agent")
@json_option
@common
def list_command(agent: str, as_json: bool, root: str | None) -> None:
    """The pages of AGENT's wiki and the sources in its raw/."""
    with workspace(root) as opened:
        pages, sources = wiki.list_pages(opened, agent)
    used = {source for page in pages for source in page.sources}
    if as_json:
        listed = [
            {"file": page.note.file, "name": page.note.name, "description": page.note.description,
             "sources": list(page.sources), "citations": len(page.citations), "stale": list(page.stale)}
            for page in pages
        ]  # fmt: skip
        render.say_json({"pages": listed, "sources": sources, "without_page": [s for s in sources if s not in used]})
        return
    render.table([_row(page) for page in pages], ("page", "sources", "citations", "state", "hook"))
    for source in sources:
        if source not in used:
            render.talk(f"{source} has no page")
            render.hint(f"atomic-agents wiki distill {agent} {source}")


@wiki_command.command("show")
@click.argument("agent")
@click.argument("page")
@json_option
@common
def show_command(agent: str, page: str, as_json: bool, root: str | None) -> None:
    """A page of AGENT's wiki by its name or file; the text of a source by its path raw/…."""
    with workspace(root) as opened:
        text = wiki.show(opened, agent, page)
    if as_json:
        render.say_json({"text": text})
    else:
        click.echo(text, nl=not text.endswith("\n"))


@wiki_command.command("ingest")
@click.argument("agent")
@click.argument("path", metavar="FILE|FOLDER")
@click.option("--anyway", is_flag=True, help="Though a file looks as if it held a key.")
@dry_run_option
@yes_option
@json_option
@common
def ingest_command(agent: str, path: str, anyway: bool, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Keep a Markdown, text, HTML, PDF or DOCX file byte for byte in AGENT's raw/, or those of a folder.

    The same again changes nothing. Pages that name a source which has changed are marked stale.
    """
    found: list[Ingested] = []
    with workspace(root) as opened:
        for one in wiki.ingest(opened, agent, path, dry_run=dry_run, anyway=anyway):
            found.append(one)
            if not as_json:
                _say_ingested(agent, one)
    if as_json:
        files = [
            {"file": one.origin, "source": one.path, "became": one.became, "stale": list(one.stale), "why": one.why}
            for one in found
        ]
        render.say_json({"files": files, "dry_run": dry_run})
        return
    taken = [one for one in found if one.became not in ("unchanged", "skipped")]
    verdict = f"{render.count(len(taken), 'file')} of {len(found):,} {'would be ' if dry_run else ''}taken in"
    render.say(f"{verdict}; nothing was changed" if dry_run else verdict)
    if taken:
        render.hint(f"atomic-agents wiki distill {agent} --plan")


@wiki_command.command("distill")
@click.argument("agent")
@click.argument("source", required=False)
@click.option("--plan", "--dry-run", "plan_only", is_flag=True, help="Say what it reads and can cost; ask nothing.")
@click.option("--model", metavar="ID", help="Another model than model.md states.")
@click.option("--critical", is_flag=True, help="Pass the daily cap once.")
@click.option("--max-cost", metavar="USD", help="The most this may cost; default what --plan says.")
@json_option
@common
def distill_command(
    agent: str, source: str | None, plan_only: bool, model: str | None, critical: bool, max_cost: str | None,
    as_json: bool, root: str | None,
) -> int:  # fmt: skip
    """Have AGENT's model write pages of SOURCE that cite it; without SOURCE of every one that is new or has changed.

    Every quote is looked up in the source first; a page with one that is not there is refused.
    """
    most = usd(max_cost)
    with workspace(root) as opened:
        if plan_only:
            _say_plan(wiki.plan(opened, agent, source, model_id=model), as_json=as_json)
            return 0
        done = wiki.distil(
            opened, agent, source, model_id=model, critical=critical, max_cost=most, on_notice=render.notice,
            progress=render.progress(),
        )  # fmt: skip
    _say_distilled(done, as_json=as_json)
    return done.failure.exit_status if done.failure else 1 if done.refused and not done.pages else 0


@wiki_command.command("verify")
@click.argument("agent")
@json_option
@common
def verify_command(agent: str, as_json: bool, root: str | None) -> int:
    """Whether every citation of AGENT's wiki stands in its source, and which pages are stale. Changes nothing."""
    with workspace(root) as opened:
        pages, sources = wiki.list_pages(opened, agent)
        found = wiki.verify(opened, agent)
    errors = [problem for problem in found if problem.severity == "error"]
    if as_json:
        render.say_json({"pages": len(pages), "sources": len(sources), "problems": [one.as_json() for one in found]})
        return 1 if errors else 0
    render.problems("error", errors)
    render.problems("warning", [problem for problem in found if problem.severity == "warning"])
    citations = render.count(sum(len(page.citations) for page in pages), "citation")
    what = f"{citations} in {render.count(len(pages), 'page')}, {render.count(len(sources), 'source')}"
    render.say(f"{what}: {render.count(len(found), 'problem') if found else 'all hold'}")
    return 1 if errors else 0


def _row(page: Page) -> tuple[str, ...]:
    state = "stale" if page.stale else ""
    return (page.note.file, f"{len(page.sources):,}", f"{len(page.citations):,}", state, page.note.description)


def _say_ingested(agent: str, one: Ingested) -> None:
    if one.became == "skipped":
        render.notice(f"{one.origin} is skipped: {one.why}")
        return
    render.say(f"{one.became:<9}  {one.path}")
    for page in one.stale:
        render.say(f"           wiki/{page} is stale")
    if one.stale:
        render.hint(f"atomic-agents wiki distill {agent} {one.path}")


def _say_plan(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        parts = [{"source": part.source.path, "most_usd": part.most} for part in plan.parts]
        render.say_json(
            {"agent": plan.agent, "model": plan.model, "parts": parts, "tokens": plan.tokens, "most_usd": plan.most,
             "with_pages": list(plan.idle), "without_text": list(plan.empty)}
        )  # fmt: skip
        return
    for path in plan.empty:
        render.notice(f"{path} has no text that could be read")
        render.hint(f"atomic-agents wiki ingest {plan.agent} {path}")
    sources = {part.source.path for part in plan.parts}
    for path in sorted(sources):
        render.say(path)
    cost = "what it can cost is not known" if plan.most is None else f"at most {render.money(plan.most)}"
    render.say(f"{render.count(len(sources), 'source')} in {render.count(len(plan.parts), 'part')}; "
               f"{len(plan.idle):,} have pages that hold")  # fmt: skip
    render.say(f"about {plan.tokens:,} tokens to {plan.model}; {cost}, every answer being asked for twice")


def _say_distilled(done: Distilled, *, as_json: bool) -> None:
    for warning in dict.fromkeys(done.warnings):
        render.notice(warning)
    if as_json:
        pages = [{"source": source, "file": file, "revised": revised} for source, file, revised in done.pages]
        error = {"error": done.failure.as_json()} if done.failure else {}
        render.say_json(
            {"pages": pages, "refused": done.refused, "cost_usd": float(done.cost), "runs": done.runs, **error}
        )  # fmt: skip
        return
    for source, file, revised in done.pages:
        render.say(f"{'revised' if revised else 'wrote'} wiki/{file} from {source}")
    for why in done.refused:
        render.notice(f"refused {why}")
    if done.failure is not None:
        render.error(done.failure)
    render.say(f"{render.count(len(done.pages), 'page')}, {len(done.refused):,} refused, {render.money(done.cost)}")
