"""Checks of the ways on which alerts reach the operator."""

from collections.abc import Iterator

from atomic_agents.budget import deliveries
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.vault import channels
from atomic_agents.vault.settings import Settings

_TRY = "atomic-agents doctor --send-test"


def alerts(examination: Examination) -> Iterator[Finding]:
    """The channels for alerts can be used, and what was sent has arrived."""
    opened = examination.open_channels()
    for kind, channel in opened.items():
        if why := channel.check():
            yield Finding("fail", f"alerts.{kind} of policy.md: {why}", f"mend that, then: {_TRY}")
    policy = examination.vault.settings_of("policy.md", "policy.md")
    together = policy.values.get("cost_guardrails") if policy else None
    chosen = str(together.get("alert_channel", "")) if isinstance(together, dict) else ""
    yield from choice(policy, chosen, set(opened))
    yield from _lately(examination)


def choice(found: Settings | None, chosen: str, kinds: set[str]) -> Iterator[Finding]:
    """What a file says about its alerts that does not go with the vault's channels."""
    where = f"{found.path}:{found.lines.get('cost_guardrails', 0)}" if found else ""
    if chosen == channels.LOG_ONLY and kinds:
        message = f"{where}: alert_channel is log_only, so alerts take none of the channels in policy.md"
        yield Finding("warn", message, "take alert_channel away, or write journal")
    elif chosen not in ("", channels.LOG_ONLY, channels.JOURNAL, *kinds):
        message = f"{where}: alert_channel is {chosen}, and policy.md states no alerts.{chosen}"
        yield Finding("fail", message, f"add alerts: with {chosen}: below it to policy.md")


def _lately(examination: Examination) -> Iterator[Finding]:
    """The last alert on each channel, where it did not arrive."""
    now = examination.now
    known = deliveries.history(examination.vault.store, now)
    lately = sorted(known.sent.items(), key=lambda item: item[1].at)
    last = {delivery.channel: sent for delivery, sent in lately if now - sent.at < deliveries.LASTS}
    for channel, sent in last.items():
        if sent.state != "sent":
            arrived = "did not arrive" if sent.state == "failed" else "may not have arrived"
            why = sent.why or "the process that sent it died"
            yield Finding("warn", f"the last alert on {channel}, at {sent.at:%H:%M}, {arrived}: {why}", _TRY)
