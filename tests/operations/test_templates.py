import json
import os
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents._version import __version__
from atomic_agents.bootstrap import open_workspace
from atomic_agents.operations import templates
from atomic_agents.operations.scaffold import Answers, scaffold
from atomic_agents.operations.templates import Merged, TemplateUpgrades
from atomic_agents.operations.workspace import Workspace

RECORD = "_migrations/templates/scout.json"
NEW_RULE = "  - Never write down passwords, card numbers or health records.\n"
RULE = "  - Never send, sign, order or pay for anything.\n"
MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


class Vault:
    """A vault with the agent `scout`, made when its template was another one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace: Workspace = open_workspace(config.load(str(root), {"HOME": str(root.parent)}))
        self.workspace.store.apply(scaffold(self.workspace, Answers("scout", "advisor", "embedded:quote")).change)

    def text(self, path: str) -> str:
        return (self.root / path).read_bytes().decode()

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_bytes(text.encode())

    def was(self, file: str, old: str | None, mine: str | None = None) -> None:
        """Have the template's file been `old`, and the operator's be `mine`, when it is looked at again."""
        record = json.loads(self.text(RECORD))
        if old is None:
            del record["files"][file]
        else:
            record["files"][file] = old.split("\n")
        self.write(RECORD, json.dumps(record))
        if mine is None:
            (self.root / "scout" / file).unlink()
        else:
            self.write(f"scout/{file}", mine)

    def look(self) -> TemplateUpgrades:
        return templates.changes(self.workspace)

    def upgrade(self) -> TemplateUpgrades:
        found = self.look()
        self.workspace.store.apply(found.changes)
        return found

    def markers(self) -> list[str]:
        return [
            f"{path}: {line}"
            for path in self.root.rglob("*.md")
            for line in path.read_text().splitlines()
            if line.startswith(MARKERS)
        ]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def test_init_records_where_an_agent_came_from(vault: Vault) -> None:
    found = json.loads(vault.text(RECORD))

    assert (found["template"], found["package"]) == ("advisor", __version__)
    assert found["values"].keys() == {"name", "model", "today"}
    assert sorted(found["files"]) == [
        "model.md", "persona/IDENTITY.md", "persona/SOUL.md", "persona/USER.md", "tools.md",
    ]  # fmt: skip
    for file, lines in found["files"].items():
        assert "\n".join(lines) == vault.text(f"scout/{file}")


def test_an_agent_that_is_made_again_is_recorded_again(vault: Vault) -> None:
    for path in sorted((vault.root / "scout").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    vault.workspace.store.apply(scaffold(vault.workspace, Answers("scout", "writer", "m")).change)

    assert json.loads(vault.text(RECORD))["template"] == "writer"


def test_an_agent_of_todays_template_is_left_alone(vault: Vault) -> None:
    vault.write("scout/tools.md", "mine\n")

    assert vault.look() == TemplateUpgrades(vault.look().changes)
    assert len(vault.look().changes) == 0


def test_what_the_template_changed_is_taken_over_and_the_operators_edits_stay(vault: Vault) -> None:
    now = vault.text("scout/tools.md")
    old = now.replace(NEW_RULE, "")
    vault.was("tools.md", old, old.replace("  - ./\n", "  - ./\n  - ~/Documents\n"))

    found = vault.upgrade()

    assert found.merged == (Merged("scout/tools.md", added=False),)
    assert found.conflicts == ()
    assert vault.text("scout/tools.md") == now.replace("  - ./\n", "  - ./\n  - ~/Documents\n")


def test_a_persona_is_merged_as_settings_are(vault: Vault) -> None:
    now = vault.text("scout/persona/SOUL.md")
    vault.was("persona/SOUL.md", now.replace("Plain and level", "Level"), now.replace("Plain and level", "Level") + "x")

    assert vault.upgrade().merged == (Merged("scout/persona/SOUL.md", added=False),)
    assert vault.text("scout/persona/SOUL.md") == now + "x"


def test_line_ends_and_mode_stay(vault: Vault) -> None:
    now = vault.text("scout/tools.md")
    vault.was("tools.md", now.replace(NEW_RULE, ""), now.replace(NEW_RULE, "").replace("\n", "\r\n").rstrip("\r\n"))
    os.chmod(vault.root / "scout/tools.md", 0o600)

    vault.upgrade()

    assert vault.text("scout/tools.md") == now.replace("\n", "\r\n").rstrip("\r\n")
    assert (vault.root / "scout/tools.md").stat().st_mode & 0o777 == 0o600


def test_a_conflict_leaves_the_file_as_it_is_and_is_told_with_all_three_texts(vault: Vault) -> None:
    now = vault.text("scout/tools.md")
    mine = now.replace(RULE, "  - Never pay.\n")
    vault.was("tools.md", now.replace(RULE, "  - Never send anything.\n"), mine)

    found = vault.upgrade()

    (conflict,) = found.conflicts
    assert (conflict.path, conflict.why) == ("scout/tools.md", "you and the template have changed the same lines")
    assert list(conflict.lines) == [
        f"scout/tools.md:{mine.splitlines().index('  - Never pay.') + 1}",
        "  was        - Never send anything.",
        "  yours      - Never pay.",
        f"  template {RULE[:-1]}",
    ]
    assert (found.merged, vault.text("scout/tools.md"), vault.markers()) == ((), mine, [])


def test_the_hint_of_a_conflict_shows_the_template(vault: Vault) -> None:
    now = vault.text("scout/tools.md")
    vault.was("tools.md", now.replace(RULE, "  - A\n"), now.replace(RULE, "  - B\n"))

    assert vault.look().conflicts[0].hint == (
        "atomic-agents init scout-today --template advisor --model embedded:quote --dry-run"
    )


def test_a_conflict_in_one_file_does_not_keep_back_another(vault: Vault) -> None:
    tools, model = vault.text("scout/tools.md"), vault.text("scout/model.md")
    vault.was("tools.md", tools.replace(RULE, "  - A\n"), tools.replace(RULE, "  - B\n"))
    vault.was("model.md", model.replace("4000", "3000"), model.replace("4000", "3000"))

    found = vault.upgrade()

    assert [one.path for one in found.conflicts] == ["scout/tools.md"]
    assert vault.text("scout/model.md") == model


def test_a_second_time_there_is_nothing_to_do(vault: Vault) -> None:
    tools, model = vault.text("scout/tools.md"), vault.text("scout/model.md")
    vault.was("tools.md", tools.replace(RULE, "  - A\n"), tools.replace(RULE, "  - B\n"))
    vault.was("model.md", model.replace("4000", "3000"), model.replace("4000", "3000"))
    vault.upgrade()

    again = vault.look()

    assert (len(again.changes), again.merged, again.conflicts) == (0, (), ())


def test_looking_writes_nothing(vault: Vault) -> None:
    now = vault.text("scout/tools.md")
    vault.was("tools.md", now.replace(NEW_RULE, ""), now.replace(NEW_RULE, ""))
    before = vault.text(RECORD)

    diff = list(vault.look().changes.diff(lambda path: (vault.root / path).read_bytes()))

    assert f"+{NEW_RULE[:-1]}" in diff
    assert (vault.text(RECORD), NEW_RULE in vault.text("scout/tools.md")) == (before, False)


def test_a_file_that_the_operator_took_away_stays_away(vault: Vault) -> None:
    now = vault.text("scout/persona/USER.md")
    vault.was("persona/USER.md", now + "more\n", None)

    found = vault.upgrade()

    assert (found.merged, found.conflicts) == ((), ())
    assert not (vault.root / "scout/persona/USER.md").exists()


def test_a_file_that_the_template_has_only_now_is_added_where_there_is_none(vault: Vault) -> None:
    now = vault.text("scout/persona/USER.md")
    vault.was("persona/USER.md", None, None)

    assert vault.upgrade().merged == (Merged("scout/persona/USER.md", added=True),)
    assert vault.text("scout/persona/USER.md") == now


def test_a_file_of_the_operators_is_not_replaced_by_a_new_one_of_the_template(vault: Vault) -> None:
    vault.was("persona/USER.md", None, "mine\n")

    assert vault.upgrade().merged == ()
    assert vault.text("scout/persona/USER.md") == "mine\n"


def test_settings_that_would_be_wrong_once_merged_are_a_conflict(vault: Vault) -> None:
    """Both sides bring the same key, at different places."""
    now = vault.text("scout/model.md")
    old = now.replace("temperature: 0.6\n", "")
    mine = old.replace("schema_version: 2\n", "schema_version: 2\ntemperature: 0.1\n")
    vault.was("model.md", old, mine)

    (conflict,) = vault.upgrade().conflicts

    assert (conflict.why, conflict.hunks) == ("merged, it would be wrong: temperature is stated twice", ())
    assert vault.text("scout/model.md") == mine


def test_settings_that_would_say_something_else_once_merged_are_a_conflict(vault: Vault) -> None:
    """The operator has moved a key, and the template has changed its value where it was."""
    now = vault.text("scout/tools.md")
    old = now.replace("external_apis: []\n", "external_apis: [x]\n")
    mine = old.replace("external_apis: [x]\n", "").replace(
        "tool_classes: {}\n", "tool_classes: {}\nexternal_apis: [x]\n"
    )
    vault.was("tools.md", old, mine)

    found = vault.upgrade()

    assert [one.path for one in found.conflicts] == ["scout/tools.md"]
    assert vault.text("scout/tools.md") == mine


def test_a_record_that_cannot_be_read_is_a_problem_and_keeps_nothing_else_back(vault: Vault) -> None:
    vault.write(RECORD, '{"format": 7}')

    found = vault.look()

    assert [(one.path, one.message) for one in found.problems] == [
        (RECORD, "where the agent came from cannot be read: it is of a newer form")
    ]
    assert len(found.changes) == 0


def test_an_agent_that_is_gone_is_not_brought_back(vault: Vault) -> None:
    (vault.root / "scout/persona/IDENTITY.md").unlink()
    vault.was("persona/USER.md", None, None)

    assert vault.look().merged == ()


def test_an_edit_since_the_look_is_never_overwritten(vault: Vault) -> None:
    from atomic_agents.core.errors import Conflict

    now = vault.text("scout/tools.md")
    vault.was("tools.md", now.replace(NEW_RULE, ""), now.replace(NEW_RULE, ""))
    found = vault.look()
    vault.write("scout/tools.md", "edited\n")

    with pytest.raises(Conflict):
        vault.workspace.store.apply(found.changes)

    assert vault.text("scout/tools.md") == "edited\n"
