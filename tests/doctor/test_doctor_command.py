import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from atomic_agents.cli.main import main
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.operations import health
from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
FAULTS = {
    "memory/user_x.md": "---\nname: [\n---\nx\n",
    "memory/user_y.md": "\x00\x01\x02",
    "memory/user_z (conflicted copy 2026-05-01).md": "---\nname: z\n---\n",
}


@pytest.fixture
def scout(shell: Shell) -> Path:
    done = shell("init", "scout", "--template", "researcher")

    assert done.code == 0
    return shell.root / "scout"


def test_a_fresh_agent_is_ready_in_a_line(scout: Path, shell: Shell) -> None:
    done = shell("doctor")

    assert (done.code, done.out, done.err) == (0, "ready: 1 agent, 10 checks passed\n", "")
    assert shell("doctor", "--agent", scout.name, "--no-mcp").code == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_by_name(fault: str, scout: Path, shell: Shell) -> None:
    (scout / fault).write_text(FAULTS[fault])

    done = shell("doctor", "--json")

    assert done.code == 1
    assert fault in " ".join(result["message"] for result in done.value["results"] if result["status"] != "pass")


def test_it_changes_nothing_anywhere(scout: Path, shell: Shell) -> None:
    for fault, text in FAULTS.items():
        (scout / fault).write_text(text)
    before = tree(shell.root), tree(shell.home)

    for options in ([], ["--json"], ["--agent", "scout"], ["--agent", "nobody"], ["--no-mcp"]):
        shell("doctor", *options)

    assert (tree(shell.root), tree(shell.home)) == before


def test_its_json_has_the_published_keys(scout: Path, shell: Shell) -> None:
    (scout / "memory/user_y.md").write_bytes(b"\0")

    value = shell("doctor", "--json").value

    assert list(value) == ["results", "summary"]
    assert value["summary"] == {"passed": 9, "failed": 1, "warned": 0, "skipped": 1, "all_ok": False}
    assert {tuple(result) for result in value["results"]} == {("name", "status", "message", "fix_hint", "detail")}
    assert {result["status"] for result in value["results"]} <= {"pass", "fail", "warn", "skip"}


def test_a_failure_is_said_first_with_what_to_type_and_a_verdict_last(scout: Path, shell: Shell) -> None:
    (scout / "memory/user_y.md").write_bytes(b"\0")
    (scout / "tools.md").unlink()

    done = shell("doctor")

    assert done.out.splitlines() == [
        "error: memory [scout]: scout/memory/user_y.md: is binary: it holds NUL bytes",
        "  hint: move it out of the vault",
        "warning: vault [scout]: scout/tools.md is missing, so it may remember nothing",
        "  hint: write it with front matter: schema_version: 2 and write_paths: [memory/], in scout/tools.md",
        "not ready: 1 failed, 1 agent, 7 checks passed, 1 warning",
    ]


def test_a_command_in_a_hint_names_the_vault_that_was_named(tmp_path: Path, make_vault: MakeVault) -> None:
    root = make_vault({"scout/persona/IDENTITY.md": "# Scout\n", "scout/memory/user_a.md": "a\n"})
    elsewhere = Shell(tmp_path / "elsewhere", tmp_path)

    done = elsewhere("doctor", "--root", str(root))

    assert f"  hint: atomic-agents --root {root} migrate --to v2 --dry-run, then without --dry-run" in done.out


def test_a_missing_vault_is_not_ready(shell: Shell) -> None:
    done = shell("doctor")

    assert done.code == 1
    assert done.out.splitlines()[0] == f"error: env: there is no vault at {shell.root}"
    assert done.out.splitlines()[1] == f"  hint: atomic-agents init my-agent --root {shell.root}"


def broken(_examination: Examination) -> Iterator[Finding]:
    """Nothing."""
    raise ZeroDivisionError("of our own making")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_bug_of_its_own_is_told_apart(
    options: list[str], scout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(health.OF_VAULT, "python", broken)

    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--root", str(scout.parent), *options])

    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert "a bug in doctor: ZeroDivisionError: of our own making" in (printed.out if options else printed.err)
    assert not options or json.loads(printed.out)["error"]["code"] == "internal"
