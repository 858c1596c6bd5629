import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell
from atomic_agents.vault.settings import RULES

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
MODEL = """---
schema_version: 2
model: gpt-5-mini
provider: openai
cost_guardrails:
  enabled: true
  daily_cap_usd: 2
  monthly_cap_usd: 5
---
"""
POLICY = """---
schema_version: 2
cost_caps:
  daily_usd: 1.5
agents:
  scout:
    cost_caps: {monthly_usd: 9}
  other:
    model: secret-model
---
"""
MCP = """---
schema_version: 2
servers:
  frost:
    command: frost
    env: {A: very-secret, B: $FROST}
---
"""
FILES = {"scout/persona/IDENTITY.md": "# Scout\n", "scout/model.md": MODEL, "scout/mcp.md": MCP, "policy.md": POLICY}


def shown(shell: Shell, *arguments: str) -> dict[str, tuple[object, str]]:
    values = shell("config", "show", *arguments, "--json").value["values"]
    return {f"{each['file']} {each['key']}": (each["value"], each["where"]) for each in values}


def test_each_setting_in_force_names_the_line_it_comes_from(shell: Shell, make_vault: MakeVault) -> None:
    make_vault(FILES)

    found = shown(shell, "scout")

    assert found["model.md model"] == ("openai:gpt-5-mini", "scout/model.md:3")
    assert found["model.md max_output_tokens"] == (4000, "default")
    assert found["model.md cost_guardrails.daily_cap_usd"] == (1.5, "policy.md:4")
    assert found["model.md cost_guardrails.monthly_cap_usd"] == (5.0, "scout/model.md:8")
    assert found["policy.md agents.scout.cost_caps.monthly_usd"] == (9, "policy.md:7")
    assert found["mcp.md servers.frost.env.A"] == ("(set)", "scout/mcp.md:6")
    assert found["mcp.md servers.frost.env.B"] == ("$FROST", "scout/mcp.md:6")
    assert not [key for key in found if "other" in key]


def test_caps_of_the_policy_alone_are_attributed_to_it(shell: Shell, make_vault: MakeVault) -> None:
    make_vault({**FILES, "scout/model.md": "---\nschema_version: 2\nmodel: embedded:quote\n---\n"})

    found = shown(shell, "scout")

    assert found["model.md cost_guardrails.enabled"][1].startswith("policy.md:")
    assert found["model.md cost_guardrails.monthly_cap_usd"] == (9.0, "policy.md:7")


def test_a_vault_of_v1_names_its_lines_too(shell: Shell, make_vault: MakeVault) -> None:
    make_vault({**FILES, "scout/model.md": "# Model\n\n## Default model\ngpt-5-mini\n\nMax output: 4,100\n"})

    found = shown(shell, "scout")

    assert found["model.md model"] == ("gpt-5-mini", "scout/model.md:4")
    assert found["model.md max_output_tokens"] == (4100, "scout/model.md:6")


def test_what_is_wrong_is_said_with_the_rest(shell: Shell, make_vault: MakeVault) -> None:
    make_vault({**FILES, "policy.md": POLICY.replace("cost_caps:\n", "cost_cap:\n", 1)})

    done = shell("config", "show", "scout")

    assert done.code == 1
    assert "error: policy.md:3: cost_cap is not a setting" in done.err
    assert "openai:gpt-5-mini" in done.out


def test_the_environment_is_shown_without_its_keys(shell: Shell) -> None:
    full = Shell(shell.root, shell.home, {"OPENAI_API_KEY": "very-secret", "OPENAI_BASE_URL": "http://127.0.0.1:9"})

    found = shown(full)

    assert found["environment root"] == (str(shell.root), "env:ATOMIC_AGENTS_ROOT")
    assert found["environment OPENAI_API_KEY"] == ("(set)", "env:OPENAI_API_KEY")
    assert found["environment OPENAI_BASE_URL"] == ("http://127.0.0.1:9", "env:OPENAI_BASE_URL")
    assert shown(full, "--root", str(shell.home))["environment root"] == (str(shell.home), "--root")


@pytest.mark.parametrize("name", RULES)
def test_a_schema_is_printed_as_it_is_published(shell: Shell, name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "schemas" / f"{name.removesuffix('.md')}.json"

    assert shell("config", "schema", name).value == json.loads(page.read_text(encoding="utf-8"))


def test_a_file_that_is_none_names_the_nearest(shell: Shell) -> None:
    assert "hint: atomic-agents config schema model.md" in shell("config", "schema", "modell").err
