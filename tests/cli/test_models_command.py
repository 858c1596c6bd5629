from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.testing.servers import OpenAIServer, Reply
from atomic_agents.testing.shell import Shell


@pytest.fixture
def sampled(shell: Shell, vault_copy: Callable[[str], Path]) -> Shell:
    vault_copy("samples")
    return shell


def test_a_list_says_price_context_and_whether_there_is_a_key(shell: Shell) -> None:
    found = {line["id"]: line for line in shell("models", "list", "--json").value}

    assert found["embedded:quote"]["availability"] == "ready"
    assert found["embedded:quote"]["price"]["source"] == "this machine"
    paid = [line for line in found.values() if line["id"].startswith(("openai:", "anthropic:"))]
    assert {line["availability"] for line in paid} == {"no-key"}
    assert all(line["price"]["input_usd"] > 0 and line["price"]["context_tokens"] > 100_000 for line in paid)


def test_a_price_is_for_a_million_tokens_and_says_who_says_so(shell: Shell) -> None:
    found = shell("models", "price", "openai:gpt-5-mini", "--json").value

    assert (found["input_usd"], found["output_usd"], found["source"]) == (0.25, 2.0, "genai-prices")


def test_the_vaults_own_price_goes_first(sampled: Shell) -> None:
    (sampled.root / "prices.toml").write_text('["gpt-5-mini"]\ninput = 7\noutput = 8\n')

    done = sampled("models", "price", "openai:gpt-5-mini")

    assert done.out.split() == [
        "input", "$7.00", "output", "$8.00", "cache", "read", "$7.00", "cache", "write", "$7.00",
        "context", "400,000", "tokens", "says", "prices.toml",
    ]  # fmt: skip


def test_a_price_that_nobody_knows_says_where_to_state_it(sampled: Shell) -> None:
    done = sampled("models", "price", "nobody:knows")

    assert done.code == 7
    assert 'write in prices.toml, at the top of the vault: ["nobody:knows"]' in done.err


def test_a_model_is_tried_with_one_counted_call(sampled: Shell) -> None:
    with OpenAIServer([Reply("ready")]) as server:
        environ = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}
        shell = Shell(sampled.root, sampled.home, environ)

        found = shell("models", "test", "openai:gpt-5-mini", "--agent", "caldwell", "--json").value

    assert found["text"] == "ready"
    listed = [run for run in shell("runs", "list", "--json").value["runs"] if run["run_id"] == found["run_id"]]
    assert [(run["agent"], run["cost_usd"] > 0) for run in listed] == [("caldwell", True)]


def test_a_model_without_a_key_is_not_tried(sampled: Shell) -> None:
    done = sampled("models", "test", "openai:gpt-5-mini")

    assert done.code == 7
    assert "hint: atomic-agents secrets set openai" in done.err


def test_without_an_agent_nothing_could_count_it(shell: Shell) -> None:
    shell.root.mkdir()

    assert "hint: atomic-agents init my-agent" in shell("models", "test", "embedded:quote").err
