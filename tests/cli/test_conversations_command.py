import json
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell

QUOTE = "embedded:quote"


@pytest.fixture
def talked(shell: Shell) -> Path:
    """A conversation of two turns, and one of one."""
    assert shell("init", "scout", "--model", QUOTE).code == 0
    assert (
        shell("chat", "scout", "--conversation", "shed", stdin="remember: the key is red\nwhere is the key?\n").code
        == 0
    )
    assert shell("run", "scout", "--work-item", "hello", "--conversation", "other").code == 0
    return shell.root / "scout" / "conversations"


@pytest.mark.usefixtures("talked")
def test_they_are_listed_with_the_last_one_first(shell: Shell) -> None:
    done = shell("conversations", "list")

    first, *rows = done.out.splitlines()
    assert first.split() == ["conversation", "agent", "last", "turns", "cost", "title"]
    assert sorted(row.split()[0] for row in rows) == ["other", "shed"]
    assert "remember: the key is red" in done.out
    listed = shell("conversations", "list", "scout", "--json").value
    assert {one["id"]: one["turns"] for one in listed["conversations"]} == {"shed": 2, "other": 1}


def test_one_that_cannot_be_read_is_named_and_the_others_are_listed(talked: Path, shell: Shell) -> None:
    (talked / "broken.md").write_text("---\nnot: closed\n")

    done = shell("conversations", "list")

    assert (done.code, "shed" in done.out) == (0, True)
    assert done.err.startswith("warning: scout/conversations/broken.md:1: front matter does not end")


@pytest.mark.usefixtures("talked")
def test_one_is_shown_as_it_was_said(shell: Shell) -> None:
    done = shell("conversations", "show", "scout", "shed")

    assert done.out.startswith("> remember: the key is red\n\n")
    assert "user_the_key_is_red.md" in done.out
    turns = shell("conversations", "show", "scout", "shed", "--json").value["turns"]
    assert [turn["asked"] for turn in turns] == ["remember: the key is red", "where is the key?"]
    assert turns[0]["captures"] == ["user_the_key_is_red.md"]


@pytest.mark.usefixtures("talked")
def test_one_that_is_not_there_is_an_error_with_the_nearest(shell: Shell) -> None:
    done = shell("conversations", "show", "scout", "shad")

    assert (done.code, done.err) == (1, "error: scout has no conversation shad\n  hint: did you mean shed\n")


@pytest.mark.usefixtures("talked")
def test_one_is_exported_and_no_file_is_overwritten(shell: Shell) -> None:
    done = shell("conversations", "export", "scout", "shed", "out.md")

    assert (done.code, done.out) == (0, "wrote out.md\n")
    text = (shell.home / "out.md").read_text()
    assert text.startswith("# remember: the key is red\n\nWith scout, from ")
    assert "<!--" not in text
    again = shell("conversations", "export", "scout", "shed", "out.md")
    assert (again.code, (shell.home / "out.md").read_text()) == (2, text)
    value = json.loads(shell("conversations", "export", "scout", "shed", "--format", "json").out)
    assert [turn["asked"] for turn in value["turns"]][1] == "where is the key?"


def test_one_is_deleted_only_when_that_is_meant(talked: Path, shell: Shell) -> None:
    dry = shell("conversations", "delete", "scout", "shed", "--dry-run")
    assert (dry.code, "+++ /dev/null" in dry.out) == (0, True)
    refused = shell("conversations", "delete", "scout", "shed")
    assert refused.code == 2
    assert refused.err.endswith("  hint: atomic-agents conversations delete scout shed --yes\n")
    assert (talked / "shed.md").exists()

    done = shell("conversations", "delete", "scout", "shed", "--yes", "--json")

    assert done.value == {"deleted": "scout/conversations/shed.md", "dry_run": False}
    assert sorted(path.name for path in talked.iterdir()) == ["other.md"]
    assert (talked.parent / "memory" / "user_the_key_is_red.md").exists()
