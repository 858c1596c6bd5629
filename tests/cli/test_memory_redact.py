"""memory redact at the terminal: a diff first, a question, what stays."""

import json
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

LINE = {
    "ts": "2026-11-30T10:00:00+00:00", "run_id": "run-20261130-100000-000001-00000001", "primitive": "agent_call",
    "status": "ok", "summary": "the cost of tea", "model": "gpt-5-mini", "input_tokens": 1, "output_tokens": 1,
    "cost_usd": 0.95, "cost_source": "actor", "trigger": "cron", "agent_name": "scout",
}  # fmt: skip


@pytest.fixture
def vault(shell: Shell, tmp_path: Path) -> Path:
    assert shell("init", "scout", "--model", "embedded:quote", "--yes").code == 0
    add = ("memory", "add", "scout", "Tea at four, instead of coffee.", "--type", "user", "--name", "Green tea")
    assert shell(*add).code == 0
    log = tmp_path / "vault" / "scout" / "log" / "2026-11" / "2026-11-30.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(json.dumps(LINE) + "\n")
    return tmp_path / "vault"


def test_a_dry_run_shows_the_diff_and_writes_nothing(shell: Shell, vault: Path) -> None:
    before = tree(vault)

    said = shell("memory", "redact", "scout", "tea", "--dry-run")

    assert (said.code, tree(vault)) == (0, before)
    assert "+(redacted) at four, instead of coffee." in said.out
    renamed = "would rename scout/memory/user_green_tea.md to scout/memory/user_green_redacted.md"
    assert said.out.splitlines()[-2:] == [renamed, "dry run: it stands in 4 documents; nothing was changed"]


def test_what_a_run_cost_is_what_it_cost_whatever_word_goes(shell: Shell, vault: Path) -> None:
    month = ("cost", "--month", "2026-11", "--json")
    before = shell(*month).value

    for word in ("cost", "ok", "usd", "cron", "scout", "0"):
        assert shell("memory", "redact", "scout", word, "--yes").code == 0

    line = json.loads((vault / "scout/log/2026-11/2026-11-30.jsonl").read_text())
    assert line == {**LINE, "summary": "the (redacted) of tea"}
    assert shell(*month).value == before


def test_nothing_is_taken_out_without_a_yes(shell: Shell, vault: Path) -> None:
    before = tree(vault)

    said = shell("memory", "redact", "scout", "tea", "--with", "milk", "--parts")

    assert (said.code, tree(vault)) == (2, before)
    assert "atomic-agents memory redact scout tea --with milk --parts --yes" in said.err


def test_parts_and_case_are_options(shell: Shell, vault: Path) -> None:
    note = vault / "scout/memory/user_green_tea.md"

    assert shell("memory", "redact", "scout", "tea", "--match-case", "--yes").code == 0
    note = note.with_name("user_green_redacted.md")
    assert "Tea at four, instead of coffee." in note.read_text()
    assert shell("memory", "redact", "scout", "tea", "--parts", "--with", "X", "--yes").code == 0
    assert "X at four, insXd of coffee." in note.read_text()


def test_its_json_says_what_was_done_and_what_stays(shell: Shell, vault: Path) -> None:
    (vault / "scout/persona/USER.md").write_text("Likes tea.\n")

    planned = shell("memory", "redact", "scout", "tea", "--dry-run", "--json").value
    done = shell("memory", "redact", "scout", "tea", "--yes", "--json").value
    again = shell("memory", "redact", "scout", "tea", "--yes", "--json").value

    assert {key: planned[key] for key in ("places", "renamed", "left")} == {
        key: done[key] for key in ("places", "renamed", "left")
    }
    assert done["renamed"] == {"scout/memory/user_green_tea.md": "scout/memory/user_green_redacted.md"}
    left = {"path": "scout/persona/USER.md", "why": "is a file of yours that holds it", "hint": "edit it"}
    assert done["left"] == again["left"] == [left]
    assert (bool(planned["diff"]), done["diff"], again["places"]) == (True, [], {})


def test_nothing_of_it_is_left_in_the_derived_databases(shell: Shell, vault: Path) -> None:
    assert shell("memory", "search", "scout", "tea").code == 0
    assert any(b"instead of coffee" in path.read_bytes() for path in (vault / ".atomic").iterdir() if path.is_file())

    assert shell("memory", "redact", "scout", "coffee", "--yes").code == 0

    files = (path for path in (vault / ".atomic").iterdir() if path.is_file())
    assert [path.name for path in files if b"coffee" in path.read_bytes()] == []
