import json
from collections.abc import Callable
from pathlib import Path

import pytest

from atomic_agents.testing.shell import Shell, tree

VAULTS = Path(__file__).parents[1] / "vaults"
PRIVATE = (".atomic", "_migrations")

VaultCopy = Callable[[str], Path]


@pytest.mark.parametrize("version", ["v0", "v1"])
class TestAFrozenVault:
    def test_arrives_at_the_current_version_byte_for_byte(
        self, version: str, vault_copy: VaultCopy, shell: Shell
    ) -> None:
        root = vault_copy(version)
        expected = tree(VAULTS / version) | tree(VAULTS / f"{version}_at_v2")

        done = shell("--to", "v2", module="atomic_agents.migrate")

        assert done.code == 0
        assert tree(root, without=PRIVATE) == expected

    def test_is_rewritten_only_where_it_changes(self, version: str, vault_copy: VaultCopy, shell: Shell) -> None:
        root = vault_copy(version)
        before = {path: (root / path).stat().st_mtime_ns for path in tree(root)}
        changed = set(tree(VAULTS / f"{version}_at_v2"))

        shell("migrate", "--to", "v2")

        after = {path: (root / path).stat().st_mtime_ns for path in before}
        assert {path for path in before if after[path] != before[path]} == changed

    def test_comes_back_byte_for_byte(self, version: str, vault_copy: VaultCopy, shell: Shell) -> None:
        root = vault_copy(version)
        before = tree(root)
        name = migrated(shell)

        done = shell("--rollback", name, module="atomic_agents.migrate")

        assert done.code == 0
        assert tree(root, without=PRIVATE) == before

    def test_is_found_current_afterwards(self, version: str, vault_copy: VaultCopy, shell: Shell) -> None:
        vault_copy(version)
        shell("migrate", "--to", "v2")

        status = shell("migrate", "--status", "--json").value

        assert (status["version"], status["needs_migration"], status["unreadable"]) == (2, False, [])

    def test_is_told_by_a_dry_run_that_writes_nothing(self, version: str, vault_copy: VaultCopy, shell: Shell) -> None:
        root = vault_copy(version)
        before = tree(root)

        plan = shell("migrate", "--to", "v2", "--dry-run", "--json").value

        assert set(plan["documents"]) == set(tree(VAULTS / f"{version}_at_v2"))
        assert tree(root) == before


def migrated(shell: Shell, *more: str) -> str:
    done = shell("migrate", "--to", "v2", "--json", *more)

    assert done.code == 0, done.err
    return str(done.value["snapshot"])


def test_each_step_of_a_chain_sees_what_the_one_before_it_made(vault_copy: VaultCopy, shell: Shell) -> None:
    vault_copy("v0")

    plan = shell("migrate", "--to", "v2", "--dry-run", "--json").value

    assert [step["name"] for step in plan["steps"]] == ["v0_to_v1", "v1_to_v2"]
    assert plan["documents"]["memory/memory/user_elsbeth.md"] == [
        {"set": ["schema_version"]},
        {"set": ["schema_version", "provenance"], "dropped": []},
    ]


def test_one_version_at_a_time_leads_to_the_same(vault_copy: VaultCopy, shell: Shell) -> None:
    root = vault_copy("v0")

    assert shell("migrate", "--to", "v1").code == 0
    assert shell("migrate", "--status", "--json").value["by_version"] == {"v1": 14}
    assert shell("migrate", "--to", "2").code == 0
    assert tree(root, without=PRIVATE) == tree(VAULTS / "v0") | tree(VAULTS / "v0_at_v2")


def test_what_is_not_a_versioned_document_is_never_touched(vault_copy: VaultCopy, shell: Shell) -> None:
    root = vault_copy("v1")
    others = {
        ".git/HEAD": "ref: refs/heads/main\n",
        ".git/memory/user_x.md": "---\nname: x\n---\n",
        ".obsidian/workspace.json": "{}",
        "_dashboard/index.html": "<p>",
        "_cache/x": "x",
        "orchard/log/2026-05/2026-05-02.jsonl": "torn",
        "orchard/memory/.versions/x/1.md": "---\nname: x\n---\n",
        "orchard/persona/SOUL.md": "---\nschema_version: 1\n---\nsoul\n",
        "notes.txt": "memory",
    }
    for path, text in others.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    agent = root / "snapshots"
    (agent / "persona").mkdir(parents=True)
    (agent / "persona/IDENTITY.md").write_text("# IDENTITY\n")
    (agent / "memory").mkdir()
    (agent / "memory/user_y.md").write_text("---\nname: y\n---\n")
    before = tree(root)

    name = migrated(shell)
    between = tree(root, without=PRIVATE)
    shell("migrate", "--rollback", name)

    changed = {path for path in before if between[path] != before[path]}
    assert changed == set(tree(VAULTS / "v1_at_v2")) | {"snapshots/memory/user_y.md"}
    assert tree(root, without=PRIVATE) == before


def test_permission_bits_are_kept(vault_copy: VaultCopy, shell: Shell) -> None:
    root = vault_copy("v1")
    (root / "orchard/memory/user_volunteers.md").chmod(0o640)
    (root / "orchard/model.md").chmod(0o604)
    modes = {path: mode for path, (_, mode) in tree(root).items()}

    name = migrated(shell)
    migrated_modes = {path: mode for path, (_, mode) in tree(root, without=PRIVATE).items()}
    shell("migrate", "--rollback", name)

    assert migrated_modes == modes
    assert {path: mode for path, (_, mode) in tree(root, without=PRIVATE).items()} == modes


def test_every_migration_and_rollback_leaves_one_line_of_history(vault_copy: VaultCopy, shell: Shell) -> None:
    root = vault_copy("v0")

    first = migrated(shell)
    shell("migrate", "--rollback", first)

    lines = [json.loads(line) for line in (root / "_migrations/history.jsonl").read_text().splitlines()]
    assert [(line["outcome"], line["from_version"], line["to_version"]) for line in lines] == [
        ("migrated", 0, 2),
        ("rolled back", 2, 0),
    ]
    assert lines[0]["counts"] == {"note": 11, "wiki": 1, "settings": 2}
    assert {"ts", "who", "package", "steps", "snapshot"} <= set(lines[0])


def test_a_root_with_spaces_and_other_scripts_is_as_good_as_any(tmp_path: Path, vault_copy: VaultCopy) -> None:
    root = vault_copy("v0").rename(tmp_path / "die Fähre 渡し船 $HOME's")
    shell = Shell(root, tmp_path)

    name = migrated(shell)
    done = shell("migrate", "--root", str(root), "--rollback", name)

    assert done.code == 0
    assert tree(root, without=PRIVATE) == tree(VAULTS / "v0")
    assert f"--root '{tmp_path}/die Fähre 渡し船 $HOME'\"'\"'s' --rollback" in done.err


def test_the_samples_are_clean_after_their_migration(vault_copy: VaultCopy, shell: Shell) -> None:
    vault_copy("samples")

    migrated(shell)

    done = shell("doctor")
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) <= 6
