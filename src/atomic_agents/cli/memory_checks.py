"""memory: lint, audit, reindex, promote."""

import click

from atomic_agents.cli import render
from atomic_agents.cli.memory_verbs import ask, show
from atomic_agents.cli.options import common, dry_run_option, json_option, workspace, yes_option
from atomic_agents.core.errors import UsageError
from atomic_agents.memory.inventory import Finding
from atomic_agents.operations import changes
from atomic_agents.operations.workspace import Workspace

_MOST = 100
_WORDS = {
    "lint": "What is wrong with the notes of AGENT and their index; exit code 1 where there is anything.",
    "audit": "What of the notes of AGENT is junk; exit code 1 where there is anything.",
}


def _checking(name: str) -> click.Command:
    """`lint` and `audit`, which differ in what they look for."""

    def command(
        agent: str, every: bool, fix: bool, dry_run: bool, yes: bool, as_json: bool, root: str | None
    ) -> int:  # fmt: skip
        with workspace(root) as opened:
            agents = _agents(opened, agent, every=every)
            found = {each: changes.examine(opened, each, audited=name == "audit") for each in agents}
            if fix or dry_run:
                _mend(opened, name, found, dry_run=dry_run, yes=yes, as_json=as_json)
                return 0
        findings = [finding for each in found.values() for finding in each]
        if as_json:
            render.say_json({"counts": _counts(findings), "findings": [_as_json(finding) for finding in findings]})
        else:
            _show(name, findings)
        return int(bool(findings))

    for option in (
        click.argument("agent", required=False, default=""),
        click.option("--all", "every", is_flag=True, help="Of every agent."),
        click.option("--fix", is_flag=True, help="Make the changes that are proposed, after showing them."),
        dry_run_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        json_option,
    ):
        command = option(command)
    return click.command(name, help=_WORDS[name])(common(command))


@click.command("reindex")
@click.argument("agent")
@dry_run_option
@yes_option
@json_option
@common
def reindex_command(agent: str, dry_run: bool, as_json: bool, root: str | None) -> None:
    """Bring INDEX.md of AGENT up to date; hooks, order and sections stay, and a long one is split."""
    with workspace(root) as opened:
        act = changes.plan if dry_run else changes.do
        planned = act(
            opened, agent, changes.reindex(opened), what="reindex", reason="the index was not what the notes say"
        )
        show(agent, planned, dry_run=dry_run, as_json=as_json)


@click.command("promote")
@click.argument("agent")
@click.argument("notes", nargs=-1)
@click.option("--plan", "dry_run", is_flag=True, help="Show what would move, and why; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@common
def promote_command(
    agent: str, notes: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool, root: str | None
) -> None:  # fmt: skip
    """Move NOTES of AGENT into its persona, or those that have earned it; they stay, linked both ways."""
    with workspace(root) as opened:
        verb = changes.promote(opened, agent, notes)
        planned = changes.plan(opened, agent, verb, what="promote", reason="called upon again and again")
        if not as_json:
            for proposal in changes.proposals(opened, agent):
                render.talk(f"{proposal.file}: {proposal.why}")
        if not planned.change.changes or dry_run:
            show(agent, planned, dry_run=True, as_json=as_json)
            return
        if not as_json:
            for line in planned.diff:
                render.say(line)
        again = f"atomic-agents memory promote {agent} --yes"
        ask(f"change {', '.join(planned.documents)}", again, yes=yes, silent=as_json)
        changes.apply(opened, agent, planned.change)
    show(agent, changes.Plan(planned.change, planned.said, planned.diff if as_json else (), planned.id),
         dry_run=False, as_json=as_json)  # fmt: skip


def _agents(opened: Workspace, agent: str, *, every: bool) -> tuple[str, ...]:
    if bool(agent) == every:
        raise UsageError("name an agent, or say --all", hint="atomic-agents memory lint --all")
    opened.require()
    return opened.vault.survey().agents if every else (opened.vault.agent(agent).name,)


def _mend(
    opened: Workspace, name: str, found: dict[str, list[Finding]], *, dry_run: bool, yes: bool, as_json: bool
) -> None:  # fmt: skip
    for agent, findings in found.items():
        verb = changes.mend(opened, findings)
        planned = changes.plan(opened, agent, verb, what=f"{name} --fix", reason="proposed by lint and accepted")
        if not planned.change.changes or dry_run:
            show(agent, planned, dry_run=True, as_json=as_json)
            continue
        if not as_json:
            for line in planned.diff:
                render.say(line)
        question = f"change {render.count(len(planned.documents), 'document')} of {agent}"
        ask(question, f"atomic-agents memory {name} {agent} --fix --yes", yes=yes, silent=as_json)
        changes.apply(opened, agent, planned.change)
        left = sum(finding.fix is None for finding in findings)
        show(agent, changes.Plan(planned.change, planned.said, planned.diff if as_json else (), planned.id),
             dry_run=False, as_json=as_json)  # fmt: skip
        if left and not as_json:
            render.talk(f"{render.count(left, 'finding')} left for you")


def _show(name: str, findings: list[Finding]) -> None:
    for finding in findings[:_MOST]:
        render.say(f"{finding.where}: {finding.message} [{finding.rule}]")
        for line in render.hint_lines(finding.hint):
            render.say(line)
    if len(findings) > _MOST:
        render.say(f"and {len(findings) - _MOST:,} more; --json has all")
    if not findings:
        render.say("nothing to mend")
        return
    counts = ", ".join(f"{count:,} {rule}" for rule, count in _counts(findings).items())
    render.say(f"{render.count(len(findings), 'finding')}: {counts}")
    fixable = sum(finding.fix is not None for finding in findings)
    if fixable:
        render.hint(f"atomic-agents memory {name} AGENT --fix   ({fixable:,} of them can be mended so)")


def _counts(findings: list[Finding]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in sorted(findings, key=lambda finding: finding.rule):
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
    return counts


def _as_json(found: Finding) -> dict[str, object]:
    fix = {"verb": found.fix.verb, "file": found.fix.file, "other": found.fix.other} if found.fix else None
    return {"rule": found.rule, "path": found.path, "line": found.line, "message": found.message, "hint": found.hint,
            "fix": fix}  # fmt: skip


COMMANDS = (_checking("lint"), _checking("audit"), reindex_command, promote_command)
