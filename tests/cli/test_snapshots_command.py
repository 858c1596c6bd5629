import datetime
import json
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
OLD = "---\nschema_version: 1\nname: {0}\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\n{0}\n"
A, B, W = "scout/memory/user_a.md", "scout/memory/user_b.md", "scout/wiki/page.md"
VAULT = {"scout/persona/IDENTITY.md": "# Scout\n", A: OLD.format("a"), B: OLD.format("b"), W: OLD.format("w")}
PRIVATE = (".atomic", "_migrations")
FIRST = "2026-05-01T120000_pre_v2_migration.tar.gz"


def workspace(root: Path, now: datetime.datetime = NOW) -> Workspace:
    opened = open_workspace(config.load(str(root), {}))
    opened.clock = lambda: now
    return opened


@pytest.fixture
def root(make_vault: MakeVault) -> Path:
    """A vault at v2 with one snapshot."""
    made = make_vault(VAULT)
    (made / A).chmod(0o600)
    upkeep.migrate(workspace(made), 2, skip_unreadable=False)
    return made


@pytest.fixture
def crowd(root: Path) -> list[str]:
    """Its snapshot and fourteen of rollbacks there and back, on a day each; oldest first."""
    name = FIRST
    for day in range(1, 15):
        name = upkeep.roll_back(workspace(root, NOW + datetime.timedelta(days=day)), name).safety
    return sorted(path.name for path in (root / "_migrations/snapshots").iterdir())


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "_migrations/snapshots").iterdir())


def cut(root: Path, name: str) -> None:
    path = root / "_migrations/snapshots" / name
    path.write_bytes(path.read_bytes()[:60])


def test_the_list_says_when_why_and_by_what(root: Path, shell: Shell) -> None:
    second = upkeep.roll_back(workspace(root, NOW + datetime.timedelta(hours=1)), FIRST).safety
    shell("snapshots", "pin", FIRST)

    done, value = shell("snapshots", "list"), shell("snapshots", "list", "--json").value

    assert [one["name"] for one in value] == [second, FIRST]
    assert [one["pinned"] for one in value] == [False, True]
    assert [(one["from"], one["to"], one["documents"]) for one in value] == [(2, 1, 3), (1, 2, 3)]
    assert value[1]["taken"] == NOW.isoformat()
    rows = done.out.splitlines()
    assert rows[0].split() == ["snapshot", "taken", "size", "pinned", "versions", "package", "reason"]
    assert rows[1].endswith(f"  roll back {FIRST}")
    assert " pinned  v1 to v2 " in rows[2]


def test_a_snapshot_that_cannot_be_opened_is_listed_with_what_is_wrong(root: Path, shell: Shell) -> None:
    cut(root, FIRST)

    done, (one,) = shell("snapshots", "list"), shell("snapshots", "list", "--json").value

    assert done.code == 0
    assert "cannot be opened: it is damaged: " in done.out
    assert (one["name"], one["taken"], one["problem"][:12]) == (FIRST, None, "is damaged: ")


def test_a_list_of_pins_that_cannot_be_read_stops_prune_and_not_the_list(
    crowd: list[str], root: Path, shell: Shell
) -> None:
    (root / "_migrations/pins.json").write_text("{")

    listed, pruned = shell("snapshots", "list"), shell("snapshots", "prune", "--yes", "--keep", "1")

    assert listed.code == 0
    assert listed.err.startswith("warning: _migrations/pins.json:1: ")
    assert (pruned.code, pruned.err[:30], names(root)) == (1, "error: _migrations/pins.json:1", crowd)


def test_what_a_snapshot_holds_is_shown(root: Path, shell: Shell) -> None:
    done, value = shell("snapshots", "show", FIRST), shell("snapshots", "show", FIRST, "--json").value

    assert value["folders"] == {"scout/memory": 2, "scout/wiki": 1}
    assert (value["files"][0]["path"], value["files"][0]["mode"]) == (A, "0600")
    assert (value["package"], value["created"], value["pinned"]) == (workspace_version(), [], False)
    assert "folder    scout/memory: 2 documents\n" in done.out
    assert done.out.splitlines()[-1].startswith("3 documents, ")
    assert shell("snapshots", "show", str(root / "_migrations/snapshots" / FIRST)).out == done.out


def workspace_version() -> str:
    from atomic_agents import __version__

    return __version__


def test_verify_names_what_is_damaged(crowd: list[str], root: Path, shell: Shell) -> None:
    good = shell("snapshots", "verify", crowd[0], crowd[1])
    cut(root, crowd[1])
    bad, one, value = (
        shell("snapshots", "verify"),
        shell("snapshots", "verify", crowd[0]),
        shell("snapshots", "verify", "--json"),
    )

    assert (good.code, good.out.splitlines()[-1]) == (0, "2 snapshots sound")
    assert (bad.code, bad.out.splitlines()[-1]) == (1, "not sound: 1 of 15 snapshots damaged")
    assert [line for line in bad.out.splitlines() if line.startswith(f"damaged  {crowd[1]}: is damaged: ")]
    assert (one.code, value.code) == (0, 1)
    assert [found["name"] for found in value.value if found["state"] == "damaged"] == [crowd[1]]


@pytest.mark.parametrize("verb", ["show", "verify", "pin", "restore"])
def test_a_snapshot_that_is_not_there_is_refused(verb: str, root: Path, shell: Shell) -> None:
    before = tree(root, without=(".atomic",))

    done = shell("snapshots", verb, "nothing.tar.gz")

    hint = "  hint: atomic-agents snapshots list\n"
    assert (done.code, done.err) == (1, f"error: there is no snapshot 'nothing.tar.gz'\n{hint}")
    assert tree(root, without=(".atomic",)) == before


def test_prune_keeps_the_last_ten_the_pinned_and_the_last_way_back(crowd: list[str], root: Path, shell: Shell) -> None:
    shell("snapshots", "pin", crowd[2])

    dry = shell("snapshots", "prune", "--dry-run")
    assert names(root) == crowd
    done = shell("snapshots", "prune", "--yes")

    gone = [crowd[1], *crowd[3:5]]
    assert names(root) == [name for name in crowd if name not in gone]
    assert [line.split()[1] for line in done.out.splitlines()[:-1]] == gone
    assert done.out.splitlines()[-1].endswith("; 12 kept")
    assert dry.out.splitlines()[:-1] == done.out.splitlines()[:-1]
    assert dry.out.splitlines()[-1].startswith("dry run: would prune 3 snapshots, ")
    line = json.loads((root / "_migrations/history.jsonl").read_text().splitlines()[-1])
    assert (line["outcome"], line["pruned"]) == ("pruned", gone)
    assert shell("snapshots", "prune", "--yes").out == "nothing to prune; 12 snapshots kept\n"
    assert shell("migrate", "--verify").code == 0


def test_prune_says_as_json_what_it_did_and_why(crowd: list[str], shell: Shell) -> None:
    value = shell("snapshots", "prune", "--keep", "2", "--yes", "--json").value

    assert (value["dry_run"], value["left"]) == (False, [])
    assert [one["name"] for one in value["pruned"]] == crowd[1:-2]
    assert [one["why"] for one in value["kept"]] == [
        "the newest",
        "one of the last 2",
        "the last way back from a migration",
    ]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_prune_asks_nobody_and_removes_nothing_without_yes(
    more: list[str], crowd: list[str], root: Path, shell: Shell
) -> None:
    done = shell("snapshots", "prune", "--keep", "3", *more)

    assert done.code == 2
    assert "atomic-agents snapshots prune --keep 3 --yes" in done.out + done.err
    assert names(root) == crowd


def test_prune_waits_for_no_migration(crowd: list[str], root: Path, shell: Shell) -> None:
    with workspace(root).store.lock("migration", wait=0):
        done = shell("snapshots", "prune", "--keep", "1", "--yes")

    assert (done.code, names(root)) == (5, crowd)


def test_prune_names_and_leaves_what_is_damaged_or_foreign(crowd: list[str], root: Path, shell: Shell) -> None:
    foreign = root / "_migrations/snapshots/2020-01-01T000000_pre_v1_migration.tar.gz"
    with tarfile.open(foreign, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("scout/x.md"))
    cut(root, crowd[0])

    done = shell("snapshots", "prune", "--keep", "1", "--yes")

    assert names(root) == [foreign.name, crowd[0], crowd[-1]]
    assert f"warning: {foreign.name} has no manifest, so it was not written by this package; it is left" in done.err
    assert f"warning: {crowd[0]} is damaged: " in done.err


def test_restore_without_more_is_the_rollback(root: Path, shell: Shell) -> None:
    done = shell("snapshots", "restore", FIRST)

    assert done.code == 0
    assert done.out == "rolled back to v1: 3 documents restored, 0 unchanged\n"
    assert (root / A).read_text() == VAULT[A]


def test_restore_of_a_path_leaves_all_others_alone(root: Path, shell: Shell) -> None:
    before = tree(root, without=PRIVATE)

    done = shell("snapshots", "restore", FIRST, A)

    after = tree(root, without=PRIVATE)
    assert done.out == "1 document restored, 0 unchanged; nothing else was touched\n"
    assert [path for path in before if before[path] != after[path]] == [A]
    assert ((root / A).read_text(), stat.S_IMODE((root / A).stat().st_mode)) == (VAULT[A], 0o600)
    (safety,) = [name for name in names(root) if name != FIRST]
    assert shell("migrate", "--rollback", safety).code == 0
    assert tree(root, without=PRIVATE) == before


def test_restore_of_a_folder_restores_what_is_in_it(root: Path, shell: Shell) -> None:
    (root / B).unlink()

    dry = shell("snapshots", "restore", FIRST, "scout/memory/", "--dry-run")
    done = shell("snapshots", "restore", FIRST, str(root / "scout/memory"), "--json").value

    assert dry.out.splitlines()[-1] == "dry run: 2 documents would be restored, 0 left unchanged; nothing was written"
    assert (done["restored"], done["unchanged"]) == ([A, B], 0)
    assert "schema_version: 2" in (root / W).read_text()


def test_restore_of_a_path_keeps_what_was_edited_beside(root: Path, shell: Shell) -> None:
    for path in (A, B):
        (root / path).write_text("edited\n")

    done = shell("snapshots", "restore", FIRST, A, "--json").value

    assert list(done["kept"]) == [A]
    assert (root / done["kept"][A]).read_text() == "edited\n"
    assert (root / B).read_text() == "edited\n"
    assert len(list((root / "scout/memory").iterdir())) == 3


def test_restore_of_a_path_that_the_snapshot_does_not_hold_is_refused(root: Path, shell: Shell) -> None:
    before = tree(root, without=(".atomic",))

    done = shell("snapshots", "restore", FIRST, A, "scout/mem")

    hint = f"  hint: atomic-agents snapshots show {FIRST}\n"
    assert (done.code, done.err) == (1, f"error: {FIRST} does not hold scout/mem\n{hint}")
    assert tree(root, without=(".atomic",)) == before


def test_restore_to_a_folder_writes_bytes_and_modes_there_and_nothing_here(
    root: Path, shell: Shell, tmp_path: Path
) -> None:
    before = tree(root)
    there = tmp_path / "a new one" / "deep"

    dry = shell("snapshots", "restore", FIRST, "--to", str(there), "--dry-run")
    made = there.exists()
    done = shell("snapshots", "restore", FIRST, "--to", str(there))
    some = shell("snapshots", "restore", FIRST, W, "--to", str(tmp_path / "some"), "--json").value

    assert (dry.out.splitlines()[:-1], made) == ([A, B, W], False)
    assert done.out == f"wrote 3 documents to {there}\n"
    assert {path: (there / path).read_text() for path in (A, B, W)} == {path: VAULT[path] for path in (A, B, W)}
    assert [stat.S_IMODE((there / path).stat().st_mode) for path in (A, B)] == [0o600, 0o644]
    assert (some["documents"], list(tree(tmp_path / "some"))) == ([W], [W])
    assert tree(root) == before


@pytest.mark.parametrize("where", ["full", "file", "file/new", "vault", "vault/new"])
def test_restore_to_a_folder_overwrites_nothing(where: str, root: Path, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    for path in ("full/mine.txt", "file"):
        (tmp_path / path).write_text("mine")
    before = tree(tmp_path, without=("home", "vault/.atomic"))

    done = shell("snapshots", "restore", FIRST, "--to", str(tmp_path / where))

    assert done.code == 1
    assert "hint: name " in done.err
    assert tree(tmp_path, without=("home", "vault/.atomic")) == before
    assert (root / A).is_file()


def test_a_pin_is_taken_away_again(root: Path, shell: Shell) -> None:
    said = [shell("snapshots", verb, FIRST).out for verb in ("pin", "pin", "unpin", "unpin")]

    assert said == [
        f"pinned {FIRST}\n", f"{FIRST} is pinned already\n", f"unpinned {FIRST}\n", f"{FIRST} is not pinned\n",
    ]  # fmt: skip
    assert json.loads((root / "_migrations/pins.json").read_text()) == {"pinned": {}}


@pytest.mark.skipif(shutil.which("script") is None or sys.platform != "linux", reason="no pseudo-terminal at hand")
@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal_prune_asks(answer: str, crowd: list[str], root: Path) -> None:
    line = f"{sys.executable} -m atomic_agents snapshots prune --keep 1 --root {root}"

    done = subprocess.run(
        ["script", "-qec", line, "/dev/null"],
        input=f"{answer}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "remove 13 snapshots for good? [y/N]" in done.stdout
    assert len(names(root)) == (2 if answer == "y" else len(crowd))
    assert done.returncode == (0 if answer == "y" else 130)
