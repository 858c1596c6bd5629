import datetime
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from atomic_agents import config
from atomic_agents.bootstrap import open_workspace
from atomic_agents.migration import snapshot
from atomic_agents.operations import upkeep
from atomic_agents.operations.workspace import Workspace
from atomic_agents.testing.shell import Shell, tree

MakeVault = Callable[[Mapping[str, str | bytes]], Path]
PRIVATE = (".atomic", "_migrations")
OLD = "---\nschema_version: 1\nname: {0}\ndescription: d\ntype: user\nconfidence: high\nsources: [s]\n---\n\n{0}\n"
VAULT = {
    "scout/persona/IDENTITY.md": "# Scout\n",
    "scout/memory/user_a.md": OLD.format("a"),
    "scout/memory/user_b.md": OLD.format("b"),
}


def migrate(shell: Shell, to: str = "v2") -> str:
    done = shell("migrate", "--to", to, "--json")

    assert done.code == 0, done.err
    return str(done.value["snapshot"])


def rolled_back(shell: Shell, name: str, *more: str) -> dict[str, object]:
    done = shell("migrate", "--rollback", name, "--json", *more)

    assert done.code == 0, done.err
    value = done.value
    assert isinstance(value, dict)
    return value


def test_a_rollback_keeps_what_came_since(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    name = migrate(shell)
    since = {
        "scout/memory/user_new.md": "---\nschema_version: 2\nname: new\n---\nnew\n",
        "scout/journal/2026-05/2026-05-01.md": "# a day\n",
        "scout/log/2026-05/2026-05-01.jsonl": "{}\n",
    }
    make_vault(since)

    done = rolled_back(shell, name)

    assert tree(root, without=PRIVATE) == tree(make_vault({**VAULT, **since}), without=PRIVATE)
    assert (done["restored"], done["kept"]) == (["scout/memory/user_a.md", "scout/memory/user_b.md"], {})


def test_a_document_edited_since_is_kept_beside_and_named(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    name = migrate(shell)
    edited = (root / "scout/memory/user_a.md").read_text() + "\nedited by hand\n"
    (root / "scout/memory/user_a.md").write_text(edited)

    done = shell("migrate", "--rollback", name)

    (beside,) = (root / "scout/memory").glob("*.edited-*")
    assert re.fullmatch(r"user_a\.md\.edited-\d{4}-\d\d-\d\dT\d{6}", beside.name)
    assert f"scout/memory/user_a.md was edited since; what it said is kept as scout/memory/{beside.name}" in done.err
    assert beside.read_text() == edited
    assert (root / "scout/memory/user_a.md").read_text() == VAULT["scout/memory/user_a.md"]
    assert "2 notes" not in done.out
    assert len(shell("memory", "list", "scout", "--json").value["notes"]) == 2


def test_a_note_with_a_very_long_name_is_kept_beside_too(make_vault: MakeVault, shell: Shell) -> None:
    path = f"scout/memory/user_{'渡' * 80}.md"
    root = make_vault({**VAULT, path: OLD.format("long")})
    name = migrate(shell)
    (root / path).write_text("edited")

    done = rolled_back(shell, name)

    assert (root / str(dict(done["kept"])[path])).read_text() == "edited"  # type: ignore[call-overload]  # JSON


def test_a_document_that_no_other_system_could_hold_is_kept_in_a_place_that_can_be(
    make_vault: MakeVault, shell: Shell
) -> None:
    path = 'scout/memory/what: "why?".md'
    root = make_vault({**VAULT, path: OLD.format("odd")})
    name = migrate(shell)
    (root / path).write_text("edited")

    rolled_back(shell, name)

    (kept,) = (root / "_migrations/edited").iterdir()
    assert kept.read_text() == "edited"
    assert (root / path).read_text() == OLD.format("odd")


def test_a_deleted_document_comes_back(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    before = tree(root)
    name = migrate(shell)
    (root / "scout/memory/user_a.md").unlink()

    rolled_back(shell, name)

    assert tree(root, without=PRIVATE) == before


def test_a_rollback_is_undone_by_its_own_snapshot(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    name = migrate(shell)
    (root / "scout/memory/user_a.md").write_text("edited\n")
    (root / "scout/memory/user_b.md").unlink()
    before = tree(root, without=PRIVATE)

    safety = str(rolled_back(shell, name)["safety_snapshot"])
    assert tree(root, without=PRIVATE) != before
    undone = rolled_back(shell, safety)

    assert tree(root, without=PRIVATE) == before
    assert undone["kept"] == {}


def test_a_second_rollback_finds_nothing_to_do(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    name = migrate(shell)
    rolled_back(shell, name)
    before = tree(root)

    done = rolled_back(shell, name)

    assert done == {
        "snapshot": name, "restored": [], "removed": [], "unchanged": 2, "kept": {}, "left_alone": {},
        "safety_snapshot": "",
    }  # fmt: skip
    assert tree(root) == before


def test_several_migrations_are_rolled_back_at_once_without_taking_them_for_edits(
    make_vault: MakeVault, shell: Shell
) -> None:
    root = make_vault({path: text.replace("schema_version: 1\n", "") for path, text in VAULT.items()})
    before = tree(root)
    first = migrate(shell, "v1")
    migrate(shell, "v2")

    done = rolled_back(shell, first)

    assert done["kept"] == {}
    assert tree(root, without=PRIVATE) == before


def test_an_edit_between_two_migrations_is_still_an_edit(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault({path: text.replace("schema_version: 1\n", "") for path, text in VAULT.items()})
    first = migrate(shell, "v1")
    path = "scout/memory/user_a.md"
    (root / path).write_text((root / path).read_text() + "edited\n")
    migrate(shell, "v2")

    done = rolled_back(shell, first)

    kept = done["kept"]
    assert isinstance(kept, dict)
    assert list(kept) == [path]
    assert (root / kept[path]).read_text().endswith("a\nedited\n")


def test_a_rollback_that_was_stopped_before_it_wrote_is_no_edit(make_vault: MakeVault) -> None:
    opened = workspace(make_vault(VAULT), datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC))
    name = upkeep.migrate(opened, 2, skip_unreadable=False).snapshot
    draft = upkeep.plan_rollback(opened, name)
    stopped = snapshot.describe(
        "2026-05-01T120001_pre_rollback.tar.gz", opened.clock(), "stopped", (2, 1), draft.safety, draft.created
    )
    snapshot.keep(opened.store, stopped, map(draft.spool.get, draft.spans))

    done = upkeep.roll_back(opened, name)

    assert (len(done.restored), done.kept) == (2, {})


def test_a_dry_run_of_a_rollback_shows_it_and_writes_nothing(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    name = migrate(shell)
    before = tree(root)

    done = shell("migrate", "--rollback", name, "--dry-run")

    assert (done.code, tree(root)) == (0, before)
    assert "-schema_version: 2" in done.out
    assert done.out.splitlines()[-1] == (
        "dry run: 2 documents would be restored, 0 left unchanged; nothing was written"
    )


def test_a_snapshot_may_be_named_by_its_path(make_vault: MakeVault, shell: Shell) -> None:
    root = make_vault(VAULT)
    name = migrate(shell)

    by_path = rolled_back(shell, str(root / "_migrations/snapshots" / name), "--dry-run")
    from_root = rolled_back(shell, f"_migrations/snapshots/{name}", "--dry-run")

    assert by_path == from_root
    assert by_path["snapshot"] == name


def workspace(root: Path, now: datetime.datetime) -> Workspace:
    opened = open_workspace(config.load(str(root), {}))
    opened.clock = lambda: now
    return opened


def test_snapshots_of_one_second_have_names_of_their_own(make_vault: MakeVault) -> None:
    now = datetime.datetime(2026, 5, 1, 12, 0, 0, tzinfo=datetime.UTC)
    opened = workspace(make_vault(VAULT), now)

    first = upkeep.migrate(opened, 2, skip_unreadable=False).snapshot
    second = upkeep.roll_back(opened, first).safety
    third = upkeep.migrate(opened, 2, skip_unreadable=False).snapshot

    assert [listed.name for listed in upkeep.snapshots(opened)] == [third, second, first]
    assert [third, second, first] == [
        "2026-05-01T120002_pre_v2_migration.tar.gz",
        "2026-05-01T120001_pre_rollback.tar.gz",
        "2026-05-01T120000_pre_v2_migration.tar.gz",
    ]
