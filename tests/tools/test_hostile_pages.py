import time

import pytest
from hostile_pages import FORMS, Send, hostile  # type: ignore[import-not-found]  # beside this file

from atomic_agents.memory import extract
from atomic_agents.memory.charsets import codec_for
from atomic_agents.tools.web import MAX_BYTES, Refused, Web

DEADLINE = 0.7
LATEST = 20.0
"""Far more than a busy machine needs to notice that the time is up."""


@pytest.mark.parametrize("send", FORMS.values(), ids=FORMS)
def test_a_hostile_page_ends_at_the_deadline_with_its_words_or_a_reason(send: Send) -> None:
    pages = Web(("*",), resolve=lambda _h, _p: ["127.0.0.1"], allowed=lambda _: True, seconds=DEADLINE)
    begun = time.monotonic()

    with hostile(send) as port:
        try:
            _, text = pages.fetch(f"http://tides.example:{port}/")
            ended = f"{len(text):,} characters"
        except (Refused, OSError) as error:
            text, ended = "", str(error)

    assert ended
    assert len(text) <= MAX_BYTES
    assert time.monotonic() - begun < LATEST


def test_there_are_sixty_forms() -> None:
    assert len(FORMS) >= 60


def test_a_look_up_that_hangs_ends_at_the_deadline() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        time.sleep(LATEST)
        return []

    with pytest.raises(Refused, match="took longer"):
        Web(("*",), resolve=resolve, allowed=lambda _: True, seconds=0.2).fetch("http://tides.example/")


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("UTF-8", "utf-8"), ("utf8", "utf-8"), ("ISO-8859-1", "latin-1"), ("iso-8859-15", "iso8859-15"),
        ("Windows-1252", "cp1252"), ("cp1251", "cp1251"), ("Shift_JIS", "shift_jis"), ("EUC-KR", "cp949"),
        ("GB2312", "gb18030"), ("big5", "big5"), ("US-ASCII", "ascii"), ("punycode", None), ("utf-7", None),
        ("idna", None), ("hex", None), ("unicode_escape", None), ("", None),
    ],
)  # fmt: skip
def test_only_the_charsets_that_text_comes_in_are_decoded(charset: str, codec: str | None) -> None:
    assert codec_for(charset) == codec
    if codec is not None:
        assert b"tide".decode(codec) == "tide"


def test_a_page_that_names_another_charset_is_read_as_text() -> None:
    data = b'<meta charset="punycode"><p>tide at noon'

    assert extract.text_of("a.html", data) == "tide at noon\n"
