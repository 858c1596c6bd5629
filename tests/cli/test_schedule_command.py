import json
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

ADD = ("schedule", "add", "scout", "--name", "morning", "--cron", "0 7 * * 1-5", "--work-item", "Say what is due.",
       "--time-zone", "Europe/Vienna")  # fmt: skip
GO = ("--work-item", "go")


@pytest.fixture
def scout(shell: Shell, tmp_path: Path) -> Shell:
    """A vault with one agent, and a machine whose crontab is a file."""
    table, programs = tmp_path / "table", tmp_path / "bin"
    programs.mkdir()
    (programs / "crontab").write_text(
        f'#!/bin/sh\ncase "$1" in -l) cat {table} 2>/dev/null || {{ echo "no crontab" >&2; exit 1; }};; '
        f"-r) rm {table};; -) cat > {table};; esac\n"
    )
    (programs / "crontab").chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "OPENAI_API_KEY": "sk-made-up-0123456789"}
    found = Shell(shell.root, shell.home, environ)
    assert found("init", "scout", "--model", "embedded:quote").code == 0
    return found


def test_a_schedule_is_added_listed_shown_paused_resumed_and_removed(scout: Shell) -> None:
    added = scout(*ADD, "--max-cost", "0.25", "--jitter", "60", "--if-changed", "raw/**")
    shown = scout("schedule", "show", "scout", "morning", "--json").value
    states = [scout("schedule", "list", "--json").value[0]["state"]]
    for verb in ("pause", "resume"):
        assert scout("schedule", verb, "scout", "morning").code == 0
        states.append(scout("schedule", "list", "scout", "--json").value[0]["state"])
    removed = scout("schedule", "remove", "scout", "morning")

    assert added.out.startswith("scout is woken for morning, next ")
    assert "hint: atomic-agents schedule install" in added.err
    assert shown["only_if"] == {"changed": ["raw/**"], "command": []}
    assert (shown["max_cost_usd"], shown["jitter_s"], shown["time_zone"]) == (0.25, 60.0, "Europe/Vienna")
    assert states == ["waits", "paused", "waits"]
    assert (removed.out, scout("schedule", "list", "--json").value) == ("morning is removed\n", [])
    assert not (scout.root / "_schedules/scout/morning.json").exists()


def test_a_name_comes_from_the_work_item(scout: Shell) -> None:
    names = [scout("schedule", "add", "scout", "--cron", "0 7 * * *", "--work-item", "Say what is due today, please",
                   "--json").value["name"] for _ in range(2)]  # fmt: skip

    assert names == ["say-what-is-due", "say-what-is-due-2"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "scout", "--cron", "0 25 * * *", *GO, "--name", "m"), 1, 'm.md:3: cron is "0 25 * * *": bad hour'),
        (("add", "scout", "--cron", "0 7 * * *", *GO, "--name", "M x"), 2, "'M x' cannot name a schedule"),
        (("add", "scoot", "--cron", "0 7 * * *", *GO), 1, "scout"),
        (("add", "scout", "--cron", "0 7 * * *", *GO, "--if-command", "a 'b"), 2, "--if-command: no closing quotation"),
        (("show", "scout", "mornin"), 1, "hint: atomic-agents schedule show scout morning"),
        (("run-due", "scoot"), 1, "scout"),
        (("install", "--cron", "--systemd"), 2, "--cron or --systemd, not both"),
    ],
)  # fmt: skip
def test_what_is_typed_wrong_is_said(arguments: tuple[str, ...], code: int, said: str, scout: Shell) -> None:
    scout(*ADD)

    done = scout("schedule", *arguments)

    assert done.code == code
    assert said in done.err


def test_a_dry_run_writes_nothing(scout: Shell) -> None:
    scout(*ADD)
    before = tree(scout.root, without=(".atomic",))

    shown = [
        scout("schedule", *arguments, "--dry-run").out
        for arguments in (
            ("add", "scout", "--cron", "0 7 * * *", "--work-item", "x"), ("pause", "scout", "morning"),
            ("remove", "scout", "morning"), ("run-due",), ("install", "--cron"),
        )
    ]  # fmt: skip

    assert tree(scout.root, without=(".atomic",)) == before
    assert ["+++ scout/schedules/x.md" in shown[0], "+paused: true" in shown[1], shown[3]] == [
        True, True, "nothing is due\n",
    ]  # fmt: skip
    assert "# atomic-agents-schedules-vault-" in shown[4]


def test_installing_shows_the_change_and_no_key_stands_in_it(scout: Shell, tmp_path: Path) -> None:
    first, again = scout("schedule", "install", "--cron"), scout("schedule", "install", "--cron")
    line = (tmp_path / "table").read_text()
    checked = scout("schedule", "check", "--json").value
    gone = scout("schedule", "uninstall")

    assert first.out == "cron fires what is due, every minute\n"
    assert "+* * * * * PATH=" in first.err
    assert "warning: the key for openai is in your shell's environment, which cron does not have" in first.err
    assert again.out == "cron: it is installed already\n"
    assert (line.count("\n"), "sk-made-up" in line, str(scout.root) in line) == (1, False, True)
    assert checked == {"drivers": ["cron"], "problems": [], "ok": True}
    assert gone.out == "cron drives this vault no more\n"
    assert not (tmp_path / "table").exists()


def test_a_second_kind_of_driver_is_refused(scout: Shell) -> None:
    scout("schedule", "install", "--cron")

    done = scout("schedule", "install", "--launchd")

    assert (done.code, "hint: atomic-agents schedule uninstall --cron" in done.err) == (5, True)
    assert "error: cron drives the schedules of this vault already" in done.err


def test_check_says_what_is_overdue_and_exits_with_1(scout: Shell) -> None:
    scout(*ADD)
    path = scout.root / "_schedules/scout/morning.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"since": "2026-11-02T05:00:00+00:00"}))

    done = scout("schedule", "check")

    assert done.code == 1
    assert "scout/schedules/morning.md: is overdue since 2026-11-02 07:00, and has never been fired" in done.err
    assert done.out == "1 schedule, 1 problem; nothing drives them on this machine\n"


def test_a_document_with_errors_fails_the_driver_and_says_where(
    scout: Shell, make_vault: Callable[[dict[str, str]], Path]
) -> None:
    make_vault({"scout/schedules/bad.md": "---\nschema_version: 2\ncron: x\nwork_item: y\n---\n"})

    done = scout("schedule", "run-due")

    assert done.code == 1
    assert 'error: scout/schedules/bad.md:3: cron is "x": five fields are needed' in done.err
