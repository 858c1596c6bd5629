"""Every time is settled once, whatever the driver's rhythm."""

import datetime
import itertools
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomic_agents.fleet.schedule import MOST_KEPT, ON_TIME, due, offset, upcoming
from atomic_agents.vault import cron
from atomic_agents.vault.schedules import CATCH_UP, CatchUp, Schedule

UTC = datetime.UTC
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago")
CHANGES = ("2026-03-29T01:00", "2026-10-25T01:00", "2026-03-08T07:00", "2026-04-04T15:00", "2026-09-06T04:00")
"""When the clock is changed in some of them, in UTC."""


def schedule(
    expression: str = "0 7 * * *", zone: str = "UTC", catch_up: CatchUp = "latest", jitter: int = 0
) -> Schedule:  # fmt: skip
    return Schedule(
        "caldwell", "morning", "caldwell/schedules/morning.md", expression, zoneinfo.ZoneInfo(zone), "go",
        catch_up, datetime.timedelta(seconds=jitter),
    )  # fmt: skip


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    minute = draw(st.one_of(st.sampled_from(("*", "*/7", "*/30", "0,30", "10-20/5")), st.integers(0, 59).map(str)))
    hour = draw(st.one_of(st.sampled_from(("*", "*/3", "1-3", "0,2,23")), st.integers(0, 23).map(str)))
    day = draw(st.sampled_from(("*", "*", "*", "1", "*/2", "L", "25-31")))
    weekday = draw(st.sampled_from(("*", "*", "*", "1-5", "sun", "6#4", "7")))
    return f"{minute} {hour} {day} * {weekday}"


@st.composite
def ticks(draw: st.DrawFn) -> list[datetime.datetime]:
    """Moments at which some driver looks, from a few hours before the clock is changed on."""
    now = at(draw(st.sampled_from(CHANGES))) - datetime.timedelta(hours=draw(st.integers(1, 30)))
    pauses = draw(st.lists(st.one_of(st.integers(1, 90), st.integers(600, 90_000)), min_size=1, max_size=25))
    return [now, *itertools.islice(itertools.accumulate(pauses, _later, initial=now), 1, None)]


def _later(now: datetime.datetime, seconds: int) -> datetime.datetime:
    return now + datetime.timedelta(seconds=seconds)


def drive(plan: Schedule, moments: list[datetime.datetime]) -> tuple[list[datetime.datetime], int]:
    """What is fired and how many are missed, where a driver looks at these moments; the first one begins."""
    since, fired, missed = moments[0], [], 0
    for now in moments[1:]:
        while found := due(plan, since, now):
            assert found.until.astimezone(UTC) > since.astimezone(UTC)  # one zone alone would compare its clocks
            since, missed = found.until, missed + found.missed
            if found.at is not None:
                assert found.at + offset(plan) <= now
                fired.append(found.at.astimezone(UTC))
    return fired, missed


@settings(max_examples=300, deadline=None)
@given(expressions(), st.sampled_from(ZONES), st.sampled_from(CATCH_UP), st.sampled_from((0, 0, 50, 3600)), ticks())
def test_every_time_is_fired_once_or_counted_as_missed(
    expression: str, zone: str, catch_up: CatchUp, jitter: int, moments: list[datetime.datetime]
) -> None:
    plan = schedule(expression, zone, catch_up, jitter)
    reached = moments[-1] - offset(plan)
    named = [
        found.astimezone(UTC)
        for found in itertools.takewhile(lambda each: each <= reached, cron.times(expression, plan.zone, moments[0]))
    ]

    fired, missed = drive(plan, moments)

    assert fired == sorted(set(fired))
    assert set(fired) <= set(named)
    assert len(fired) + missed == len(named)
    if catch_up == "all" and len(named) <= MOST_KEPT:
        assert fired == named
    if catch_up == "latest" and named:
        assert fired[-1] == named[-1]


@settings(max_examples=25, deadline=None)
@given(expressions(), st.sampled_from(ZONES), ticks())
def test_a_driver_that_looks_every_minute_misses_nothing(
    expression: str, zone: str, moments: list[datetime.datetime]
) -> None:
    start, minutes = moments[0].replace(second=0), range(1, 60 * 8)
    every = [start, *(start + datetime.timedelta(minutes=number) for number in minutes)]
    plan = schedule(expression, zone, "skip")

    fired, missed = drive(plan, every)

    named = cron.times(expression, plan.zone, start)
    assert fired == [each.astimezone(UTC) for each in itertools.takewhile(lambda each: each <= every[-1], named)]
    assert missed == 0


@pytest.mark.parametrize(
    ("catch_up", "fired", "missed"),
    [
        ("skip", [], 3),
        ("latest", ["2026-11-04T07:00"], 2),
        ("all", ["2026-11-02T07:00", "2026-11-03T07:00", "2026-11-04T07:00"], 0),
    ],
)
def test_what_was_missed_for_three_days_is_caught_up_as_the_policy_says(
    catch_up: CatchUp, fired: list[str], missed: int
) -> None:
    found = drive(schedule(catch_up=catch_up), [at("2026-11-01T12:00"), at("2026-11-04T12:00")])

    assert found == ([at(each) for each in fired], missed)


def test_what_is_skipped_when_late_is_fired_within_its_grace() -> None:
    plan = schedule(catch_up="skip")

    fired, missed = drive(plan, [at("2026-11-01T12:00"), at("2026-11-02T07:00") + ON_TIME])

    assert (fired, missed) == ([at("2026-11-02T07:00")], 0)


def test_all_makes_up_for_so_many_and_not_for_a_year_of_minutes() -> None:
    plan = schedule("* * * * *", catch_up="all")

    fired, missed = drive(plan, [at("2026-11-01T00:00"), at("2026-11-08T00:00")])

    assert (len(fired), missed) == (MOST_KEPT, 7 * 24 * 60 - MOST_KEPT)


def test_jitter_is_always_the_same_and_differs_between_schedules() -> None:
    names = [schedule(jitter=3600), schedule(jitter=3600)]
    other = Schedule("caldwell", "evening", "", "0 7 * * *", zoneinfo.ZoneInfo("UTC"), "go", jitter=names[0].jitter)

    assert offset(names[0]) == offset(names[1]) != offset(other)
    assert datetime.timedelta() <= offset(other) < other.jitter
    assert upcoming(other, at("2026-11-01T12:00")) == at("2026-11-02T07:00") + offset(other)
