import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents import __version__
from atomic_agents.cli.main import COMMANDS
from atomic_agents.testing.shell import Shell

VaultCopy = Callable[[str], Path]


def test_the_bare_command_prints_its_help(shell: Shell) -> None:
    bare, asked, short = shell(), shell("--help"), shell("-h")

    assert (bare.code, bare.err, bare.out) == (0, "", asked.out)
    assert short == asked
    assert [name for name in COMMANDS if f"\n  {name} " not in bare.out] == []


@pytest.mark.parametrize("group", ["memory", "models", "snapshots"])
def test_a_command_that_only_holds_others_prints_its_help(group: str, shell: Shell) -> None:
    done = shell(group)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: atomic-agents {group} [OPTIONS]")


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, "runs show", "memory list", "memory search", "models list", "snapshots list", "snapshots prune"],
)
def test_every_command_explains_itself_and_takes_a_root(command: str, shell: Shell) -> None:
    done = shell(*command.split(), "--help")

    assert (done.code, done.err) == (0, "")
    assert "--root, --agents-root PATH" in done.out or "COMMAND" in done.out.partition("\n")[0]
    assert max(len(line) for line in done.out.splitlines()) <= 100


def test_the_version_is_said(shell: Shell) -> None:
    first, second = shell("--version").out.splitlines()

    assert first == f"atomic-agents {__version__}"
    assert second.startswith("Python 3.")
    assert second.endswith(", schema v2")


USAGE = {
    "nope": "error: no such command 'nope'\n  hint: atomic-agents --help\n",
    "memory nope": "error: no such command 'nope'\n  hint: atomic-agents memory --help\n",
    "list --nope": "error: no such option '--nope'\n  hint: atomic-agents list --help\n",
    "info": "error: missing argument 'AGENT'\n  hint: atomic-agents info --help\n",
    "info a b": "error: got unexpected extra argument (b)\n  hint: atomic-agents info --help\n",
    "run a": "error: missing option '--work-item'\n  hint: atomic-agents run --help\n",
    "list --root": "error: option '--root' requires an argument\n  hint: atomic-agents --help\n",
    "migrate": (
        "error: say one of --status, --list-snapshots, --to vN, --verify, --rollback SNAPSHOT\n"
        "  hint: python -m atomic_agents.migrate --status\n"
    ),
    "migrate --status --to v2": (
        "error: say one of --status, --list-snapshots, --to vN, --verify, --rollback SNAPSHOT\n"
        "  hint: python -m atomic_agents.migrate --status\n"
    ),
    "run a --work-item x --max-cost much": (
        "error: --max-cost is 'much'; a number in USD is needed\n  hint: --max-cost 0.50\n"
    ),
    "run a --work-item x --max-cost -1": (
        "error: --max-cost is '-1'; a number in USD is needed\n  hint: --max-cost 0.50\n"
    ),
    "run a --work-item -": (
        "error: the work item is empty\n"
        "  hint: --work-item 'what to do', or --work-item - with text on standard input\n"
    ),
}


@pytest.mark.parametrize("line", USAGE)
def test_what_is_typed_wrong_exits_2_with_a_way_out(line: str, shell: Shell) -> None:
    shell.root.mkdir()

    done = shell(*line.split())

    assert (done.code, done.out, done.err) == (2, "", USAGE[line])


@pytest.mark.parametrize(
    "line", ["nope", "list", "info nobody", "migrate --to v9", "memory search nobody x", "doctor -x"]
)
def test_an_error_in_json_has_the_four_keys_on_stdout(line: str, shell: Shell) -> None:
    done = shell(*line.split(), "--json")

    assert done.code in (1, 2)
    assert done.err == ""
    assert list(done.value["error"]) == ["code", "message", "hint", "context"]


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("option", ["--root", "--agents-root"])
def test_the_vault_may_be_named_before_or_after_the_command(
    place: str, option: str, tmp_path: Path, vault_copy: VaultCopy
) -> None:
    root = vault_copy("samples")
    shell = Shell(tmp_path / "elsewhere", tmp_path)
    named = [option, str(root)]

    done = shell(*named, "list", "--json") if place == "before" else shell("list", "--json", *named)

    assert next(agent["name"] for agent in done.value) == "caldwell"


def test_a_root_may_start_with_the_home(vault_copy: VaultCopy, tmp_path: Path) -> None:
    vault_copy("samples")
    shell = Shell(tmp_path / "elsewhere", tmp_path)

    assert shell("list", "--root", "~/vault").code == 0


def test_a_reader_that_stops_early_is_no_error(shell: Shell, vault_copy: VaultCopy) -> None:
    vault_copy("samples")
    process = shell.start("migrate", "--to", "v2", "--dry-run", "--all")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None

    _, err = process.communicate()

    assert (process.returncode, err) == (0, "")


def test_a_bug_is_told_without_a_traceback_and_with_one_where_asked(tmp_path: Path) -> None:
    code = (
        "import sys; from atomic_agents.cli import main as m, agents as a\n"
        "def broken(*_): raise ZeroDivisionError('of our own making')\n"
        "a.agents.list_agents = broken; m.main()"
    )
    environ = {**os.environ, "ATOMIC_AGENTS_ROOT": str(tmp_path), "NO_COLOR": "1"}

    quiet, loud = (
        subprocess.run([sys.executable, "-c", code, *line], env=environ, capture_output=True, text=True, check=False)
        for line in (["list"], ["list", "--debug"])
    )

    assert quiet.returncode == 1
    assert quiet.stderr == (
        "error: a bug: ZeroDivisionError: of our own making\n"
        "  hint: atomic-agents list --debug, and report what it prints\n"
    )
    assert loud.stderr.endswith("ZeroDivisionError: of our own making\n")
    assert "Traceback" in loud.stderr


def test_what_is_printed_is_plain(shell: Shell, vault_copy: VaultCopy) -> None:
    vault_copy("samples")

    said = [shell(*line) for line in (["list"], ["info", "caldwell"], ["migrate", "--status"], ["doctor"], ["nope"])]

    words = " ".join(done.out + done.err for done in said)
    assert re.findall(r"\x1b|!|(?i:\b(?:please|oops|successfully|sorry)\b)", words) == []


def test_a_terminal_that_knows_no_unicode_is_served(vault_copy: VaultCopy, tmp_path: Path) -> None:
    vault_copy("v0")
    shell = Shell(tmp_path / "vault", tmp_path, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert shell("migrate", "--to", "v2", "--dry-run", "--all").code == 0
