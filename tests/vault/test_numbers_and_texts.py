import pytest

from atomic_agents.core.document import parse
from atomic_agents.vault import note, settings

MODEL = "---\nschema_version: 2\nmodel: m\ncost_guardrails:\n  enabled: true\n  daily_cap_usd: {}\n---\n"
WRONG = ("010", "1:30", "1_0", "0x10", "0b11", "0o17", "+5", ".inf", ".nan", "1e3", "1.0e+3", "0,50", "yes", "1:30.5",
         "01.5", "1_000.5", "190:20:30", "'5'", "~")  # fmt: skip


@pytest.mark.parametrize("value", WRONG)
def test_a_cap_that_is_no_plain_decimal_is_an_error_with_its_line(value: str) -> None:
    found = settings.read("model.md", parse("scout/model.md", MODEL.format(value).encode()))

    (problem,) = found.problems
    assert (problem.severity, problem.line) == ("error", 6)
    assert "daily_cap_usd is" in problem.message
    assert "a number in USD is needed" in problem.message


@pytest.mark.parametrize(
    ("value", "cap"), [("10", 10), ("0.5", 0.5), (".5", 0.5), ("0", 0), ("1.", 1), ("12.25", 12.25)]
)
def test_a_plain_decimal_is_a_cap(value: str, cap: float) -> None:
    found = settings.read("model.md", parse("scout/model.md", MODEL.format(value).encode()))

    assert found.problems == ()
    assert found.values["cost_guardrails"] == {"enabled": True, "daily_cap_usd": cap}


def test_a_fenced_cap_of_the_published_format_is_held_to_the_same() -> None:
    text = "# MODEL\n\n```yaml\ncost_guardrails:\n  enabled: true\n  daily_cap_usd: 010\n```\n"

    found = settings.read("model.md", parse("scout/model.md", text.encode()))

    assert [problem.line for problem in found.problems if "daily_cap_usd" in problem.message] == [6]


@pytest.mark.parametrize(
    "text",
    ["007", "no", "yes", "on", "0x1F", "1e3", "2026-01-01", "1:30", "1_000", "1.10", "+5", "true", ".5", "2026-1-1",
     "2026-01-01 10:00", "-0", "12"],
)  # fmt: skip
def test_a_name_and_a_description_are_the_text_as_it_stands(text: str) -> None:
    head = f"---\nname: {text}\ndescription: {text} # said\ntype: user\ntags: [a, {text}]\nsources:\n- {text}\n---\n"

    found = note.read(parse("scout/memory/a.md", head.encode()), "a.md")

    assert (found.name, found.description, found.tags, found.sources) == (text, text, ("a", text), (text,))


def test_what_is_empty_is_no_text() -> None:
    found = note.read(parse("scout/memory/a.md", b"---\nname: ~\ndescription:\ntags: [~, a]\n---\n"), "a.md")

    assert (found.name, found.description, found.tags) == ("a", "", ("a",))
