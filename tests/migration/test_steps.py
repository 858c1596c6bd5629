from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.errors import MigrationRefused
from atomic_agents.operations import upkeep

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
AGENT = {"scout/persona/IDENTITY.md": "# Scout\n"}
MODEL = "## Default model\ngpt-5-mini\n"
NOTE = "---\nname: a\n{0}---\n\nbody\n"


@pytest.fixture
def migrated(make_vault: MakeVault) -> Callable[[str, str], str]:
    """What a document of a given path becomes."""

    def migrate(path: str, text: str) -> str:
        root = make_vault({**AGENT, path: text})
        upkeep.migrate(open_workspace(config.load(str(root), {})), 2, skip_unreadable=False)
        return (root / path).read_bytes().decode()

    return migrate


Migrated = Callable[[str, str], str]


@pytest.mark.parametrize(
    ("head", "becomes"),
    [
        ("", "---\nschema_version: 2\nmodel: gpt-5-mini\n---\n\n"),
        ("---\nschema_version: 1\n---\n", "---\nschema_version: 2\nmodel: gpt-5-mini\n---\n"),
        ("---\nschema_version: 0\n---\n", "---\nschema_version: 2\nmodel: gpt-5-mini\n---\n"),
        ("---\n# mine\n---\n", "---\n# mine\nschema_version: 2\nmodel: gpt-5-mini\n---\n"),
    ],
)
def test_settings_keep_their_prose_below_their_values(head: str, becomes: str, migrated: Migrated) -> None:
    assert migrated("scout/model.md", head + MODEL) == becomes + MODEL


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "schema_version: 2\nprovenance: inference\n"),
        ("provenance: operator\n", "provenance: operator\nschema_version: 2\n"),
        ("provenance: distilled\n", "provenance: inference\nschema_version: 2\n"),
        ("supersedes: b.md\n", "supersedes:\n- b.md\nschema_version: 2\nprovenance: inference\n"),
        ("supersedes: []\n", "supersedes: []\nschema_version: 2\nprovenance: inference\n"),
        ("supersedes: null\n", "supersedes: []\nschema_version: 2\nprovenance: inference\n"),
        ("supersedes: [b.md, b.md]\n", "supersedes: [b.md]\nschema_version: 2\nprovenance: inference\n"),
        (
            "supersedes_list:\n- b.md\n- c.md\n",
            "schema_version: 2\nprovenance: inference\nsupersedes:\n- b.md\n- c.md\n",
        ),
        (
            "supersedes: b.md\nsupersedes_list: [b.md, c.md]\n",
            "supersedes:\n- b.md\n- c.md\nschema_version: 2\nprovenance: inference\n",
        ),
    ],
)
def test_a_note_says_who_vouches_for_it_and_lists_what_it_replaces(before: str, after: str, migrated: Migrated) -> None:
    assert migrated("scout/memory/user_a.md", NOTE.format(before)) == NOTE.format(after)


def test_a_policy_that_states_a_version_is_the_operators(migrated: Migrated) -> None:
    assert migrated("projects/x/policy/a.md", NOTE.format("schema_version: 0\n")) == NOTE.format(
        "schema_version: 2\nprovenance: operator\n"
    )


def test_a_policy_in_prose_has_no_version(make_vault: MakeVault) -> None:
    root = make_vault({**AGENT, "projects/x/policy/a.md": "never\n"})

    assert upkeep.status(open_workspace(config.load(str(root), {}))).documents == 0


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("model.md", "## Default model\nthe usual one\n", "scout/model.md:1: no model id stands below"),
        ("model.md", f"---\nmodel: x\n---\n{MODEL}", "scout/model.md:2: model stands in front matter"),
        (
            "model.md",
            f"{MODEL}\n```yaml\ncost_guardrails:\n  daily_cap_usd: '0,50'\n```\n",
            "scout/model.md:6: cost_gu",
        ),
        ("mcp.md", "## frost\n- args: a\n", "scout/mcp.md:1: MCP server frost has no command"),
    ],
)
def test_settings_that_would_be_guessed_stand_in_the_way(
    name: str, text: str, words: str, make_vault: MakeVault
) -> None:
    root = make_vault({**AGENT, f"scout/{name}": text})

    with pytest.raises(MigrationRefused) as refused:
        upkeep.migrate(open_workspace(config.load(str(root), {})), 2, skip_unreadable=False)

    assert words in refused.value.message
    assert (root / "scout" / name).read_text() == text


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("user_tea.md", "user"),
        ("decision_2025_tea.md", "decision"),
        ("tea.md", "reference"),
        ("dream_tea.md", "reference"),
    ],
)
def test_a_note_without_front_matter_gets_one_from_its_text_and_its_name(
    file: str, kind: str, migrated: Migrated
) -> None:
    text = migrated(f"scout/memory/{file}", "# Tea at four\n\nNever at *five*.\n")

    head, _, body = text.removeprefix("---\n").partition("---\n\n")
    lines = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    assert body == "# Tea at four\n\nNever at *five*.\n"
    assert (lines["name"], lines["description"], lines["type"]) == ("Tea at four", "Never at *five*.", kind)
    assert (lines["confidence"], lines["provenance"]) == ("low", "inference")
