import datetime
import email.utils
import re

import pytest

from atomic_agents.providers.failures import again
from atomic_agents.providers.reply_errors import LONGEST, error_in, is_page, seconds_of, wait_asked, words_of

NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "in a moment"),
        (0, "in a moment"),
        (0.4, "in a moment"),
        (7, "in 7 s"),
        (119, "in 119 s"),
        (180, "in 3 min"),
        (3599, "in 60 min"),
    ],
)
def test_a_short_wait_is_said_in_seconds_or_minutes(seconds: float | None, expected: str) -> None:
    assert again(seconds) == f"run it again {expected}"


@pytest.mark.parametrize("seconds", [3600, 7200, 86_400 * 3, 343_622_298])
def test_a_long_wait_is_said_as_the_time_when_it_is_over(seconds: float) -> None:
    then = datetime.datetime.now().astimezone() + datetime.timedelta(seconds=seconds)

    said = again(seconds)

    assert re.fullmatch(r"run it again after (\d{4}-\d\d-\d\d )?\d\d:\d\d", said)
    assert then.date() == datetime.datetime.now().astimezone().date() or f"{then:%Y-%m}" in said


def test_a_wait_beyond_all_calendars_is_said_without_a_date() -> None:
    assert again(1e15) == "run it again later"


def test_a_date_is_understood_with_or_without_a_zone() -> None:
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)

    assert 60 < (seconds_of(email.utils.format_datetime(then, usegmt=True)) or 0) <= 90
    assert 60 < (seconds_of(then.strftime("%a %b %d %H:%M:%S %Y")) or 0) <= 90
    assert seconds_of(email.utils.format_datetime(NOW - datetime.timedelta(days=1))) == 0.0


@pytest.mark.parametrize(
    "value", ["soon", "", " ", "-1", "1e400", "nan", "inf", "0x10", "1_0", "9" * 30, None, True, []]
)
def test_nonsense_asks_for_no_wait(value: object) -> None:
    assert seconds_of(value) is None


def test_milliseconds_come_before_seconds_where_they_can_be_read() -> None:
    assert wait_asked({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert wait_asked({"retry-after-ms": "soon", "retry-after": "9"}) == 9
    assert wait_asked({}) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, "body.model: Field required"),
        ({"detail": [{"loc": "model", "msg": "bad"}, {"loc": ["n"], "msg": "worse"}]}, "model: bad; n: worse"),
        ({"errors": [{"message": "one"}, {"message": "two"}]}, "one; two"),
        ([{"error": {"message": "no"}}], "no"),
        ('{"error": {"message": "no"}}', "no"),
        (b'{"message": "no"}', "no"),
        ({"error": {"message": '{"error": {"message": "inner"}}'}}, "inner"),
        ("just a line.", "just a line"),
        ("<html><head><title>404 &amp; gone</title></head></html>", "404 & gone"),
        ("<html><script>x()</script><body><p>Bad <b>day</b></p></body></html>", "Bad day"),
        ({}, ""),
        (None, ""),
        (7, ""),
    ],
)
def test_the_words_are_found_in_any_wrapping(body: object, expected: str) -> None:
    assert words_of(body) == expected


def test_words_are_cut_and_a_long_list_of_details_says_how_many_there_are() -> None:
    assert len(words_of("x" * 9000)) == LONGEST + 1
    assert words_of({"detail": [{"loc": ["a"], "msg": "b"}] * 9}).endswith("4 more")


def test_a_body_that_is_nested_without_end_is_read_to_a_depth() -> None:
    nested: object = "no"
    for _ in range(500):
        nested = {"error": nested}

    assert words_of(nested) == ""
    assert error_in(nested) is not None


@pytest.mark.parametrize("text", ["<title" * 20_000, "<script>" * 20_000, "<!--" * 20_000, "<h1><" * 20_000])
def test_markup_without_end_is_read_in_no_time(text: str) -> None:
    assert len(words_of(f"<html>{text}")) <= LONGEST + 1


@pytest.mark.parametrize("text", ["a < b", "no <html> here is a sentence about it", "{}"])
def test_a_sentence_is_no_page(text: str) -> None:
    assert not is_page(text)


def test_an_answer_is_no_error() -> None:
    assert error_in({"choices": [], "error": None}) is None
    assert error_in({"choices": [{"message": {"content": "an error"}}]}) is None
    assert error_in([]) is None
