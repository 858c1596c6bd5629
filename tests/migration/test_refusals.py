import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from atomic_agents.stores.files import FolderStore
from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
PRIVATE = (".atomic", "_migrations")
OURS = (".atomic",)
NOTE = "---\nschema_version: {0}\nname: a\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\na\n"
AGENT = {"scout/persona/IDENTITY.md": "# Scout\n", "scout/memory/user_a.md": NOTE.format(1)}
UNREADABLE = {
    "scout/memory/user_b.md": (b"---\nname: [\n---\nx\n", "scout/memory/user_b.md:3: front matter is not YAML"),
    "scout/memory/user_c.md": (b"---\nname: c\n", "scout/memory/user_c.md:1: front matter does not end"),
    "scout/memory/user_d.md": (b"\0\1\2", "scout/memory/user_d.md: is binary: it holds NUL bytes"),
    "scout/memory/user_e.md": (b"caf\xe9\n", "scout/memory/user_e.md:1: is not UTF-8 text (byte 0xe9)"),
    "scout/wiki/f.md": (b"---\nschema_version: two\n---\n", "scout/wiki/f.md:2: schema_version is 'two'"),
    "scout/wiki/g.md": (b"---\nschema_version: -1\n---\n", "scout/wiki/g.md:2: schema_version is -1"),
    "scout/model.md": (b"## Default model\n", "scout/model.md:1: no model id stands below"),
    "policy/h.md": (b"---\n- x\n---\n", "policy/h.md:2: front matter is not a list of"),
}
linux = pytest.mark.skipif(sys.platform != "linux", reason="mounts and users as Linux has them")


class TestDocumentsThatCannotBeRead:
    def test_stand_in_the_way_each_by_name(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT | {path: data for path, (data, _) in UNREADABLE.items()})
        before = tree(root)

        done = shell("migrate", "--to", "v2")

        assert done.code == 1
        assert done.err.startswith("error: 8 documents stand in the way; nothing was changed\n")
        assert [words for _, words in UNREADABLE.values() if words not in done.err] == []
        assert tree(root, without=OURS) == before

    def test_stand_in_the_way_of_a_dry_run_too(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault(AGENT | {"scout/memory/user_d.md": b"\0"})

        done = shell("migrate", "--to", "v2", "--dry-run", "--json")

        assert done.code == 1
        assert done.value["error"]["code"] == "migration-refused"
        assert [problem["path"] for problem in done.value["error"]["context"]["problems"]] == ["scout/memory/user_d.md"]

    def test_are_left_as_they_are_where_the_operator_says_so(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT | {path: data for path, (data, _) in UNREADABLE.items()})
        before = tree(root)

        done = shell("migrate", "--to", "v2", "--skip-unreadable")

        after = tree(root, without=PRIVATE)
        assert done.code == 0
        assert done.err.startswith("warning: 8 documents left as they are\n")
        assert {path for path in before if after[path] != before[path]} == {"scout/memory/user_a.md"}

    def test_are_named_by_status(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault(AGENT | {"scout/memory/user_d.md": b"\0"})

        done = shell("migrate", "--status")

        assert done.code == 0
        assert "unreadable 1 document\n" in done.out
        assert "warning: scout/memory/user_d.md: is binary" in done.err

    def test_may_be_very_many(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault(AGENT | {f"scout/memory/user_{number}.md": b"\0" for number in range(25)})

        done = shell("migrate", "--to", "v2")

        assert (done.err.count("is binary"), "  and 5 more\n" in done.err) == (20, True)


class TestANewerVault:
    def test_is_read(self, make_vault: MakeVault, shell: Shell) -> None:
        make_vault(AGENT | {"scout/memory/user_b.md": NOTE.format(9)})

        status, notes = shell("migrate", "--status"), shell("memory", "list", "scout", "--json")

        assert (status.code, notes.code) == (0, 0)
        assert status.out.splitlines()[-1] == "newer than this package, which reads v9 and does not write it"
        assert len(notes.value["notes"]) == 2

    @pytest.mark.parametrize("command", [["migrate", "--to", "v2"], ["migrate", "--to", "v2", "--dry-run"]])
    def test_is_not_written(self, command: list[str], make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT | {"scout/memory/user_b.md": NOTE.format(9)})
        before = tree(root)

        done = shell(*command)

        assert done.code == 6
        assert done.err == (
            "error: scout/memory/user_b.md:2: is at v9, and this package, 3.0.0, reads and writes up to v2; "
            "nothing was changed\n"
            "  hint: pip install --upgrade atomic-agents-stack\n"
        )
        assert tree(root, without=OURS) == before


@pytest.mark.parametrize(
    ("documents", "version"),
    [({}, 2), ({"scout/memory/user_a.md": NOTE.format(2)}, 2), ({"notes.txt": "x"}, 2)],
)
def test_a_current_vault_is_not_migrated(
    documents: dict[str, str], version: int, make_vault: MakeVault, shell: Shell
) -> None:
    root = make_vault(documents)

    done, head = shell("--to", "v2", module="atomic_agents.migrate"), shell("migrate", "--to", "head")

    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0] == (
        f"error: Target version v2 is not above current v{version}. Forward-only migrations."
    )
    assert (head.code, head.out) == (0, "already at v2\n")
    assert tree(root, without=OURS) == tree(root, without=PRIVATE)


@pytest.mark.parametrize("target", ["", "two", "v", "v-1", "vv2", "²", "1.0", "v" + "9" * 30])
def test_a_version_that_is_none_is_a_usage_error(target: str, shell: Shell) -> None:
    done = shell("migrate", "--to", target)

    assert (done.code, done.err) == (2, f"error: {target!r} is not a version\n  hint: --to v2\n")


@pytest.mark.parametrize(
    "command", [["--status"], ["--list-snapshots"], ["--to", "v2"], ["--to", "v2", "--dry-run"], ["--rollback", "x"]]
)
def test_a_missing_root_is_an_error_with_a_way_out_and_is_not_made(command: list[str], shell: Shell) -> None:
    done = shell(*command, module="atomic_agents.migrate")

    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: there is no vault at {shell.root}\n"
        "  hint: atomic-agents init my-agent\n"
        "  hint: or name another: --root PATH, ATOMIC_AGENTS_ROOT\n"
    )
    assert not shell.root.exists()


class TestSomebodyElseAtWork:
    @pytest.mark.parametrize("lock", ["migration", "agent/scout"])
    def test_a_migration_is_busy_while_a_lock_is_held(self, lock: str, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)

        with FolderStore(root).lock(lock, wait=0):
            done = shell("migrate", "--to", "v2")

        assert done.code == 5
        assert done.err.startswith(f"error: {lock} is in use by process {os.getpid()} since ")
        assert tree(root, without=OURS) == tree(make_vault(AGENT), without=OURS)

    def test_a_rollback_is_busy_too(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)
        name = str(shell("migrate", "--to", "v2", "--json").value["snapshot"])

        with FolderStore(root).lock("agent/scout", wait=0):
            done = shell("migrate", "--rollback", name)

        assert done.code == 5

    def test_of_two_migrations_at_once_one_wins(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT | {f"scout/memory/user_{i}.md": NOTE.format(1) for i in range(400)})

        both = [shell.start("migrate", "--to", "v2") for _ in range(2)]
        for process in both:
            process.communicate()
        codes = sorted(process.returncode for process in both)

        # The other one is busy, or comes when all is done and finds nothing left to do.
        assert codes in ([0, 5], [0, 1])
        assert len((root / "_migrations/history.jsonl").read_text().splitlines()) == 1
        assert shell("migrate", "--status", "--json").value["by_version"] == {"v2": 401}


class TestThingsThatAreNoDocuments:
    @linux
    def test_a_pipe_is_left_alone(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)
        os.mkfifo(root / "scout/memory/user_pipe.md")

        assert shell("migrate", "--status", timeout=20).code == 0
        assert shell("migrate", "--to", "v2", timeout=20).code == 0
        assert "scout/memory/user_pipe.md: a pipe, not a file" in shell("doctor", timeout=20).out

    @linux
    def test_a_link_out_of_the_vault_is_left_alone(self, tmp_path: Path, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)
        outside = tmp_path / "outside.md"
        outside.write_text(NOTE.format(1))
        (root / "scout/memory/user_link.md").symlink_to(outside)

        assert shell("migrate", "--to", "v2").code == 0
        assert (outside.read_text(), (root / "scout/memory/user_link.md").is_symlink()) == (NOTE.format(1), True)

    @linux
    def test_a_link_within_the_vault_stays_a_link(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)
        (root / "scout/memory/user_link.md").symlink_to("user_a.md")
        before = tree(root)

        name = str(shell("migrate", "--to", "v2", "--json").value["snapshot"])
        linked = (root / "scout/memory/user_link.md").is_symlink()
        shell("migrate", "--rollback", name)

        assert linked
        assert tree(root, without=PRIVATE) == before

    def test_a_very_large_note_is_never_read(self, make_vault: MakeVault, shell: Shell) -> None:
        root = make_vault(AGENT)
        with (root / "scout/memory/user_large.md").open("wb") as file:
            file.truncate(100 << 20)

        done = shell("migrate", "--to", "v2")

        assert done.code == 1
        assert "scout/memory/user_large.md: is 100 MiB; a document may hold 8 MiB" in done.err
        assert shell("migrate", "--to", "v2", "--skip-unreadable").code == 0


AS_SOMEBODY = """
from atomic_agents.cli.main import main
from atomic_agents.testing.privileges import drop_privileges
drop_privileges()
main()
"""


@linux
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
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

    def as_somebody(self, root: Path, *arguments: str) -> tuple[int, str]:
        environ = {**os.environ, "ATOMIC_AGENTS_ROOT": str(root), "NO_COLOR": "1"}
        command = [sys.executable, "-c", AS_SOMEBODY, *arguments]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    def test_is_told_so(self, root: Path) -> None:
        before = tree(root)

        status, migrate = (self.as_somebody(root, "migrate", *what) for what in (["--status"], ["--to", "v2"]))

        assert (status[0], migrate[0]) == (0, 1)
        assert f": the folder is read-only; nothing was written\n  hint: chmod -R u+rwX '{root}'\n" in migrate[1]
        assert tree(root) == before

    def test_is_told_which_note_may_not_be_read(self, root: Path) -> None:
        (root / "scout/memory/user_a.md").chmod(0o600)

        code, err = self.as_somebody(root, "migrate", "--status")

        assert (code, err.splitlines()[0]) == (0, "warning: scout/memory/user_a.md: permission to read it is missing")


@linux
@pytest.mark.parametrize("room", [4_000, 60_000, 100_000, 140_000, 400_000])
def test_a_full_disk_leaves_the_vault_as_it_was(tmp_path: Path, room: int) -> None:
    """It runs out while the snapshot is written, while what changes is staged, while it is committed, or never."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        root = disk / "vault"
        for number in range(300):
            path = root / f"scout/memory/user_{number:03}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(NOTE.format(1))
        (root / "scout/persona").mkdir()
        (root / "scout/persona/IDENTITY.md").write_text("# Scout\n")
        before = tree(root)
        with (disk / "ballast").open("wb") as file:
            free = os.statvfs(disk)
            file.write(bytes(free.f_bavail * free.f_frsize - room))

        shell = Shell(root, tmp_path)
        done = shell("migrate", "--to", "v2")
        after = tree(root, without=PRIVATE)
        (disk / "ballast").unlink()
        again = shell("migrate", "--to", "v2")

        if done.code == 0:
            assert all("schema_version: 2" in path.read_text() for path in root.glob("scout/memory/*.md"))
            assert "not above current" in again.err
        else:
            assert "the disk is full; nothing was written" in done.err
            assert after == before
            assert again.code == 0
        assert (done.code == 0) == (room > 140_000)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_spaces_and_other_scripts_in_the_vaults_path_are_no_matter(tmp_path: Path) -> None:
    root = tmp_path / "my vault, é 日本"
    for path, text in AGENT.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    before = tree(root)
    shell = Shell(root, tmp_path)

    there = shell("migrate", "--to", "v2", "--json")
    back = shell("migrate", "--rollback", str(there.value["snapshot"]))

    assert (there.code, back.code) == (0, 0)
    assert tree(root, without=PRIVATE) == before


def test_documents_that_do_not_change_are_not_written(make_vault: MakeVault, shell: Shell) -> None:
    current = NOTE.format(2).replace("confidence: high\n", "confidence: high\nprovenance: operator\n")
    root = make_vault({**AGENT, "scout/memory/user_current.md": current})
    paths = [root / "scout/memory/user_current.md", root / "scout/persona/IDENTITY.md"]
    before = [path.stat().st_mtime_ns for path in paths]

    assert shell("migrate", "--to", "v2").code == 0

    assert [path.stat().st_mtime_ns for path in paths] == before
