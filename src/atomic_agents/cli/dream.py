"""dream: start, list, show, review, apply, revert, discard."""

import shlex
import sys
from collections.abc import Iterable

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, dry_run_option, json_option, show_help, workspace, yes_option
from atomic_agents.cli.run import usd
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import UsageError
from atomic_agents.memory import dream
from atomic_agents.memory.dream import STATES, Dream, Hunk
from atomic_agents.operations import dreaming, dreams
from atomic_agents.operations.dreaming import Plan, Wish
from atomic_agents.operations.dreams import Applied
from atomic_agents.operations.workspace import Workspace


class _Verbs(click.Group):
    """The verbs; a first word that is none of them is the agent that is to dream."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb of `args`, or `start` where only options follow."""
        is_agent = args[0] not in self.commands and all(each.startswith("-") for each in args[1:2])
        return super().resolve_command(ctx, ["start", *args] if is_agent else args)


@click.group(
    "dream", cls=_Verbs, invoke_without_command=True, subcommand_metavar="AGENT | COMMAND [ARGS]..."
)  # fmt: skip
@click.pass_context
def dream_command(ctx: click.Context) -> None:
    """Have an agent go through its notes; what it decides waits for you, hunk by hunk.

    `dream AGENT` is `dream start AGENT`.
    """
    show_help(ctx)


@dream_command.command("start")
@click.argument("agent")
@click.option(
    "--plan", "plan_only", is_flag=True, help="Show what would be read and the most it can cost; ask nothing."
)
@click.option("--dry-run", "plan_only", is_flag=True, help="The same.")
@click.option("--instructions", default="", metavar="TEXT", help="What to look for, in your words.")
@click.option(
    "--journal-lookback", "days", type=click.IntRange(0), default=30, show_default=True, metavar="DAYS",
    help="How much of the journal to read.",
)  # fmt: skip
@click.option("--model", metavar="ID", help="Another model than model.md states.")
@click.option("--critical", is_flag=True, help="Pass the daily cap once.")
@click.option("--max-cost", metavar="USD", help="The most this dream may cost; default what --plan says.")
@json_option
@common
def start_command(
    agent: str, plan_only: bool, instructions: str, days: int, model: str | None, critical: bool, max_cost: str | None,
    as_json: bool, root: str | None,
) -> int:  # fmt: skip
    """Read AGENT's notes and journal, whole, and ask its model what is wrong between them. No note is changed."""
    wish = Wish(instructions, days, critical, usd(max_cost))
    with workspace(root) as opened:
        if plan_only:
            _say_plan(dreaming.plan(opened, agent, wish, model_id=model), as_json=as_json)
            return 0
        found = dreaming.have(
            opened, agent, wish, model_id=model, on_notice=render.notice, progress=render.progress()
        )  # fmt: skip
    for warning in found.warnings:
        render.notice(warning)
    if as_json:
        error = {"error": found.failure.as_json()} if found.failure else {}
        render.say_json({**_json(found.dream), "runs": list(found.runs), **error})
    else:
        _say_dream(found.dream)
        if found.failure is not None:
            render.error(found.failure)
    return found.failure.exit_status if found.failure else 0


@dream_command.command("list")
@click.argument("agent")
@json_option
@common
def list_command(agent: str, as_json: bool, root: str | None) -> None:
    """The dreams of AGENT, the newest first."""
    with workspace(root) as opened:
        found, problems = dreams.dreams(opened, agent)
    if as_json:
        listed = [{key: value for key, value in _json(one).items() if key != "hunks"} for one in found]
        render.say_json({"dreams": listed, "problems": [problem.as_json() for problem in problems]})
        return
    render.problems("warning", problems)
    if not found:
        render.talk(f"{agent} has not dreamt yet")
        render.hint(f"atomic-agents dream {agent} --plan")
        return
    rows = [
        (one.id, one.status, *(f"{one.count(state):,}" for state in STATES), render.money(one.cost)) for one in found
    ]
    render.table(rows, ("dream", "status", *STATES, "cost"))


@dream_command.command("show")
@click.argument("agent")
@click.argument("dream_id", metavar="[ID]", required=False)
@click.option("--full", is_flag=True, help="The whole text of each note before and after, instead of what differs.")
@json_option
@common
def show_command(agent: str, dream_id: str | None, full: bool, as_json: bool, root: str | None) -> None:
    """The hunks of a dream of AGENT; without ID of the newest."""
    with workspace(root) as opened:
        found = dreams.find(opened, agent, dream_id)
    if as_json:
        render.say_json(_json(found))
        return
    for each in found.dropped:
        render.notice(f"left out of the answers: {each}")
    for hunk in found.hunks:
        _say_hunk(found, hunk, full=full)
    _say_dream(found)


@dream_command.command("review")
@click.argument("agent")
@click.argument("dream_id", metavar="[ID]", required=False)
@click.option("--accept", metavar="1,3|all", help="Hunks to accept; `all` is every open one.")
@click.option("--reject", metavar="2|all", help="Hunks to reject.")
@json_option
@common
def review_command(
    agent: str, dream_id: str | None, accept: str | None, reject: str | None, as_json: bool, root: str | None
) -> None:  # fmt: skip
    """Accept or reject the hunks of a dream of AGENT, at a terminal one question each. No note is changed."""
    with workspace(root) as opened:
        found = dreams.find(opened, agent, dream_id)
        if accept is None and reject is None:
            verdicts = _ask(found, as_json=as_json)
        else:
            verdicts = _verdicts(found, accept, reject)
        found = dreams.review(opened, found, verdicts)
    if as_json:
        render.say_json(_json(found))
    else:
        _say_dream(found)


@dream_command.command("apply")
@click.argument("agent")
@click.argument("dream_id", metavar="[ID]", required=False)
@dry_run_option
@yes_option
@json_option
@common
def apply_command(agent: str, dream_id: str | None, dry_run: bool, as_json: bool, root: str | None) -> int:
    """Carry out the accepted hunks of a dream of AGENT as one change; those whose notes have changed since stay."""
    with workspace(root) as opened:
        done = dreams.apply(opened, dreams.find(opened, agent, dream_id), dry_run=dry_run)
        return _say_applied(opened, done, "applied", dry_run=dry_run, as_json=as_json)


@dream_command.command("revert")
@click.argument("agent")
@click.argument("dream_id", metavar="[ID]", required=False)
@dry_run_option
@yes_option
@json_option
@common
def revert_command(agent: str, dream_id: str | None, dry_run: bool, as_json: bool, root: str | None) -> int:
    """Take back what `apply` has done: all of it, or nothing where one of the notes has changed since."""
    with workspace(root) as opened:
        done = dreams.revert(opened, dreams.find(opened, agent, dream_id), dry_run=dry_run)
        return _say_applied(opened, done, "taken back", dry_run=dry_run, as_json=as_json)


@dream_command.command("discard")
@click.argument("agent")
@click.argument("dream_id", metavar="ID")
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@common
def discard_command(agent: str, dream_id: str, dry_run: bool, yes: bool, as_json: bool, root: str | None) -> None:
    """Throw a dream of AGENT away; what it cost stays in the log."""
    with workspace(root) as opened:
        found = dreams.find(opened, agent, dream_id)
        if not (yes or dry_run):
            command = shlex.join(["atomic-agents", "dream", "discard", agent, found.id, "--yes"])
            _require_terminal(f"{found.id} would be deleted for good", command, as_json=as_json)
            click.confirm(f"delete {found.id} for good?", abort=True, err=True)
        gone = dreams.discard(opened, found, dry_run=dry_run)
    if as_json:
        render.say_json({"deleted": list(gone.paths), "dry_run": dry_run})
    else:
        documents = render.count(len(gone.paths), "document")
        words = f"would delete {documents}; nothing was changed" if dry_run else f"deleted {documents}"
        render.say(f"{'dry run: ' if dry_run else ''}{words}")


def _say_plan(plan: Plan, *, as_json: bool) -> None:
    most = None if plan.most is None else float(plan.most)
    if as_json:
        parts = [{"files": list(part.files), "most_usd": part.most} for part in plan.questions]
        render.say_json(
            {"agent": plan.agent, "model": plan.model, "notes": plan.notes, "days": plan.days, "tokens": plan.tokens,
             "most_usd": most, "parts": parts, "too_long": list(plan.too_long),
             "problems": [problem.as_json() for problem in plan.problems]}
        )  # fmt: skip
        return
    render.problems("warning", plan.problems)
    _say_too_long(plan.agent, plan.too_long)
    days = render.count(plan.days, "day of the journal", "days of the journal")
    render.say(f"{render.count(plan.notes, 'note')} and {days} in {render.count(len(plan.questions), 'part')}, whole")
    cost = "what it can cost is not known" if plan.most is None else f"at most {render.money(plan.most)}"
    render.say(f"about {plan.tokens:,} tokens to {plan.model}; {cost}, every answer being asked for twice")


def _say_too_long(agent: str, files: Iterable[str]) -> None:
    for file in files:
        render.notice(f"{file} is too long to be read whole, and is left out")
        render.hint(f"raise max_input_tokens in {agent}/model.md, or split {file}")


def _say_hunk(found: Dream, hunk: Hunk, *, full: bool) -> None:
    render.say(f"{dream.title(hunk)}  ({hunk.state})")
    render.say(f"  {hunk.reason}")
    if hunk.left_out:
        render.say(f"  figures that are not in the new text: {', '.join(hunk.left_out)}")
    if hunk.blocked:
        render.say(f"  cannot be applied: {hunk.blocked}")
    elif not hunk.pieces:
        render.say(f"  yours to settle: atomic-agents memory show {found.agent} {hunk.files[0]}")
    if full:
        for piece in hunk.pieces:
            for name, text in (("before", piece.before), ("after", piece.after)):
                render.say(f"\n=== {piece.file}, {name}\n{'(no note)' if text is None else text.rstrip()}")
    else:
        for line in dream.diff(found.agent, hunk):
            render.say(line)
    render.say()


def _say_dream(found: Dream) -> None:
    too_long = found.facts.get("too_long")
    _say_too_long(found.agent, map(str, too_long) if isinstance(too_long, list) else ())
    states = ", ".join(f"{found.count(state):,} {state}" for state in STATES if found.count(state))
    hunks = f"{render.count(len(found.hunks), 'hunk')} ({states})" if states else "nothing to change"
    render.say(f"{found.id}: {found.status}, {hunks}, {render.money(found.cost)}")
    if found.count("open") or found.count("accepted"):
        render.hint(f"atomic-agents dream {'review' if found.count('open') else 'apply'} {found.agent} {found.id}")


def _say_applied(opened: Workspace, done: Applied, verb: str, *, dry_run: bool, as_json: bool) -> int:
    found, status = done.dream, 5 if done.refused and not done.hunks else 0
    if as_json:
        refused = [{"hunk": number, "why": why} for number, why in done.refused]
        numbers = [hunk.number for hunk in done.hunks]
        render.say_json({"id": found.id, "hunks": numbers, "refused": refused, "dry_run": dry_run})
        return status
    if dry_run:
        _say_diff(opened, done.changes)
    for number, why in done.refused:
        render.notice(f"hunk {number} is refused: {why}")
    if done.refused:
        render.hint(f"atomic-agents dream {found.agent}, which reads the notes as they are now")
    words = f"{'would be ' if dry_run else ''}{verb}"
    render.say(f"{found.id}: {render.count(len(done.hunks), 'hunk')} {words}, {len(done.refused):,} refused")
    return status


def _say_diff(opened: Workspace, changes: ChangeSet) -> None:
    notes = tuple(change for change in changes if "/memory/" in change.path and "/memory/." not in change.path)
    for line in ChangeSet("", notes).diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
        render.say(line)


def _ask(found: Dream, *, as_json: bool) -> dict[int, bool]:
    """One question for each open hunk; what is answered before `q` counts."""
    command = f"atomic-agents dream review {found.agent} {found.id} --accept 1 --reject 2"
    _require_terminal("hunks are accepted or rejected one by one", command, as_json=as_json)
    verdicts: dict[int, bool] = {}
    for hunk in found.hunks:
        if hunk.state != "open":
            continue
        _say_hunk(found, hunk, full=False)
        answer = click.prompt(
            "accept (y), reject (n), later (l), stop (q)", type=click.Choice("ynlq"), show_choices=False, err=True
        )
        if answer == "q":
            break
        if answer != "l":
            verdicts[hunk.number] = answer == "y"
    return verdicts


def _verdicts(found: Dream, accept: str | None, reject: str | None) -> dict[int, bool]:
    verdicts: dict[int, bool] = {}
    for text, verdict in ((accept, True), (reject, False)):
        for number in _numbers(found, text):
            if verdicts.setdefault(number, verdict) is not verdict:
                raise UsageError(f"hunk {number} is both accepted and rejected", hint="name it once")
    return verdicts


def _numbers(found: Dream, text: str | None) -> list[int]:
    if text is None:
        return []
    if text.strip() == "all":
        return [hunk.number for hunk in found.hunks if hunk.state == "open"]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdecimal() for part in parts):
        raise UsageError(f"{text!r} names no hunks", hint="--accept 1,3, or --accept all")
    return [int(part) for part in parts]


def _require_terminal(what: str, command: str, *, as_json: bool) -> None:
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{what}, and nobody is there to be asked", hint=command)


def _json(found: Dream) -> dict[str, object]:
    hunks = [dream.as_json(hunk) for hunk in found.hunks]
    states = {state: found.count(state) for state in STATES}
    error = {"failed": found.facts["error"]} if found.facts.get("error") else {}
    return {"id": found.id, "agent": found.agent, "status": found.status, "model": found.facts.get("model"),
            "cost_usd": float(found.cost), "started_at": found.facts.get("started_at"), **states, **error,
            "dropped": list(found.dropped),
            "hunks": hunks}  # fmt: skip
