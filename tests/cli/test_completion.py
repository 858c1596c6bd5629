import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell

VARIABLE = "_ATOMIC_AGENTS_COMPLETE"


@pytest.fixture
def asked(shell: Shell, vault_copy: Callable[[str], Path]) -> Callable[[str], set[str]]:
    vault_copy("samples")

    def ask(line: str) -> set[str]:
        words = line.split(" ")
        environ = {VARIABLE: "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        done = replace(shell, environ=environ)()
        assert (done.code, done.err) == (0, "")
        return {each.partition(",")[2] for each in done.out.split()}

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("atomic-agents snaps", {"snapshots"}),
        ("atomic-agents info cald", {"caldwell"}),
        ("atomic-agents explain budget", {"budget-exceeded"}),
        ("atomic-agents config schema mo", {"model.md"}),
        ("atomic-agents completion z", {"zsh"}),
        ("atomic-agents info nobody", set()),
    ],
)
def test_what_begins_so_is_offered(asked: Callable[[str], set[str]], line: str, expected: set[str]) -> None:
    assert asked(line) == expected


def test_notes_of_the_agent_are_offered(asked: Callable[[str], set[str]], shell: Shell) -> None:
    notes = {path.stem for path in (shell.root / "caldwell" / "memory").glob("decision_*.md")}

    assert asked("atomic-agents memory show caldwell decision_") == notes
    assert notes


def test_runs_and_snapshots_are_offered(asked: Callable[[str], set[str]], shell: Shell) -> None:
    run = shell("run", "caldwell", "--model", "embedded:quote", "--work-item", "oak", "--json").value["run_id"]
    (shell.root / "_migrations" / "snapshots").mkdir(parents=True)
    (shell.root / "_migrations" / "snapshots" / "2026-01-01T000000_pre_v2_migration.tar.gz").touch()

    assert asked(f"atomic-agents runs show {run[:8]}") == {run}
    assert asked("atomic-agents snapshots verify 2026") == {"2026-01-01T000000_pre_v2_migration.tar.gz"}


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_accepts_what_is_printed_for_it(shell: Shell, name: str, tmp_path: Path) -> None:
    done = shell("completion", name)
    (tmp_path / "script").write_text(done.out)

    assert f"{VARIABLE}={name}_complete" in done.out
    if found := shutil.which(name):
        assert subprocess.run([found, "-n", str(tmp_path / "script")], check=False).returncode == 0


def test_an_answer_imports_nothing_heavy(shell: Shell, vault_copy: Callable[[str], Path]) -> None:
    vault_copy("samples")
    script = (
        "import sys, atomic_agents.cli.main as m\n"
        "try: m.main()\nexcept SystemExit: pass\n"
        "print([n for n in ('pydantic', 'sqlite3', 'jsonschema', 'genai_prices', 'httpx') if n in sys.modules],"
        " file=sys.stderr)"
    )
    environ = {VARIABLE: "bash_complete", "COMP_WORDS": "atomic-agents info c", "COMP_CWORD": "2"}

    started = replace(shell, environ=environ)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**environ, "ATOMIC_AGENTS_ROOT": str(started.root), "PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip

    assert done.stderr.strip() == "[]"
    assert done.stdout == "plain,caldwell\n"
