import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from atomic_agents.testing.shell import Shell, tree

KEY = "quite-a-long-key-1234567890"


def test_a_report_has_no_text_of_the_vault_and_no_key(shell: Shell, vault_copy: Callable[[str], Path]) -> None:
    root = vault_copy("samples")
    full = replace(shell, environ={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    full("run", "caldwell", "--model", "openai:gpt-5-mini", "--work-item", f"the walnut desk and {KEY}")
    before = tree(root)

    done = full("bug-report", "report.zip")

    with zipfile.ZipFile(full.home / "report.zip") as packed:
        texts = {name: packed.read(name).decode() for name in packed.namelist()}
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(texts)
    assert tree(root) == before
    whole = "".join(texts.values())
    assert [part for part in (KEY, "walnut", "Nell", str(root), "embedded:quote") if part in whole] == []
    assert {"atomic-agents", "schema", "python", "platform", "dependencies"} == set(json.loads(texts["versions.json"]))
    assert json.loads(texts["errors.json"])[0]["error"].startswith("provider-failed: ")
    assert "model.md model, caldwell/model.md:" in texts["settings.json"]


def test_nothing_is_overwritten(shell: Shell) -> None:
    (shell.home / "report.zip").write_text("mine")

    assert shell("bug-report", "report.zip").code == 1
    assert (shell.home / "report.zip").read_text() == "mine"


def test_without_a_vault_there_is_a_report_too(shell: Shell) -> None:
    done = shell("bug-report", "--dry-run")

    assert done.code == 0
    assert "there is no vault at VAULT" in done.out
    assert list(shell.home.iterdir()) == []
