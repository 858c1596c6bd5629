from hypothesis import event, given, settings
from hypothesis import strategies as st

from atomic_agents.core.document import parse
from atomic_agents.vault import settings as vault_settings
from atomic_agents.vault.layout import SETTINGS_FILES

LINES = (
    "## Default model", "## Fallback", "gpt-5-mini", "**`claude-opus-4-8`**", "provider: openai",
    "Max output: 4,000", "Max input: 4k", "## Cost guardrail", "```yaml", "```", "```json", "~~~",
    "cost_guardrails:", "  enabled: true", "  enabled: 'no'", "  daily_cap_usd: 0", "  daily_cap_usd: 0.50",
    "  daily_cap_usd: .nan", "  warning_thresholds: [0.5, 0.8]", "  daily_cap_action: fallback", "   bad: indent",
    "## Read paths", "## Write paths (own only)", "## Hard NOs", "## Tool classification", "- memory/ — notes",
    "- Never: guess", "- fetch: read_only", "- fetch: readonly", "- (none)", "-", "<!-- a", "-->", "<!-- b -->",
    "## Delegate to", "- `editor` — proof", "## frost", "command: uvx", "args: a, b", "env: K=$V",
    "## Allowed commands", "## Default judge", "timeout_ms: 5", "## Class policy", "read_only: bypass", "## _meta",
    "## saas", "granted_by: nell", "constraints:", "  allowed_tools: [x]", "## Bind Port", "8080", "lots",
    "## Allow No Auth", "cost_caps:", "  daily_usd: 5", "tools:", "  deny: [x]", "agents:", "  a: {model: m}",
    "model: m", "", "prose, of course", "### sub", "# title", "schema_version: 2", "- " + "[" * 99, "a: &a [*a]",
    "\t", "\x0c", "x: 0x" + "f" * 200,
)  # fmt: skip
bodies = st.lists(st.sampled_from(LINES), max_size=14).map("\n".join)
names = st.sampled_from(SETTINGS_FILES)


@settings(max_examples=1500, deadline=None)
@given(
    names,
    bodies,
    st.sampled_from(("", "---\ntags: [x]\n---\n", "---\nschema_version: 2\nmodel: m\nwrite_paths: [x]\n---\n")),
)
def test_any_settings_file_is_read_and_every_problem_has_a_line_of_it(name: str, body: str, head: str) -> None:
    found = vault_settings.read(name, parse(name, (head + body).encode()))

    last = (head + body).count("\n") + 1
    assert all(1 <= problem.line <= last and problem.message for problem in found.problems)
    assert vault_settings.model_settings(found).max_output_tokens > 0
    assert isinstance(vault_settings.tool_settings(found).write_paths, tuple)


@settings(max_examples=1500, deadline=None)
@given(names, bodies)
def test_what_the_text_states_without_problems_holds_in_front_matter_above_it(name: str, body: str) -> None:
    before = vault_settings.read(name, parse(name, body.encode()))
    right = not any(problem.severity == "error" for problem in before.problems)
    event("right" if right else "wrong")
    if not right:
        return

    document = parse(name, body.encode()).edit({"schema_version": 2, **before.values})
    after = vault_settings.read(name, document)

    assert [problem.message for problem in after.problems] == [problem.message for problem in before.problems]
    assert vault_settings.model_settings(after) == vault_settings.model_settings(before)
    assert vault_settings.tool_settings(after) == vault_settings.tool_settings(before)
    assert document.body.endswith(body)
