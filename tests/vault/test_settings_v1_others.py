import datetime

import pytest

from atomic_agents.core.document import parse
from atomic_agents.vault import settings
from atomic_agents.vault.settings import Settings, ToolSettings


def read(name: str, text: str) -> Settings:
    """A settings file of the agent `a`."""
    return settings.read(name, parse(f"a/{name}", text.encode()))


def said(found: Settings) -> list[tuple[int, str]]:
    """Line and message of every problem."""
    return [(problem.line, problem.message) for problem in found.problems]


TOOLS = """# TOOLS: scout

## Read paths

- ./ -- full read access to own context

## Write paths (own folder ONLY)

- memory/ -- atomic note capture
- `wiki/` — wiki page authoring
* ~/a b/c — x
- ~/x # note
- <agents_root>/other/drafts/, shared
- (none else)
-

### Later

- journal/ (narrative)

## External APIs

- **Anthropic API**: calls per model.md (key in the environment).
- <!-- Add others here. Format: name, purpose. -->

## Hard NOs (absolute)

- Never write outside own folder. No exceptions, even if asked.
- (None configured at setup.)
- (a) Never publish (b) never delete

## Soft NOs

- Not read by anyone.

## Tool classification

- `fetch`: Read_Only — looks only
- send_mail: high_risk (asks first)

## Read-only paths

- memory/archive/
"""


def test_a_tools_file_as_the_published_init_writes_it_is_read_without_problems() -> None:
    found = read("tools.md", TOOLS)

    assert said(found) == []
    assert settings.tool_settings(found) == ToolSettings(
        read_paths=("./",),
        write_paths=("memory/", "wiki/", "~/a b/c", "~/x", "<agents_root>/other/drafts/", "journal/"),
        read_only_paths=("memory/archive/",),
        external_apis=("**Anthropic API**: calls per model.md (key in the environment).",),
        hard_nos=(
            "Never write outside own folder. No exceptions, even if asked.",
            "(a) Never publish (b) never delete",
        ),
        classes={"fetch": "read_only", "send_mail": "high_risk"},
    )


@pytest.mark.parametrize(
    ("bullet", "message", "hint"),
    [
        ("fetch: readonly", 'tool_classes.fetch is "readonly"; it can be', "write tool_classes.fetch: read_only"),
        ("fetch", "'fetch' names no class", "write `- tool_name: read_only`"),
        ("fetch:", 'tool_classes.fetch is ""; it can be', "write tool_classes.fetch: read_only"),
    ],
)
def test_a_misspelt_class_is_an_error(bullet: str, message: str, hint: str) -> None:
    found = read("tools.md", f"## Tool classification\n\n- ok: high_risk\n- {bullet}\n")

    (problem,) = found.problems
    assert (problem.line, problem.message[: len(message)], problem.hint) == (4, message, hint)


@pytest.mark.parametrize("text", ["## Hard NOs\n\n- a\n\n```\n- b\n", "## Hard NOs\n\n- a\n\n<!--\n- b\n"])
def test_a_no_that_an_open_block_swallows_is_an_error(text: str) -> None:
    found = read("tools.md", text)

    assert found.values["hard_nos"] == ["a"]
    assert [problem.line for problem in found.problems] == [5]


@pytest.mark.parametrize(
    ("bullet", "expected"),
    [
        ("editor — proof", "editor"),
        ("a-b (x)", "a-b"),
        ("beta, gamma", "beta"),
        ("two words here", "two"),
        ("`writer` - x", "writer"),
        ("**writer** — x", "writer"),
        ("muse/projects/p/agents/writer", "muse/projects/p/agents/writer"),
    ],
)
def test_a_roster_names_agents(bullet: str, expected: str) -> None:
    found = read("roster.md", f"## Delegate to\n\n- {bullet}\n- {bullet}\n")

    assert (found.values, said(found)) == ({"delegate_to": [expected]}, [])


def test_mcp_servers_are_read_and_prose_is_none() -> None:
    text = """## Allowed commands

- `uvx`
- python3

## Notes

warning: slow

## frost

command: uvx
args: mcp-frost, --quiet
env: KEY=$FROST_KEY, MODE=a=b
transport: stdio

## broken

args: x
"""
    found = read("mcp.md", text)

    server = {
        "command": "uvx",
        "args": ["mcp-frost", "--quiet"],
        "transport": "stdio",
        "env": {"KEY": "$FROST_KEY", "MODE": "a=b"},
    }
    assert found.values == {"allowed_commands": ["uvx", "python3"], "servers": {"frost": server}}
    assert said(found) == [(17, "MCP server broken has no command")]


def test_judges_are_read_from_headings_and_blocks_alike() -> None:
    text = """## Default judge

default_backend: rules
timeout_ms: soon

## Class policy

read_only: bypass
high_risk: escalte

```yaml
model: gpt-5-mini
judge_captures: 'yes'
```
"""
    found = read("judges.md", text)

    assert [problem.line for problem in sorted(found.problems, key=lambda each: each.line)] == [4, 9, 13]
    assert found.values == {"backend": "rules", "model": "gpt-5-mini"}


def test_each_grant_is_a_mandate() -> None:
    grant = "granted_by: nell\ngranted_at: 2026-01-01\nscope: x\nrevocation_state: active\n"
    limits = "constraints:\n  daily_count: 2\n"
    text = f"## _meta\n\nper_agent_mandate_policy: open\n\n## saas\n\n{grant}{limits}\n## bad\n\na: [\n"

    found = read("mandates.md", text)

    assert found.values == {
        "meta": {"per_agent_mandate_policy": "open"},
        "mandates": {
            "saas": {
                "granted_by": "nell",
                "granted_at": datetime.date(2026, 1, 1),
                "scope": "x",
                "revocation_state": "active",
                "constraints": {"daily_count": 2},
            }
        },
    }
    assert [problem.line for problem in found.problems] == [16]


def test_serve_settings_are_headings() -> None:
    text = "## Bind Port\n\n`8080`\n\n## Allow No Auth\n\n## Max Body Bytes\n\nlots\n\n## Bind Host\n"

    found = read("serve.md", text)

    assert found.values == {"bind_port": 8080, "allow_no_auth": True}
    assert [problem.line for problem in found.problems] == [11, 9]


@pytest.mark.parametrize("text", ["# P\n\n```yaml\n{}```\n", "{}", "# P\n\nwords\n\n## More\n\n{}"])
def test_a_policy_is_a_block_or_the_whole_file(text: str) -> None:
    body = "cost_caps:\n  daily_usd: 5\ntools:\n  deny: [x]\n  alow: [y]\n"
    found = settings.read("policy.md", parse("policy.md", text.replace("{}", body).encode()))
    first = text.partition("{}")[0].count("\n") + 1

    if "words" in text:
        assert [problem.message.partition(":")[0] for problem in found.problems] == [
            "the policy does not parse, so it would not hold"
        ]
        return
    assert said(found) == [(first + 4, "tools.alow is not a setting")]
    assert found.values == {"cost_caps": {"daily_usd": 5}}
