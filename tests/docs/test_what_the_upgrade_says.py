"""What is gone since the published 2.0.0 is named in the changelog, each with what does it now."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from scripts.changelog import merged, target

from atomic_agents._version import __version__
from atomic_agents.cli.main import cli
from atomic_agents.migration import changelog
from atomic_agents.testing.shell import Shell

ROOT = Path(__file__).resolve().parents[2]
GONE = (
    "skills AGENT", "version AGENT NOTE", "restore AGENT NOTE VERSION", "bundle AGENT", "persona list", "corpus list",
    "mcp-registry list", "review --backend", "secrets validate", "--from-template", "--list-templates", "serve --all",
    "--allow-no-auth", "deploy AGENT", "atomic_agents.goal", "atomic_agents.outcome", "atomic_agents.dream",
    "atomic_agents.eval", "atomic_agents.tuning", "atomic_agents.delegate", "AtomicAgent", "Response", "Capture",
    "CostGuardrailBlocked", "AgentLockBusy", "SchemaValidationError", "ToolDefinition", "ToolRegistry", "SkillManifest",
    "OutcomeRunner", "OutcomeResult", "DreamRunner", "_BACKEND", "ATOMIC_AGENTS_AGENT_ROOT", "ATOMIC_AGENTS_MULTI_HOST",
    "ATOMIC_AGENTS_SERVE_HOST", "ATOMIC_AGENTS_TRACING_ENABLED", "ATOMIC_AGENTS_POLICY_ENFORCE_NONCAP",
    "ATOMIC_AGENTS_EMBEDDING_", "AGENT_JUDGE_ENABLED", "pgvector", "redis", "vertex", "/agents/NAME/call",
)  # fmt: skip
WAY_OUT = re.compile(
    r"not in this version|: type |: `|(?:^|\. )(?:Write|Make|Move|State|Send|Raise|Compare|For)\b|pass `| is `"
)


def sections() -> dict[str, str]:
    """The sections of this version that an operator must know, with the fragments that are still to come."""
    fragments: dict[str, list[str]] = {}
    for path in (ROOT / "changes").glob("*.*.md"):
        fragments.setdefault(path.stem.rpartition(".")[2], []).append(path.read_text())
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = changelog.read(merged(text, fragments, target(text, __version__)))
    return {one.kind: one.text for one in changelog.between(releases, None)}


@pytest.mark.parametrize("name", GONE)
def test_what_is_gone_is_named(name: str) -> None:
    assert name in " ".join("\n".join(sections().values()).split())


def test_each_removal_says_what_to_do() -> None:
    entries = [" ".join(entry.split()) for entry in re.split(r"^- ", sections()["Removed"], flags=re.MULTILINE)[1:]]

    assert [entry for entry in entries if not WAY_OUT.search(entry)] == []


def test_every_command_that_is_to_be_typed_is_one() -> None:
    text = " ".join("\n".join(sections().values()).split())
    parts = re.findall(r"type (.*?)(?:: not|\. |; |$)", text)
    spans = [span for part in parts for span in re.findall(r"`([^`]+)`", part)]
    lines = [span.removeprefix("atomic-agents ") for span in spans if not span.startswith(("python", "-"))]

    assert len(lines) > 15
    for line in lines:
        for words in _spelled(shlex.split(line)):
            command: click.Command = cli
            context = click.Context(cli)
            for word in words:
                if not isinstance(command, click.Group) or command.get_command(context, word) is None:
                    break
                found = command.get_command(context, word)
                assert found is not None
                command = found
            assert command is not cli, line
            assert not isinstance(command, click.Group) or words[0] in ("dream", "serve"), line


def _spelled(words: list[str]) -> list[list[str]]:
    """`mcp list|check AGENT` as a line for each verb."""
    at = next((number for number, word in enumerate(words) if "|" in word), None)
    return [words] if at is None else [[*words[:at], verb, *words[at + 1 :]] for verb in words[at].split("|")]


def test_the_plan_of_an_upgrade_shows_them(vault_copy: Callable[[str], Path], shell: Shell) -> None:
    vault_copy("v1")

    done = shell("upgrade", "--plan")

    assert done.code == 0, done.err
    assert f"news       what is breaking, removed or deprecated in {__version__}" in done.out
    assert f"{__version__}, 2026-12-01: BREAKING" in done.out
    assert f"{__version__}, 2026-12-01: Removed" in done.out
    assert "atomic-agents skills list AGENT" in done.out
