"""A key that is handed to a command which keeps texts is refused, unless the operator insists."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
KEY = "ghp_" + "a1B2" * 9
NOTE = "memory/user_tea.md"


@pytest.fixture
def vault(shell: Shell, tmp_path: Path) -> Path:
    assert shell("init", "scout", "--model", "embedded:quote", "--yes").code == 0
    assert shell("memory", "add", "scout", "Green tea.", "--type", "user", "--name", "Tea").code == 0
    return tmp_path / "vault"


def holding(root: Path) -> list[str]:
    """The documents that have the key in clear."""
    found = (path for path in root.rglob("*") if path.is_file() and ".atomic" not in path.parts)
    return [path.relative_to(root).as_posix() for path in found if KEY.encode() in path.read_bytes()]


DOORS = (
    ["memory", "add", "scout", f"My key is {KEY}", "--type", "user", "--name", "Key"],
    ["memory", "add", "scout", "A key", "--type", "user", "--name", f"x {KEY}"],
    ["memory", "edit", "scout", "user_tea", "--body", f"Tea.\n\nThe key: {KEY}"],
    ["memory", "edit", "scout", "user_tea", "--description", f"key {KEY}"],
    ["journal", "add", "scout", f"they gave me {KEY}"],
    ["wiki", "ingest", "scout", "notes.txt"],
    ["init", "other", "--from", "claude", "--model", "embedded:quote", "--yes"],
    ["init", "other", "--about", f"I have {KEY}", "--model", "embedded:quote", "--yes"],
)


@pytest.mark.parametrize("command", DOORS, ids=lambda command: " ".join(command[:2] + command[3:4]).replace(KEY, "KEY"))
def test_a_key_is_refused_and_kept_only_when_the_operator_insists(
    command: list[str], vault: Path, shell: Shell, tmp_path: Path
) -> None:
    command = [str(tmp_path / part) if part in ("notes.txt", "claude") else part for part in command]
    (tmp_path / "notes.txt").write_text(f"one\nkey {KEY}\n")
    (tmp_path / "claude" / ".claude" / "agents").mkdir(parents=True)
    (tmp_path / "claude" / "CLAUDE.md").write_text("Be kind.\n")
    (tmp_path / "claude" / ".claude" / "agents" / "reviewer.md").write_text(f"Review.\n\nkey {KEY}\n")

    refused = shell(*command)

    assert (refused.code, holding(vault)) == (1, [])
    assert "looks like a key or a password" in refused.err
    assert "--anyway" in refused.err
    assert KEY not in refused.out + refused.err
    assert shell(*command, "--anyway").code == 0
    assert holding(vault) != []


def test_every_place_of_an_import_is_named(shell: Shell, vault: Path, tmp_path: Path) -> None:
    source = tmp_path / "notes"
    source.mkdir()
    for name in ("a.md", "b.md"):
        (source / name).write_text(f"# x\n\nkey {KEY}\n")

    said = shell("init", "other", "--from", str(source), "--yes")

    assert "a.md:3 holds what looks like a key or a password (and 1 more: b.md:3)" in said.err
    assert not (vault / "other").exists()


def test_a_folder_of_sources_is_taken_in_without_those_that_hold_a_key(
    shell: Shell, vault: Path, tmp_path: Path
) -> None:
    source = tmp_path / "notes"
    source.mkdir()
    (source / "a.md").write_text("plain\n")
    (source / "b.md").write_text(f"key {KEY}\n")

    said = shell("wiki", "ingest", "scout", str(source), "--json").value

    assert [one["became"] for one in said["files"]] == ["new", "skipped"]
    assert "b.md:1 would hold what looks like a key" in said["files"][1]["why"]
    assert holding(vault) == []


@pytest.mark.usefixtures("vault")
def test_a_note_that_holds_a_key_already_can_be_changed_and_taken_back(shell: Shell) -> None:
    assert shell("memory", "edit", "scout", "user_tea", "--body", f"key {KEY}", "--anyway").code == 0

    assert shell("memory", "edit", "scout", "user_tea", "--description", "about tea").code == 0
    assert shell("memory", "pin", "scout", "user_tea").code == 0
    assert shell("memory", "edit", "scout", "user_tea", "--body", "no key").code == 0
    assert shell("memory", "undo", "scout").code == 0


def test_doctor_names_file_and_line_and_never_the_key(shell: Shell, vault: Path) -> None:
    assert "looks like a key" not in shell("doctor", "--no-mcp").out
    (vault / "scout" / NOTE).write_text((vault / "scout" / NOTE).read_text() + f"\nkey {KEY}\n")
    (vault / "scout" / "persona" / "USER.md").write_text(f"password: hunter22\n{KEY}\n")
    (vault / "scout" / "raw").mkdir(exist_ok=True)
    (vault / "scout" / "raw" / "x.env").write_text("API_KEY=abcdefgh12345678abcd99\n")

    said = shell("doctor", "--no-mcp")
    results = [each for each in shell("doctor", "--no-mcp", "--json").value["results"] if each["name"] == "secrets"]

    lines = len((vault / "scout" / NOTE).read_text().splitlines())
    assert [each["message"].partition(" ")[0] for each in results] == [
        f"scout/{NOTE}:{lines}", "scout/persona/USER.md:1", "scout/persona/USER.md:2", "scout/raw/x.env:1",
    ]  # fmt: skip
    assert {each["status"] for each in results} == {"warn"}
    assert KEY not in said.out + said.err
    assert "hunter22" not in said.out + said.err
