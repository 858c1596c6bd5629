"""What `policy.md` says about the ways on which alerts are sent, and which of them an agent's alerts take."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from atomic_agents.vault.rules import BOOLEAN, TEXT, TEXTS, Finding, Rule

LOG_ONLY: Final = "log_only"
JOURNAL: Final = "journal"
SECURITY = ("starttls", "tls", "none")
RULES: Mapping[str, Rule] = {
    "desktop": BOOLEAN,
    "webhook": Rule("table", keys={"url": TEXT, "url_variable": TEXT, "token_variable": TEXT}),
    "email": Rule(
        "table",
        keys={
            "host": TEXT,
            "port": Rule("integer", least=1, most=65535),
            "security": Rule("choice", choices=SECURITY),
            "from": TEXT,
            "to": TEXTS,
            "user": TEXT,
            "password_variable": TEXT,
        },
    ),
    "telegram": Rule("table", keys={"chat": TEXT, "token_variable": TEXT, "url": TEXT}),
    "command": TEXTS,
}
CHOICES = (LOG_ONLY, JOURNAL, *RULES)
"""What `alert_channel` can be; where it is not stated, alerts take every channel."""

_NEEDED: Mapping[str, tuple[str, ...]] = {"email": ("host", "to"), "telegram": ("chat", "token_variable")}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One channel, by its kind, and its keys; those that end in `_variable` name an environment variable."""

    kind: str
    values: Mapping[str, object]


def stated(alerts: object) -> tuple[ChannelSettings, ...]:
    """The channels of the `alerts` of a `policy.md` without errors, in the order of RULES."""
    found = alerts if isinstance(alerts, dict) else {}
    return tuple(_channel(kind, found[kind]) for kind in RULES if found.get(kind))


def findings(alerts: object) -> Iterator[Finding]:
    """What is missing or does not go together, where each key by itself is right."""
    for channel in stated(alerts):
        at, values = ("alerts", channel.kind), channel.values
        for key in _NEEDED.get(channel.kind, ()):
            if not values.get(key):
                yield Finding(at, f"alerts.{channel.kind} has no {key}", f"add {key} below {channel.kind}")
        if channel.kind == "webhook" and ("url" in values) == ("url_variable" in values):
            message = "alerts.webhook needs either url or url_variable"
            yield Finding(at, message, "name in url_variable the variable that holds the URL")
        if channel.kind == "email":
            yield from _privacy(at, values)


def _privacy(at: tuple[str, ...], values: Mapping[str, object]) -> Iterator[Finding]:
    if ("user" in values) != ("password_variable" in values):
        lacking = "password_variable" if "user" in values else "user"
        yield Finding(at, f"alerts.email has no {lacking}", f"add {lacking} below email")
    if values.get("security") == "none" and "user" in values and values.get("host") not in _LOOPBACK:
        message = "alerts.email.security is none, so the password would travel in the open"
        yield Finding((*at, "security"), message, "write security: starttls")


def _channel(kind: str, value: object) -> ChannelSettings:
    if isinstance(value, dict):
        return ChannelSettings(kind, value)
    return ChannelSettings(kind, {"run": value} if kind == "command" else {})
