import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from atomic_agents.cli.main import main
from atomic_agents.doctor.check import Examination, Finding
from atomic_agents.operations import health
from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
NOTE = (
    "---\nschema_version: 2\nname: x\ndescription: d\ntype: user\nconfidence: low\nprovenance: operator\n"
    "sources: [s]\n---\n\nx\n"
)
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

    assert (done.code, done.out, done.err) == (0, "ready: 1 agent, 30 checks passed\n", "")
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
    assert value["summary"] == {"passed": 29, "failed": 1, "warned": 0, "skipped": 4, "all_ok": False}
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
        "not ready: 1 failed, 1 agent, 27 checks passed, 1 warning",
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
    assert done.out.splitlines()[1] == "  hint: atomic-agents init my-agent"


def test_a_fix_is_shown_asked_about_and_applied_alone(scout: Path, shell: Shell) -> None:
    (scout / "memory/user_x.md").write_text(NOTE)
    (scout / "tools.md").unlink()
    before = tree(shell.root, without=(".atomic",))  # what is derived is no document

    shown = shell("doctor", "--fix", "memory", "--dry-run")
    asked = shell("doctor", "--fix", "memory")
    untouched = tree(shell.root, without=(".atomic",))
    fixed = shell("doctor", "--fix", "memory", "--yes")
    changed = {path for path, data in tree(shell.root).items() if before.get(path) != data and ".versions" not in path}

    assert "+- [x](user_x.md) — d" in shown.out
    assert (asked.code, untouched) == (2, before)
    assert asked.err.splitlines() == [
        "error: this would change 1 document, and nobody is there to be asked",
        "  hint: atomic-agents doctor --fix memory --yes",
    ]
    assert fixed.out.splitlines()[-1] == "memory: 1 document changed"
    assert {path for path in changed if not path.startswith(".atomic/")} == {"scout/memory/INDEX.md"}
    assert "memory [scout]" not in shell("doctor").out


@pytest.mark.parametrize(
    ("check", "file", "old", "new"),
    [
        ("vault", "roster.md", "", "---\nschema_version: 2\ndelegate_too: [a]\n---\n"),
        ("model", "model.md", "temperature:", "temperatur:"),
        ("vault", "tools.md", "write_paths:", "write_path:"),
        ("write-paths", "tools.md", "  - memory/\n", ""),
    ],
)
def test_what_can_be_mended_is(check: str, file: str, old: str, new: str, scout: Path, shell: Shell) -> None:
    text = (scout / file).read_text() if old else ""
    (scout / file).write_text(text.replace(old, new, 1) if old else new)

    before = shell("doctor").out
    fixed = shell("doctor", "--fix", check, "--yes")

    assert f"{check} [scout]" in before
    assert fixed.out.splitlines()[-1] == f"{check}: 1 document changed"
    assert shell("doctor").out.splitlines()[-1].startswith("ready: ")


def test_a_run_whose_process_died_is_closed(scout: Path, shell: Shell) -> None:
    run = "run-20260501-120000-000000-abcdef12"
    (shell.root / "_runs").mkdir()
    (shell.root / f"_runs/{run}.jsonl").write_text('{"event": "started", "agent": "scout"}\n')

    assert "locks: " in shell("doctor").out
    assert shell("doctor", "--fix", "locks", "--yes").code == 0
    assert (scout / f"runs/2026-05/{run}.jsonl").exists()
    assert "locks: " not in shell("doctor").out


@pytest.mark.usefixtures("scout")
def test_a_check_that_is_not_there_or_not_to_be_mended_here_is_refused(shell: Shell) -> None:
    misspelt, by_hand = shell("doctor", "--fix", "memroy"), shell("doctor", "--fix", "clock")

    assert (misspelt.code, misspelt.err.splitlines()) == (
        2, ["error: there is no check memroy", "  hint: atomic-agents doctor --fix memory"],
    )  # fmt: skip
    assert by_hand.code == 2
    assert by_hand.err.startswith("error: what clock finds is for you to mend; can be mended here: memory, locks")
    assert shell("doctor", "--fix", "memory").out.startswith("memory: nothing to mend here")


@pytest.mark.usefixtures("scout")
def test_live_asks_each_provider_once_and_counts_it(shell: Shell) -> None:
    shell("init", "other")

    done = shell("doctor", "--live")

    assert (done.code, done.out.splitlines()[-1].startswith("ready: 2 agents, ")) == (0, True)
    assert len(shell("runs", "list", "--json").value["runs"]) == 1


def test_many_findings_of_one_check_are_cut_short(scout: Path, shell: Shell) -> None:
    for number in range(9):
        (scout / f"memory/user_{number}.md").write_bytes(b"\0")

    done = shell("doctor")

    assert done.out.count("is binary") == 5
    assert "and 4 more of memory: atomic-agents doctor --agent scout --json" in done.out
    assert done.out.splitlines()[-1].startswith("not ready: 9 failed, ")


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
