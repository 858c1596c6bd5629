import concurrent.futures
import time

import pytest

from atomic_agents.testing.hostile_site import FORMS, Form, HostileSite
from atomic_agents.tools.web import Refused, Web

SIZE = 200_000
"""Bytes of a page; a parser in quadratic time needs minutes for it."""

DEADLINE = 60.0
SHORT_DEADLINE = 3.0
LATER = 20.0
"""Seconds that a busy machine may need to notice that the time is up."""

AT_ONCE = [form for form in FORMS.values() if form.verdict in ("text", "refused")]
WITHOUT_END = [form for form in FORMS.values() if form.verdict in ("late", "stopped")]


def fetched(form: Form, seconds: float, size: int = SIZE) -> tuple[str, str, float]:
    """How a fetch ends, in a word; what it says; and the seconds that it took."""
    web = Web(("tides.example",), resolve=lambda _h, _p: ["127.0.0.1"], allowed=lambda _: True, seconds=seconds)
    with HostileSite(form, size) as site:
        begun = time.monotonic()
        try:
            verdict, words = "text", web.fetch(site.url)[1]
        except Refused as error:
            words = str(error)
            verdict = "late" if "took longer" in words else "refused"
        return verdict, words, time.monotonic() - begun


@pytest.mark.parametrize("form", AT_ONCE, ids=lambda form: form.name)
def test_a_hostile_answer_is_read_or_refused_in_words(form: Form) -> None:
    verdict, words, _ = fetched(form, DEADLINE)

    assert (verdict, form.words in words) == (form.verdict, True), words[:300]


def test_a_site_that_never_ends_is_left_at_the_deadline() -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda form: fetched(form, SHORT_DEADLINE), WITHOUT_END))

    for form, (verdict, words, seconds) in zip(WITHOUT_END, ends, strict=True):
        assert verdict == "late" or (verdict, form.verdict) == ("refused", "stopped"), (form.name, words)
        assert seconds < SHORT_DEADLINE + LATER, form.name


@pytest.mark.soak
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_hostile_answer_of_full_size_ends_at_the_deadline(form: Form) -> None:
    verdict, words, seconds = fetched(form, 20.0, 2_000_000)

    assert verdict in (form.verdict, "late", "refused") if form.verdict == "stopped" else verdict == form.verdict, words
    assert seconds < 20.0 + LATER


def test_there_are_more_than_sixty_forms() -> None:
    assert len(FORMS) > 60


def test_a_look_up_that_hangs_ends_at_the_deadline() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        time.sleep(LATER)
        return []

    with pytest.raises(Refused, match="took longer"):
        Web(("*",), resolve=resolve, allowed=lambda _: True, seconds=0.2).fetch("http://tides.example/")
