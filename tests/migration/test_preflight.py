import dataclasses
import datetime
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.errors import AtomicAgentsError, Busy, MigrationRefused, VaultTooNew
from atomic_agents.migration import history, plan, preflight
from atomic_agents.migration.preflight import Finding, Ground
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.shell import tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
NOTE = "---\nschema_version: {0}\nname: a\n---\n\na\n"
AGENT = {"scout/persona/IDENTITY.md": "# Scout\n", "scout/memory/user_a.md": NOTE.format(1)}


def ground(root: Path, *, skip_unreadable: bool = False) -> Ground:
    workspace = open_workspace(config.load(str(root), {}))
    survey = workspace.vault.survey()
    census = plan.take_census(workspace.vault, survey)
    old = census.version < 2 >= census.highest
    return Ground(
        store=workspace.store,
        root=root,
        survey=survey,
        census=census,
        plan=plan.make(workspace.vault, survey, 2, skip_unreadable=True) if old else None,
        history=history.read(workspace.store),
        locks=("migration", *(f"agent/{agent}" for agent in survey.agents)),
        now=workspace.clock(),
        skip_unreadable=skip_unreadable,
    )


def found(looked_at: Ground) -> list[Finding]:
    return [finding for finding in preflight.look(looked_at) if finding.state != "pass"]


def line(**facts: object) -> str:
    record = {"ts": "2026-01-01T00:00:00+00:00", "package": "2.0.0", "outcome": "migrated", **facts}
    return json.dumps(record) + "\n"


def test_a_vault_with_nothing_in_the_way_passes_every_check_and_stays_as_it_is(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)
    before = tree(root)
    without_locks = dataclasses.replace(ground(root), locks=())

    findings = preflight.look(without_locks)

    assert [(one.check, one.state) for one in findings] == [(name, "pass") for name in preflight.CHECKS]
    assert tree(root) == before


def test_what_cannot_be_read_is_named_with_its_fix(make_vault: MakeVault) -> None:
    root = make_vault({**AGENT, "scout/memory/user_b.md": b"\0", "scout/model.md": "## Default model\n"})

    stopped, skipped = found(ground(root)), found(ground(root, skip_unreadable=True))

    assert [(one.check, one.state, one.message.partition(": ")[0]) for one in stopped] == [
        ("integrity", "fail", "scout/memory/user_b.md"),
        ("integrity", "fail", "scout/model.md:1"),
    ]
    assert all(one.hint for one in stopped)
    assert [one.state for one in skipped] == ["warn", "warn"]


def test_a_disk_without_room_is_found(make_vault: MakeVault) -> None:
    full = dataclasses.replace(ground(make_vault(AGENT)), free=lambda _root: 1_000_000)

    (finding,) = found(full)

    assert (finding.check, finding.state) == ("space", "fail")
    assert finding.message.startswith("1.0 MB are free where the vault is, and 1.1 MB are needed")


def test_who_is_at_work_is_named(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)

    with FolderStore(root).lock("agent/scout", wait=0):
        (finding,) = found(ground(root))

    assert (finding.check, finding.state) == ("running", "fail")
    assert finding.message.startswith("agent/scout is in use by process ")


def test_a_newer_vault_names_the_version_to_install(make_vault: MakeVault) -> None:
    newer = {**AGENT, "scout/memory/user_b.md": NOTE.format(9)}
    wrote = line(to_version=9, package="7.1.0")

    (unknown,) = found(ground(make_vault(newer)))
    (known,) = found(ground(make_vault({**newer, "_migrations/history.jsonl": wrote})))

    assert (unknown.message, unknown.hint) == (
        "scout/memory/user_b.md:2: is at v9, and this package, 3.0.0, reads and writes up to v2",
        "pip install --upgrade atomic-agents-stack",
    )
    assert known.hint == "pip install atomic-agents-stack==7.1.0"


def test_a_package_that_is_older_than_the_last_is_warned_of(make_vault: MakeVault) -> None:
    (finding,) = found(ground(make_vault({**AGENT, "_migrations/history.jsonl": line(package="7.1.0", to_version=1)})))

    assert (finding.check, finding.state, finding.hint) == ("version", "warn", "pip install atomic-agents-stack==7.1.0")


def test_a_clock_that_is_behind_is_warned_of(make_vault: MakeVault) -> None:
    root = make_vault({**AGENT, "_migrations/snapshots/2026-01-01T000000_pre_v1_migration.tar.gz": b"x"})
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)

    (finding,) = found(dataclasses.replace(ground(root), now=then))

    assert (finding.check, finding.state) == ("clock", "warn")
    assert finding.message.startswith("the last migration or snapshot is of ")


def test_a_torn_line_of_history_is_warned_of(make_vault: MakeVault) -> None:
    (finding,) = found(ground(make_vault({**AGENT, "_migrations/history.jsonl": line(to_version=1) + "{torn\n"})))

    assert (finding.check, finding.state) == ("integrity", "warn")
    assert finding.message.startswith("_migrations/history.jsonl:2: ")


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_what_is_not_committed_is_warned_of_with_the_command_that_commits_it(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    subprocess.run([*git, "init", "-q"], check=True, capture_output=True)
    before = tree(root)

    (finding,) = found(dataclasses.replace(ground(root), locks=()))
    after = tree(root)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "all"], check=True)

    assert (finding.check, finding.state) == ("git", "warn")
    assert finding.hint == f"git -C {root} add -A && git -C {root} commit -m 'before the upgrade'"
    assert after == before
    assert found(ground(root)) == []


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_a_program_that_a_repository_names_is_not_run(make_vault: MakeVault, tmp_path: Path) -> None:
    root = make_vault(AGENT)
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True, capture_output=True)
    (tmp_path / "monitor").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "monitor").chmod(0o755)
    subprocess.run(["git", "-C", str(root), "config", "core.fsmonitor", str(tmp_path / "monitor")], check=True)

    found(ground(root))

    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_named(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)
    (root / "scout/memory").chmod(0o500)

    (finding,) = found(ground(root))
    (root / "scout/memory").chmod(0o700)

    assert (finding.check, finding.message) == ("writable", "scout/memory cannot be written to")
    assert finding.hint == f"chmod u+wx {root}/scout/memory"


@pytest.mark.parametrize(
    ("checks", "error", "exit_status"),
    [
        (["space"], MigrationRefused, 1),
        (["running"], Busy, 5),
        (["space", "running"], Busy, 5),
        (["version", "running"], VaultTooNew, 6),
    ],
)
def test_a_refusal_names_everything_and_has_the_exit_code_of_what_weighs_most(
    checks: list[str], error: type[AtomicAgentsError], exit_status: int
) -> None:
    findings = [Finding(check, "fail", f"{check} is wrong", f"mend {check}") for check in checks]

    with pytest.raises(error) as refused:
        preflight.refuse([*findings, Finding("git", "warn", "not committed")], skipping="atomic-agents upgrade")

    assert refused.value.exit_status == exit_status
    assert [check for check in checks if f"{check} is wrong" not in refused.value.message] == []
    assert [check for check in checks if f"mend {check}" not in refused.value.message + refused.value.hint] == []
    assert "git" not in refused.value.message
