import datetime
import itertools
import zoneinfo

import pytest

from atomic_agents.vault import cron

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def first(expression: str, zone: str, after: str, count: int) -> list[str]:
    start = datetime.datetime.fromisoformat(after)
    found = cron.times(expression, zoneinfo.ZoneInfo(zone), start)
    return [f"{at:%m-%d %H:%M %Z}" for at in itertools.islice(found, count)]


def test_a_time_that_the_clock_skips_is_the_first_moment_after_the_gap() -> None:
    found = first("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00+01:00", 3)

    assert found == ["03-28 02:30 CET", "03-29 03:00 CEST", "03-30 02:30 CEST"]


def test_two_times_that_the_clock_skips_are_one() -> None:
    found = first("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 3)

    assert found == ["03-29 03:00 CEST", "03-30 02:00 CEST", "03-30 02:30 CEST"]


@pytest.mark.parametrize("after", ["2026-10-24T12:00+02:00", "2026-10-25T02:10+02:00"])
def test_a_time_that_comes_twice_is_the_first_of_the_two(after: str) -> None:
    found = first("30 2 * * *", "Europe/Berlin", after, 2)

    assert found == ["10-25 02:30 CEST", "10-26 02:30 CET"]


@pytest.mark.parametrize("after", ["2026-10-25T02:30+02:00", "2026-10-25T02:10+01:00", "2026-10-25T02:45+01:00"])
def test_between_the_two_it_does_not_come_again(after: str) -> None:
    found = first("30 2 * * *", "Europe/Berlin", after, 1)

    assert found == ["10-26 02:30 CET"]


def test_what_comes_every_half_hour_goes_by_the_time_that_passes() -> None:
    autumn = first("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:30+02:00", 5)
    spring = first("*/30 * * * *", "Europe/Berlin", "2026-03-29T01:00+01:00", 3)

    assert autumn == ["10-25 02:00 CEST", "10-25 02:30 CEST", "10-25 02:00 CET", "10-25 02:30 CET", "10-25 03:00 CET"]
    assert spring == ["03-29 01:30 CET", "03-29 03:00 CEST", "03-29 03:30 CEST"]


def test_a_clock_that_is_changed_by_half_an_hour_is_followed() -> None:
    found = first("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00+10:30", 3)

    assert found == ["10-03 02:15 +1030", "10-04 02:30 +11", "10-05 02:15 +11"]


@pytest.mark.parametrize("expression", ["0 7 * * 1-5", "*/15 * * * *", "0 0 L * *", "0 9 * * mon#1", "0 0 29 2 *"])
def test_what_debian_reads_is_right(expression: str) -> None:
    assert cron.wrong(expression) == ""


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("99 * * * *", "bad minute"),
        ("0 7 * *", "five fields are needed: minute, hour, day of the month, month, day of the week"),
        ("0 0 7 * * *", "five fields are needed: minute, hour, day of the month, month, day of the week"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 31 2,4 *", "bad day-of-month"),
        ("@daily", "five fields are needed: minute, hour, day of the month, month, day of the week"),
        ("0 0 * * l/2", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
    ],
)
def test_what_is_none_is_said(expression: str, why: str) -> None:
    assert cron.wrong(expression) == why
