"""Disks that fill up or let go, people and processes that come between, clocks that go backwards."""

import datetime
import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import disk_faults as faults  # type: ignore[import-not-found]  # beside this file
import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.errors import StorageFailed
from atomic_agents.migration import apply
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
linux = pytest.mark.skipif(sys.platform != "linux", reason="mounts and users as Linux has them")
PRIVATE = (".atomic", "_migrations")
NOTE = "---\nschema_version: 1\nname: n{0}\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\n{1}\n"
FULL = 4096 - len(NOTE.format("000", "")) - 4  # with so much in its body, a note outgrows its block
PAGE = 4096


def vault(notes: int, *, growing: int = 4) -> dict[str, str | bytes]:
    """Two agents with so many notes each, `growing` of which outgrow their blocks."""
    found: dict[str, str | bytes] = {}
    for agent in ("muse", "scout"):
        found[f"{agent}/persona/IDENTITY.md"] = "# Me\n"
        found[f"{agent}/tools.md"] = "## Write paths\n- memory/\n"
        found[f"{agent}/model.md"] = "## Default model\nembedded:quote\n"
        for number in range(notes):
            body = "x" * FULL if number < growing else "short"
            found[f"{agent}/memory/user_{number:03}.md"] = NOTE.format(f"{number:03}", body)
    return found


def plant(root: Path, documents: Mapping[str, str | bytes]) -> None:
    for path, content in documents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.encode() if isinstance(content, str) else content)


def opened(root: Path, now: datetime.datetime | None = None) -> Workspace:
    workspace = open_workspace(config.load(str(root), {}))
    if now is not None:
        workspace.clock = lambda: now
    return workspace


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, in memory; the test is skipped where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def noting(seen: list[str], call: faults.Call) -> object:
    """Do it, and note what it is about, and why it was refused."""
    try:
        done = call.do()
    except OSError as error:
        seen.append(f"{call.label} {error.errno}")
        raise
    seen.append(call.label)
    return done


def phase(seen: list[str]) -> str:
    """Where the disk was full: in the snapshot, which comes before any images, or in what follows it."""
    full = [number for number, label in enumerate(seen) if label.endswith(f" {errno.ENOSPC}")]
    refused = next((number for number in full if " lock" not in seen[number]), full[0])
    if not any("images" in label for label in seen[: refused + 1]):
        return "snapshot"
    return seen[refused].split()[1]


@linux
@pytest.mark.parametrize("verb", ["migrate", "rollback"])
def test_a_disk_that_fills_up_in_any_phase_leaves_the_vault_as_it_was(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room there is grows by a block each time, until it is enough."""
    monkeypatch.setattr("os.sync", lambda: None)
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    with mounted(tmp_path / "disk", "4m") as disk:
        root = disk / "vault"
        plant(root, vault(60))
        name = upkeep.migrate(opened(root), 2, skip_unreadable=False).snapshot if verb == "rollback" else ""
        before, phases, said = tree(root, without=PRIVATE), set[str](), set[str]()

        for blocks in range(200):
            with (disk / "ballast").open("wb") as file:
                free = os.statvfs(disk)
                file.write(bytes(max(0, free.f_bavail * free.f_frsize - blocks * PAGE)))
            seen: list[str] = []
            try:
                with faults.armed(1, partial(noting, seen)):
                    if verb == "rollback":
                        upkeep.roll_back(opened(root), name)
                    else:
                        upkeep.migrate(opened(root), 2, skip_unreadable=False)
                break
            except StorageFailed as error:
                said.add(error.message.partition(": ")[2])
                phases.add(phase(seen))
            finally:
                (disk / "ballast").unlink()
            assert tree(root, without=PRIVATE) == before
            assert not list((root / ".atomic/batch").glob("*"))
        else:
            pytest.fail("it never arrives")

        sys.stdout.write(f"{verb}: {blocks} blocks, {sorted(phases)}\n")
        assert said == {"the disk is full; nothing was written"}
        assert tree(root, without=PRIVATE) != before
        staged = {"staged"} if verb == "migrate" else set()  # what is rolled back needs no more room than it has
        assert phases >= {"snapshot", "images", "intent"} | staged


@linux
def test_a_disk_that_was_mounted_to_be_read_is_read_and_not_written(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "4m") as disk:
        plant(disk / "vault", vault(20))
        shell = Shell(disk / "vault", tmp_path)
        before = tree(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

        status, migrate, upgrade = (
            shell("migrate", "--status"),
            shell("migrate", "--to", "v2"),
            shell("upgrade", "--yes"),
        )

        assert (status.code, migrate.code, upgrade.code) == (0, 1, 1)
        assert "the folder is read-only; nothing was written" in migrate.err
        assert tree(disk) == before


@linux
@pytest.mark.parametrize("mounts", [["."], ["scout/memory"], [".", "muse", "scout/memory"]])
def test_a_vault_on_mount_points_is_migrated_and_put_back_whole(
    mounts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sync", lambda: None)
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    with ExitStack() as disks:
        root = tmp_path / "vault"
        for mount in mounts:
            disks.enter_context(mounted(root / mount, "4m"))
        plant(root, vault(30))
        old = tree(root)
        name = upkeep.migrate(opened(root), 2, skip_unreadable=False).snapshot
        new = tree(root, without=PRIVATE)
        found = []

        for call in range(1, 500, 17):  # and is whole wherever it stops
            at_v2 = tree(root, without=PRIVATE) == new
            workspace = opened(root)
            with suppress(faults.Died), faults.armed(call, faults.die):
                if at_v2:
                    upkeep.roll_back(workspace, name)
                else:
                    upkeep.migrate(workspace, 2, skip_unreadable=False)
            opened(root)
            found.append(tree(root, without=PRIVATE))
        if found[-1] == new:
            upkeep.roll_back(opened(root), name)

        assert [now for now in found if now not in (old, new)] == []
        assert (old in found, new in found) == (True, True)
        assert tree(root, without=PRIVATE) == old
        assert new != old


AS_OWNER = """
import os, sys
from atomic_agents import bootstrap, config
from atomic_agents.core.errors import AtomicAgentsError
from atomic_agents.operations import upkeep
from atomic_agents.stores import disk
from atomic_agents.testing.privileges import drop_privileges
root, lost, when = sys.argv[1:4]
drop_privileges()
real, done = disk.overwrite, []
def overwrite(path, data, *, size):
    done.append(path)
    if when == "midway" and len(done) == 20:
        os.chmod(os.path.join(root, lost), 0)
    real(path, data, size=size)
disk.overwrite = overwrite
opened = bootstrap.open_workspace(config.load(root, {}))
def taken(name):
    if when in ("555", "0"):
        os.chmod(os.path.join(root, lost), int(when, 8))
try:
    upkeep.migrate(opened, 2, skip_unreadable=False, on_snapshot=taken)
except AtomicAgentsError as error:
    sys.exit(error.message)
"""
LIST = """
import sys
from atomic_agents.cli.main import main
from atomic_agents.testing.privileges import drop_privileges
drop_privileges()
main(["list", "--root", sys.argv[1]])
"""


@linux
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="of others, every test has the rights already"
)
class TestPermissionLostMidway:
    @pytest.fixture
    def root(self) -> Iterator[Path]:
        with TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            root = Path(folder) / "vault"
            plant(root, vault(40))
            yield root

    def run(self, script: str, *arguments: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stderr

    @pytest.mark.parametrize(("lost", "when"), [("scout/memory", "555"), ("scout/memory", "0"), ("scout", "midway")])
    def test_puts_the_vault_back(self, root: Path, lost: str, when: str) -> None:
        before = tree(root)

        code, err = self.run(AS_OWNER, str(root), lost, when)
        (root / lost).chmod(0o755)

        assert (code, tree(root, without=PRIVATE)) == (1, before)
        assert "read-only; nothing was written" in err or "permission to read it is missing" in err
        assert Shell(root, root)("migrate", "--to", "v2").code == 0

    def test_where_it_cannot_be_put_back_nobody_works_on_it_until_it_can(self, root: Path) -> None:
        before = tree(root)

        code, err = self.run(AS_OWNER, str(root), "muse/memory", "midway")
        listed = self.run(LIST, str(root))
        (root / "muse/memory").chmod(0o755)
        then = self.run(LIST, str(root))

        assert (code, "is finished or put back when the vault is next opened" in err) == (1, True)
        assert (listed[0], "an interrupted change waits to be finished" in listed[1]) == (1, True)
        assert (then[0], tree(root, without=PRIVATE)) == (0, before)


class TestAtTheSameTime:
    def begun(self, shell: Shell, *command: str) -> "subprocess.Popen[str]":
        """A command that holds the vault."""
        process = shell.start(*command)
        while process.poll() is None and not any((shell.root / ".atomic/locks").glob("migration.*.owner")):
            time.sleep(0.001)
        return process

    def test_a_rollback_waits_for_no_migration(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(vault(700))
        old = tree(root)
        name = str(shell("migrate", "--to", "v2", "--json").value["snapshot"])
        new = tree(root, without=PRIVATE)
        assert shell("migrate", "--rollback", name).code == 0

        migration = self.begun(shell, "migrate", "--to", "v2")
        rollback = shell("migrate", "--rollback", name)
        migration.communicate()

        assert (migration.returncode, rollback.code) == (0, 5)
        assert "migration is in use by process" in rollback.err
        assert tree(root, without=PRIVATE) == new != old

    def test_runs_write_before_a_migration_or_after_it(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(vault(400))

        runs: list[subprocess.Popen[str]] = []
        migration = self.begun(shell, "migrate", "--to", "v2")
        for agent in ("scout", "muse", "scout", "muse"):
            item = f"remember: the {len(runs)}th door is blue"
            runs.append(shell.start("run", agent, "--work-item", item, "--json"))
        said = [(run.communicate(), run.returncode) for run in runs]
        migration.communicate()

        codes = [code for _, code in said]
        kept = [path.read_text() for path in root.glob("*/memory/*.md") if "th_door" in path.name]
        assert migration.returncode == 0
        assert set(codes) <= {0, 5}
        assert [out for (out, _), code in said if code == 5 and "in use by" not in out] == []
        assert sum("schema_version: 2" in text for text in kept) == len(kept) >= codes.count(0) > 0
        assert shell("migrate", "--status", "--json").value["by_version"] == {"v2": 804 + len(kept)}
        assert shell("migrate", "--verify").code == 0

    def test_a_run_waits_for_a_migration(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(vault(2))
        before = tree(root)

        with apply.quiet(opened(root).store, ("muse", "scout")):
            run = shell.start("run", "scout", "--work-item", "remember: the door is blue")
            with suppress(subprocess.TimeoutExpired):
                run.wait(1)
            meanwhile = tree(root, without=PRIVATE)
        run.communicate()

        assert (run.returncode, meanwhile) == (0, before)
        assert (root / "scout/memory/user_the_door_is_blue.md").exists()


def test_a_clock_that_goes_backwards_leaves_snapshots_in_order_and_the_way_back_right(make_vault: MakeVault) -> None:
    noon = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
    notes = {path: str(text) for path, text in vault(3).items() if "/memory/" in path}
    root = make_vault({path: text.replace("schema_version: 1\n", "") for path, text in notes.items()})
    old = tree(root)

    first = upkeep.migrate(opened(root, noon), 1, skip_unreadable=False).snapshot
    at_v1 = tree(root, without=PRIVATE)
    second = upkeep.migrate(opened(root, noon - datetime.timedelta(hours=1)), 2, skip_unreadable=False).snapshot
    names = [listed.name for listed in upkeep.snapshots(opened(root))]
    back = upkeep.roll_back(opened(root, noon - datetime.timedelta(hours=2)), second)
    back_at_v1 = tree(root, without=PRIVATE)
    again = upkeep.migrate(opened(root, noon - datetime.timedelta(hours=3)), 2, skip_unreadable=False).snapshot
    whole = upkeep.roll_back(opened(root, noon - datetime.timedelta(hours=4)), first)

    assert names == [second, first]
    assert (back_at_v1, back.kept) == (at_v1, {})
    assert (tree(root, without=PRIVATE), whole.kept) == (old, {})
    assert [listed.name for listed in upkeep.snapshots(opened(root))] == [
        whole.safety, again, back.safety, second, first,
    ]  # fmt: skip


def test_several_migrations_are_undone_from_the_latest_on_and_an_earlier_one_says_what_it_leaves(
    make_vault: MakeVault, shell: Shell
) -> None:
    root = make_vault({path: str(text).replace("schema_version: 1\n", "") for path, text in vault(3).items()})
    old = tree(root)
    first = upkeep.migrate(opened(root), 1, skip_unreadable=False).snapshot
    second = upkeep.migrate(opened(root), 2, skip_unreadable=False).snapshot

    dry = shell("migrate", "--rollback", first, "--dry-run")
    latest = shell("migrate", "--rollback", second)
    earlier = shell("migrate", "--rollback", first)

    left = "4 documents that only a later migration changed stay as they are"
    assert f"{left}; to undo all of it, roll back the latest first: {second}" in dry.err
    assert (latest.code, "stay as they are" in latest.err) == (0, False)
    assert (earlier.code, "stay as they are" in earlier.err) == (0, False)
    assert tree(root, without=PRIVATE) == old
