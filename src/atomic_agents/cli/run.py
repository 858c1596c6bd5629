"""run, prompt."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from atomic_agents.cli import render
from atomic_agents.cli.options import common, json_option, workspace
from atomic_agents.core.errors import UsageError
from atomic_agents.core.values import Usd, parse_usd
from atomic_agents.operations import runs, shapes
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime import replay
from atomic_agents.runtime.order import Order, Result
from atomic_agents.vault import hands

if TYPE_CHECKING:
    from atomic_agents.runtime.conversation import Talk

_TRIGGERS = ("manual", "cron", "skill", "api")


@click.command("run")
@click.argument("agent")
@click.option("--work-item", required=True, metavar="TEXT", help="What to do; - reads standard input.")
@click.option("--model", metavar="ID", help="Another model than model.md states.")
@click.option(
    "--trigger", type=click.Choice(_TRIGGERS), default="manual", show_default=True, help="What starts it, for the log."
)
@click.option("--critical", is_flag=True, help="Pass the daily cap once.")
@click.option("--max-cost", metavar="USD", help="The most this run may cost.")
@click.option("--conversation", metavar="ID", help="Go on with a conversation, or begin it; `new` makes an id.")
@click.option("--idempotency-key", metavar="KEY", help="Ask once: the same key again gives the same answer.")
@click.option("--no-capture", "--no-write-captures", "no_capture", is_flag=True, help="Remember nothing.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is whole.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent and the most it can cost.")
@json_option
@common
def run_command(
    agent: str, work_item: str, model: str | None, trigger: str, critical: bool, max_cost: str | None,
    conversation: str | None, idempotency_key: str | None, no_capture: bool, no_stream: bool, dry_run: bool,
    as_json: bool, root: str | None,
) -> int:  # fmt: skip
    """Run AGENT on a work item. The answer goes to standard output, everything else to standard error."""
    item = _work_item(work_item)
    with workspace(root) as opened:
        if not dry_run:
            _meet_answers(opened)
        talk = _talk(opened, conversation)
        if dry_run:
            order = Order(item, trigger, critical, not no_capture)
            _show(runs.preview(opened, agent, order, model_id=model, talk=talk), as_json=as_json)
            return 0
        streamed = streams(no_stream=no_stream, as_json=as_json)
        key = _key(idempotency_key, item, model, conversation)
        order = Order(item, trigger, critical, not no_capture, usd(max_cost), key)
        result = runs.run(
            opened, agent, order, model_id=model, on_text=printed(streams=streamed), on_notice=render.notice, talk=talk
        )  # fmt: skip
        if result.replayed and conversation == "new":  # it was begun by the run that answered first
            talk = None
        return finish(result, talk, as_json=as_json, streamed=streamed and not result.replayed)


@click.command("prompt")
@click.argument("agent")
@click.option("--work-item", default="", metavar="TEXT", help="What the run would be asked to do.")
@click.option("--model", metavar="ID", help="Another model than model.md states.")
@click.option(
    "--trigger", type=click.Choice(_TRIGGERS), default="manual", show_default=True, help="What starts it, for the log."
)
@json_option
@common
def prompt_command(
    agent: str, work_item: str, model: str | None, trigger: str, as_json: bool, root: str | None
) -> None:
    """The exact prompt that a run of AGENT would send now."""
    with workspace(root) as opened:
        _show(runs.preview(opened, agent, Order(work_item, trigger), model_id=model), as_json=as_json)


def _meet_answers(opened: Workspace) -> None:
    """What you have answered in a request's document takes effect; nearly always nothing waits."""
    if next(iter(opened.store.paths(hands.WAITING)), None) is not None:
        from atomic_agents.operations import approvals  # noqa: PLC0415 - 10 ms that only then have to be paid

        approvals.meet_answers(opened, render.notice)


def _show(found: runs.Preview, *, as_json: bool) -> None:
    *earlier, asked = found.request.messages
    if as_json:
        sections = [
            {"title": part.title, "tokens": part.tokens, "stable": part.stable, "text": part.text}
            for part in found.prompt.sections
        ]
        most = None if found.most is None else float(found.most)
        render.say_json(
            {"model": found.model, "most_usd": most, "tokens": found.tokens, "cut": list(found.prompt.cut),
             "sections": sections, "system": list(found.request.system), "work_item": asked.text,
             "tools": [tool.name for tool in found.request.tools],
             "messages": [{"role": message.role, "text": message.text} for message in found.request.messages]}
        )  # fmt: skip
        return
    for part in found.prompt.parts:
        render.say(part)
        render.say()
    for message in earlier:
        render.say(f"[{message.role}] {message.text}")
        render.say()
    if asked.text:
        render.say(f"[work item] {asked.text}")
    for section in found.prompt.sections:
        render.talk(
            f"{section.tokens:>8,} tokens  {section.title}{'  (cut)' if section.title in found.prompt.cut else ''}"
        )
    if earlier:
        render.talk(f"{found.earlier_tokens:>8,} tokens  earlier turns")
    if found.request.tools:
        render.talk(f"{found.tool_tokens:>8,} tokens  tools")
    sum_ = "an unknown sum" if found.most is None else render.money(found.most)
    render.talk(f"{found.tokens:>8,} tokens in all; {found.model}; one request can cost at most {sum_}")
    if found.too_long:
        render.notice(f"this would be refused: {found.too_long.message}")
        render.hint(found.too_long.hint)


def streams(*, no_stream: bool, as_json: bool) -> bool:
    """Whether an answer is printed as it comes."""
    return sys.stdout.isatty() and not (no_stream or as_json)


def printed(*, streams: bool) -> Callable[[str], None]:
    """What an answer is handed to as it comes."""
    return (lambda text: click.echo(text, nl=False)) if streams else lambda _text: None


def finish(result: Result, talk: "Talk | None", *, as_json: bool, streamed: bool) -> int:
    """Print what came of a run; its exit code."""
    status = result.failure.exit_status if result.failure else 0
    if as_json:
        render.say_json(shapes.result(result) | ({"conversation": talk.id} if talk else {}))
        return status
    if streamed and result.text:
        render.say()
    elif result.text:
        render.say(result.text)
    for warning in result.warnings:
        render.notice(warning)
    for outcome in result.captures:
        render.talk(outcome.message)
    if result.failure is not None:
        render.error(result.failure)
    tokens = f"{result.input_tokens:,} tokens in, {result.output_tokens:,} out, " if result.input_tokens else ""
    cost, took = render.money(result.cost), render.duration(result.latency_ms)
    if talk is not None:
        render.talk(f"conversation {talk.id}")
    ending = "answered before" if result.replayed else result.ending
    render.talk(f"{result.agent}: {ending}, {result.model}, {tokens}{cost}, {took}")
    return status


def _talk(opened: Workspace, conversation: str | None) -> "Talk | None":
    if conversation is None:
        return None
    from atomic_agents.operations import conversations  # noqa: PLC0415 - 3 ms that only a conversation needs

    return conversations.talk(opened, conversation)


def _key(name: str | None, item: str, model: str | None, conversation: str | None) -> replay.Key | None:
    if name is None:
        return None
    return replay.key(name, work_item=item, model=model or "", conversation=conversation or "")


def _work_item(text: str) -> str:
    item = sys.stdin.read() if text == "-" else text
    if not item.strip():
        raise UsageError(
            "the work item is empty", hint="--work-item 'what to do', or --work-item - with text on standard input"
        )
    return item.strip()


def usd(text: str | None) -> Usd | None:
    """A sum of money as an option has it."""
    if text is None:
        return None
    amount = parse_usd(text)
    if amount is None:
        raise UsageError(f"--max-cost is {text!r}; a number in USD is needed", hint="--max-cost 0.50")
    return amount
