import dataclasses
import importlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from atomic_agents import __version__, config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.change import ChangeSet
from atomic_agents.core.errors import Conflict, MigrationFailed
from atomic_agents.core.store import Blob
from atomic_agents.operations import upgrade
from atomic_agents.operations.workspace import Workspace
from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.shell import Done, Shell, tree

VaultCopy = Callable[[str], Path]
MakeVault = Callable[[Mapping[str, str | bytes]], Path]
PRIVATE = (".atomic", "_migrations")
NOTE = "---\nschema_version: {0}\nname: a\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\na\n"
PATH = "scout/memory/user_a.md"
AGENT = {
    "scout/persona/IDENTITY.md": "# Scout\n",
    "scout/memory/user_a.md": NOTE.format(1),
    "scout/memory/user_b.md": NOTE.format(1),
    "scout/model.md": "## Default model\nembedded:quote\n",
    "scout/tools.md": "## Write paths\n- memory/\n",
}
LOSES_THE_MODEL = """FROM_VERSION = 1
TO_VERSION = 2
UNIT_TYPES = ("settings",)

def applies_to(unit):
    return unit.file == "model.md"

def migrate(unit):
    unit.write_body("")
    unit.write_frontmatter({"schema_version": 2})
"""


def events(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def with_programs(shell: Shell, **scripts: str) -> Shell:
    for name, script in {"crontab": "exit 1", **scripts}.items():
        (shell.home / "bin").mkdir(exist_ok=True)
        (shell.home / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (shell.home / "bin" / name).chmod(0o755)
    return dataclasses.replace(shell, environ={"PATH": f"{shell.home / 'bin'}:{os.environ['PATH']}"})


def unit(shell: Shell, name: str) -> None:
    (shell.home / ".config/systemd/user").mkdir(parents=True, exist_ok=True)
    (shell.home / ".config/systemd/user" / name).write_text("[Service]\nExecStart=x\n")


class TestThePlan:
    def test_shows_an_example_of_each_kind_counts_the_rest_and_writes_nothing(
        self, make_vault: MakeVault, shell: Shell
    ) -> None:
        root = make_vault(AGENT)
        before = tree(root)

        done = shell("upgrade", "--plan")

        assert done.code == 0
        assert done.out.splitlines()[-1] == (
            "plan: v1 to v2 by v1_to_v2 would change 2 notes, 2 settings files; nothing was written"
        )
        assert done.out.count("--- scout/memory/") == 1
        assert "and 1 note more\n" in done.out
        assert "version    v1, which package wrote it is not known\n" in done.out
        assert tree(root) == before

    def test_is_the_same_whatever_is_said_of_asking(self, vault_copy: VaultCopy, shell: Shell) -> None:
        before = tree(vault_copy("v1"))

        done = shell("upgrade", "--plan", "--yes", "--json")

        names = [event["event"] for event in events(done) if event["event"] != "phase"]
        assert (done.code, done.err, names) == (0, "", ["versions", "news", "unused", "preflight", "plan", "result"])
        assert tree(shell.root) == before

    def test_says_what_is_in_the_way(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault({**AGENT, "scout/memory/user_c.md": b"\0", "scout/roster.md": b"\0"})

        done = shell("upgrade", "--plan")

        assert done.code == 1
        assert done.err.startswith("error: 2 things stand in the way; nothing was changed\n  scout/memory/user_c.md: ")


class TestAnUpgrade:
    def test_migrates_a_vault_and_leaves_findings_of_the_machine_as_warnings(
        self, vault_copy: VaultCopy, shell: Shell
    ) -> None:
        vault_copy("v1")

        done = shell("upgrade", "--yes")

        assert done.code == 0
        assert done.out.splitlines()[-1] == (
            "upgraded from v1 to v2: 8 notes, 12 settings files, 1 policy, 1 wiki page"
        )
        assert "warning: provider-keys [" in done.err
        assert "error" not in done.err
        assert shell("migrate", "--status", "--json").value["by_version"] == {"v2": 22}

    def test_comes_with_a_snapshot_that_undoes_it(self, make_vault: MakeVault, shell: Shell) -> None:
        before = tree(make_vault(AGENT))

        value = events(shell("upgrade", "--yes", "--json"))[-1]
        back = shell("migrate", "--rollback", value["snapshot"])

        assert (value["outcome"], value["exit"], back.code) == ("upgraded", 0, 0)
        assert tree(shell.root, without=PRIVATE) == before

    def test_leaves_a_report_that_names_every_document(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)

        done = shell("upgrade", "--yes")

        (report,) = (root / "_migrations/reports").iterdir()
        said = report.read_text()
        assert f"report     _migrations/reports/{report.name}\n" in done.out
        assert [path for path in AGENT if "persona" not in path and f"- `{path}`\n" not in said] == []

    def test_is_told_in_events(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault(AGENT)

        done = shell("upgrade", "--yes", "--json")

        found = events(done)
        names = [event["event"] for event in found if event["event"] != "phase"]
        phases = {event["phase"] for event in found if event["event"] == "phase"}
        assert names == ["versions", "news", "unused", "preflight", "plan", "snapshot", "doctor", "result"]
        assert phases >= {"read", "plan", "snapshot", "write", "validate"}
        assert found[-1] | {"snapshot": "", "report": ""} == {
            "event": "result",
            "outcome": "upgraded",
            "from": 1,
            "to": 2,
            "steps": [{"name": "v1_to_v2", "sha256": ""}],
            "counts": {"note": 2, "settings": 2},
            "skipped": [],
            "snapshot": "",
            "report": "",
            "manual": [],
            "exit": 0,
        }

    def test_leaves_what_cannot_be_read_where_the_operator_says_so(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault({**AGENT, "scout/memory/user_c.md": b"\0"})

        stopped, done, again = (
            shell("upgrade", "--yes", *more) for more in ([], ["--skip-unreadable"], ["--skip-unreadable"])
        )

        assert (stopped.code, done.code, again.code) == (1, 0, 0)
        assert stopped.err == (
            "error: scout/memory/user_c.md: is binary: it holds NUL bytes; nothing was changed\n"
            "  hint: move it out of the vault\n"
            "  hint: or leave it as it is: atomic-agents upgrade --yes --skip-unreadable\n"
        )
        assert "warning: scout/memory/user_c.md: is binary: it holds NUL bytes; it is left as it is\n" in done.err
        assert again.out == f"already current: v2, package {__version__}\n"
        assert (root / "scout/memory/user_c.md").read_bytes() == b"\0"

    def test_names_a_script_before_it_runs(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault({**AGENT, "_migrations/v1_to_v2.py": LOSES_THE_MODEL})

        done = shell("upgrade", "--plan", "--json")

        (script,) = (event for event in events(done) if event.get("event") == "script")
        assert (script["path"], len(script["sha256"])) == ("_migrations/v1_to_v2.py", 64)

    def test_fails_where_a_check_that_passed_before_fails(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault({**AGENT, "_migrations/v1_to_v2.py": LOSES_THE_MODEL})
        shell = with_programs(shell, systemctl=f"touch {shell.home}/restarted")
        unit(shell, "atomic-agents-serve.service")

        done = shell("upgrade", "--yes")

        assert done.code == 1
        assert "error: model [scout]: scout/model.md states no model\n" in done.err
        assert "to undo it: python -m atomic_agents.migrate --rollback " in done.err
        assert done.out.splitlines()[-1] == (
            "upgraded from v1 to v2: 2 notes, 2 settings files, and 1 check that passed before fails now; "
            "not restarted: atomic-agents-serve.service"
        )
        assert not (shell.home / "restarted").exists()


class TestAVaultWithNothingToDo:
    def test_is_told_so_without_being_asked(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault({"scout/persona/IDENTITY.md": "# Scout\n", PATH: NOTE.format(2)})
        before = tree(root)

        words, value = shell("upgrade"), events(shell("upgrade", "--json"))[-1]

        assert (words.code, words.out, words.err) == (0, f"already current: v2, package {__version__}\n", "")
        assert (value["outcome"], value["exit"]) == ("current", 0)
        assert tree(root) == before

    def test_is_one_that_was_upgraded(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault(AGENT)
        shell("upgrade", "--yes")
        before = tree(shell.root)

        done = shell("upgrade", "--yes")

        assert (done.code, done.out, tree(shell.root)) == (
            0,
            f"already current: v2, package {__version__}\n",
            before,
        )

    def test_still_has_the_services_of_another_package_restarted_once(
        self, make_vault: MakeVault, shell: Shell
    ) -> None:
        line = {"package": "2.9.0", "outcome": "migrated", "from_version": 1, "to_version": 2, "snapshot": "x"}
        make_vault({**AGENT, "_migrations/history.jsonl": json.dumps(line) + "\n", **{
            path: NOTE.format(2) for path in AGENT if "/memory/" in path
        }, "scout/model.md": "---\nschema_version: 2\nmodel: embedded:quote\n---\n", "scout/tools.md":
        "---\nschema_version: 2\nwrite_paths: [memory/]\n---\n"})  # fmt: skip
        shell = with_programs(shell, systemctl=f'echo "$@" >> {shell.home}/restarted')
        unit(shell, "atomic-agents-serve.service")

        done, again = shell("upgrade", "--yes"), shell("upgrade", "--yes")

        assert (done.code, done.out.splitlines()[-2:]) == (
            0,
            [
                "service    atomic-agents-serve.service: restarted",
                f"upgraded from package 2.9.0 to {__version__}: no document had to change",
            ],
        )
        assert again.out == f"already current: v2, package {__version__}\n"
        assert (shell.home / "restarted").read_text() == "--user try-restart atomic-agents-serve.service\n"


class TestServices:
    def test_that_cannot_be_restarted_are_named_with_the_command(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault(AGENT)
        shell = with_programs(shell, systemctl="echo 'no bus' >&2; exit 1")
        unit(shell, "atomic-agents-serve.service")

        done = shell("upgrade", "--yes")

        assert done.code == 0
        assert (
            "warning: atomic-agents-serve.service was not restarted: systemctl ended with 1: no bus\n"
            "  hint: systemctl --user try-restart atomic-agents-serve.service\n"
        ) in done.err


class TestARefusal:
    def test_is_what_happens_where_nobody_can_be_asked(self, make_vault: MakeVault, shell: Shell) -> None:
        before = tree(make_vault(AGENT))

        done, value = shell("upgrade"), events(shell("upgrade", "--json"))[-1]

        assert (done.code, done.err) == (
            1,
            "error: nobody is there to be asked; nothing was changed\n  hint: atomic-agents upgrade --yes\n",
        )
        assert value["error"]["code"] == "migration-refused"
        assert tree(shell.root, without=(".atomic",)) == before

    def test_of_a_newer_vault_exits_6(self, make_vault: MakeVault, shell: Shell) -> None:
        before = tree(make_vault({**AGENT, "scout/memory/user_c.md": NOTE.format(9)}))

        done = shell("upgrade", "--yes")

        assert (done.code, done.err) == (
            6,
            (
                "error: scout/memory/user_c.md:2: is at v9, and this package, 3.0.0, reads and writes up to v2; "
                "nothing was changed\n"
                "  hint: pip install --upgrade atomic-agents-stack\n"
            ),
        )
        assert tree(shell.root, without=(".atomic",)) == before

    def test_while_an_agent_runs_exits_5(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)
        before = tree(root)

        with FolderStore(root).lock("agent/scout", wait=0):
            done = shell("upgrade", "--yes")

        assert done.code == 5
        assert done.err.startswith("error: agent/scout is in use by process ")
        assert tree(root, without=(".atomic",)) == before

    def test_where_there_is_no_vault_makes_none(self, shell: Shell) -> None:
        done = shell("upgrade", "--yes")

        assert (done.code, shell.root.exists()) == (1, False)
        assert done.err.startswith(f"error: there is no vault at {shell.root}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="terminals as Unix has them")
@pytest.mark.parametrize(("answer", "code", "version"), [(b"y\n", 0, "v2"), (b"n\n", 1, "v1"), (b"\x04", 130, "v1")])
def test_at_a_terminal_it_asks_once(
    answer: bytes, code: int, version: str, make_vault: MakeVault, shell: Shell
) -> None:
    pty = importlib.import_module("pty")
    root = make_vault(AGENT)
    environ = {**os.environ, "HOME": str(shell.home), "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1", "TERM": "dumb"}

    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "atomic_agents", "upgrade"], environ)  # noqa: S606 - the child
    said = b""
    while chunk := _read(terminal):
        said += chunk
        if b"[y/N]" in said and answer:
            os.write(terminal, answer)
            answer = b""
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert (os.waitstatus_to_exitcode(status), said.count(b"[y/N]")) == (code, 1)
    assert list(shell("migrate", "--status", "--json").value["by_version"]) == [version]


def _read(terminal: int) -> bytes:
    assert select.select([terminal], [], [], 60)[0], "it waits for something else"
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


class BadDisk(FolderStore):
    """Reads another text than it wrote, once documents have been migrated."""

    migrated = False

    def apply(self, changes: ChangeSet) -> ChangeSet:
        self.migrated = PATH in changes.paths
        return super().apply(changes)

    def read(self, path: str) -> Blob | None:
        blob = super().read(path)
        if blob is None or path != PATH or not self.migrated:
            return blob
        return dataclasses.replace(blob, data=blob.data + b"rot")


def opened(root: Path, store: type[FolderStore] = FolderStore) -> Workspace:
    workspace = open_workspace(config.load(str(root), {}))
    workspace.store = store(root)
    return workspace


def prospect(workspace: Workspace) -> upgrade.Prospect:
    return upgrade.prospect(workspace, upgrade.standing(workspace), skip_unreadable=False, may_lock=True)


def test_what_does_not_read_back_is_put_back(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)
    before = tree(root)
    workspace = opened(root, BadDisk)

    with pytest.raises(MigrationFailed, match="the vault was put back"):
        upgrade.carry_out(workspace, prospect(workspace))

    assert tree(root, without=PRIVATE) == before


def test_a_document_that_was_edited_while_the_plan_was_read_stops_it(make_vault: MakeVault) -> None:
    root = make_vault(AGENT)
    workspace = opened(root)
    planned = prospect(workspace)
    (root / PATH).write_text("mine\n")
    before = tree(root, without=PRIVATE)

    with pytest.raises(Conflict):
        upgrade.carry_out(workspace, planned)

    assert tree(root, without=PRIVATE) == before


AS_SOMEBODY = """
from atomic_agents.cli.main import main
from atomic_agents.testing.privileges import drop_privileges
drop_privileges()
main()
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can be somebody else")
class TestSomebodyWhoMayNotWrite:
    @pytest.fixture
    def root(self) -> Iterator[Path]:
        with TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            for path, text in AGENT.items():
                Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
                Path(folder, path).write_text(text)
            for each in (Path(folder), *Path(folder).rglob("*")):
                os.chown(each, 65534, 65534)
            yield Path(folder)

    def test_is_told_which_folder_and_what_to_type(self, root: Path) -> None:
        before = tree(root)
        environ = {**os.environ, "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1", "HOME": "/nonexistent"}

        for options in (["--plan"], ["--yes"]):
            command = [sys.executable, "-c", AS_SOMEBODY, "upgrade", *options]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

            assert done.returncode == 1
            assert done.stderr.endswith(
                f"error: {root} cannot be written to; nothing was changed\n  hint: chmod u+wx {root}\n"
            )
        assert tree(root) == before


class TestTemplates:
    """An agent whose template has changed since it was made."""

    RECORD = "_migrations/templates/scout.json"
    RULE = "- Never send, sign, order or pay for anything."

    @pytest.fixture
    def root(self, shell: Shell) -> Path:
        root = Path(shell.root)
        shell("init", "scout", "--template", "advisor", "--model", "embedded:quote")
        record = json.loads((root / self.RECORD).read_text())
        lines = record["files"]["tools.md"]
        record["files"]["tools.md"] = [line for line in lines if self.RULE not in line]
        (root / self.RECORD).write_text(json.dumps(record))
        mine = [line for line in lines if self.RULE not in line]
        (root / "scout/tools.md").write_text("\n".join([*mine[:-1], "My own last line.", ""]))
        return root

    def test_are_offered_and_nothing_is_changed(self, root: Path, shell: Shell) -> None:
        before = tree(root, without=(".atomic",))

        done = shell("upgrade", "--yes")

        assert (done.code, done.out.splitlines()[-1].split(":")[0]) == (0, "already current")
        assert "1 file of the templates changed since the agents were made" in done.err
        assert tree(root, without=(".atomic",)) == before

    def test_are_shown_by_the_plan(self, root: Path, shell: Shell) -> None:
        before = tree(root, without=(".atomic",))

        done = shell("upgrade", "--templates", "--plan")

        assert any(line.startswith("+") and self.RULE in line for line in done.out.splitlines())
        assert tree(root, without=(".atomic",)) == before

    def test_are_taken_over_with_a_way_back(self, root: Path, shell: Shell) -> None:
        before = (root / "scout/tools.md").read_text()

        done = shell("upgrade", "--templates", "--yes")
        after = (root / "scout/tools.md").read_text()
        again = shell("upgrade", "--templates", "--yes")
        (snapshot,) = (root / "_migrations/snapshots").iterdir()
        back = shell("migrate", "--rollback", snapshot.name)

        assert done.code == 0, done.err
        assert self.RULE in after
        assert "My own last line." in after
        assert f"snapshot   {snapshot.name}" in done.out
        assert "templates" not in again.err
        assert (back.code, (root / "scout/tools.md").read_text()) == (0, before)
