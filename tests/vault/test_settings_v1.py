import textwrap
from decimal import Decimal

import pytest

from atomic_agents.core.document import parse
from atomic_agents.vault import settings
from atomic_agents.vault.settings import CostGuardrails, ModelSettings, Settings, ToolSettings


def read(name: str, text: str) -> Settings:
    """A settings file of the agent `a`."""
    return settings.read(name, parse(f"a/{name}", text.encode()))


def said(found: Settings) -> list[tuple[int, str]]:
    """Line and message of every problem."""
    return [(problem.line, problem.message) for problem in found.problems]


MODEL = """# MODEL: scout

## Default model

**`claude-opus-4-8`**

Chosen for: judgment. Use Opus when quality matters more than speed.

## Fallback

**`claude-sonnet-4-6`**

Fires when:
- the first errors
- Operator asks

## Token budget

| Limit | Value |
|---|---|
| Max system prompt | 12,000 tokens |
| Max output per turn | 4,000 tokens |
| Daily input+output cap | 200,000 tokens |

## Cost guardrail

```yaml
cost_guardrails:
  enabled: true
  daily_cap_usd: 0.50
  monthly_cap_usd: 7.00
  daily_cap_action: skip
  monthly_cap_action: skip
  warning_thresholds: [0.50, 0.80]
```

To observe without enforcing, flip `enabled: false`.

## Research integrity

<!-- Configure here.
     research_integrity:
       layer_1_citations:
         enabled: true
     ```yaml
     cost_guardrails:
       enabled: false
     ```
-->

(Research integrity not yet configured.)
"""


def guarded(lines: str) -> Settings:
    block = textwrap.indent(textwrap.dedent(lines).strip("\n"), "  ")
    return read("model.md", f"## Default model\n\ngpt-5-mini\n\n```yaml\ncost_guardrails:\n{block}\n```\n")


def test_a_model_file_as_the_published_init_writes_it_is_read_without_problems() -> None:
    found = read("model.md", MODEL)

    assert said(found) == []
    assert settings.model_settings(found) == ModelSettings(
        "claude-opus-4-8", "claude-sonnet-4-6", 12000, 4000, None,
        CostGuardrails(enabled=True, daily_cap=Decimal("0.5"), monthly_cap=Decimal("7.0"), monthly_action="skip"),
    )  # fmt: skip


def test_what_a_file_does_not_say_has_the_published_default() -> None:
    assert settings.model_settings(read("model.md", "# Model\n")) == settings.model_settings(None)
    assert settings.model_settings(None) == ModelSettings(None, None, 12000, 4000, None, CostGuardrails())
    assert settings.tool_settings(None) == ToolSettings(classes={})


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("gpt-5-mini", "gpt-5-mini"),
        ("**gpt-5-mini**", "gpt-5-mini"),
        ("- `openai:gpt-5-mini` — cheap", "openai:gpt-5-mini"),
        ("(the good one)\n\nclaude-opus-4-8", "claude-opus-4-8"),
        ("llama/3.1 (local)", "llama/3.1"),
        ("`mistral`", "mistral"),
        ("gpt-5-mini\nprovider: openai", "openai:gpt-5-mini"),
    ],
)
def test_a_model_id_stands_below_its_heading(below: str, expected: str) -> None:
    found = read("model.md", f"## Default model\n\n{below}\n")

    assert (settings.model_settings(found).model, said(found)) == (expected, [])


@pytest.mark.parametrize(
    "below", ["", "(none yet)", "Use Opus", "```\ngpt-5-mini\n```", "Whatever is cheap, such as gpt-5-mini", "TBD"]
)
def test_a_model_id_that_cannot_be_told_is_an_error_and_no_default(below: str) -> None:
    found = read("model.md", f"# M\n\n## Default model\n\n{below}\n")

    assert said(found) == [(3, "no model id stands below the heading for the default model")]
    assert settings.model_settings(found).model is None


@pytest.mark.parametrize(
    ("title", "expected"),
    [("Fallback", "gpt-5-nano"), ("Fallback model (cheap)", "gpt-5-nano"), ("Fallback: when it errs", "gpt-5-nano"),
     ("Fallback policy notes", None), ("Fallbacks we tried", None)],
)  # fmt: skip
def test_a_fallback_stands_below_a_heading_that_says_no_more(title: str, expected: str | None) -> None:
    found = read("model.md", f"## Default model\ngpt-5-mini\n\n## {title}\n\ngpt-5-nano\n")

    assert (settings.model_settings(found).fallback_model, said(found)) == (expected, [])


def test_prose_below_fallback_is_no_model() -> None:
    found = read("model.md", "## Default model\ngpt-5-mini\n\n## Fallback\n\nUse the cheap one when it errs.\n")

    assert (settings.model_settings(found).fallback_model, said(found)) == (None, [])


@pytest.mark.parametrize(
    ("said_as", "expected"),
    [
        ("4000", 4000),
        ("4,000 tokens", 4000),
        ("4_000", 4000),
        ("**4000**", 4000),
        ("4000tokens", 4000),
        ("about 4000 (8k hard)", 4000),
    ],
)
def test_a_number_of_tokens_is_read(said_as: str, expected: int) -> None:
    found = read("model.md", f"Max output per turn: {said_as}\nMax output later: 9\n")

    assert (settings.model_settings(found).max_output_tokens, said(found)) == (expected, [])


@pytest.mark.parametrize(
    ("said_as", "shown", "hint"),
    [
        ("4k", "4k", "write 4000"),
        ("1.5K", "1.5K", "write 1500"),
        ("1m", "1m", "write 1000000"),
        ("4 000", "4 000", "write 4000"),
        ("4.5", "4.5", "write a whole number"),
    ],
)
def test_a_number_that_would_be_cut_short_is_an_error(said_as: str, shown: str, hint: str) -> None:
    found = read("model.md", f"\n- Max output per turn: {said_as} tokens\n")

    assert said(found) == [(2, f"max_output_tokens is {shown!r}; a whole number of tokens is needed")]
    assert found.problems[0].hint == hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("enabled: 'false'", 'cost_guardrails.enabled is "false"; true or false is needed, without quotes'),
        ("enabled: 1", "cost_guardrails.enabled is 1; true or false is needed, without quotes"),
        ('daily_cap_usd: "0,50"', 'cost_guardrails.daily_cap_usd is "0,50"; a number in USD is needed'),
        ("daily_cap_usd: five", 'cost_guardrails.daily_cap_usd is "five"; a number in USD is needed'),
        ("daily_cap_usd: .nan", 'cost_guardrails.daily_cap_usd is ".nan"; a number in USD is needed'),
        ("daily_cap_usd: .inf", 'cost_guardrails.daily_cap_usd is ".inf"; a number in USD is needed'),
        ("daily_cap_usd: -1", "cost_guardrails.daily_cap_usd is -1; 0 is the least"),
        ("daily_cap_usd: false", "cost_guardrails.daily_cap_usd is false; a number in USD is needed"),
        ("daily_cap_usd:", "cost_guardrails.daily_cap_usd is empty; a number in USD is needed"),
        ("monthly_cap_action: skp", 'cost_guardrails.monthly_cap_action is "skp"; it can be skip, fallback, alert'),
        ("warning_thresholds: [0.5, 80]", "cost_guardrails.warning_thresholds is 80; 1 is the most"),
        ("warning_thresholds: 0.5", "cost_guardrails.warning_thresholds is 0.5; a list is needed"),
        ("daily_cap: 5", "cost_guardrails.daily_cap is not a setting"),
    ],
)
def test_a_guardrail_that_is_written_wrongly_is_an_error_on_its_line(line: str, message: str) -> None:
    found = guarded(f"monthly_cap_usd: 3\n{line}\n")

    assert said(found) == [(8, message)]
    assert "cost_guardrails" not in found.values
    assert found.problems[0].hint


def test_a_hint_says_what_was_probably_meant() -> None:
    lines = (
        'daily_cap_usd: "0,50"',
        "daily_cap_usd: $5",
        "daily_cap_usd: '1,000'",
        "daily_cap_action: fallbak",
        "daily_cap: 5",
    )

    hints = [guarded(line).problems[0].hint for line in lines]

    assert hints == [
        "write cost_guardrails.daily_cap_usd: 0.50", "write cost_guardrails.daily_cap_usd: 5",
        "write cost_guardrails.daily_cap_usd: 1000", "write cost_guardrails.daily_cap_action: fallback",
        "write daily_cap_usd",
    ]  # fmt: skip


def test_zero_is_no_cap() -> None:
    caps = settings.model_settings(guarded("enabled: true\ndaily_cap_usd: 0\nmonthly_cap_usd: 0.0\n")).guardrails

    assert (caps.enabled, caps.daily_cap, caps.monthly_cap) == (True, None, None)


def test_a_fallback_without_a_model_is_a_warning() -> None:
    found = guarded("daily_cap_action: fallback\n")

    assert [(problem.line, problem.severity) for problem in found.problems] == [(7, "warning")]
    assert settings.model_settings(found).guardrails.daily_action == "fallback"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            "```yaml\ncost_guardrails:\n  enabled: true\n   daily_cap_usd: 1\n```\n",
            4,
            "the cost_guardrails block does not parse",
        ),
        ("```yaml\ncost_guardrails:\n\tenabled: true\n```\n", 3, "the cost_guardrails block does not parse"),
        ("cost_guardrails:\n  enabled: true\n", 1, "cost_guardrails stands outside a ```yaml block"),
        (
            "```\ncost_guardrails:\n  enabled: true\n```\n",
            1,
            "the block that holds cost_guardrails is marked none, not yaml",
        ),
        ("```json\n{cost_guardrails: {}}\n```\n", 1, "the block that holds cost_guardrails is marked json, not yaml"),
        ("text\n```yaml\ncost_guardrails:\n  enabled: true\n", 2, "the code block that opens here does not end"),
        ("```yaml\ncost_guardrails: yes\n```\n", 2, "cost_guardrails is true; `key: value` lines are needed"),
        ("<!-- note\n```yaml\ncost_guardrails:\n```\n", 1, "the HTML comment that opens here does not end"),
    ],
)
def test_a_block_that_would_be_passed_over_is_an_error(text: str, line: int, message: str) -> None:
    found = read("model.md", text)

    assert [(problem.line, problem.message[: len(message)]) for problem in found.problems] == [(line, message)]


def test_a_fence_that_says_more_than_yaml_is_yaml() -> None:
    found = read("model.md", '```yaml title="caps"\ncost_guardrails:\n  enabled: true\n```\n')

    assert settings.model_settings(found).guardrails.enabled


def test_settings_in_front_matter_that_states_no_version_are_an_error() -> None:
    found = read("model.md", "---\ntitle: x\nmodel: gpt-5-mini\n---\n## Default model\n\ngpt-5-nano\n")

    assert said(found) == [(3, "model stands in front matter without schema_version: 2, so it is not read")]


def test_a_version_that_is_no_number_is_an_error() -> None:
    found = read("model.md", "---\nmodel: gpt-5-mini\nschema_version: '2'\n---\n")

    assert said(found) == [(3, "schema_version is '2'; a whole number is needed")]


def test_lines_are_those_of_the_file_below_front_matter() -> None:
    found = read("model.md", "\n---\ntags: [x]\n---\n\nMax output: 4k\n")

    assert [problem.line for problem in found.problems] == [6]
