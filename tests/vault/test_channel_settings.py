import pytest

from atomic_agents.core.document import parse
from atomic_agents.vault import channels, settings
from atomic_agents.vault.channels import ChannelSettings
from atomic_agents.vault.settings import Settings

HEAD = "---\nschema_version: 2\nalerts:\n"


def read(*lines: str) -> Settings:
    text = HEAD + "".join(f"  {line}\n" for line in lines) + "---\n"
    return settings.read("policy.md", parse("policy.md", text.encode()))


def said(found: Settings) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in found.problems]


def test_channels_are_read_in_one_order() -> None:
    found = read("command: [say, '{text}']", "desktop: true", "webhook: {url: 'https://x/y'}")

    assert said(found) == []
    assert channels.stated(found.values["alerts"]) == (
        ChannelSettings("desktop", {}),
        ChannelSettings("webhook", {"url": "https://x/y"}),
        ChannelSettings("command", {"run": ["say", "{text}"]}),
    )


@pytest.mark.parametrize("line", ["desktop: false", "command: []"])
def test_a_channel_that_is_turned_off_is_none(line: str) -> None:
    assert channels.stated(read(line).values["alerts"]) == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("webhok: {}", "alerts.webhok is not a setting"),
        ("webhook: {token_variable: T}", "alerts.webhook needs either url or url_variable"),
        ("webhook: {url: 'https://x', url_variable: U}", "alerts.webhook needs either url or url_variable"),
        ("email: {to: [a@b]}", "alerts.email has no host"),
        ("email: {host: h}", "alerts.email has no to"),
        ("email: {host: h, to: [a@b], user: me}", "alerts.email has no password_variable"),
        ("email: {host: h, to: [a@b], password_variable: P}", "alerts.email has no user"),
        (
            "email: {host: h, to: [a@b], user: me, password_variable: P, security: none}",
            "alerts.email.security is none, so the password would travel in the open",
        ),
        ("email: {host: h, to: a@b}", 'alerts.email.to is "a@b"; a list is needed'),
        ("email: {host: h, password: x}", "alerts.email.password is not a setting"),
        ("telegram: {chat: '1'}", "alerts.telegram has no token_variable"),
        ("desktop: yes please", 'alerts.desktop is "yes please"; true or false is needed, without quotes'),
    ],
)
def test_what_cannot_work_is_an_error_with_its_line(line: str, message: str) -> None:
    found = read(line)

    assert said(found) == [(4, message)]
    assert "alerts" not in found.values


def test_a_password_may_travel_in_the_open_on_this_machine() -> None:
    assert said(read("email: {host: localhost, to: [a@b], user: me, password_variable: P, security: none}")) == []


def test_every_channel_and_the_published_names_can_be_chosen() -> None:
    for choice in ("log_only", "journal", "telegram", "email", "desktop", "webhook", "command"):
        text = f"---\nschema_version: 2\ncost_guardrails:\n  alert_channel: {choice}\n---\n"
        found = settings.read("model.md", parse("model.md", text.encode()))

        assert (said(found), settings.model_settings(found).guardrails.alert_channel) == ([], choice)
