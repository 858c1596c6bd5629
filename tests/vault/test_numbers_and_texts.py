import pytest

from atomic_agents.budget import prices
from atomic_agents.core.document import parse
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.stores.memory import MemoryStore
from atomic_agents.testing.deeds import put
from atomic_agents.vault import note, settings, tool_file
from atomic_agents.vault.vault import Vault

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


@pytest.mark.parametrize("text", ["~", "null", "Null"])
def test_a_name_may_be_a_word_for_nothing(text: str) -> None:
    head = f"---\nname: {text}\ndescription: {text}\ntype: user\nsuperseded_by: {text}\n---\n"
    document = parse("scout/memory/a.md", head.encode())

    found = note.read(document, "a.md")

    assert (found.name, found.description, found.superseded_by) == (text, text, "")
    assert not [each for each in note.problems(document, wiki=True) if "missing" in each.message]


def test_what_is_empty_is_no_text() -> None:
    found = note.read(parse("scout/memory/a.md", b"---\nname:\ndescription:\ntags: [~, a]\n---\n"), "a.md")

    assert (found.name, found.description, found.tags) == ("a", "", ("a",))


@pytest.mark.parametrize("value", ["010", "1_0", "0x10", "1e3", "+5", "-1", "٣", "08"])
def test_a_number_in_a_section_of_the_published_format_is_held_to_the_same(value: str) -> None:
    text = f"# SERVE\n\n## Bind Port\n\n{value}\n"

    found = settings.read("serve.md", parse("scout/serve.md", text.encode()))

    assert [problem.line for problem in found.problems] == [5]


@pytest.mark.parametrize("value", ["010", "0x10", "1e3", "1:30", "٣٣", "0b11", "1E+3"])
def test_tokens_in_prose_are_counted_in_plain_decimals(value: str) -> None:
    text = f"# MODEL\n\n## Default model\n\n`gpt-5-mini`\n\n- Max output: {value} tokens\n"

    found = settings.read("model.md", parse("scout/model.md", text.encode()))

    assert [(problem.line, "max_output_tokens" in problem.message) for problem in found.problems] == [(7, True)]


@pytest.mark.parametrize("value", ["4000", "4,000", "**4000**.", "4000 tokens"])
def test_tokens_in_prose_may_be_grouped(value: str) -> None:
    text = f"# MODEL\n\n## Default model\n\n`gpt-5-mini`\n\n- Max output: {value}\n"

    found = settings.read("model.md", parse("scout/model.md", text.encode()))

    assert (found.problems, found.values["max_output_tokens"]) == ((), 4000)


@pytest.mark.parametrize(
    "value", ["1_0", "0x10", "0b11", "0o17", "1e3", "1.5e0", "+5", "-1", "inf", "nan", "true", '"5"', "010"]
)
@pytest.mark.parametrize(
    "form", ['["m"]\ninput = {}\noutput = 1.0\n', '\n"m#1" = {{ output = 1.0, "input" = {} }} # = 1_0\n']
)
def test_a_price_that_is_no_plain_decimal_is_an_error_with_its_line(value: str, form: str) -> None:
    store = MemoryStore()
    put(store, **{"prices.toml": form.format(value)})

    with pytest.raises(DocumentUnreadable, match=r"^prices\.toml:2: ") as caught:
        prices.load(Vault(store))

    assert caught.value.hint.startswith("write ")


def test_a_plain_price_is_read_whatever_a_comment_or_a_name_says() -> None:
    store = MemoryStore()
    put(store, **{"prices.toml": '# input = 1_0\n["input = 0x1"]\ninput = 0.25 # 1e3\noutput = 10\n'})

    assert prices.load(Vault(store)).own.keys() == {"input = 0x1"}


def test_a_tool_is_described_in_the_words_that_stand_there() -> None:
    store = MemoryStore()
    put(store, **{"scout__tools__no.md": "---\nname: no\ndescription: on\nclassification: read_only\n---\n"})
    put(store, **{"scout__tools__no.py": "def handler(input):\n    return 1\n"})

    (found,) = tool_file.read_all(store, "scout")

    assert (found.name, found.description, found.problems) == ("no", "on", ())


@pytest.mark.parametrize("value", [1e-05, 0.5, 1e16, 1.5, 100.0, 2e-09])
def test_a_number_that_is_written_is_read_back(value: float) -> None:
    document = parse("scout/model.md", b"---\nschema_version: 2\n---\n")

    assert document.edit({"cost_guardrails": {"daily_cap_usd": value}}).meta["cost_guardrails"] == {
        "daily_cap_usd": value
    }
