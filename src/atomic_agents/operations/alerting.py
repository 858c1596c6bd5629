"""Tell the operator what happened while nobody looked: each alert once, on the channels that `policy.md` states."""

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from atomic_agents._schema import CURRENT_SCHEMA_VERSION
from atomic_agents.budget import alerts, deliveries
from atomic_agents.budget.alerts import Alert
from atomic_agents.budget.deliveries import Delivery, History
from atomic_agents.core.change import ABSENT, ChangeSet, Put
from atomic_agents.core.channel import Channel, Message
from atomic_agents.core.ending import Ending
from atomic_agents.core.errors import AgentMissing, ApprovalNeeded, AtomicAgentsError
from atomic_agents.guard.secrets import redact, redacted
from atomic_agents.operations.sending import Mailing, Outcome, send
from atomic_agents.operations.workspace import Workspace
from atomic_agents.runtime.order import Result
from atomic_agents.vault import channels, journal, layout, settings

_LOCK = "alerts"
_LOCK_WAIT = 5.0
_VERSION = 1
_LONGEST = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass
class Watch:
    """Watches over a run, or over what is asked on an errand, and tells what came of it when it is left.

    `raised` is what its caps have to say; `result` is what it ended with, where it did.
    """

    workspace: Workspace
    agent: str
    trigger: str
    on_notice: Callable[[str], None]
    raised: list[Alert] = field(default_factory=list)
    result: Result | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and not isinstance(error, AtomicAgentsError):
            return
        self._look_at(error or (self.result.failure if self.result else None))
        said = tell(self.workspace, self.raised)
        if self.result is None:
            for words in said:
                self.on_notice(words)
        else:
            self.result = replace(self.result, warnings=(*self.result.warnings, *said))

    def _look_at(self, failure: AtomicAgentsError | None) -> None:
        stopped = any(alert.kind == "cap-stops" for alert in self.raised)
        if isinstance(failure, ApprovalNeeded) and self.result is not None:
            asked = failure.context.get("approvals")
            ids = [str(each) for each in asked] if isinstance(asked, list) else []
            self.raised += alerts.of_request(self.result.agent, self.result.run_id, ids, failure.message)
        elif failure is not None and not stopped and not isinstance(failure, ApprovalNeeded):
            self.raised += alerts.of_failure(
                self.agent.strip("/"), self.trigger, self.workspace.clock().date(),
                ending=self.result.ending if self.result else Ending.ERROR, code=failure.code,
                message=failure.message, run_id=self.result.run_id if self.result else "",
            )  # fmt: skip


def tell(workspace: Workspace, raised: Sequence[Alert]) -> list[str]:
    """Record and send what is told for the first time, and what could not be sent before; nothing is ever raised.

    Returns what the person at the door is to know: thresholds that are reached, channels that failed.
    """
    if not workspace.exists():
        return []
    try:
        return _tell(workspace, [_clean(alert, workspace.secrets) for alert in raised])
    except AtomicAgentsError as error:
        return [f"the alerts of this run could not be told: {error.message}"]


def outstanding(workspace: Workspace) -> tuple[list[str], datetime.datetime | None]:
    """The alerts, by key, that `tell` would send now, and when the next one may be tried again; nothing is written."""
    now = workspace.clock()
    known = deliveries.history(workspace.store, now)
    new = [] if _is_broken(workspace) else [alert.key for alert in known.new((), now)]
    keys = dict.fromkeys([*new, *(delivery.key for delivery in known.pending(now))])
    later = [sent.again_at for sent in known.sent.values() if sent.again_at is not None and sent.again_at > now]
    return list(keys), min(later, default=None)


def open_channels(workspace: Workspace) -> dict[str, Channel]:
    """The channels that `policy.md` states without an error, by kind."""
    return {each.kind: workspace.make_channel(each) for each in _stated(workspace)}


def try_channels(workspace: Workspace) -> dict[str, Outcome]:
    """Send a message through each channel now, and say what came of it, by kind; nothing is recorded."""
    alert = Alert("test", "test", "", "this is a test: alerts of this vault arrive here")
    message = _message(workspace, alert, workspace.clock())
    mailings = {kind: Mailing(channel, [message]) for kind, channel in open_channels(workspace).items()}
    send(list(mailings.values()))
    return {kind: _told(workspace, mailing.finished()[0]) for kind, mailing in mailings.items()}


def _tell(workspace: Workspace, raised: Sequence[Alert]) -> list[str]:
    now = workspace.clock()
    known = deliveries.history(workspace.store, now)
    if not known.new(raised, now) and not known.pending(now):
        return []
    with workspace.store.lock(_LOCK, wait=_LOCK_WAIT):
        known = deliveries.history(workspace.store, now)
        new = known.new(raised, now)
        said = [alert.words for alert in new if alert.kind == "cap-reached"]
        if _is_broken(workspace):  # what is new waits until somebody has mended it
            new = [alert for alert in new if alert.key not in known.raised]
            lines = [deliveries.line_of(alert, now) for alert in new]
        else:
            lines = [deliveries.line_of(alert, now, _route(workspace, alert, said)) for alert in new]
        for line in lines:
            known.add(line)
        pending = known.pending(now)
        _record(workspace, [*lines, *(deliveries.step(delivery, "sending", now) for delivery in pending)], now)
    outcomes = _send(workspace, known, pending)
    after = workspace.clock()
    lines = [deliveries.step(at, outcome.state, after, outcome.why) for at, outcome in outcomes.items()]
    for line in lines:
        known.add(line)
    _record(workspace, lines, after)
    return [*said, *_troubles(known, outcomes)]


def _record(workspace: Workspace, lines: Sequence[Mapping[str, object]], now: datetime.datetime) -> None:
    if lines:
        changes = tuple(deliveries.append(line, now) for line in lines)
        workspace.store.apply(ChangeSet("what the operator is told", changes))


def _send(workspace: Workspace, known: History, pending: Sequence[Delivery]) -> dict[Delivery, Outcome]:
    """Send everything that may be sent; what `policy.md` does not state any more is refused."""
    opened = open_channels(workspace) if pending else {}
    found: dict[Delivery, Outcome] = {}
    by_channel: dict[str, list[Delivery]] = {}
    for delivery in pending:
        if delivery.channel == channels.JOURNAL:
            found[delivery] = _into_journal(workspace, known.raised[delivery.key].alert)
        elif delivery.channel in opened:
            by_channel.setdefault(delivery.channel, []).append(delivery)
        else:
            found[delivery] = Outcome("failed", "policy.md does not state it any more")
    mailings = {}
    for kind, its in by_channel.items():
        raised = [known.raised[delivery.key] for delivery in its]
        mailings[kind] = Mailing(opened[kind], [_message(workspace, each.alert, each.at) for each in raised])
    send(list(mailings.values()))
    for kind, its in by_channel.items():
        found |= zip(its, mailings[kind].finished(), strict=True)
    return {at: _told(workspace, outcome) for at, outcome in found.items()}


def _told(workspace: Workspace, outcome: Outcome) -> Outcome:
    """The outcome in words that may be shown."""
    return replace(outcome, why=_line(redact(outcome.why, workspace.secrets)))


def _into_journal(workspace: Workspace, alert: Alert) -> Outcome:
    now = workspace.clock()
    path = layout.journal_day(alert.agent, now.date())
    try:
        blob = workspace.store.read(path)
        before = blob.data.decode(errors="surrogateescape") if blob else ""
        text = journal.append(before, f"- {now:%H:%M} {alert.words}", day=now.date(), agent=alert.agent)
        put = Put(path, text.encode(errors="surrogateescape"), expect=blob.revision if blob else ABSENT)
        workspace.store.apply(ChangeSet(f"alert {alert.agent}", (put,)))
    except AtomicAgentsError as error:
        return Outcome("failed", error.message)
    return Outcome("sent")


def _route(workspace: Workspace, alert: Alert, said: list[str]) -> tuple[str, ...]:
    """The channels that an alert takes; where its settings name one that is not there, that is said."""
    kinds = tuple(each.kind for each in _stated(workspace))
    chosen = _chosen(workspace, alert)
    if chosen in ("", channels.LOG_ONLY):
        return () if chosen else kinds
    if chosen != channels.JOURNAL and chosen not in kinds:
        said.append(f"an alert is sent nowhere: alert_channel is {chosen}, and policy.md states no alerts.{chosen}")
        return ()
    return (chosen,)


def _chosen(workspace: Workspace, alert: Alert) -> str:
    """The `alert_channel` that holds for an alert; "" where there is no such agent."""
    vault = workspace.vault
    try:
        model = vault.settings(vault.agent(alert.agent)).model
    except AgentMissing:
        return ""
    return (model.shared if alert.whose == "vault" else model.guardrails).alert_channel


def _stated(workspace: Workspace) -> tuple[channels.ChannelSettings, ...]:
    policy = _policy(workspace)
    readable = policy is not None and policy.version <= CURRENT_SCHEMA_VERSION
    return channels.stated(policy.values.get("alerts")) if policy and readable else ()


def _is_broken(workspace: Workspace) -> bool:
    """Whether what `policy.md` says about alerts cannot be told."""
    policy = _policy(workspace)
    errors = [problem for problem in policy.problems if problem.severity == "error"] if policy else []
    return bool(policy and errors and "alerts" not in policy.values)


def _policy(workspace: Workspace) -> settings.Settings | None:
    return workspace.vault.settings_of(layout.settings("", "policy.md"), "policy.md")


def _message(workspace: Workspace, alert: Alert, at: datetime.datetime) -> Message:
    title = f"atomic-agents: {alert.agent}" if alert.agent else "atomic-agents"
    text = f"{alert.agent}: {alert.words}" if alert.agent else alert.words
    facts = {
        "version": _VERSION, "kind": alert.kind, "key": alert.key, "agent": alert.agent,
        "vault": workspace.config.root.name, "at": at.isoformat(timespec="seconds"), "title": title, "text": text,
        "facts": dict(alert.facts),
    }  # fmt: skip
    return Message(title, text, facts)


def _troubles(known: History, outcomes: Mapping[Delivery, Outcome]) -> list[str]:
    """What went wrong, a line a channel."""
    found = {}
    for delivery, outcome in outcomes.items():
        if outcome.state == "sent":
            continue
        again_at = known.sent[delivery].again_at
        then = f"it is tried again with the next run after {again_at:%H:%M}" if again_at else "it is not sent again"
        verb = "could not be sent" if again_at else "may not have arrived"
        found[delivery.channel] = f"an alert {verb} on {delivery.channel}: {outcome.why}; {then}"
    return list(found.values())


def _clean(alert: Alert, secrets: Iterable[str]) -> Alert:
    facts = redacted(alert.facts, secrets)
    return replace(alert, words=_line(redact(alert.words, secrets)), facts=facts if isinstance(facts, dict) else {})


def _line(text: str) -> str:
    """Words on one line that every channel can carry."""
    words = " ".join(_CONTROL.sub(" ", text.encode(errors="replace").decode()).split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
