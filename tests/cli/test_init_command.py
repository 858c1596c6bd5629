import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

VaultCopy = Callable[[str], Path]


@pytest.mark.parametrize("template", ["advisor", "researcher", "writer"])
def test_a_template_makes_an_agent_that_is_ready_without_a_key(template: str, shell: Shell) -> None:
    made = shell("init", "scout", "--template", template)

    assert made.code == 0
    assert made.out == f"{shell.root}/scout: made from the template {template}, with the model embedded:quote\n"
    assert shell("doctor", "--agent", "scout").out.startswith("ready: 1 agent, ")
    assert shell("run", "scout", "--work-item", "remember: tea at four").code == 0
    assert "{{" not in "".join(path.read_text() for path in shell.root.rglob("*.md"))


def test_what_it_says_to_type_next_works(shell: Shell) -> None:
    made = shell("init", "a scout")

    (line,) = [line for line in made.err.splitlines() if line.startswith("next: ")]
    assert line == "next: atomic-agents run 'a scout' --work-item 'remember: …'"


def test_a_name_is_chosen_where_none_is_given(shell: Shell) -> None:
    assert shell("init").code == 0
    assert [agent["name"] for agent in shell("list", "--json").value] == ["my-agent"]


def test_a_model_is_taken_as_given(shell: Shell) -> None:
    shell("init", "scout", "--model", "openai:gpt-5-mini")

    assert shell("info", "scout", "--json").value["model"] == "openai:gpt-5-mini"
    doctor = shell("doctor")
    assert doctor.code == 1
    assert [line for line in doctor.out.splitlines() if line.startswith("error")] == [
        "error: provider-keys [scout]: openai:gpt-5-mini: needs ATOMIC_AGENTS_OPENAI_KEY or OPENAI_API_KEY"
    ]


def test_a_key_that_is_there_chooses_its_model(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "vault", tmp_path, {"ANTHROPIC_API_KEY": "k"})
    shell("init", "scout")

    assert str(shell("info", "scout", "--json").value["model"]).startswith("anthropic:claude-")
    assert shell("doctor").code == 0


def test_a_second_time_changes_nothing(shell: Shell) -> None:
    shell("init", "scout")
    before = tree(shell.root)

    done = shell("init", "scout", "--template", "writer")

    assert (done.code, done.err) == (
        1,
        "error: there is an agent scout already; nothing of it was changed\n  hint: atomic-agents info scout\n",
    )
    assert tree(shell.root) == before


def test_a_document_in_its_way_is_kept(shell: Shell) -> None:
    (shell.root / "scout").mkdir(parents=True)
    (shell.root / "scout/tools.md").write_text("mine\n")
    before = tree(shell.root)

    done = shell("init", "scout")

    assert (done.code, tree(shell.root)) == (1, before)
    assert done.err.startswith("error: scout/tools.md is there already; nothing was changed\n")


def test_agents_may_stand_in_folders(shell: Shell) -> None:
    shell("init", "crew/night/keeper")
    shell("init", "crew")

    assert [agent["name"] for agent in shell("list", "--json").value] == ["crew", "crew/night/keeper"]


@pytest.mark.parametrize(
    "name", ["", "../x", "/x", "a//b", "a/", "_x", ".x", "a/_b", "a/.b", "x?", "a:b", "x.", "x" * 300]
)
def test_a_name_that_cannot_be_is_refused(name: str, shell: Shell) -> None:
    done = shell("init", "--", name)

    assert done.code == 2
    assert done.err.startswith(f"error: {name!r} cannot be the name of an agent: ")
    assert done.err.endswith("\n  hint: use letters, digits and hyphens, such as scout\n")
    assert not shell.root.exists()


@pytest.mark.parametrize("name", ["scout/memory/x", "scout/log", "scout/a/wiki/x"])
def test_a_folder_of_another_agent_is_refused(name: str, shell: Shell) -> None:
    shell("init", "scout")
    shell("init", "scout/a")
    before = tree(shell.root)

    done = shell("init", name)

    assert done.code == 2
    assert f"error: {name} would stand in a folder that belongs to the agent scout" in done.err
    assert tree(shell.root) == before


def test_an_agent_may_not_take_another_in(shell: Shell) -> None:
    shell("init", "scout/memory/x")

    done = shell("init", "scout")

    assert done.err.startswith("error: scout/memory/x would stand in a folder that belongs to the agent scout\n")


def test_a_dry_run_shows_every_file_and_makes_none(shell: Shell) -> None:
    done = shell("init", "scout", "--dry-run")

    assert done.code == 0
    assert "+++ scout/persona/IDENTITY.md\n" in done.out
    assert not shell.root.exists()


def test_a_newer_vault_is_not_written(shell: Shell) -> None:
    (shell.root / "old/persona").mkdir(parents=True)
    (shell.root / "old/memory").mkdir()
    (shell.root / "old/persona/IDENTITY.md").write_text("# Old\n")
    (shell.root / "old/memory/user_a.md").write_text("---\nschema_version: 9\n---\n")
    before = tree(shell.root)

    assert shell("init", "scout").code == 6
    assert tree(shell.root) == before


def test_a_file_in_place_of_the_vault_is_said(shell: Shell) -> None:
    shell.root.write_text("not a folder")

    done = shell("init", "scout")

    assert done.code == 1
    assert done.err.startswith("error: ")
    assert shell.root.read_text() == "not a folder"


def test_a_keys_file_that_is_broken_is_named(shell: Shell) -> None:
    keys = shell.home / ".config/atomic_agents/keys.json"
    keys.parent.mkdir(parents=True)
    keys.write_text("{")
    keys.chmod(0o600)

    done = shell("init", "scout")

    assert done.code == 7
    assert done.err.startswith(f"error: {keys}:1: is not JSON")
    keys.write_text(json.dumps({"openai": "k"}))
    assert shell("init", "scout").code == 0


def test_answers_come_from_a_file_and_options_win(tmp_path: Path, shell: Shell) -> None:
    answers = tmp_path / "answers.yml"
    answers.write_text("name: rosa\ntemplate: writer\nbudget: 2.50\nautonomy: cautious\nabout: Ann grows figs\n")

    made = shell("init", "--answers", str(answers), "--template", "researcher", "--json")

    assert made.value["template"] == "researcher"
    rosa = shell.root / "rosa"
    assert "daily_cap_usd: 2.50\n  monthly_cap_usd: 50.00\n" in (rosa / "model.md").read_text()
    assert "## Role and context\n\nAnn grows figs\n" in (rosa / "persona/USER.md").read_text()
    assert "external_side_effect: escalate" in (rosa / "judges.md").read_text()
    assert shell("doctor").out.startswith("ready: 1 agent, ")


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("nmae: rosa\n", "answers.yml: nmae is no question of init", "write name"),
        ("autonomy: cautios\n", "there is no autonomy cautios; it can be cautious, balanced, autonomous",
         "write autonomy: cautious"),
        ("budget: lots\n", "the budget is 'lots'; a number in USD is needed", "--budget 1.00"),
        ("name: [\n", "answers.yml:2: front matter is not YAML", "write lines such as name: scout in "),
        ("from: /nowhere\n", "there is no folder /nowhere", "atomic-agents init my-agent --from ~/notes"),
    ],
)  # fmt: skip
def test_answers_that_are_wrong_are_told(text: str, error: str, hint: str, tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "answers.yml").write_text(text)

    done = shell("init", "--answers", str(tmp_path / "answers.yml"))

    assert done.code == 2
    assert error in done.err
    assert f"  hint: {hint}" in done.err
    assert not shell.root.exists()


def test_the_budget_fits_the_model(shell: Shell) -> None:
    shell("init", "small", "--model", "openai:gpt-5-nano")
    shell("init", "large", "--model", "anthropic:claude-opus-4-1")

    small, large = (
        shell("info", name, "--json").value["settings"]["model.md"]["values"] for name in ("small", "large")
    )
    assert small["cost_guardrails"]["daily_cap_usd"] == 1
    assert large["cost_guardrails"]["daily_cap_usd"] >= 3


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
def test_at_a_terminal_it_asks_seven_questions_at_most(shell: Shell) -> None:
    answers = [b"rosa", b"writer", b"", b"", b"balanced", b"Ann, who grows figs", b""]

    asked = at_a_terminal(shell, answers, "init")

    assert asked == len(answers)
    assert "Ann, who grows figs" in (shell.root / "rosa/persona/USER.md").read_text()
    assert "external_side_effect: judge_required" in (shell.root / "rosa/judges.md").read_text()
    assert shell("doctor").out.startswith("ready: 1 agent, ")


def at_a_terminal(shell: Shell, answers: list[bytes], *arguments: str) -> int:
    """Answer each question as it is asked, where a line ends in `: `; how many there were."""
    import pty

    here, there = pty.openpty()
    environ = {**os.environ, "HOME": str(shell.home), "ATOMIC_AGENTS_ROOT": str(shell.root), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "atomic_agents", *arguments]
    process = subprocess.Popen(command, stdin=there, stdout=there, stderr=there, env=environ, cwd=shell.home)
    os.close(there)
    asked, said = 0, b""
    while True:
        try:
            new = os.read(here, 4096)
        except OSError:
            break
        said += new
        if said.endswith(b": ") and asked < len(answers):
            os.write(here, answers[asked] + b"\n")
            asked, said = asked + 1, b""
    os.close(here)
    assert process.wait(60) == 0
    return asked


def test_what_a_template_has_changed_since_is_shown_for_an_agent_that_is_there(shell: Shell) -> None:
    shell("init", "scout")
    record = shell.root / "_migrations/templates/scout.json"
    older = json.loads(record.read_text())
    line = "- Advice that cannot be acted on this week is an essay."
    older["files"]["persona/SOUL.md"].remove(line)
    record.write_text(json.dumps(older))
    (shell.root / "scout/persona/SOUL.md").write_text("\n".join(older["files"]["persona/SOUL.md"]))
    before = tree(shell.root)

    done = shell("init", "scout")

    assert (done.code, tree(shell.root)) == (1, before)
    assert f"+{line}" in done.out
    assert "to take that over: atomic-agents upgrade --templates" in done.err
