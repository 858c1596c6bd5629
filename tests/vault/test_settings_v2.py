from decimal import Decimal

import pytest

from atomic_agents.core.document import parse
from atomic_agents.core.errors import DocumentUnreadable
from atomic_agents.vault import settings
from atomic_agents.vault.layout import SETTINGS_FILES
from atomic_agents.vault.settings import CostGuardrails, ModelSettings, Settings, ToolSettings


def read(name: str, text: str) -> Settings:
    """A settings file of the agent `a`."""
    return settings.read(name, parse(f"a/{name}", text.encode()))


def said(found: Settings) -> list[tuple[int, str]]:
    """Line and message of every problem."""
    return [(problem.line, problem.message) for problem in found.problems]


HEAD = """---
schema_version: 2
model: gpt-5-mini
max_output_tokens: 4000
cost_guardrails:
  enabled: true
  daily_cap_usd: 0
---
"""


def test_typed_front_matter_is_read() -> None:
    found = read("model.md", HEAD + "\n# Model\n\nProse.\n")

    caps = CostGuardrails(enabled=True, daily_cap=Decimal(0))
    assert (found.version, said(found)) == (2, [])
    assert settings.model_settings(found) == ModelSettings("gpt-5-mini", None, 12000, 4000, None, caps)


def test_every_settings_file_has_rules_and_readers() -> None:
    for name in SETTINGS_FILES:
        assert said(read(name, "---\nschema_version: 2\n---\n")) == said(read(name, "")) == []


def test_tools_are_read() -> None:
    text = "---\nschema_version: 2\nread_paths: [./]\nhard_nos:\n- never\ntool_classes: {fetch: read_only}\n---\n"

    assert settings.tool_settings(read("tools.md", text)) == ToolSettings(
        ("./",), hard_nos=("never",), classes={"fetch": "read_only"}
    )


@pytest.mark.parametrize(
    ("line", "number", "message", "hint"),
    [
        ("modle: x", 8, "modle is not a setting", "write model"),
        ("zzz: x", 8, "zzz is not a setting", "take zzz away, or see docs/reference/settings.md"),
        ("  daily_cap: 5", 8, "cost_guardrails.daily_cap is not a setting", "write daily_cap_usd"),
        (
            "  monthly_cap_usd: '7'",
            8,
            'cost_guardrails.monthly_cap_usd is "7"; a number in USD is needed',
            "write cost_guardrails.monthly_cap_usd: 7",
        ),
        (
            "  enabled: 'false'",
            8,
            'cost_guardrails.enabled is "false"; true or false is needed, without quotes',
            "write cost_guardrails.enabled: true",
        ),
        ("temperature: 3", 8, "temperature is 3; 2 is the most", "write temperature: 2"),
        (
            "max_input_tokens: 4k",
            8,
            'max_input_tokens is "4k"; a whole number is needed',
            "write max_input_tokens: 4000",
        ),
        ("max_input_tokens: 0.5", 8, "max_input_tokens is 0.5; a whole number is needed", "write max_input_tokens: 0"),
        (
            "max_input_tokens: yes",
            8,
            "max_input_tokens is true; a whole number is needed",
            "write max_input_tokens: 1000",
        ),
        ("max_input_tokens: 0", 8, "max_input_tokens is 0; 1 is the least", "write max_input_tokens: 1"),
        ("fallback_model:", 8, "fallback_model is empty; a text is needed", 'write fallback_model: "…"'),
        ("provider: [a]", 8, "provider is a list; a text is needed", 'write provider: "…"'),
        (
            "dedup_body_hash: 2026-05-05",
            8,
            "dedup_body_hash is 2026-05-05; true or false is needed, without quotes",
            "write dedup_body_hash: true",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_write(line: str, number: int, message: str, hint: str) -> None:
    text = HEAD.replace("  enabled: true\n", "") if "enabled" in line else HEAD
    number -= "enabled" in line

    found = read("model.md", text.replace("---\n", f"{line}\n---\n").removeprefix(f"{line}\n"))

    assert [(problem.line, problem.message, problem.hint) for problem in found.problems] == [(number, message, hint)]


def test_every_problem_of_a_file_is_told_and_the_right_values_stay() -> None:
    found = read("model.md", "---\nschema_version: 2\nmodel: 5\ntemperature: hot\nmax_output_tokens: 10\n---\n")

    assert [problem.line for problem in found.problems] == [3, 4]
    assert found.values == {"max_output_tokens": 10}


def test_a_number_of_any_size_is_judged_without_a_fall() -> None:
    found = read("model.md", f"---\nschema_version: 2\ntemperature: {'9' * 90}\nmax_output_tokens: -{'9' * 90}\n---\n")

    assert [problem.line for problem in found.problems] == [3, 4]


def test_a_key_that_is_stated_twice_is_an_error() -> None:
    found = read("model.md", HEAD.replace("  daily_cap_usd: 0\n", "  daily_cap_usd: 1\n  daily_cap_usd: 9\n"))

    assert said(found) == [(8, "daily_cap_usd is stated twice")]


def test_a_text_that_agrees_is_prose() -> None:
    body = """
## Default model

gpt-5-mini

Max output: 4,000 tokens

```yaml
cost_guardrails:
  enabled: true
```
"""
    assert said(read("model.md", HEAD + body)) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("## Default model\n\ngpt-5-nano\n", (11, "the text states another model than a/model.md:3")),
        ("Max output: 9\n", (9, "the text states another max_output_tokens than a/model.md:4")),
        (
            "## Fallback\n\ngpt-5-nano\n",
            (11, "the text states another fallback_model than the front matter of a/model.md"),
        ),
        (
            "```yaml\ncost_guardrails:\n  enabled: true\n  daily_cap_usd: 5\n```\n",
            (12, "the text states another cost_guardrails.daily_cap_usd than a/model.md:7"),
        ),
        (
            "```yaml\ncost_guardrails:\n  enabled: true\n  monthly_cap_usd: 5\n```\n",
            (12, "the text states another cost_guardrails.monthly_cap_usd than a/model.md:5"),
        ),
    ],
)
def test_a_text_that_contradicts_is_an_error_that_names_both_lines(body: str, expected: tuple[int, str]) -> None:
    line, message = expected

    assert said(read("model.md", HEAD + body)) == [(line, f"{message}, and only the front matter is read")]


def test_a_list_in_the_text_must_be_the_whole_list() -> None:
    head = "---\nschema_version: 2\nwrite_paths: [memory/, wiki/]\nread_paths: [./]\n---\n"

    assert (
        said(read("tools.md", f"{head}## Write paths\n\n- memory/\n- wiki/\n\n## Read paths\n\nNone of note.\n")) == []
    )
    assert [line for line, _ in said(read("tools.md", f"{head}## Write paths\n\n- memory/\n"))] == [6]


def test_a_newer_file_is_not_judged_by_older_rules() -> None:
    found = read("model.md", "---\nschema_version: 9\nmodle: x\n---\n")

    assert said(found) == [(2, "is at v9, and this package reads up to v2")]
    assert found.problems[0].hint == "pip install --upgrade atomic-agents-stack"


def test_a_file_that_is_no_text_is_a_problem_and_not_a_default() -> None:
    with pytest.raises(DocumentUnreadable) as caught:
        parse("a/model.md", b"a\n\xff")

    found = settings.unreadable("model.md", caught.value)

    assert said(found) == [(2, "is not UTF-8 text (byte 0xff)")]


def test_an_instance_adds_to_its_role_and_can_only_restate_a_class() -> None:
    role = ToolSettings(("a",), ("b",), ("c",), ("d",), ("e",), {"x": "read_only", "y": "high_risk"})
    own = ToolSettings(("1",), ("2",), ("3",), ("4",), ("5",), {"x": "high_risk"})

    assert role.extended(own) == ToolSettings(
        ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5"), {"x": "high_risk", "y": "high_risk"}
    )
