import json

import pytest

from atomic_agents.core.errors import UsageError
from atomic_agents.memory.redaction.phrase import Phrase


@pytest.mark.parametrize(
    ("phrase", "text", "wanted"),
    [
        ("tea", "tea, Tea and TEA; instead, teapot", "X, X and X; instead, teapot"),
        ("tea", "tea_time, tea-time", "tea_time, X-time"),
        ("tea", "tea's “tea” (tea) **tea** `tea` tea\u00a0", "X's “X” (X) **X** `X` X\u00a0"),
        ("blue heron", "blue heron, blue\n> heron, blue  heron, blueheron", "X, X, X, blueheron"),
        ("cafe", "cafe\u0301 caf\u00e9 cafe", "cafe\u0301 caf\u00e9 X"),
        ("café", "cafe\u0301 café cafés Café", "X X cafés X"),
        ("zoë", "Zoë, ZOË, zoe", "X, X, zoe"),
        ("чай", "чай, Чай, чайник", "X, X, чайник"),
        ("ٱلشاي", "ٱلشاي هنا", "X هنا"),
        ("茶", "我喝茶。茶杯", "我喝X。X杯"),
        ("お茶", "緑のお茶です", "緑のXです"),
        ("กาแฟ", "ฉันดื่มกาแฟทุกวัน", "ฉันดื่มXทุกวัน"),
        ("tea", "お茶tea茶 teaの", "お茶X茶 Xの"),
        ("4", "4 40 4.5 a4 €4", "X 40 X.5 a4 €X"),
        ("C++", "C++ and C, C++17", "X and C, X17"),
        ("a.b", "a.b axb xa.b", "X axb xa.b"),
        ("(555) 12", "call (555) 12 or (555) 123", "call X or (555) 123"),
        ("🍵", "🍵 and tea🍵", "X and teaX"),
        ("ok", "ok OK okay", "X X okay"),
    ],
)  # fmt: skip
def test_whole_words_go(phrase: str, text: str, wanted: str) -> None:
    assert Phrase(phrase, "X").substitute(text) == wanted


def test_parts_of_words_go_when_they_are_asked_for() -> None:
    assert Phrase("tea", "X", parts=True).substitute("instead of Tea, teapots") == "insXd of X, Xpots"


def test_case_counts_when_it_is_asked_for() -> None:
    assert Phrase("Will", "X", match_case=True).substitute("Will will") == "X will"
    assert Phrase("will", "X").substitute("Will will") == "X X"


@pytest.mark.parametrize(
    ("phrase", "stem", "wanted"),
    [
        ("tea", "green_tea", "green_redacted"),
        ("tea", "instead_of", ""),
        ("Tea", "tea", "redacted"),
        ("green tea", "cost_of_green_tea_2026", "cost_of_redacted_2026"),
        ("green tea", "My Green-tea", "My redacted"),
        ("Café", "a_cafe", "a_redacted"),
        ("O'Brien", "about_o_brien", "about_redacted"),
        ("会议", "会议记录", "redacted记录"),
        ("2026", "plan_2026", "plan_redacted"),
    ],
)
def test_a_name_of_a_file_has_words_too(phrase: str, stem: str, wanted: str) -> None:
    found = Phrase(phrase)

    assert found.in_name(stem) == bool(wanted)
    assert found.rename(stem) == (wanted or stem)


def test_a_name_without_its_words_is_still_a_name() -> None:
    assert Phrase("tea", "").rename("tea") == "redacted"
    assert Phrase("tea", "").rename("green_tea_time") == "green_time"


@pytest.mark.parametrize(
    ("phrase", "why"),
    [
        (Phrase("  "), "has no word"),
        (Phrase("..."), "has no word"),
        (Phrase("$"), "has no word"),
        (Phrase("ok", parts=True), "too short"),
        (Phrase("redacted"), "the replacement"),
        (Phrase("tea", "some tea"), "the replacement"),
        (Phrase("tea", "a\nb"), "line breaks"),
    ],
)
def test_what_cannot_be_meant_is_refused(phrase: Phrase, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        phrase.check()

    assert refused.value.hint


@pytest.mark.parametrize("text", ["green\ntea\tnow", "> green\n> tea", "éclair", 'say "x" \\ y', "\x07tea", "茶 tea"])
@pytest.mark.parametrize("ascii_", [True, False])
def test_json_that_holds_it_is_never_passed_over(text: str, ascii_: bool) -> None:
    raw = json.dumps({"a": f"so {text} it is"}, ensure_ascii=ascii_)

    assert Phrase(text.replace("\n> ", " ").lstrip("> ")).may_stand_in(raw)
    assert Phrase(text.upper()).may_stand_in(raw) or "\\" in text
    assert not Phrase("cocoa").may_stand_in(raw.replace("\\u", ""))
