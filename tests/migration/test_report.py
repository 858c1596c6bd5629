import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.change import ABSENT
from atomic_agents.migration import plan, report
from atomic_agents.migration.plan import Plan

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
NOW = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)
SNAPSHOT = "2026-11-22T120000_pre_v2_migration.tar.gz"
NOTE = "---\nschema_version: 1\nname: a\n{0}---\n\na\n"
SCRIPT = """FROM_VERSION = 1
TO_VERSION = 2

def applies_to(unit):
    return True

def migrate(unit):
    unit.write_frontmatter({**unit.read_frontmatter(), "schema_version": 2})
    return {"renamed": {"old": "new"}, "dropped": ["gone"], "why": "it said so"}
"""
AGENT = {
    "scout/persona/IDENTITY.md": "# Scout\n",
    "scout/memory/user_a.md": NOTE.format(""),
    "scout/memory/user_b.md": NOTE.format(""),
    "scout/memory/user_c.md": NOTE.format("supersedes_list: [x.md]\n"),
    "scout/model.md": "## Default model\nembedded:quote\n",
}


def planned(root: Path) -> Plan:
    vault = open_workspace(config.load(str(root), {})).vault
    return plan.make(vault, vault.survey(), 2, skip_unreadable=True)


def text(root: Path) -> str:
    return report.report(planned(root), snapshot=SNAPSHOT, now=NOW).data.decode()


def test_every_document_is_named_with_what_was_done_to_it(make_vault: MakeVault) -> None:
    said = text(make_vault(AGENT))

    notes, _, settings = said.partition("## Notes\n")[2].partition("## Settings files\n")
    assert notes == (
        "\nset `schema_version`, `provenance` (2):\n\n- `scout/memory/user_a.md`\n- `scout/memory/user_b.md`\n"
        "\nset `schema_version`, `provenance`, `supersedes`; dropped `supersedes_list` (1):\n\n"
        "- `scout/memory/user_c.md`\n\n"
    )
    assert settings == "\nset `schema_version`, `model` (1):\n\n- `scout/model.md`\n"


def test_it_says_what_was_renamed_and_whatever_else_a_script_says(make_vault: MakeVault) -> None:
    said = text(make_vault({**AGENT, "_migrations/v1_to_v2.py": SCRIPT}))

    assert "- step: v1_to_v2, sha256 " in said
    assert "renamed `old to new`; dropped `gone`; why `it said so` (2):" in said


def test_it_names_what_was_left_and_the_way_back(make_vault: MakeVault) -> None:
    said = text(make_vault({**AGENT, "scout/memory/user_d.md": b"\0"}))

    assert "- `scout/memory/user_d.md`: is binary: it holds NUL bytes (move it out of the vault)\n" in said
    assert f"```sh\npython -m atomic_agents.migrate --rollback {SNAPSHOT}\n```\n" in said
    assert "- documents changed: 4\n- documents left as they are: 1\n" in said


def test_it_stands_by_the_time_of_its_snapshot_and_replaces_nothing(make_vault: MakeVault) -> None:
    made = planned(make_vault(AGENT))

    put = report.report(made, snapshot=SNAPSHOT, now=NOW)
    next_second = report.report(made, snapshot="2026-11-22T120001_pre_v2_migration.tar.gz", now=NOW)

    assert (put.path, put.expect) == ("_migrations/reports/2026-11-22T120000.md", ABSENT)
    assert next_second.path == "_migrations/reports/2026-11-22T120001.md"
