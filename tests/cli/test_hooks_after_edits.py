"""Hooks of INDEX.md after a note was edited in a text editor: told by lint, renewed by reindex and by the next run."""

import re
import shutil
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell

HOOK = "black tea in the morning"


@pytest.fixture
def vault(shell: Shell, tmp_path: Path) -> Path:
    assert shell("init", "scout", "--model", "embedded:quote", "--yes").code == 0
    add = ("memory", "add", "scout", "Tea.", "--type", "user", "--name", "Tea", "--description")
    assert shell(*add, HOOK).code == 0
    return tmp_path / "vault"


def describe(vault: Path, description: str, name: str = "user_tea.md") -> None:
    note = vault / "scout/memory" / name
    note.write_text(re.sub(r"(?m)^description: .*$", lambda _: f"description: {description}", note.read_text()))


def entry(vault: Path) -> str:
    lines = (vault / "scout/memory/INDEX.md").read_text().splitlines()
    return next(line for line in lines if "user_tea.md" in line)


def test_an_edit_right_after_the_note_was_added_is_named_and_reindexed(shell: Shell, vault: Path) -> None:
    describe(vault, "green tea at noon")

    named = shell("memory", "lint", "scout")
    assert named.code == 1
    assert "says of user_tea.md what its description was before it was edited" in named.out
    assert shell("memory", "reindex", "scout").code == 0

    assert entry(vault) == "- [Tea](user_tea.md) — green tea at noon"
    assert shell("memory", "lint", "scout").code == 0


def test_the_next_run_brings_the_hook_up_to_date(shell: Shell, vault: Path) -> None:
    describe(vault, "green tea at noon")

    assert shell("run", "scout", "--work-item", "tea?", "--no-capture").code == 0

    assert entry(vault) == "- [Tea](user_tea.md) — green tea at noon"


def test_what_was_written_is_known_though_the_derived_data_are_deleted(shell: Shell, vault: Path) -> None:
    describe(vault, "green tea at noon")
    shutil.rmtree(vault / ".atomic")

    shell("memory", "reindex", "scout")

    assert entry(vault) == "- [Tea](user_tea.md) — green tea at noon"


@pytest.mark.parametrize(
    "description", ["'<!-- not over'", "'a [b](c.md) --> d'", f"'{'long ' * 40}'", "'two  spaces'"]
)
def test_a_new_description_can_neither_open_a_comment_nor_be_longer_than_a_line(
    shell: Shell, vault: Path, description: str
) -> None:
    describe(vault, description)

    shell("memory", "reindex", "scout")

    assert HOOK not in entry(vault)
    assert len(entry(vault)) <= 150
    assert "<!--" not in entry(vault)
    assert "-->" not in entry(vault)
    assert "nothing to do" in (again := shell("memory", "reindex", "scout")).out + again.err


def test_a_hook_written_by_hand_stays_whatever_is_edited_moved_or_undone(shell: Shell, vault: Path) -> None:
    index = vault / "scout/memory/INDEX.md"
    index.write_text(index.read_text().replace(HOOK, "ask before noon"))
    assert shell("memory", "archive", "scout", "user_tea.md").code == 0
    assert shell("memory", "undo", "scout").code == 0

    describe(vault, "green tea at noon")
    linted = shell("memory", "lint", "scout")
    shell("memory", "reindex", "scout")
    shell("run", "scout", "--work-item", "tea?", "--no-capture")

    assert linted.code == 0
    assert entry(vault) == "- [Tea](user_tea.md) — ask before noon"


def test_a_line_is_renewed_after_its_hook_only(shell: Shell, vault: Path) -> None:
    index = vault / "scout/memory/INDEX.md"
    index.write_text(index.read_text().replace(f"[Tea](user_tea.md) — {HOOK}", f"[My tea](user_tea.md): {HOOK}"))
    describe(vault, "green tea at noon")

    shell("memory", "reindex", "scout")

    assert entry(vault) == "- [My tea](user_tea.md): green tea at noon"
