import unicodedata

import pytest

from atomic_agents.core.values import agent_name_problem, is_agent_name, key_of, same_name


@pytest.mark.parametrize(
    "name",
    ["scout", "Scout-2", "a_b.c", "7", "muse/projects/p/agents/writer", "josé", "研究", "a b", "👩‍🚀", "می‌خواهم", "x-"],
)
def test_names_that_people_give_are_names(name: str) -> None:
    for form in (unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
        assert agent_name_problem(form) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("-x", "begins with -"), ("a/-x", "begins with -"), ("--help", "begins with -"), (".x", "begins with ."),
        ("_x", "begins with _"), ("", "empty"), ("a//b", "empty"), ("/a", "empty"), ("..", "begins with ."),
        (" x", "space"), ("x ", "space"), ("x.", "dot"), ("x\u00a0", "space"), ("\u3000x", "space"), ("a\\b", "\\"),
        ("c:", ":"), ("a\tb", "U+0009"), ("a\x00b", "U+0000"), ("a\x7f", "U+007F"), ("a\x85b", "U+0085"),
        ("abc\u202egpj", "U+202E"), ("\u2066x\u2069", "U+2066"), ("a\u200eb", "U+200E"), ("a\u200bb", "U+200B"),
        ("a\ufeffb", "U+FEFF"), ("a\u2028b", "U+2028"), ("a\ud800b", "U+D800"), ("x\u200d", "does not print"),
    ],
)  # fmt: skip
def test_other_names_are_refused_with_the_reason(name: str, why: str) -> None:
    assert why in agent_name_problem(name)
    assert not is_agent_name(name)


def test_a_name_is_one_however_its_accents_are_spelled() -> None:
    composed, apart = unicodedata.normalize("NFC", "josé"), unicodedata.normalize("NFD", "josé")

    assert same_name(composed, apart)
    assert not same_name("jose", composed)
    assert key_of(["ada", apart], composed) == apart
    assert key_of([apart, composed], composed) == composed
    assert key_of(["ada"], composed) == composed
