"""upgrade."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents._version import __version__
from atomic_agents.cli import render
from atomic_agents.cli.options import common, workspace
from atomic_agents.cli.upkeep import stoppable
from atomic_agents.core.change import Change, ChangeSet
from atomic_agents.core.errors import MigrationRefused
from atomic_agents.doctor.check import Result
from atomic_agents.migration import preflight
from atomic_agents.migration.plan import Plan
from atomic_agents.migration.registry import Script
from atomic_agents.operations import templates, upgrade
from atomic_agents.operations.templates import TemplateUpgrades
from atomic_agents.operations.upgrade import News, Prospect, Restarted, Standing, Upgraded
from atomic_agents.operations.workspace import Workspace
from atomic_agents.vault.kinds import Kind
from atomic_agents.vault.unused import KEPT, Unused

_MOST_FINDINGS = 20


@click.command("upgrade")
@click.option(
    "--plan", "plan_only", is_flag=True, help="Show what is new, in the way and to be changed; write nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--templates", "take", is_flag=True, help="Take over what the agents' templates have changed.")
@click.option("--skip-unreadable", is_flag=True, help="Leave documents that cannot be migrated as they are.")
@click.option("--json", "as_json", is_flag=True, help="Events, one JSON object a line.")
@common
def upgrade_command(
    plan_only: bool, yes: bool, take: bool, skip_unreadable: bool, as_json: bool, root: str | None
) -> int:
    """Bring a vault to the installed package, whole or not at all.

    Shows what is new, what is in the way and what would change. Then it takes a snapshot, migrates, examines every
    agent and restarts services.
    """
    tell = _Telling(as_json=as_json)
    with stoppable(), workspace(root) as opened:
        found = upgrade.standing(opened, tell.progress)
        if found.is_current:
            if plan_only:
                tell.unused(upgrade.unused(opened, found))
            _templates(opened, tell, take=take, plan_only=plan_only)
            return tell.idle(found)
        tell.standing(found, str(opened.config.root))
        tell.news(upgrade.news(found), found)
        tell.unused(upgrade.unused(opened, found))
        prospect = upgrade.prospect(
            opened,
            found,
            skip_unreadable=skip_unreadable,
            may_lock=not plan_only,
            announce=tell.script,
            progress=tell.progress,
        )
        skipping = " --skip-unreadable" if skip_unreadable else ""
        tell.preflight(prospect)
        preflight.refuse(prospect.findings, skipping="atomic-agents upgrade --yes --skip-unreadable")
        if prospect.is_idle:
            _templates(opened, tell, take=take, plan_only=plan_only)
            return tell.idle(found)
        tell.plan(opened, prospect)
        if plan_only:
            _templates(opened, tell, take=take, plan_only=True)
            return tell.planned(prospect)
        if not (yes or _consent(f"atomic-agents upgrade{skipping} --yes", as_json=as_json)):
            render.say("nothing was changed")
            return 1
        return _carry_out(opened, prospect, tell, take=take)


def _consent(command: str, *, as_json: bool) -> bool:
    """Ask once, at a terminal; never elsewhere.

    Raises:
        MigrationRefused: there is nobody to ask.
    """
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise MigrationRefused("nobody is there to be asked; nothing was changed", hint=command)
    return click.confirm("upgrade this vault", err=True)


def _carry_out(opened: Workspace, prospect: Prospect, tell: "_Telling", *, take: bool) -> int:
    done = upgrade.carry_out(opened, prospect, on_snapshot=tell.snapshot, progress=tell.progress)
    tell.examined(done)
    _templates(opened, tell, take=take, plan_only=False)
    # Agents that fail a check are not started again by us: what they run on is for the operator to judge.
    services = () if done.broken else upgrade.restart(opened, prospect.services)
    for service in services:
        tell.service(service)
    return tell.verdict(prospect, done, services)


def _templates(opened: Workspace, tell: "_Telling", *, take: bool, plan_only: bool) -> None:
    """Offer what the templates have changed since the agents were made; it is taken over only where that is asked."""
    found = templates.changes(opened)
    if not (found.merged or found.conflicts or found.problems):
        return
    tell.templates(opened, found, shown=take)
    if take and not plan_only:
        tell.snapshot(templates.take_over(opened, found))


@dataclass
class _Telling:
    """Says what happens: to a person in words, to a program as one JSON object a line."""

    as_json: bool
    _phase: tuple[str, int] = ("", 0)

    @property
    def progress(self) -> Callable[[str, int, int], None]:
        """Where the phases report to."""
        return self._on_phase if self.as_json else render.progress()

    def _on_phase(self, phase: str, done: int, total: int) -> None:
        """Say where each phase begins and ends."""
        if phase != self._phase[0] or done >= total > self._phase[1]:
            self._event("phase", phase=phase, done=done, total=total)
        self._phase = (phase, done)

    def _event(self, event: str, **facts: object) -> None:
        click.echo(json.dumps({"event": event, **facts}, ensure_ascii=False, default=str))

    def idle(self, found: Standing) -> int:
        """There is nothing to do."""
        census = found.census
        if self.as_json:
            unreadable = [problem.as_json() for problem in census.unreadable]
            facts = {"from": census.version, "to": census.version, "unreadable": unreadable, "exit": 0}
            self._event("result", outcome="current", **facts)
            return 0
        if found.is_current:
            render.problems("warning", census.unreadable)
        left = "" if census.version >= CURRENT_SCHEMA_VERSION else f"; what is left at v{census.version} stays as it is"
        render.say(f"already current: v{CURRENT_SCHEMA_VERSION}, package {__version__}{left}")
        return 0

    def standing(self, found: Standing, root: str) -> None:
        """Where vault and package stand."""
        census = found.census
        if self.as_json:
            self._event(
                "versions", root=root, vault=census.version, highest=census.highest, current=CURRENT_SCHEMA_VERSION,
                documents=census.total, package=__version__, vault_package=found.package or None,
            )  # fmt: skip
            return
        wrote = f"last written by package {found.package}" if found.package else "which package wrote it is not known"
        render.say(f"vault      {root}")
        render.say(f"version    v{census.version}, {wrote}")
        render.say(f"package    {__version__}, which writes v{CURRENT_SCHEMA_VERSION}")

    def news(self, found: News, standing: Standing) -> None:
        """What an operator must know of the releases in between."""
        if self.as_json:
            self._event("news", known=found.known, sections=[section.as_json() for section in found.sections])
            return
        if not found.known:
            render.notice("this installation has no CHANGELOG.md; read what is new where the package came from")
            return
        since = f"since {standing.package}" if standing.package else f"in {__version__}"
        if not found.sections:
            render.say(f"news       nothing breaking, removed or deprecated {since}")
            return
        render.say(f"news       what is breaking, removed or deprecated {since}")
        for section in found.sections:
            render.say(f"\n{section.release}{f', {section.date}' if section.date else ''}: {section.kind}\n")
            render.say("\n".join(f"  {line}".rstrip() for line in section.text.splitlines()))
        render.say()

    def unused(self, found: Sequence[Unused]) -> None:
        """What is left of features that this package does not have, and what becomes of it."""
        if self.as_json:
            kinds = [{"kind": one.feature.plural, "count": len(one.paths), "paths": list(one.paths)} for one in found]
            self._event("unused", kinds=kinds, fate=KEPT)
            return
        for one in found:
            render.say(f"kept       {one.words}")
        if found:
            render.say(f"           {KEPT}")

    def script(self, script: Script) -> None:
        """A script of the vault is the operator's code: it is named before it runs."""
        if self.as_json:
            self._event("script", path=script.path, sha256=script.sha256)
        else:
            render.notice(f"{script.path} (sha256 {script.sha256}) is code of this vault and is run")

    def preflight(self, found: Prospect) -> None:
        """What was looked at before anything is written; a failure is said by the error that follows."""
        if self.as_json:
            self._event("preflight", findings=[finding.as_json() for finding in found.findings])
            return
        warnings = [finding for finding in found.findings if finding.state == "warn"]
        for finding in warnings[:_MOST_FINDINGS]:
            render.notice(finding.message)
            render.hint(finding.hint)
        if len(warnings) > _MOST_FINDINGS:
            render.talk(f"and {len(warnings) - _MOST_FINDINGS:,} more; --json has them all")

    def plan(self, opened: Workspace, found: Prospect) -> None:
        """How many documents of each kind would change, with an example of each."""
        plan = found.plan
        if self.as_json:
            self._event("plan", **_plan_json(plan), services=[one.label for one in found.services])
            return
        if plan is None or not found.would_change:
            render.say("plan       no document changes")
            return
        for kind, change in _examples(plan):
            for line in ChangeSet("", (change,)).diff(
                lambda path: blob.data if (blob := opened.store.read(path)) else None
            ):
                render.say(line)
            if plan.counts[kind] > 1:
                render.say(f"and {render.documents([(kind, plan.counts[kind] - 1)])} more")

    def planned(self, found: Prospect) -> int:
        """The verdict of `--plan`."""
        if self.as_json:
            self._event("result", outcome="planned", exit=0)
            return 0
        for service in found.services:
            render.say(f"service    {service.label}: {'would be restarted' if service.restart else service.note}")
        render.talk(render.command("to do it: atomic-agents upgrade"))
        render.say(f"plan: {_would(found)}; nothing was written")
        return 0

    def templates(self, opened: Workspace, found: TemplateUpgrades, *, shown: bool) -> None:
        """What the templates have changed: the diff where it is taken over, else how much there is."""
        if self.as_json:
            merged = [{"path": one.path, "added": one.added} for one in found.merged]
            left = [{"path": one.path, "why": one.why, "lines": list(one.lines)} for one in found.conflicts]
            self._event("templates", merged=merged, conflicts=left, problems=[one.as_json() for one in found.problems])
            return
        render.problems("warning", found.problems)
        if not shown:
            files = render.count(len(found.merged) + len(found.conflicts), "file")
            render.talk(f"templates  {files} of the templates changed since the agents were made")
            render.hint("atomic-agents upgrade --templates --plan")
            return
        paths = {one.path for one in found.merged}
        merged_files = ChangeSet("", tuple(one for one in found.changes if one.path in paths))
        for line in merged_files.diff(lambda path: blob.data if (blob := opened.store.read(path)) else None):
            render.say(line)
        for conflict in found.conflicts:
            render.notice(f"{conflict.path} stays as it is: {conflict.why}")
            for line in conflict.lines:
                render.talk(line)
            render.hint(conflict.hint)

    def snapshot(self, name: str) -> None:
        """The way back, before anything else is written."""
        if self.as_json:
            self._event("snapshot", name=name)
        else:
            render.say(f"snapshot   {name}")

    def examined(self, done: Upgraded) -> None:
        """What doctor says of the vault and of every agent now."""
        if self.as_json:
            broken = [one.as_json() for one in done.broken]
            self._event("doctor", findings=[one.as_json() for one in done.findings], broken=broken)
            return
        if done.report:
            render.say(f"report     {done.report}")
        known = [one for one in done.findings if one not in done.broken]
        for label, results in (("warning", known), ("error", done.broken)):
            _say_results(label, results)

    def service(self, done: Restarted) -> None:
        """What became of a service."""
        if self.as_json:
            self._event("service", **done.as_json())
        elif done.state == "not restarted":
            render.notice(f"{done.service.label} was not restarted: {done.why}")
            render.hint(done.command)
        else:
            render.say(f"service    {done.service.label}: {done.why or done.state}")

    def verdict(self, found: Prospect, done: Upgraded, services: Sequence[Restarted]) -> int:
        """The last line, and the exit code."""
        code = 1 if done.broken else 0
        if self.as_json:
            manual = [one.command for one in services if one.state == "not restarted"]
            outcome = "not ready" if done.broken else "upgraded"
            facts = {**_plan_json(found.plan), "snapshot": done.snapshot, "report": done.report, "manual": manual}
            self._event("result", outcome=outcome, **facts, exit=code)
            return code
        if done.snapshot:
            render.talk(render.command(f"to undo it: python -m atomic_agents.migrate --rollback {done.snapshot}"))
        if done.broken:
            broken = render.count(len(done.broken), "check that passed before fails", "checks that passed before fail")
            running = [service.label for service in found.services if service.restart or service.by_hand]
            held = f"; not restarted: {', '.join(running)}" if running else ""
            render.say(f"{_did(found)}, and {broken} now{held}")
        else:
            render.say(_did(found))
        return code


def _say_results(label: str, results: Sequence[Result]) -> None:
    """What doctor found; the same for many agents is said once."""
    agents: dict[tuple[str, str, str], list[str]] = {}
    for one in results:
        agents.setdefault((one.check, one.finding.message, one.finding.hint), []).append(one.agent)
    for (check, message, hint), names in list(agents.items())[:_MOST_FINDINGS]:
        whose = f" [{', '.join(names)}]" if all(names) else ""
        render.talk(f"{label}: {check}{whose}: {message}")
        render.hint(hint)
    if len(agents) > _MOST_FINDINGS:
        render.talk(render.command(f"and {len(agents) - _MOST_FINDINGS:,} more: atomic-agents doctor"))


def _examples(plan: Plan) -> Iterator[tuple[Kind, Change]]:
    """The first change of each kind."""
    seen: set[Kind] = set()
    changes = plan.changes.changes
    for number, document in enumerate(plan.documents):
        if document.kind not in seen:
            seen.add(document.kind)
            yield document.kind, changes[number]


def _would(found: Prospect) -> str:
    if found.plan is None or not found.would_change:
        return f"package {found.standing.package} to {__version__}, and no document would change"
    by = ", ".join(step.name for step in found.plan.steps)
    counts = render.documents(found.plan.counts.items())
    return f"v{found.plan.from_version} to v{found.plan.target} by {by} would change {counts}"


def _did(found: Prospect) -> str:
    if found.plan is None or not found.would_change:
        return f"upgraded from package {found.standing.package} to {__version__}: no document had to change"
    versions = f"v{found.plan.from_version} to v{found.plan.target}"
    return f"upgraded from {versions}: {render.documents(found.plan.counts.items())}"


def _plan_json(plan: Plan | None) -> dict[str, object]:
    if plan is None:
        version = CURRENT_SCHEMA_VERSION
        return {"from": version, "to": version, "steps": [], "counts": {}, "skipped": []}
    return {
        "from": plan.from_version,
        "to": plan.target,
        "steps": [{"name": step.name, "sha256": step.sha256} for step in plan.steps],
        "counts": {kind.value: number for kind, number in plan.counts.items()},
        "skipped": [problem.as_json() for problem in plan.skipped],
    }
