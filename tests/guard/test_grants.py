import datetime
from decimal import Decimal
from typing import Any

import pytest

from atomic_agents.core.document import parse, render
from atomic_agents.guard import grants
from atomic_agents.guard.grants import Opinion, Use
from atomic_agents.guard.wanted import Wanted, binding, reaches
from atomic_agents.vault import settings
from atomic_agents.vault.authority import Place
from atomic_agents.vault.grants import Grant, Target
from atomic_agents.vault.grants import grants as grants_of

NOON = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
MAIL = {"allowed_tools": ["send_email"], "allowed_targets": [{"domain": "example.org"}]}


def read(constraints: dict[str, Any], **more: Any) -> settings.Settings:
    grant = {
        "granted_by": "nell",
        "granted_at": datetime.date(2026, 1, 1),
        "scope": "mail",
        "revocation_state": "active",
    }
    meta = {"schema_version": 2, "mandates": {"mail": {**grant, "constraints": constraints, **more}}}
    return settings.read("mandates.md", parse("a/mandates.md", render(meta, "")))


def grant(constraints: dict[str, Any], **more: Any) -> Grant:
    found = read(constraints, **more)

    assert found.problems == ()
    (each,) = grants_of(found.values, Place(found.path, found.lines), "a")
    return each


def says(
    found: Grant, *used: Use, at: datetime.datetime = NOON, kind: str = "external_side_effect",
    tool: str = "send_email", **arguments: object,
) -> Opinion:  # fmt: skip
    return grants.opinion([found], Wanted("a", tool, kind, arguments), lambda _: used, at, hidden="ask")


def test_a_grant_binds_by_tool_and_target_cited_or_not() -> None:
    found = grant(MAIL)

    assert says(found, to="ada@example.org").says == "covers"
    assert says(found, to="ada@elsewhere.org").says == "asks"
    assert says(found, tool="send_letter", to="ada@example.org").says == "nothing"


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": "ada@example.org", "bcc": "eve@evil.com"},
        {"to": ["ada@example.org", "eve@evil.com"]},
        {"to": "ada@example.org, eve@evil.com"},
        {"to": "ada@example.org\nBcc: eve@evil.com"},
        {"to": "ada@example.org@evil.com"},
        {"to": "ada@example.org.evil.com"},
        {"message": {"To": "eve@evil.com"}},
        {"to": "ada@example.orɡ"},
    ],
)
def test_every_target_of_a_call_has_to_be_allowed(arguments: dict[str, Any]) -> None:
    assert says(grant(MAIL), **arguments).says == "asks"


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": "bob@evil.com"},
        {"to": "Bob <BOB@EVIL.com.>"},
        {"to": "bob@mail.evil.com"},
        {"whom": "bob@evil.com"},
        {"to": "ada@example.org", "headers": {"x": ["y", "bob@evil.com"]}},
        {"url": "https://good.org@evil.com/x"},
        {"to": "bob@ｅvil.com"},
        {"to": "bob@ev\u200bil.com"},
    ],
)
@pytest.mark.parametrize("kind", ["domain", "email_domain"])
def test_what_is_blocked_is_denied_however_it_is_written(arguments: dict[str, Any], kind: str) -> None:
    found = grant({"blocked_targets": [{"kind": kind, "value": "evil.com"}], "allowed_tools": ["send_email"]})

    assert says(found, **arguments).says == "denies"


def test_what_is_blocked_stays_so_when_the_grant_is_revoked() -> None:
    found = grant({**MAIL, "blocked_targets": ["boss@example.org"]}, revocation_state="revoked")

    assert [says(found, to=to).says for to in ("boss@example.org", "ada@example.org")] == ["denies", "asks"]


@pytest.mark.parametrize("kind", ["vendr", "regex", ""])
def test_a_kind_of_target_that_nobody_knows_is_an_error(kind: str) -> None:
    (problem,) = read({"blocked_targets": [{"kind": kind, "value": "x"}]}).problems

    assert "is not a kind of target" in problem.message


@pytest.mark.parametrize(
    ("target", "value", "allowed"),
    [
        (Target("prefix", "https://api.example.com"), "https://api.example.com/v1", True),
        (Target("prefix", "https://api.example.com"), "https://api.example.com.evil.org/", False),
        (Target("prefix", "https://api.example.com/v1/"), "https://api.example.com/v1/../admin", False),
        (Target("prefix", "https://api.example.com/v1/"), "https://api.example.com/v1/%2e%2e/admin", False),
        (Target("prefix", "mailto:friends-"), "mailto:friends-ada@example.org", True),
        (Target("glob", "https://*.example.org/*"), "https://www.example.org/x", True),
        (Target("exact", "Acme"), "acme", True),
        (Target("domain", "example.org"), "https://example.org:8443/x", True),
        (Target("domain", "example.org"), "https://notexample.org/", False),
    ],
)
def test_what_a_target_allows(target: Target, value: str, allowed: bool) -> None:
    assert allowed == reaches(target, value, strictly=True)


@pytest.mark.parametrize(
    ("limit", "at", "says_"),
    [
        ({"daily_count": 2}, NOON.replace(hour=1), "denies"),
        ({"daily_count": 2}, NOON - datetime.timedelta(days=1), "covers"),
        ({"hourly_count": 2}, NOON - datetime.timedelta(minutes=59), "denies"),
        ({"hourly_count": 2}, NOON - datetime.timedelta(minutes=61), "covers"),
        ({"weekly_count": 2}, NOON - datetime.timedelta(days=1), "covers"),
        ({"monthly_count": 2}, NOON.replace(day=1), "denies"),
        ({"cumulative_count": 2}, NOON.replace(year=2020), "denies"),
    ],
)
def test_counts_hold_for_their_period(limit: dict[str, int], at: datetime.datetime, says_: str) -> None:
    found = grant({**MAIL, **limit})

    assert says_ == says(found, Use("mail", at), Use("mail", at), to="ada@example.org").says


def test_beyond_its_limit_something_hard_to_undo_is_asked_about() -> None:
    found = grant({**MAIL, "daily_count": 0, "action_class": "high_risk"})

    assert says(found, kind="high_risk", to="ada@example.org").says == "asks"


@pytest.mark.parametrize(
    ("amount", "says_"),
    [(30, "covers"), ("30", "covers"), (41, "denies"), (-1, "asks"), ("nan", "asks"), (None, "asks")],
)
def test_a_sum_counts_what_the_argument_says_and_asks_where_nothing_does(amount: object, says_: str) -> None:
    found = grant({"allowed_tools": ["buy"], "monthly_external_usd": 50, "amount_argument": "usd"})

    used = Use("mail", NOON, external_usd=Decimal(10))
    assert says_ == says(found, used, tool="buy", usd=amount).says


def test_a_grant_covers_nothing_more_dangerous_than_it_says() -> None:
    assert says(grant(MAIL), kind="high_risk", to="ada@example.org").says == "asks"


@pytest.mark.parametrize(
    ("window", "says_"),
    [
        ({"start": "09:00", "end": "17:00"}, "covers"),
        ({"start": "13:00", "end": "17:00"}, "asks"),
        ({"start": 1200, "end": 1260}, "asks"),  # 20:00 and 21:00 without quotes
        ({"start": "22:00", "end": "06:00"}, "asks"),
        ({"days_of_week": ["tue"], "hours_local": "09:00-17:00", "timezone": "UTC"}, "asks"),
        ({"days_of_week": ["mon"], "hours_local": "08:00-18:00", "timezone": "Europe/Berlin"}, "covers"),
        ({"days": ["monday"], "hours": "12:30-18:00", "time_zone": "Asia/Tokyo"}, "asks"),
    ],
)
def test_hours_hold_in_their_zone_in_every_published_shape(window: dict[str, object], says_: str) -> None:
    assert says_ == says(grant({**MAIL, "time_window": window}), to="ada@example.org").says


@pytest.mark.parametrize("window", [{"start": "9 am"}, {"time_zone": "Nowhere/Land"}, {"days": ["someday"]}])
def test_hours_that_are_none_are_an_error(window: dict[str, object]) -> None:
    (problem,) = read({**MAIL, "time_window": window}).problems

    assert problem.message.startswith("time_window: ")


def test_a_grant_that_limits_nothing_is_an_error() -> None:
    assert [each.message for each in read({}).problems] == ["the grant mail limits nothing"]


def test_a_call_without_a_known_target_is_asked_about() -> None:
    assert says(grant(MAIL), body="hello").says == "asks"


def test_a_binding_is_of_the_tool_what_it_is_made_of_and_the_arguments() -> None:
    found = {
        binding("a", "f", {"x": 1}),
        binding("a", "g", {"x": 1}),
        binding("b", "f", {"x": 1}),
        binding("a", "f", {"x": 2}),
    }

    assert len(found) == 4
    assert binding("a", "f", {"x": 1, "y": 2}) == binding("a", "f", {"y": 2, "x": 1})
