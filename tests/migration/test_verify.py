import datetime
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.core.errors import SnapshotInvalid
from atomic_agents.migration import verify
from atomic_agents.migration.verify import Verified
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
NOW = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
NOTE = "---\n{0}name: a\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\na\n"
A, B = "scout/memory/user_a.md", "scout/memory/user_b.md"
VAULT = {"scout/persona/IDENTITY.md": "# Scout\n", A: NOTE.format("schema_version: 1\n"), B: NOTE.format("")}
HISTORY = "_migrations/history.jsonl"
SCRIPT = """
FROM_VERSION, TO_VERSION = {0}, {0} + 1
def applies_to(unit): return True
def migrate(unit):
    {1}unit.write_frontmatter({{**unit.read_frontmatter(), "schema_version": TO_VERSION}})
"""


def workspace(root: Path) -> Workspace:
    opened = open_workspace(config.load(str(root), {}))
    opened.clock = lambda: NOW
    return opened


def verified(root: Path) -> Verified:
    return upkeep.verify_history(workspace(root))


@pytest.fixture
def root(make_vault: MakeVault) -> Path:
    """A vault at v2 that came from v0 and v1 in two migrations."""
    made = make_vault(VAULT)
    upkeep.migrate_each(workspace(made), 2, skip_unreadable=False)
    return made


def snapshots(root: Path) -> list[Path]:
    return sorted((root / "_migrations/snapshots").iterdir())


def foreign(root: Path) -> str:
    path = root / "_migrations/snapshots/2025-01-01T000000_pre_v1_migration.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("scout/memory/user_a.md")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    return path.name


def test_a_vault_that_nothing_touched_is_what_its_history_says(root: Path) -> None:
    before = tree(root, without=(".atomic",))

    found = verified(root)

    assert (found.problems, found.unchanged, found.edited, dict(found.gone)) == ((), 2, (), {})
    assert found.last is not None
    assert (found.last.line, found.version) == (2, 2)
    assert tree(root, without=(".atomic",)) == before


def test_a_vault_without_history_agrees(make_vault: MakeVault) -> None:
    found = verified(make_vault(VAULT))

    assert (found.problems, found.last, found.way_back) == ((), None, None)


def test_an_edit_is_counted_and_is_no_failure(root: Path) -> None:
    (root / A).write_text((root / A).read_text() + "more\n")
    (root / "scout/memory/user_new.md").write_text(NOTE.format("schema_version: 2\n"))

    found = verified(root)

    assert (found.problems, found.unchanged, found.edited) == ((), 1, (A,))


def test_a_document_that_is_gone_is_named_with_the_way_to_have_it_back(root: Path) -> None:
    (root / B).unlink()

    (problem,) = verified(root).problems

    newest = snapshots(root)[-1].name
    assert (problem.path, problem.message) == (B, "is gone")
    assert problem.hint == f"atomic-agents snapshots restore {newest} {B}"


def test_a_document_at_a_lower_version_than_the_history_says_is_named(root: Path) -> None:
    (root / "scout/memory/user_old.md").write_text(NOTE.format("schema_version: 1\n"))

    (problem,) = verified(root).problems

    assert (problem.path, problem.message) == ("scout/memory/user_old.md", "is at v1; the history says v2")
    assert problem.hint == "python -m atomic_agents.migrate --to v2 --dry-run"


def test_the_way_back_must_be_there_and_sound(root: Path) -> None:
    newest = snapshots(root)[-1]
    whole = newest.read_bytes()

    newest.write_bytes(whole[:-30])
    damaged = verified(root)
    newest.unlink()
    gone = verified(root)

    assert [problem.path for problem in damaged.problems] == [f"_migrations/snapshots/{newest.name}"]
    assert damaged.problems[0].message.startswith("is damaged: ")
    assert [problem.message for problem in gone.problems] == [
        "is gone, and with it the way back from line 2 of the history"
    ]


def test_a_vault_that_was_rolled_back_agrees_and_so_does_one_brought_up_again(root: Path) -> None:
    first = snapshots(root)[0].name

    safety = upkeep.roll_back(workspace(root), first).safety
    down = verified(root)
    upkeep.roll_back(workspace(root), safety)
    up = verified(root)

    assert [(found.problems, found.unchanged) for found in (down, up)] == [((), 2), ((), 2)]
    assert [found.version for found in (down, up)] == [0, 2]


def test_a_torn_line_of_history_is_named(root: Path) -> None:
    with (root / HISTORY).open("a") as file:
        file.write('{"ts": "2026-05')

    found = verified(root)

    assert [problem.where for problem in found.problems] == [f"{HISTORY}:3"]
    assert found.unchanged == 2


def test_a_script_that_changed_after_it_ran_is_named_by_verify_and_by_status(
    make_vault: MakeVault, shell: Shell
) -> None:
    root = make_vault({**VAULT, "_migrations/v0_to_v1.py": SCRIPT.format(0, "")})
    upkeep.migrate(workspace(root), 2, skip_unreadable=False)
    quiet = shell("migrate", "--status")
    (root / "_migrations/v0_to_v1.py").write_text(SCRIPT.format(0, "# changed\n    "))

    status, as_json = shell("migrate", "--status"), shell("migrate", "--status", "--json").value
    (problem,) = verified(root).problems

    (changed,) = as_json["changed_scripts"]
    then, now = changed["ran_sha256"], changed["sha256"]
    assert problem.message == f"changed since it ran on 2026-05-01: sha256 {then} then, {now} now"
    assert (quiet.err, status.code) == ("", 0)
    assert status.err == f"warning: _migrations/v0_to_v1.py {problem.message}\n"
    (root / "_migrations/v0_to_v1.py").unlink()
    assert [one.message[:31] for one in verified(root).problems] == ["is gone since it ran on 2026-05"]


def test_a_line_of_the_other_implementation_and_a_foreign_snapshot_do_no_harm(root: Path) -> None:
    foreign(root)
    with (root / HISTORY).open("a") as file:
        file.write(json.dumps({"event": "restore", "to_version": 9}) + "\n")

    assert verified(root).problems == ()


def test_a_document_that_cannot_be_read_is_said_and_is_an_edit(root: Path) -> None:
    (root / A).write_bytes(b"---\n\xff\n---\n")

    found = verified(root)

    assert (found.problems, found.edited, [one.path for one in found.unreadable]) == ((), (A,), [A])


def test_the_states_of_a_snapshot(root: Path) -> None:
    store = workspace(root).store
    sound, cut = snapshots(root)
    cut.write_bytes(cut.read_bytes()[:-30])

    found = [verify.examine(store, name) for name in (sound.name, cut.name, foreign(root))]

    assert [one.state for one in found] == ["sound", "damaged", "foreign"]
    assert [one.manifest is None for one in found] == [False, True, True]
    with pytest.raises(SnapshotInvalid):
        verify.examine(store, "../pins.json")


def test_verify_ends_with_its_verdict(root: Path, shell: Shell) -> None:
    good, value = shell("migrate", "--verify"), shell("migrate", "--verify", "--json").value
    (root / A).write_text("edited\n")
    (root / B).unlink()
    bad, worse = shell("migrate", "--verify"), shell("migrate", "--verify", "--json")

    newest = snapshots(root)[-1].name
    assert (good.code, good.err) == (0, "")
    assert good.out.splitlines() == [
        "last       migrated on 2026-05-01, line 2 of the history",
        "version    v2 since",
        f"snapshot   {newest}, sound",
        "documents  2 unchanged since, 0 edited since, 0 gone",
        "verified: the vault is what its history says",
    ]
    assert (value["verified"], value["version"], value["last"]["line"], value["problems"]) == (True, 2, 2, [])
    assert value["snapshot"] == {"name": newest, "state": "sound", "why": ""}
    assert (bad.code, worse.code) == (1, 1)
    assert bad.err.startswith(f"error: {B}: is gone\n  hint: atomic-agents snapshots restore {newest} {B}\n")
    assert bad.out.splitlines()[-1] == "not verified: vault and history do not agree in 2 things"
    assert (worse.value["edited"], worse.value["gone"], worse.value["unchanged"]) == ([A], [B], 0)


def test_verify_of_a_vault_that_was_never_migrated_says_so(make_vault: MakeVault, shell: Shell) -> None:
    make_vault(VAULT)

    done = shell("migrate", "--verify")

    assert (done.code, done.out, done.err) == (0, "nothing was migrated here\n", "")
